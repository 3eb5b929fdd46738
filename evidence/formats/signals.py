"""Signals that others sent us: Security Event Tokens (RFC 8417) whose signature has been checked.

Owns the meaning of a SET's members: subject identifiers (RFC 9493) as actors, events of CAEP 1.0,
RISC and SSF 1.0 as actions. A record is what the door made of a token (evidence/sources/set_checks):
its claims under `set`, its header, and the digest of what came, or `refused` with the reason.
A signal says what somebody else did about a subject; the subject does nothing in it, so signals lie
on a plane of their own and nobody's authority is judged by them. Pure.
"""

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from evidence.formats.record import ActorName
from evidence.formats.tables import Row, Table, Unreadable, actor
from evidence.formats.times import moment
from evidence.vocabulary import AUTHENTICATION, CHANGE, OUTCOME_OK, PLANE_POLICY, REVOCATION

NAME = "signals"
CAEP = "https://schemas.openid.net/secevent/caep/event-type/"
RISC = "https://schemas.openid.net/secevent/risc/event-type/"
SSF = "https://schemas.openid.net/secevent/ssf/event-type/"
_SHORT = ((CAEP, "caep:"), (RISC, "risc:"), (SSF, "ssf:"))
VERIFICATION, STREAM_UPDATED = "ssf:verification", "ssf:stream-updated"

_OKTA = re.compile(r"([\w-]+)\.(okta|oktapreview|okta-emea|okta-gov|okta\.mil)\.com")
_ENTRA = ("sts.windows.net", "login.microsoftonline.com", "login.microsoftonline.us")
_ARN_ACCOUNT = re.compile(r"arn:[\w-]+:[\w-]*:[\w-]*:(\d{12}):")
# Members of a complex subject that say who, and by which session; the first that is there.
_WHO, _SESSION = ("user", "application", "workload"), ("session",)


@lru_cache(maxsize=4096)
def realm_of(issuer: str) -> str:
    """The realm of names that an issuer gives: that of its vendor's own logs, where it is known."""
    try:
        parts = urlsplit(issuer)
        host = (parts.hostname or "").lower()
    except ValueError:
        host = ""
    if not host:
        return "iss"
    okta = _OKTA.fullmatch(host)
    if okta is not None:
        return f"okta:{okta[1]}" if okta[2] == "okta" else f"okta:{host.removesuffix('.com')}"
    path = parts.path.strip("/")
    if host in _ENTRA and path:
        return f"entra:{path.split('/', 1)[0].lower()}"
    if host.endswith(".auth0.com"):
        return f"auth0:{host.split('.', 1)[0]}"
    return f"iss:{host}/{path}" if path else f"iss:{host}"


def _set(record: Row) -> dict[str, Any]:
    found = record.get("set")
    return found if type(found) is dict else {}


def _event(record: Row) -> tuple[str, dict[str, Any]]:
    """The URI of the one event, and what it says."""
    events = _set(record).get("events")
    if type(events) is dict:
        for uri, said in events.items():
            return uri, said if type(said) is dict else {}
    return "", {}


def short(uri: str) -> str:
    """`caep:session-revoked` for what is known, the whole address for what is not."""
    for base, name in _SHORT:
        if uri.startswith(base):
            return f"{name}{uri.removeprefix(base)}"
    return uri


def _view(record: Row) -> Row:
    """The record as it is; one that was refused is said with the reason."""
    refused = record.get("refused")
    if type(refused) is dict:
        raise Unreadable(f"is a SET that was refused: {refused.get('err')}, {refused.get('why')}")
    return record


def _issuer(record: Row) -> str:
    found = _set(record).get("iss")
    return found if type(found) is str else ""


def _subject(record: Row) -> dict[str, Any]:
    """The subject: beside the events, or inside the event as older transmitters say it."""
    for found in (_set(record).get("sub_id"), _event(record)[1].get("subject")):
        if type(found) is dict:
            return found
    return {}


def _said(subject: dict[str, Any], member: str) -> str:
    found = subject.get(member)
    return found if type(found) is str else ""


