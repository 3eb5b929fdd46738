"""Delinea's platform: the audit events of its vault, of remote access and of its directory.

Owns the meaning of their fields, in the feed and in what the portal exports; Secret Server's own
lines are pam_delinea.py's. A secret is a credential: to view it or to check it out is to be issued
it, and a session in which it was launched uses it. The secret is named by its number, as both the
vault's events and those of remote access know it. Verified against published events of three
services; the vault's other names are guessed from its list of events. Pure.
"""

import re
from ipaddress import ip_address

from evidence.formats import tables
from evidence.formats.members import inside, row, said, text
from evidence.formats.record import ActorName, Issued
from evidence.formats.tables import Name, Row, Table
from evidence.vocabulary import (
    AUTHENTICATION,
    CHANGE,
    ISSUANCE,
    OUTCOME_FAILED,
    OUTCOME_OK,
    OUTCOME_REFUSED,
    REVOCATION,
    USE,
)

_HANDS_OVER = re.compile(
    r"delinea\.vault\.secret\.(?:\w+\.)*(?:viewed|launched|copied|exported|checked_?out|checkout"
    r"|passworddisplayed|webpassword\w*)$",
    re.IGNORECASE,
)
_REFUSALS = re.compile(r"denied|unauthori[sz]ed|forbidden|rejected", re.IGNORECASE)


def _action(record: Row) -> str | None:
    return said(record, "eventType", "name") or text(record.get("Event type")) or None


def _principal(record: Row, realm: str) -> ActorName | None:
    """Who acted; the export writes only how they are shown."""
    acted = row(record.get("actor"))
    name = said(acted, "email") or said(acted, "name") or text(record.get("Initiated by"))
    if not name:
        return None
    machine = said(acted, "type").lower() == "system" or name == "Delinea System"
    return tables.actor(realm, "service" if machine else "user", name)


def _first(value: object) -> str:
    """A member of additional attributes: a list of texts, nearly always of one."""
    return text(value[0]) if isinstance(value, list) and value else text(value)


def _secret(record: Row, realm: str) -> ActorName | None:
    target = row(record.get("target"))
    if said(target, "type").upper() == "SECRET":
        number = said(target, "id") or said(target, "name")
    else:
        number = _first(inside(target, "additionalAttributes").get("secret_id"))
    return tables.actor(realm, "account", number) if number else None


def _issued(record: Row, realm: str, principal: ActorName | None) -> Issued | None:
    secret = _secret(record, realm)
    if secret is None or _HANDS_OVER.match(_action(record) or "") is None:
        return None
    return Issued(secret, principal, False, None) if _outcome(record) == OUTCOME_OK else None


def _outcome(record: Row) -> int:
    words = f"{_action(record)} {text(record.get('displayMessage')) or text(record.get('Action'))}"
    if _REFUSALS.search(words):
        return OUTCOME_REFUSED
    return OUTCOME_FAILED if "fail" in words.lower() else OUTCOME_OK


def _address(record: Row) -> str | None:
    """A source that has no network may be an address or a name, and so may an export's."""
    stated = said(record, "source", "name") or text(record.get("Source"))
    try:
        return str(ip_address(stated)) if stated else None
    except ValueError:
        return None


def _tracked(record: Row) -> str | None:
    return _first(inside(record, "additionalAttributes").get("InternalTrackingID")) or None


def _session(record: Row) -> str | None:
    tunnel = _first(inside(record, "additionalAttributes").get("tunnelId"))
    return text(record.get("sessionId")) or tunnel or None


TABLE = Table(
    name="delinea_platform",
    title="Delinea Platform audit events",
    signs=(
        ("eventMessageId", "eventType.name^Delinea."),
        ("eventDateTime", "eventType.name^Delinea."),
        ("Event type^Delinea.", "Initiated by"),
    ),
    mark=b'"Delinea.',
    realm="delinea:{tenantId}",
    at=("eventDateTime", "Date", "processedTime"),
    vendor_id="eventMessageId",
    action=_action,
    principal=(_principal,),
    on_behalf=(Name("user", "actor.delegatedUserName"),),
    credential=(_secret,),
    session=_session,
    resource=("target.displayName", "target.name", "target.id", "Target"),
    outcome=_outcome,
    patterns=(
        (f"(?i){_HANDS_OVER.pattern}", ISSUANCE),
        (r"(?i)delinea\.vault\.secret\.(?:\w+\.)*(?:checked_?in|checkin)$", REVOCATION),
        (r"(?i).*\.users?\.(?:\w+\.)*(?:disabled|deleted|locked\w*|suspended)$", REVOCATION),
        (r"(?i)delinea\.identity\..*(?:session|log(?:in|on|out|off)|authent|mfa)", AUTHENTICATION),
        (r"(?i)delinea\.ras\.session\.", USE),
        (
            (
                r"(?i).*(?:creat|add|edit|updat|delet|remov|chang|assign|enabl|disabl|grant|revok|mov"
                r"|reset|renam|import|set)\w*$"
            ),
            CHANGE,
        ),
    ),
    issued=_issued,
    address=("source.host.network.ipAddress", _address),
    user_agent="source.host.client.userAgent",
    request_id=_tracked,
    lacks={
        "request_id": "only events of the directory have one",
        "credential": "only events about a secret name one",
    },
)
