"""CyberArk's vault (Privileged Access Manager, Privilege Cloud) and its platform's audit.

Owns the meaning of their records. A privileged account in a safe is a credential: to retrieve it
is to be issued it, and sessions through the gateway use it. Four shapes are read:

- CEF, as ArcSight.sample.xsl writes it, as lines or as JSON with CEF's keys, short or long.
  Verified against published lines of versions 7.20, 9.20 and 10.9.
- JSON of the vault's syslog translator: ``syslog.audit_record``. Its field names are verified
  against Elastic's list of exported fields (cyberarkpas), not against records.
- ``%CYBERARK: MessageID="…";Message="…"`` lines. Verified against public parsers' patterns.
- JSON of the platform's Audit service (auditCode, actionType …). Not verified.

The actions are CyberArk's own sentences ("Retrieve password", "PSM Connect"). Pure.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from evidence.formats import lines, tables
from evidence.formats.documents import Piece
from evidence.formats.members import inside, member, said
from evidence.formats.record import ActorName, Issued
from evidence.formats.tables import Row, Table, Text
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

_LINE = re.compile(rb"[^\n]{0,400}?(?:CEF:\s?\d+\|Cyber-?Ark\||%CYBERARK:)", re.IGNORECASE)
_DETAIL = re.compile(r"([A-Za-z]\w{0,40})=([^;]*);?")
# Components of the product act under users of their own.
_COMPONENT = re.compile(
    r"(?:passwordmanager|pvwa\w*user\d*|psm\w*|prov_.*|appprov_.*|batch|backup|dr|operator|auditor"
    r"|notificationengine|ptauser\w*|scheduleruser|telemetry\w*)$",
    re.IGNORECASE,
)
_HANDS_OVER = re.compile(
    r"(?:retrieve|use|show|copy|get) (?:ssh key|password|secret|credential)", re.IGNORECASE
)
# Members by the names that the shapes give them.
_ACTION = ("act", "deviceAction", "Message", "Action", "Desc", "action", "name", "auditCode")
_WHO = ("suser", "sourceUserName", "Issuer", "usrName", "username", "userId")
_SAFE = ("cs2", "deviceCustomString2", "Safe", "safe")
_OBJECT = ("fname", "fileName", "File", "accountName", "accountId")
_ACCOUNT = ("duser", "destinationUserName", "TargetUser")
_AT = ("dhost", "destinationHostName", "Address", "target")


def _opened(record: Row) -> Row:
    """The audit record of the translator's JSON, and details as members."""
    inner = inside(record, "syslog", "audit_record")
    if inner:
        record = dict(inner)
    details = member(record, "ExtraDetails")
    if type(details) is str and "=" in details:
        record = {**record, "ExtraDetails": dict(_DETAIL.findall(details))}
    return record


def _of(record: Row, names: tuple[str, ...]) -> str:
    for name in names:
        found = said(record, name)
        if found:
            return found
    return ""


def _realm(record: Row) -> str:
    vault = _of(record, ("tenantId", "Hostname", "dvchost", "deviceHostName", "host", "hostname"))
    return f"cyberark:{vault.lower()}"[:200] if vault else "cyberark"


def _kind(name: str) -> str:
    return "service" if _COMPONENT.match(name) else "user"


def _principal(record: Row, realm: str) -> ActorName | None:
    name = _of(record, _WHO)
    if not name:
        return None
    if said(record, "identityType").lower() in ("service", "machine", "application", "oauth"):
        return tables.actor(realm, "service", name)
    return tables.actor(realm, _kind(name), name)


def _application(record: Row, realm: str) -> ActorName | None:
    """The application that a credential provider asked for."""
    name = said(record, "ExtraDetails", "ApplicationID") or said(record, "ExtraDetails", "AppID")
    return tables.actor(realm, "app", name) if name else None


@lru_cache(maxsize=65_536)
def _account(realm: str, name: str) -> ActorName:
    return tables.actor(realm, "account", name)


def _credential(record: Row, realm: str) -> ActorName | None:
    """The privileged account that was handed over or used: ``user@machine``, else its object."""
    properties = inside(record, "CAProperties")
    user = _of(record, _ACCOUNT) or _of(properties, ("UserName",))
    machine = _of(record, _AT) or _of(properties, ("Address",))
    if user and machine:
        return _account(realm, f"{user}@{machine}")
    stored = _resource(record) if _of(record, _OBJECT) else None
    return _account(realm, stored) if stored else None


