"""The keys that our signals are signed with, and what they are sealed with in the database.

Owns reading them by reference from the enforcers' file, the JWKS that receivers check with, and
encrypting the Authorization header that a receiver asks us to send: it is their secret, and has to
be kept until the next push.

    signals:
      - key: file:/etc/countersign/signals.pem     # signs
        also: [file:/etc/countersign/old.pem]      # published, so that what they signed is checked
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from django.conf import settings
from joserfc import jwe, jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OctKey, RSAKey

from evidence.sources import secrets as references
from evidence.sources.failures import Stopped

from .addresses import WHO
from .configured import entries, wrong
from .contract import PermanentFailure

TYPE = "secevent+jwt"  # RFC 8417, 2.3
SHORTEST_RSA = 2048


class Key(NamedTuple):
    """One key with the algorithm it signs with."""

    key: ECKey | RSAKey
    algorithm: str
    kid: str
    private: bool

    def public(self) -> dict[str, Any]:
        """As a JWKS lists it."""
        own = {"kid": self.kid, "use": "sig", "alg": self.algorithm}
        return {**self.key.as_dict(private=False), **own}


def keys() -> list[Key]:
    """The keys of this installation, the one that signs first. Raises PermanentFailure."""
    found = entries(settings.ENFORCERS, "signals")
    if not found:
        raise PermanentFailure(
            "Signals are not set up: name a key under signals in the enforcers' file"
            " (COUNTERSIGN_ENFORCERS).",
            who_must_act=WHO,
        )
    if len(found) > 1:
        raise wrong("signals is set up twice; one key signs, others are listed in its also")
    entry = found[0]
    also = entry.get("also", [])
    if not isinstance(also, list) or len(also) > 20:
        raise wrong("also of signals is no list of references to keys")
    made = [_key(reference) for reference in (entry.get("key"), *also)]
    if not made[0].private:
        raise wrong("key of signals is a public key: what signs is a private one")
    return made


def _key(reference: object) -> Key:
    try:
        pem = references.read(str(reference or ""), called="key")
    except Stopped as problem:
        raise PermanentFailure(f"{problem.what} {problem.fix}", who_must_act=WHO) from None
    return read(pem)


@lru_cache(maxsize=32)
def read(pem: str) -> Key:
    """A key in PEM: P-256 signs with ES256, RSA with RS256. Raises PermanentFailure."""
    for kind, algorithm in ((ECKey, "ES256"), (RSAKey, "RS256")):
        try:
            key = kind.import_key(pem)
        except (JoseError, ValueError, TypeError):
            continue
        if isinstance(key, ECKey) and key.curve_name != "P-256":
            raise wrong(f"a key of signals is on the curve {key.curve_name}; take P-256 or RSA")
        if isinstance(key, RSAKey) and key.raw_value.key_size < SHORTEST_RSA:
            raise wrong(f"an RSA key of signals is shorter than {SHORTEST_RSA} bits")
        return Key(key, algorithm, key.thumbprint(), key.is_private)
    raise wrong("a key of signals is no P-256 or RSA key in PEM without a password")


def jwks() -> dict[str, Any]:
    """What our `jwks_uri` answers with. Raises PermanentFailure."""
    found = {one.kid: one.public() for one in keys()}
    return {"keys": list(found.values())}


def signed(claims: Mapping[str, Any], key: Key) -> str:
    """The claims as a signed SET."""
    header = {"alg": key.algorithm, "typ": TYPE, "kid": key.kid}
    return jwt.encode(header, dict(claims), key.key, algorithms=[key.algorithm])


# --- what a receiver asked us to send ------------------------------------------------------------


def _sealing() -> OctKey:
    secret = hmac.new(settings.DIGEST_KEY, b"the authorization of signal streams", "sha256")
    return OctKey.import_key(secret.digest())


def sealed(text: str) -> str:
    """The text, readable with this installation's own key alone."""
    header = {"alg": "dir", "enc": "A256GCM"}
    return jwe.encrypt_compact(header, text.encode(), _sealing())


def opened(text: str) -> str:
    """What was sealed. Raises PermanentFailure where it was with another key."""
    try:
        plain = jwe.decrypt_compact(text, _sealing()).plaintext
    except (JoseError, ValueError):
        plain = None
    if plain is None:
        raise PermanentFailure(
            "The Authorization header that this receiver asked for cannot be read any more: the key"
            " of this installation has changed. The receiver sets it again.",
            who_must_act="whoever runs the receiver",
        )
    return plain.decode()
