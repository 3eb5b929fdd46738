"""The key that signs the ledger's head, and what is signed.

A statement is a JWS in compact form (RFC 7515), algorithm Ed25519 (RFC 9864), `kid` the RFC 7638
thumbprint, over the RFC 8785 form of ``iss, ledger, number, hash, tree, at, version``. Every public key
that ever signed is kept in the database, so that old statements are checked after a key is changed.
"""

from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

import orjson
import rfc8785
from django.conf import settings
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from evidence.ledger import moment
from evidence.sources import secrets
from evidence.stores.anchors.configured import wrong

ALGORITHM = "Ed25519"
TYPE = "countersign-anchor+jws"
LEDGER, VERSION = "countersign", 1
LARGEST = 16_384


class Forged(Exception):
    """What is no statement of ours: the sentence says why."""


class Unknown(Forged):
    """A statement whose key is not known: the sentence says which."""


class Said(NamedTuple):
    """What a statement says, and by which key."""

    number: int
    hash: bytes
    tree: bytes
    kid: str


def signing(reference: str) -> OKPKey:
    """The key that signs. Raises Stopped."""
    return _private(secrets.read(reference, called="key"))


@lru_cache(maxsize=4)
def _private(pem: str) -> OKPKey:
    try:
        key = OKPKey.import_key(pem)
    except (JoseError, ValueError, TypeError):
        raise wrong("key is no Ed25519 key in PEM without a password") from None
    if key.curve_name != "Ed25519" or not key.is_private:
        raise wrong("key is no private Ed25519 key")
    return key


def public(key: OKPKey) -> dict[str, Any]:
    """The public half as a JWKS lists it."""
    return {**key.as_dict(private=False), "kid": key.thumbprint(), "use": "sig", "alg": ALGORITHM}


def names(kid: str, jwk: dict[str, Any]) -> bool:
    """Whether this is the key that has this id."""
    try:
        key = OKPKey.import_key({name: jwk[name] for name in ("kty", "crv", "x")})
    except (JoseError, ValueError, KeyError, TypeError):
        return False
    return bool(key.thumbprint() == kid)


def signed(number: int, digest: bytes, tree: bytes, key: OKPKey, *, now: datetime) -> str:
    """A statement: as of now seal `number` of this ledger has this hash, and the rows this root."""
    said: dict[str, Any] = {
        "iss": settings.BASE_URL,
        "ledger": LEDGER,
        "number": number,
        "hash": digest.hex(),
        "tree": tree.hex(),
        "at": moment(now),
        "version": VERSION,
    }
    return over(rfc8785.dumps(said), key, kind=TYPE)


def over(payload: bytes, key: OKPKey, *, kind: str) -> str:
    """These bytes, signed as something of this kind."""
    header = {"alg": ALGORITHM, "typ": kind, "kid": key.thumbprint()}
    return jws.serialize_compact(header, payload, key, algorithms=[ALGORITHM])


def said_by(text: str, jwks: dict[str, dict[str, Any]]) -> Said:
    """What a statement says, once its signature fits one of these keys, by kid. Raises Forged."""
    said, kid = payload(text, jwks, kind=TYPE)
    try:
        number, digest, tree = said["number"], *map(bytes.fromhex, (said["hash"], said["tree"]))
    except (ValueError, KeyError, TypeError):
        raise Forged("it is no statement about a ledger") from None
    if type(number) is not int or {len(digest), len(tree)} != {32}:
        raise Forged("it is no statement about a ledger")
    return Said(number, digest, tree, kid)


def payload(text: str, jwks: dict[str, dict[str, Any]], *, kind: str) -> tuple[Any, str]:
    """What was signed as something of this kind by one of these keys, and by which. Raises Forged."""
    if len(text) > LARGEST or not text.isascii():
        raise Forged("it is no signed statement")
    try:
        header = jws.extract_compact(text.strip().encode()).headers()
        kid = str(header.get("kid"))
        known = jwks.get(kid)
        if header.get("typ") != kind:
            raise Forged("it is no statement about a ledger")
        if known is None:
            raise Unknown(f"it is signed by a key that is not known here ({kid[:60]})")
        key = OKPKey.import_key({name: known[name] for name in ("kty", "crv", "x")})
        found = jws.deserialize_compact(text.strip(), key, algorithms=[ALGORITHM])
        return orjson.loads(found.payload), kid
    except Forged:
        raise
    except (JoseError, ValueError, KeyError, TypeError):
        raise Forged("its signature does not fit what it says") from None
