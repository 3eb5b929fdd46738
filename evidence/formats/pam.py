"""CyberArk's vault (Privileged Access Manager, Privilege Cloud) and its platform's audit.

Owns the meaning of their records; another vendor's vault is pam_delinea.py's. A privileged account in a safe is a credential: to retrieve it
is to be issued it, and sessions through the gateway use it. Five shapes are read:

- CEF, as ArcSight.sample.xsl writes it, as lines or as JSON with CEF's keys, short or long.
  Verified against published lines of versions 7.20, 9.20 and 10.9.
- JSON of the vault's syslog translator: ``syslog.audit_record``. Its field names are verified
  against Elastic's list of exported fields (cyberarkpas), not against records.
- LEEF, with the keys of either. Not verified.
- ``%CYBERARK: MessageID="…";Message="…"`` lines. Verified against public parsers' patterns.
- JSON of the platform's Audit service (auditCode, actionType …). Not verified.

The actions are CyberArk's own sentences ("Retrieve password", "PSM Connect"). Pure.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from ipaddress import ip_address
from typing import Any, NamedTuple

from evidence.formats import lines, tables
from evidence.formats.documents import Piece
from evidence.formats.members import (
    Shapes,
    member,
    picked,
    remembered,
    row,
    text,
    told,
    ways,
)
from evidence.formats.record import ActorName, Issued
from evidence.formats.tables import Row, Table, Text
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

_LINE = re.compile(
    rb"[^\n]{0,400}?(?:(?:CEF:\s?\d+|LEEF:\s?[12]\.0)\|Cyber-?Ark\||%CYBERARK:)", re.IGNORECASE
)
_DETAIL = re.compile(r"([A-Za-z]\w{0,40})=([^;]*);?")
_DETAILED = re.compile(r"[A-Za-z]\w{0,40}=[^;]*(?:;|\Z)")
# Components of the product act under users of their own.
_COMPONENT = re.compile(
    r"(?:passwordmanager|pvwa\w*user\d*|psm\w*|prov_.*|appprov_.*|batch|backup|dr|operator|auditor"
    r"|notificationengine|ptauser\w*|scheduleruser|telemetry\w*)$",
    re.IGNORECASE,
)
_HANDS_OVER = re.compile(
    r"(?:retrieve|use|show|copy|get) (?:ssh key|password|secret|credential)", re.IGNORECASE
)
# What is done to somebody; the vault calls whoever has rights in a safe its owner.
_TO_SOMEBODY = re.compile(r"\b(?:user|owner|member|group)\b", re.IGNORECASE)
_FOLDER = re.compile(r"Root[\\/]+")
# Actions that are longer are no vault's words, and not remembered.
_LONGEST_REMEMBERED = 200
# Members by the names that the shapes give them.
_ACTION = ("act", "deviceAction", "Message", "Action", "Desc", "action", "name", "auditCode")
_ACTED, _action = ways(*_ACTION), tables.getter(_ACTION)
_VAULT = ways("tenantId", "Hostname", "dvchost", "deviceHostName", "host", "hostname")
_WHO = ways("suser", "sourceUserName", "Issuer", "usrName", "username", "userId")
_SAFE = ways("cs2", "deviceCustomString2", "Safe", "safe")
_OBJECT = ways("fname", "fileName", "File", "accountName", "accountId")
_ACCOUNT = ways("duser", "destinationUserName", "TargetUser")
# To whom something was done, or with which group: CEF's first text ("Affected User Name").
_AFFECTED = ways("SourceUser", "cs1", "deviceCustomString1")
_AT = ways("dhost", "destinationHostName", "Address", "target")
_USER_NAME, _ADDRESS = ways("UserName"), ways("Address")
_SEVERITY = ways("Severity", "auditType", "severity")
_REASON = ways("reason", "Reason")
# "User Authentication", which the vault only writes of one that failed.
_CODE, _FAILURES = ways("MessageID", "deviceEventClassId"), frozenset({"4"})
_APPLICATION = ways("ApplicationID", "AppID")
_SESSION_ID, _SESSION = ways("SessionID", "PSMID"), ways("sessionId")
_CLIENT = ways("SrcHost")
# All from which it is told who acted, on what account, what was done and how it ended.
_DECIDING = frozenset(
    name
    for names in (
        *(_ACTED, _VAULT, _WHO, _SAFE, _OBJECT, _ACCOUNT, _AFFECTED, _AT, _SEVERITY, _CODE),
        ways("identityType", "CAProperties"),
    )
    for both in names
    for name in both
)


def _deciding(names: tuple[str, ...]) -> tuple[tuple[str, ...], Callable[[Row], Sequence[Any]]]:
    found = tuple(name for name in names if name in _DECIDING)
    return found, picked(found)


_shapes = Shapes(_deciding)


class _Decided(NamedTuple):
    """What those members say."""

    realm: str
    action: str | None
    principal: ActorName | None
    credential: ActorName | None
    application: ActorName | None  # that a credential provider asked for
    resource: str | None
    ended: int
    issued: Issued | None


def _opened(record: Row) -> Row:
    """The audit record of the translator's JSON, and details as members."""
    inner = row(record.get("syslog")).get("audit_record")
    if type(inner) is dict and inner:
        record = inner
    details = record.get("ExtraDetails")
    if details is None:
        details = record.get("extradetails")
    said: Row = {}
    if details is None and type(message := record.get("msg")) is str and _DETAILED.match(message):
        # So CEF carries them.
        details, record = message, {name: record[name] for name in record if name != "msg"}
    if type(details) is str and "=" in details:
        said["ExtraDetails"] = dict(_DETAIL.findall(details))
    listed = row(record.get("CAProperties")).get("CAProperty")
    if type(listed) is dict:
        listed = [listed]
    if type(listed) is list:
        # The vault's XML, converted: a list of names and values.
        named = {text(one.get("Name")): one.get("Value") for one in map(row, listed[:200])}
        said["CAProperties"] = {name: named[name] for name in named if name}
    return {**record, **said} if said else record


