"""Whether a SET is what its issuer signed for us: typ, signature, issuer, audience, time, event.

Owns the checks of RFC 8417 and SSF 1.0, 4.1, in words of RFC 8935, and what is kept of a token: its
claims and header, and the digest of the token itself. A token is no text to keep: who reads it could
show it elsewhere. Pure.
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, NamedTuple

import orjson
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, RSAKey

ALGORITHMS = ("RS256", "ES256", "PS256", "ES384", "RS384", "PS384", "ES512", "RS512", "PS512")
TYPE = "secevent+jwt"
LARGEST = 256 * 1024
LONGEST_JTI = 1_000
DEEPEST = 32
# Clocks may be apart; and what is older was kept back for longer than anybody holds it.
AHEAD, OLDEST = 300.0, 366 * 86_400.0
LONGEST_SAID = 300
# Of a complex subject (formats/signals.py).
READ_MEMBERS = frozenset({"user", "application", "workload", "session"})


class NotTaken(Exception):
    """Why a SET is refused: `err` is a code of RFC 8935 or SSF 1.0."""

    def __init__(self, err: str, said: str) -> None:
        super().__init__(f"{err}: {said}")
        self.err, self.said = err, said[:LONGEST_SAID]


class Discarded(NotTaken):
    """It is whole, and may not be used: taken from its sender, and kept as refused."""


class UnknownKey(NotTaken):
    """It is signed with a key that its issuer did not publish when we last looked."""


class Checked(NamedTuple):
    """A SET that is what it says."""

    claims: dict[str, Any]

    @property
    def jti(self) -> str:
        return str(self.claims["jti"])

    @property
    def event(self) -> str:
        """The URI of its event."""
        return str(next(iter(self.claims["events"])))


def kid_of(token: bytes) -> str | None:
    """The key that a token says it is signed with. Raises NotTaken for what is no token."""
    if len(token) > LARGEST:
        raise NotTaken("invalid_request", f"A SET has at most {LARGEST >> 10} KiB.")
    try:
        header = jws.extract_compact(token).headers()
    except (JoseError, ValueError, TypeError, KeyError, RecursionError):
        header = None
    if type(header) is not dict:
        raise NotTaken("invalid_request", "This is no signed token in compact form.")
    if str(header.get("typ", "")).lower().removeprefix("application/") != TYPE:
        raise NotTaken("invalid_request", f"The type of the token is not {TYPE}.")
    if header.get("alg") not in ALGORITHMS:
        raise NotTaken("invalid_key", "The token is not signed with RSA or ECDSA.")
    kid = header.get("kid")
    return kid if type(kid) is str else None


def keys_of(document: Any) -> KeySet:
    """The signing keys of a JWKS; what is none, or for something else, is passed over."""
    found: list[Any] = []
    listed = document.get("keys") if type(document) is dict else None
    for one in listed if type(listed) is list else ():
        if type(one) is not dict or one.get("use", "sig") != "sig":
            continue
        public = {name: value for name, value in one.items() if name not in _PRIVATE}
        try:
            match one.get("kty"):
                case "RSA":
                    found.append(RSAKey.import_key(public))
                case "EC":
                    found.append(ECKey.import_key(public))
        except (JoseError, ValueError, TypeError, KeyError):
            continue
    return KeySet(found)


_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


def checked(token: bytes, keys: KeySet, *, issuer: str, audience: str, now: float) -> Checked:
    """The SET. Raises NotTaken; UnknownKey where newer keys may help. Times in seconds."""
    kid = kid_of(token)
    fitting = [one for one in keys.keys if kid is None or one.kid == kid]
    if not fitting:
        raise UnknownKey("invalid_key", "The issuer publishes no such key.")
    found = None
    for key in fitting:
        try:
            found = jws.deserialize_compact(token, key, algorithms=list(ALGORITHMS))
            break
        except (JoseError, ValueError, TypeError, RecursionError):
            continue
    if found is None:
        raise NotTaken("invalid_key", "The signature is not the issuer's.")
    claims = _claims(found.payload)
    _require(claims, issuer=issuer, audience=audience, now=now)
    return Checked(claims)


def _claims(payload: bytes | None) -> dict[str, Any]:
    try:
        found = orjson.loads(payload or b"")
    except (ValueError, RecursionError):
        found = None
    if type(found) is not dict or not _shallow(found):
        raise NotTaken("invalid_request", "The claims are no JSON object.")
    return found


def _shallow(value: Any) -> bool:
    level, depth = [value], 0
    while level and depth <= DEEPEST:
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
        depth += 1
    return not level


def _require(claims: Mapping[str, Any], *, issuer: str, audience: str, now: float) -> None:
    if claims.get("iss") != issuer:
        raise NotTaken("invalid_issuer", "The iss is not the issuer of this stream.")
    said = claims.get("aud")
    if audience not in (said if type(said) is list else [said]):
        raise NotTaken("invalid_audience", "The aud is not the audience of this stream.")
    jti, iat, events = claims.get("jti"), claims.get("iat"), claims.get("events")
    if type(jti) is not str or not 0 < len(jti) <= LONGEST_JTI:
        raise NotTaken("invalid_request", "There is no jti.")
    if type(iat) not in (int, float) or not now - OLDEST <= float(iat or 0) <= now + AHEAD:
        raise NotTaken("invalid_request", "The iat lies ahead of our clock, or a year back.")
    for name in ("sub", "exp"):
        if name in claims:
            raise NotTaken("invalid_request", f"A SET of SSF has no {name}.")
    if type(events) is not dict or len(events) != 1:
        raise NotTaken("invalid_request", "A SET of SSF has one event.")
    ((_, event),) = events.items()
    if type(event) is not dict:
        raise NotTaken("invalid_request", "What the event says is no object.")
    if type(claims.get("sub_id", event.get("subject"))) is not dict:
        raise NotTaken("invalid_request", "There is no subject.")


def require_understood(one: Checked, critical: Any, *, stream_id: str = "") -> None:
    """`critical`: the members of a complex subject that its transmitter wants read by whoever uses
    a SET (SSF 1.0, 3.6); `stream_id`: which stream a verification is of, where that is known.

    Raises Discarded, NotTaken.
    """
    subject = one.claims.get("sub_id", one.claims["events"][one.event].get("subject"))
    if subject.get("format") == "complex":
        for member in critical if type(critical) is list else ():
            if type(member) is str and member in subject and member not in READ_MEMBERS:
                raise Discarded(
                    "access_denied",
                    f"Its transmitter calls the member {member[:80]} of the subject critical, and"
                    " that is not read here.",
                )
    if one.event.endswith("/ssf/event-type/verification"):
        of = subject.get("id") if subject.get("format") == "opaque" else None
        if type(of) is not str or (stream_id and of != stream_id):
            raise NotTaken("invalid_request", "The subject of a verification is its stream.")


def record(one: Checked) -> bytes:
    """What is kept of a SET: the same whenever and however it comes, also signed anew with another
    key, so that it is stored once."""
    return _line({"set": one.claims, "header": {"typ": TYPE}})


def refusal(token: bytes, why: NotTaken) -> bytes:
    """What is kept of one that was refused: the reason and its digest."""
    digest = sha256(token).hexdigest()
    return _line({"refused": {"err": why.err, "why": why.said, "digest": digest}})


def _line(value: Mapping[str, Any]) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)