def _resource(record: Row) -> str | None:
    safe, stored = _of(record, _SAFE), _of(record, _OBJECT)
    # Objects are files of the safe's root folder; the folder says nothing.
    stored = re.sub(r"^Root[\\/]+", "", stored)
    if safe and stored:
        return f"{safe}/{stored}"
    return safe or stored or _of(record, _ACCOUNT) or _of(record, _AT) or None


def _outcome(record: Row) -> int:
    words = " ".join(_of(record, (name,)).lower() for name in ("act", "Message", "action", "name"))
    severity = _of(record, ("Severity", "auditType", "severity")).lower()
    if "denied" in words or "unauthorized" in words or "not authorized" in words:
        return OUTCOME_REFUSED
    if "fail" in words or severity in ("error", "critical"):
        return OUTCOME_FAILED
    return OUTCOME_OK


def _error(record: Row) -> str | None:
    """Of what worked, the reason is why somebody asked."""
    return _of(record, ("reason", "Reason")) or None if _outcome(record) != OUTCOME_OK else None


def _session(record: Row) -> str | None:
    return (
        said(record, "ExtraDetails", "SessionID")
        or said(record, "ExtraDetails", "PSMID")
        or said(record, "sessionId")
        or None
    )


def _issued(record: Row, realm: str, who: ActorName | None) -> Issued | None:
    if not _HANDS_OVER.search(_of(record, _ACTION)):
        return None
    made = _credential(record, realm)
    return None if made is None else Issued(made, _application(record, realm) or who, False, None)


def _line(line: str) -> dict[str, Any] | None:
    found = lines.cef(line)
    if found is not None:
        return found
    if "%CYBERARK:" not in line:
        return None
    header, rest = lines.syslog(line)
    return {**lines.quoted(rest), **header} or None


def _pieces(body: bytes) -> Iterator[Piece]:
    return lines.each_line(body, _line, "CEF or %CYBERARK line")


TABLE = Table(
    name="cyberark",
    title="CyberArk vault",
    signs=(
        ("deviceVendor=Cyber-Ark|CyberArk",),
        ("syslog.audit_record.MessageID",),
        ("syslog.audit_record.Issuer",),
        ("MessageID", "Issuer", "Safe"),
        ("MessageID", "Issuer", "Message"),
        ("Vendor=Cyber-Ark|CyberArk",),
        ("auditCode", "applicationCode"),
        ("auditCode", "actionType", "username"),
    ),
    mark=b'"Issuer"',
    opens=_opened,
    text=Text(lambda head: _LINE.match(head) is not None, _pieces),
    realm=_realm,
    at=("IsoTimestamp", "rt", "deviceReceiptTime", "timestamp", "Timestamp", "time"),
    vendor_id=("uuid", "externalId"),
    action=_ACTION,
    principal=(_principal,),
    credential=(_credential,),
    on_behalf=(_application,),
    session=(_session,),
    resource=(_resource,),
    outcome=_outcome,
    patterns=(
        (r"(?i)(?:retrieve|use|show|copy|get) (?:ssh key|password|secret|credential)", ISSUANCE),
        (r"(?i)(?:full gateway )?log(?:on|in|off|out)\b|.*authenticat|failed log", AUTHENTICATION),
        (r"(?i)psm (?:connect|disconnect|session)|open file|window title|keystroke", USE),
        (
            r"(?i)(?:cpm )?(?:change|reconcile|verify|rotate)\w* (?:password|ssh key|secret)",
            CHANGE,
        ),
        (
            r"(?i)(?:suspend|disable|deactivate|remove|delete|revoke) (?:user|owner|member)",
            REVOCATION,
        ),
        (
            (
                r"(?i)(?:add|create|update|delete|remove|rename|move|set|reset|enable|disable|import"
                r"|restore|store|undelete|activate|suspend)\b"
            ),
            CHANGE,
        ),
    ),
    issued=_issued,
    address=(
        "shost",
        "sourceHostName",
        "src",
        "sourceAddress",
        "Station",
        "sourceip",
        "sourceIp",
    ),
    user_agent=("component", "app", "ExtraDetails.ApplicationType"),
    task=("TicketID", "cn2", "deviceCustomNumber2", "RequestId", "cn1", "deviceCustomNumber1"),
    error=(_error,),
    # What a recorded session saw and typed.
    content=("ExtraDetails.Command", "ExtraDetails.Keystroke", "command", "customData"),
    lacks={
        "session": "only sessions through the gateway (PSM) have one",
        "event id": "the vault's own records have none",
        "request id": "RequestId is of the access request that was approved: the task",
    },
)