def _realm(record: Row) -> str:
    vault = told(record, _VAULT)
    return f"cyberark:{vault.lower()}"[:200] if vault else "cyberark"


@lru_cache(maxsize=65_536)
def _named(realm: str, name: str) -> ActorName:
    return tables.actor(realm, "service" if _COMPONENT.match(name) else "user", name)


def _principal(record: Row, realm: str) -> ActorName | None:
    name = told(record, _WHO)
    if not name:
        return None
    kind = text(member(record, "identityType"))
    if kind and kind.lower() in ("service", "machine", "application", "oauth"):
        return tables.actor(realm, "service", name)
    return _named(realm, name)


def _credential(record: Row, realm: str) -> ActorName | None:
    """The privileged account that was handed over or used: ``user@machine``, else its object."""
    properties = row(member(record, "CAProperties"))
    user = told(record, _ACCOUNT) or told(properties, _USER_NAME)
    machine = (told(record, _AT) or told(properties, _ADDRESS)) if user else ""
    if machine:
        return tables.actor(realm, "account", f"{user}@{machine}")
    stored = _resource(record) if told(record, _OBJECT) else None
    return tables.actor(realm, "account", stored) if stored else None


def _resource(record: Row) -> str | None:
    safe, stored = told(record, _SAFE), told(record, _OBJECT)
    if stored.startswith("Root"):
        # Objects are files of the safe's root folder; the folder says nothing.
        stored = _FOLDER.sub("", stored, count=1)
    if safe and stored:
        return f"{safe}/{stored}"
    account, affected = told(record, _ACCOUNT), "" if stored else told(record, _AFFECTED)
    if affected and _TO_SOMEBODY.search(told(record, _ACTED)[:_LONGEST_REMEMBERED]):
        # A safe and whoever has rights there; a group and its member; else a user or a group alone.
        return "/".join(part for part in (safe, affected, "" if safe else account) if part)
    return safe or stored or account or told(record, _AT) or None


def _outcome(record: Row) -> int:
    said, message = record.get("act"), text(member(record, "Message"))
    also, name = record.get("action"), record.get("name")
    words = f"{text(said)} {message} {text(also)} {text(name)}".lower()
    if "denied" in words or "unauthorized" in words or "not authorized" in words:
        return OUTCOME_REFUSED
    if "fail" in words or told(record, _SEVERITY).lower() in ("error", "critical"):
        return OUTCOME_FAILED
    if told(record, _CODE) in _FAILURES:
        return OUTCOME_FAILED
    return OUTCOME_OK


def _from(record: Row) -> str | None:
    """The platform's audit of its directory says from where somebody came; that of a vault which
    component tells."""
    said = text(record.get("source"))
    try:
        return str(ip_address(said)) if said else None
    except ValueError:
        return None


def _details(record: Row) -> Row:
    return row(member(record, "ExtraDetails"))


