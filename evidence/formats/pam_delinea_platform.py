"""Delinea's platform: the audit events of its vault, of remote access and of its directory.

Owns the meaning of their fields, in the feed and in what the portal exports; Secret Server's own
lines are pam_delinea.py's. A secret is a credential: to view it or to check it out is to be issued
it, and a session in which it was launched uses it. The secret is named by its number, as both the
vault's events and those of remote access know it. Verified against published events of three
services; the vault's other names are guessed from its list of events. Pure.
"""

import re
from functools import lru_cache
from ipaddress import ip_address
from typing import NamedTuple

from evidence.formats import tables
from evidence.formats.members import inside, row, text
from evidence.formats.record import ActorName, Issued
from evidence.formats.tables import Row, Table
from evidence.formats.written import Of
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
_REFUSALS = ("denied", "unauthori", "forbidden", "rejected")
# Names that are longer are no names of its own, and not remembered.
_LONGEST = 200


class _Said(NamedTuple):
    """What the objects of an event say, which stand in one another."""

    realm: str
    action: str | None
    principal: ActorName | None
    credential: ActorName | None
    on_behalf: ActorName | None
    session: str | None
    ended: int
    issued: Issued | None
    address: str | None
    request: str | None


def _first(value: object) -> str:
    """A member of additional attributes: a list of texts, nearly always of one."""
    return text(value[0]) if isinstance(value, list) and value else text(value)


@lru_cache(maxsize=4096)
def _hands_over(action: str) -> bool:
    return _HANDS_OVER.match(action) is not None


@lru_cache(maxsize=4096)
def _address(stated: str) -> str | None:
    try:
        return str(ip_address(stated)) if stated else None
    except ValueError:
        return None


def _ended(words: str) -> int:
    words = words.lower()
    for refusal in _REFUSALS:
        if refusal in words:
            return OUTCOME_REFUSED
    return OUTCOME_FAILED if "fail" in words else OUTCOME_OK


def _entry(record: Row) -> _Said:
    read = record.get
    acted, target, source = row(read("actor")), row(read("target")), row(read("source"))
    more, tenant = row(read("additionalAttributes")), text(read("tenantId"))
    realm = tables.realm_named(f"delinea:{tenant}" if tenant else "delinea")
    action = text(row(read("eventType")).get("name")) or text(read("Event type"))[:_LONGEST]
    # The export writes only how whoever acted is shown.
    who = text(acted.get("email")) or text(acted.get("name")) or text(read("Initiated by"))
    machine = acted.get("type") == "system" or who == "Delinea System"
    principal = tables.actor(realm, "service" if machine else "user", who) if who else None
    behind = text(acted.get("delegatedUserName"))
    if text(target.get("type")).upper() == "SECRET":
        number = text(target.get("id")) or text(target.get("name"))
    else:
        number = _first(row(target.get("additionalAttributes")).get("secret_id"))
    secret = tables.actor(realm, "account", number) if number else None
    ended = _ended(f"{action} {text(read('displayMessage')) or text(read('Action'))}")
    given = secret is not None and ended == OUTCOME_OK and _hands_over(action)
    address = text(inside(source, "host", "network").get("ipAddress"))
    return _Said(
        realm,
        action or None,
        principal,
        secret,
        tables.actor(realm, "user", behind) if behind else None,
        text(read("sessionId")) or _first(more.get("tunnelId")) or None,
        ended,
        Issued(secret, principal, False, None) if given and secret else None,
        # A source that has no network may be an address or a name, and so may an export's.
        address or _address((text(source.get("name")) or text(read("Source")))[:_LONGEST]),
        _first(more.get("InternalTrackingID")) or None,
    )


TABLE = Table(
    name="delinea_platform",
    title="Delinea Platform audit events",
    signs=(
        ("eventMessageId", "eventType.name^Delinea."),
        ("eventDateTime", "eventType.name^Delinea."),
        ("Event type^Delinea.", "Initiated by"),
    ),
    mark=b'"Delinea.',
    realm=Of(_entry, 0),
    at=("eventDateTime", "Date", "processedTime"),
    vendor_id="eventMessageId",
    action=(Of(_entry, 1),),
    principal=(Of(_entry, 2),),
    credential=(Of(_entry, 3),),
    on_behalf=(Of(_entry, 4),),
    session=(Of(_entry, 5),),
    resource=("target.displayName", "target.name", "target.id", "Target"),
    outcome=Of(_entry, 6),
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
    issued=Of(_entry, 7),
    address=(Of(_entry, 8),),
    user_agent="source.host.client.userAgent",
    request_id=(Of(_entry, 9),),
    lacks={
        "request_id": "only events of the directory have one",
        "credential": "only events about a secret name one",
    },
)