def named(subject: Any, realm: str) -> ActorName | None:
    """The actor that a simple subject identifier names; of aliases the first that names one."""
    if type(subject) is not dict:
        return None
    match subject.get("format", subject.get("subject_type")):
        case "account":
            return _actor(realm, "user", _said(subject, "uri").removeprefix("acct:"))
        case "email":
            return _actor(realm, "user", _said(subject, "email"))
        case "iss_sub" | "iss-sub":
            name, of = _said(subject, "sub"), realm_of(_said(subject, "iss"))
            app = of.startswith("okta:") and name.startswith("0oa")
            return _actor(of, "app" if app else "user", name)
        case "opaque":
            return _actor(realm, "user", _said(subject, "id"))
        case "phone_number" | "phone":
            return _actor(realm, "user", _said(subject, "phone_number"))
        case "did":
            return _actor("did", "user", _said(subject, "url"))
        case "uri":
            return _by_uri(_said(subject, "uri"), realm)
        case "aliases":
            several = subject.get("identifiers")
            names = (named(one, realm) for one in several) if type(several) is list else ()
            return next((one for one in names if one is not None), None)
    return None


def _by_uri(uri: str, realm: str) -> ActorName | None:
    arn = _ARN_ACCOUNT.match(uri)
    return _actor(f"aws:{arn[1]}", "arn", uri) if arn else _actor(realm, "user", uri)


def _actor(realm: str, kind: str, value: str) -> ActorName | None:
    return actor(realm, kind, value) if value else None


def _of_stream(record: Row) -> bool:
    return short(_event(record)[0]).startswith("ssf:")


def _principal(record: Row, realm: str) -> ActorName | None:
    """Whom it is about. What is said of a stream is about nobody."""
    subject = _subject(record)
    if _of_stream(record):
        return None
    if subject.get("format") == "complex":
        found = (named(subject.get(member), realm) for member in _WHO)
        return next((one for one in found if one is not None), None)
    return None if str(subject.get("format")) in _CREDENTIALS else named(subject, realm)


_CREDENTIALS = {"jwt_id": ("token", "iss", "jti"), "saml_assertion_id": ("assertion", "issuer",
                                                                         "assertion_id")}  # fmt: skip


def _credential(record: Row, realm: str) -> ActorName | None:
    """The token, assertion or session that it is about."""
    subject = _subject(record)
    if _of_stream(record):
        return None
    several = [subject]
    if subject.get("format") == "complex":
        several = [one for one in (subject.get(name) for name in _SESSION) if type(one) is dict]
    for one in several:
        kind, issuer, name = _CREDENTIALS.get(str(one.get("format")), ("", "", ""))
        if kind:
            return _actor(realm_of(_said(one, issuer)), kind, _said(one, name))
        if one is not subject and one.get("format") == "opaque":
            return _actor(realm, "session", _said(one, "id"))
    return None


def _at(record: Row) -> str | None:
    """When it happened: by the event, by the SET (`toe`), else when it was told (`iat`)."""
    claims, event = _set(record), _event(record)[1]
    for said in (event.get("event_timestamp"), claims.get("toe"), claims.get("iat")):
        at = moment(said) if type(said) in (int, float) else None
        if at is not None:
            return datetime.fromtimestamp(at / 1_000_000, UTC).isoformat()
    return None


def _resource(record: Row) -> str | None:
    """What changed: a credential by its type and name, a level of risk or assurance."""
    event = _event(record)[1]
    said = [
        event.get(name)
        for name in ("change_type", "credential_type", "friendly_name", "current_level",
                     "current_status", "status", "reason")
    ]  # fmt: skip
    found = " ".join(one for one in said if type(one) is str)
    return found[:500] or None


def _activity(record: Row, action: str) -> int:
    if action in ("caep:session-established", "caep:session-presented"):
        return AUTHENTICATION
    ended = action in ("caep:session-revoked", "risc:sessions-revoked", "risc:account-disabled")
    undone = _event(record)[1].get("change_type") in ("revoke", "delete")
    return REVOCATION if ended or undone else CHANGE


TABLE = Table(
    name=NAME,
    title="Shared signals (SET: CAEP, RISC)",
    signs=(("set.jti", "set.iss", "set.events", "header"), ("refused.err", "refused.why")),
    mark=b'"events"',
    plane=PLANE_POLICY,
    view=_view,
    realm=lambda record: realm_of(_issuer(record)),
    at=(_at,),
    vendor_id="set.jti",
    action=(lambda record: short(_event(record)[0]) or None,),
    principal=(_principal,),
    credential=(_credential,),
    resource=(_resource,),
    outcome=lambda _: OUTCOME_OK,
    activity=_activity,
    request_id=("set.txn",),
    lacks={
        "agent": "signals name users, sessions and devices",
        "address": "no claim of the standard says one",
        "user_agent": "no claim of the standard says one",
        "on_behalf": "a signal is about one subject",
        "session": "the session of a complex subject is the credential",
    },
)
