"""The names of Shared Signals: event types, delivery methods, error codes, subject identifiers.

Sources: OpenID Shared Signals Framework 1.0 and CAEP 1.0 (29 August 2025), RFC 8417 (SET),
RFC 8935 (push), RFC 8936 (poll), RFC 9493 (subject identifiers). Pure.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any

import rfc8785

CAEP = "https://schemas.openid.net/secevent/caep/event-type/"
SSF = "https://schemas.openid.net/secevent/ssf/event-type/"
SESSION_REVOKED = "session-revoked"
CREDENTIAL_CHANGE = "credential-change"
RISK_LEVEL_CHANGE = "risk-level-change"
VERIFICATION = "verification"
STREAM_UPDATED = "stream-updated"
# What a stream may carry, and what is said of the stream itself.
TOLD = (SESSION_REVOKED, CREDENTIAL_CHANGE, RISK_LEVEL_CHANGE)
URIS = {kind: CAEP + kind for kind in TOLD} | {
    VERIFICATION: SSF + VERIFICATION,
    STREAM_UPDATED: SSF + STREAM_UPDATED,
}
SUPPORTED = tuple(URIS[kind] for kind in TOLD)

METHODS = {"push": "urn:ietf:rfc:8935", "poll": "urn:ietf:rfc:8936"}
DELIVERY_OF = {uri: name for name, uri in METHODS.items()}

# RFC 8935, 2.4, and `invalid_state` of SSF 1.0: what a receiver may say is wrong with a SET. These
# are about the stream, so that the next SET would fare no better.
OF_THE_STREAM = frozenset(
    {"invalid_key", "invalid_issuer", "invalid_audience", "authentication_failed", "access_denied"}
)
LONGEST_ERR, LONGEST_SAID = 64, 500

# CAEP's own words for credentials; what it has no word for is agreed with the receiver.
CREDENTIAL_TYPES = {"password": "password", "certificate": "x509"}
AGREED = {"token": "oauth-token", "web_identity": "oauth-token", "session": "session-token"}
API_KEY = "api-key"

# RFC 9493 and SSF 1.0, 3: the members that each format needs.
FORMATS: dict[str, tuple[str, ...]] = {
    "account": ("uri",),
    "email": ("email",),
    "iss_sub": ("iss", "sub"),
    "opaque": ("id",),
    "phone_number": ("phone_number",),
    "did": ("url",),
    "uri": ("uri",),
    "jwt_id": ("iss", "jti"),
    "saml_assertion_id": ("issuer", "assertion_id"),
}
LONGEST_MEMBER = 2_000
_EMAIL = re.compile(r"[^@\s]{1,200}@[^@\s]{1,255}")


class Wrong(ValueError):
    """What a receiver sent cannot be meant: the sentence says what, and what is expected."""


def credential_type(kind: str) -> str:
    """What CAEP calls a credential of ours, or what is agreed (docs/signals.md)."""
    return CREDENTIAL_TYPES.get(kind) or AGREED.get(kind, API_KEY)


def digest(subject: Mapping[str, Any]) -> bytes:
    """Two simple subjects match when they are identical (SSF 1.0, 8.1.3.1): then so are these."""
    return sha256(rfc8785.dumps(dict(subject))).digest()


def simple(subject: Any) -> dict[str, str]:
    """A simple subject identifier with the members of its format, and no others. Raises Wrong."""
    if type(subject) is not dict:
        raise Wrong("subject must be a subject identifier: an object with its format.")
    name = subject.get("format")
    wanted = FORMATS.get(name) if type(name) is str else None
    if wanted is None or type(name) is not str:
        raise Wrong(f"subject.format must be one of {', '.join(FORMATS)} or complex.")
    found = {"format": name}
    for member in wanted:
        value = subject.get(member)
        if type(value) is not str or not value or len(value) > LONGEST_MEMBER or "\0" in value:
            raise Wrong(f"A subject of the format {name} needs its member {member}.")
        try:
            value.encode()
        except UnicodeEncodeError:
            raise Wrong(f"The member {member} of the subject is no text.") from None
        found[member] = value
    return found


def matched_by(subject: Any) -> dict[str, str]:
    """The simple subject by which this one is compared with what is told: itself, or the `user` of
    a complex one, because nothing that is told says another member. Raises Wrong."""
    if type(subject) is dict and subject.get("format") == "complex":
        if "user" not in subject:
            raise Wrong("A complex subject needs its member user: no other one is told.")
        return simple(subject["user"])
    return simple(subject)


def names_of(
    own: Mapping[str, str], actors: Iterable[tuple[str, str, str]]
) -> list[dict[str, str]]:
    """What an identity is called: by our own key, then by each (realm, kind, value) bound to it."""
    found = [dict(own)]
    for realm, kind, value in actors:
        one = _name(realm, kind, value[:LONGEST_MEMBER])
        if one not in found:
            found.append(one)
    return found


def issuer_of(realm: str) -> str:
    """The issuer that a realm is known by; "" where it has none."""
    vendor, _, which = realm.partition(":")
    match vendor:
        case "okta" if which:
            return f"https://{which}" if "." in which else f"https://{which}.okta.com"
        case "entra" if which:
            return f"https://sts.windows.net/{which}/"
        case "auth0" if which:
            return f"https://{which}.auth0.com/"
        case "iss" if which:
            return f"https://{which}"
    return ""


def _name(realm: str, kind: str, value: str) -> dict[str, str]:
    if value.startswith("arn:"):
        return {"format": "uri", "uri": value}
    issuer = issuer_of(realm)
    if issuer:
        return {"format": "iss_sub", "iss": issuer, "sub": value}
    if kind == "user" and _EMAIL.fullmatch(value):
        return {"format": "email", "email": value}
    return {"format": "opaque", "id": f"{realm} {kind} {value}"}


def subject(names: Sequence[Mapping[str, str]], named_by: str) -> dict[str, Any]:
    """The `sub_id` of a SET: the name of the format that the receiver wants, or our own key."""
    if named_by == "aliases" and len(names) > 1:
        return {"format": "aliases", "identifiers": [dict(one) for one in names]}
    wanted = [one for one in names[1:] if one["format"] == named_by]
    return dict((wanted or names)[0])


def claims(
    *,
    issuer: str,
    audience: str,
    jti: str,
    made_at: int,
    kind: str,
    payload: Mapping[str, Any],
    sub_id: Mapping[str, Any],
    txn: str,
) -> dict[str, Any]:
    """The claims of a SET: one event, and neither `sub` nor `exp` (SSF 1.0, 4.1). Times are in
    seconds since 1970."""
    found: dict[str, Any] = {
        "iss": issuer,
        "jti": jti,
        "iat": made_at,
        "aud": audience,
        "sub_id": dict(sub_id),
        "events": {URIS[kind]: dict(payload)},
    }
    return found | ({"txn": txn} if txn else {})