def _recorded(record: Row) -> tuple[str | None, str | None]:
    """(the session, from where): of a session through the gateway, whose own address is elsewhere,
    its details say both. One that began on the gateway itself says only that: 127.0.0.1."""
    details = _details(record)
    if not details:
        return told(record, _SESSION) or None, None
    client = told(details, _CLIENT)
    where = None if client.startswith("127.") or client == "::1" else client or None
    return told(details, _SESSION_ID) or told(record, _SESSION) or None, where


@lru_cache(maxsize=4096)
def _hands_over(action: str) -> bool:
    return _HANDS_OVER.search(action) is not None


def _is_issued(record: Row) -> bool:
    action = told(record, _ACTED)
    asked = _hands_over if len(action) <= _LONGEST_REMEMBERED else _hands_over.__wrapped__
    return asked(action)


@remembered
def _decided(said: tuple[list[str], list[Any], str]) -> _Decided:
    names, values, application = said
    record = dict(zip(names, values, strict=True))
    realm = tables.realm_named(_realm(record))
    who, made = _principal(record, realm), _credential(record, realm)
    other = tables.actor(realm, "app", application) if application else None
    issued = Issued(made, other or who, False, None) if made and _is_issued(record) else None
    ended, resource = _outcome(record), _resource(record)
    return _Decided(realm, _action(record), who, made, other, resource, ended, issued)


def _entry(record: Row) -> _Decided:
    """What is decided by members that come again and again."""
    names, pick = _shapes[tuple(record)]
    details = _details(record)
    application = told(details, _APPLICATION) if details else ""
    return _decided((names, pick(record), application))


def _line(line: str) -> dict[str, Any] | None:
    found = lines.cef(line) or lines.leef(line)
    if found is not None:
        return found
    if "%CYBERARK:" not in line:
        return None
    header, rest = lines.syslog(line)
    return {**lines.quoted(rest), **header} or None


def _looks(head: bytes) -> bool:
    # A field of JSON may quote such a line: also in what a deposit keeps.
    return not lines.is_json(head) and _LINE.match(head) is not None


def _pieces(body: bytes) -> Iterator[Piece]:
    return lines.each_line(body, _line, "CEF, LEEF or %CYBERARK line")


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
    text=Text(_looks, _pieces, lambda _: lines.Lines(_looks)),
    realm=Of(_entry, 0),
    at=("IsoTimestamp", "rt", "deviceReceiptTime", "timestamp", "Timestamp", "devTime", "time"),
    vendor_id=("uuid", "externalId"),
    action=Of(_entry, 1),
    principal=(Of(_entry, 2),),
    credential=(Of(_entry, 3),),
    on_behalf=(Of(_entry, 4),),
    session=(Of(_recorded, 0),),
    resource=(Of(_entry, 5),),
    outcome=Of(_entry, 6),
    patterns=(
        (r"(?i)(?:retrieve|use|show|copy|get) (?:ssh key|password|secret|credential)", ISSUANCE),
        (
            (
                r"(?i)(?:undefined user )?log(?:on|in|off|out)\b|.*authenticat|failed log"
                r"|(?:full|partial) gateway (?:connection|log)"
            ),
            AUTHENTICATION,
        ),
        (r"(?i)psm (?:connect|disconnect|session)|open file|window title|keystroke", USE),
        (
            r"(?i)(?:cpm )?(?:change|reconcile|verify|rotate)\w* (?:password|ssh key|secret)",
            CHANGE,
        ),
        (
            (
                r"(?i)(?:suspend|disable|deactivate|remove|delete|revoke)"
                r" (?:user|owner|(?:group )?member)"
            ),
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
    issued=Of(_entry, 7),
    address=(
        Of(_recorded, 1),
        "shost",
        "sourceHostName",
        "src",
        "sourceAddress",
        "Station",
        "sourceip",
        "sourceIp",
        _from,
    ),
    user_agent=("component", "app", "ExtraDetails.ApplicationType"),
    task=("TicketID", "cn2", "deviceCustomNumber2", "RequestId", "cn1", "deviceCustomNumber1"),
    # Of what worked, the reason is why somebody asked.
    error=(lambda record: told(record, _REASON),),
    error_of_failures=True,
    # What a recorded session saw and typed.
    content=("ExtraDetails.Command", "ExtraDetails.Keystroke", "command", "customData"),
    lacks={
        "session": "only sessions through the gateway (PSM) have one",
        "event id": "the vault's own records have none",
        "request id": "RequestId is of the access request that was approved: the task",
    },
    # 4: the details that CEF carries in its message, such as the session. 5: the account's
    # properties where they are a list. 6: where somebody came from, and logons that failed.
    # 7: from where a session through the gateway came; to whom something was done; its logons.
    version=7,
)
