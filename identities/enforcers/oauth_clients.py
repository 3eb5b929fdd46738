"""Clients at OAuth servers: what an installation says of each, and how one proves who it is.

Owns the settings under `oauth` (configured.py), client authentication (RFC 6749 section 2.3.1,
RFC 7523) and the tokens that are held for a client. Must not know what is done with a token.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import quote, urlsplit
from uuid import uuid4

import orjson
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from evidence.sources import secrets as references

from .addresses import WHO
from .configured import Entry, wrong
from .contract import PermanentFailure
from .web import Web

METHODS = ("client_secret_basic", "client_secret_post", "private_key_jwt")
KEYS: dict[str, type[RSAKey | ECKey]] = {"RS256": RSAKey, "PS256": RSAKey, "ES256": ECKey}
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_SECONDS = 120
# The name of a token becomes part of a file's or variable's name.
NAME = re.compile(r"[A-Za-z0-9_~-][A-Za-z0-9._~-]{0,199}")

type Kind = Literal["access_token", "refresh_token"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """One client at one server. `secret` and `tokens` are references; `{name}` stands in `tokens`
    for the name by which evidence knows a token."""

    issuer: str
    client_id: str
    realms: tuple[str, ...]
    secret: str
    tokens: str
    authentication: str = "client_secret_basic"
    algorithm: str = "RS256"  # of private_key_jwt
    key_id: str = ""
    audience: str = ""
    revocation_endpoint: str = ""
    introspection_endpoint: str = ""
    # How long the server's access tokens live, for those that nobody can name.
    access_token_seconds: int | None = None
    ca_file: str = ""

    @property
    def administrator(self) -> str:
        return f"the administrator of {self.issuer}"


_TEXTS = frozenset(Client.__dataclass_fields__) - {"realms", "access_token_seconds"}
_NEEDED = ("issuer", "client_id", "secret", "tokens")


def client(entry: Entry) -> Client:
    """The client an entry of the settings describes. Raises PermanentFailure with what is wrong."""
    where = f"oauth, {entry.get('issuer', 'an entry without issuer')}"
    unknown = sorted(str(one) for one in set(entry) - set(Client.__dataclass_fields__))
    if unknown:
        raise wrong(f"{where}: there is no {unknown[0]}")
    for name in _TEXTS & set(entry):
        if not isinstance(entry[name], str):
            raise wrong(f"{where}: {name} is no text")
    for name in _NEEDED:
        if not entry.get(name):
            raise wrong(f"{where}: {name} is missing")
    realms = entry.get("realms")
    if not isinstance(realms, list) or not realms or not all(isinstance(r, str) for r in realms):
        raise wrong(f"{where}: realms is no list of the realms whose tokens it issues")
    life = entry.get("access_token_seconds")
    if life is not None and (type(life) is not int or life <= 0):
        raise wrong(f"{where}: access_token_seconds is no number of seconds")
    made = Client(**{**entry, "realms": tuple(realms)})
    if made.authentication not in METHODS:
        raise wrong(f"{where}: authentication is none of {', '.join(METHODS)}")
    if made.algorithm not in KEYS:
        raise wrong(f"{where}: algorithm is none of {', '.join(KEYS)}")
    if "{name}" not in made.tokens:
        raise wrong(f"{where}: tokens does not say where {{name}} stands in it")
    for name in ("secret", "tokens"):
        said = references.wrong(getattr(made, name).replace("{name}", "name"))
        if said:
            raise wrong(f"{where}: {name}: {said}")
    parts = urlsplit(made.issuer)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise wrong(f"{where}: issuer is no address")
    return made


def authenticated(
    web: Web, client: Client, form: Mapping[str, str], *, audience: str
) -> dict[str, Any]:
    """The form and headers of a request by this client. `audience`: for whom a statement is."""
    secret = web.secret(client.secret, called="secret")
    match client.authentication:
        case "client_secret_basic":
            # Each is encoded before they are joined: RFC 6749, section 2.3.1.
            # A blank as %20, which servers read alike whichever of the two decodings they use.
            both = f"{quote(client.client_id, safe='')}:{quote(secret, safe='')}"
            header = f"Basic {b64encode(both.encode()).decode()}"
            return {"data": dict(form), "headers": {"Authorization": header}}
        case "client_secret_post":
            return {"data": {**form, "client_id": client.client_id, "client_secret": secret}}
        case _:
            stated = web.discreet(_statement(client, secret, audience, web.now()))
            said = {"client_assertion_type": ASSERTION, "client_assertion": stated}
            return {"data": {**form, **said, "client_id": client.client_id}}


def _statement(client: Client, key: str, audience: str, now: datetime) -> str:
    """Who we are, signed, for one request (RFC 7523, section 3)."""
    begins = int(now.timestamp())
    claims = {
        "iss": client.client_id,
        "sub": client.client_id,
        "aud": client.audience or audience,
        "jti": str(uuid4()),
        "iat": begins,
        "exp": begins + ASSERTION_SECONDS,
    }
    header = {"alg": client.algorithm, **({"kid": client.key_id} if client.key_id else {})}
    try:
        signer = KEYS[client.algorithm].import_key(key)
        return jwt.encode(header, claims, signer, algorithms=[client.algorithm])
    except (ValueError, TypeError, JoseError):
        raise PermanentFailure(
            f"The secret of {client.client_id} is no private key in PEM for {client.algorithm}.",
            who_must_act=WHO,
        ) from None


@dataclass(frozen=True, slots=True)
class Held:
    """What is held of one token: itself, or the answer of a token endpoint with both of them."""

    access: str = field(default="", repr=False)
    refresh: str = field(default="", repr=False)
    seconds: int | None = None  # how long an access token lives, as the server said

    def each(self) -> list[tuple[Kind, str]]:
        """The refresh token first: it would fetch another access token."""
        both: list[tuple[Kind, str]] = [
            ("refresh_token", self.refresh),
            ("access_token", self.access),
        ]
        return [(kind, token) for kind, token in both if token]


def held(web: Web, client: Client, name: str) -> Held:
    """The token of this name. RFC 7009 takes the token itself, which evidence never holds.

    Raises PermanentFailure when nobody put it where the settings say.
    """
    if NAME.fullmatch(name) is None:
        raise _not_held(client, name, "its name cannot be part of a file's or variable's")
    try:
        text = web.secret(client.tokens.replace("{name}", name), called="tokens")
    except PermanentFailure as problem:
        raise _not_held(client, name, problem.reason) from None
    if not text.startswith("{"):
        return Held(access=text)
    try:
        found = orjson.loads(text)
    except ValueError:
        raise _not_held(client, name, "what lies there is damaged JSON") from None
    both = {kind: found.get(f"{kind}_token") or "" for kind in ("access", "refresh")}
    if not any(both.values()) or not all(type(token) is str for token in both.values()):
        raise _not_held(client, name, "what lies there names no token")
    for token in filter(None, both.values()):
        web.discreet(token)
    seconds = found.get("expires_in")
    return Held(**both, seconds=seconds if type(seconds) is int and seconds > 0 else None)


def _not_held(client: Client, name: str, why: str) -> PermanentFailure:
    return PermanentFailure(
        f"The token {name} is not held here, and {client.issuer} revokes only what it is shown:"
        f" {why.removesuffix('.')}. Put it there, or revoke it at the server by hand.",
        who_must_act="whoever holds the token",
    )


@dataclass(frozen=True, slots=True)
class Contained:
    """Whether a token says by itself what it allows, and until when."""

    itself: bool
    until: datetime | None = None


def contained(token: str) -> Contained:
    """A token in three or five parts (RFC 9068, RFC 7519) may be taken without asking the server;
    of an encrypted one the end cannot be read. The signature is not checked: it is only a bound."""
    dots = token.count(".")
    if dots == 4:
        return Contained(itself=True)
    if dots != 2:
        return Contained(itself=False)
    try:
        claims = orjson.loads(jws.extract_compact(token.encode()).payload)
        ends = claims.get("exp")
        until = datetime.fromtimestamp(ends, UTC) if type(ends) in (int, float) else None
    except (ValueError, AttributeError, OverflowError, OSError, JoseError):
        return Contained(itself=False)
    return Contained(itself=True, until=until)


def only(clients: list[Client], name: str) -> Client:
    """The client that a stored target names. Raises PermanentFailure when it is set up no more."""
    for one in clients:
        if one.client_id == name:
            return one
    raise wrong(f"oauth: the client {name} is set up no more")
