"""Windows security events: logons, tickets, accounts, groups, directory objects, processes.

Owns the meaning of the fields of the Security log's events. How exporters write them down is
shapes.py's, their own XML xml_events.py's, their own text messages.py's, what was run content.py's.
Source: "Advanced security audit events" of the Windows documentation, event by event. Pure.

A logon uses what a ticket event issued (`LogonGuid`) and issues a session (`TargetLogonId`),
which later events on that computer name as the subject's. A domain is known by the first part of
its DNS name, which its short name usually is (not verified where the two differ): some events
write the one, some the other. Who uses another account's password (4648), or starts a process as
another (4688), acts in that account's name.
"""

import re
from functools import lru_cache
from ipaddress import ip_address
from operator import itemgetter
from typing import Any

from evidence.formats import microsoft, prefixed
from evidence.formats.record import ActorName, Issued
from evidence.formats.tables import Name, Row, Table, Text, actor, getter
from evidence.formats.windows import content, messages, results, shapes, xml_events
from evidence.formats.windows.events import EVENTS, activity
from evidence.formats.written import Of

AUDIT = "Microsoft-Windows-Security-Auditing"
# Events about the account that logs on or asks for a ticket, not about one that acts on another.
_OF_THE_TARGET = frozenset(
    {"4624", "4625", "4634", "4647", "4768", "4769", "4770", "4771", "4776", "4964"}
)
# Account name, also of an event that is about accounts: what is changed.
_OF_ACCOUNTS = frozenset(
    event for event in EVENTS if event.startswith(("472", "473", "474", "475", "476", "478", "479"))
) - {"4768", "4769"}
# What the account may do is changed, which is named by its number alone.
_OF_RIGHTS = frozenset({"4704", "4705", "4717", "4718"})
_NO_TICKET = "00000000-0000-0000-0000-000000000000"
_ZERO = frozenset({f"{{{_NO_TICKET}}}", _NO_TICKET, "0x0", "0", ""})
# Events of somebody who acts with another account than the one that acts.
_AS_ANOTHER = frozenset({"4648", "4688"})
# The sessions of the system itself, which are on every computer and never end.
_SYSTEM_SESSIONS = frozenset({"0x3e7", "0x3e4", "0x3e5"})

# Members that decide who acted and how it ended, and those that differ from event to event.
_NAMES_OF = ("username", "user", "name"), ("domainname", "domain"), ("usersid", "sid")
_ATTRIBUTE, _OPERATION = "attributeldapdisplayname", "operationtype"
_DECIDING = frozenset(
    f"{who}{part}" for who in ("subject", "target") for parts in _NAMES_OF for part in parts
) | {
    *("samaccountname", "status", "substatus", "subjectlogonid", "logonid", "requester"),
    *(_ATTRIBUTE, _OPERATION),
}
_THINGS = (
    "objectdn",
    "objectname",
    "newprocessname",
    "taskname",
    "relativetargetname",
    "sharename",
    "servicename",
    "targetservername",
    "targetfilename",
    "image",
)
_ADDRESSES = ("ipaddress", "clientaddress", "sourceaddress", "sourceip", "workstation")
_PLAIN = frozenset(
    {
        *("targetlogonid", "logonguid", "certthumbprint"),
        *("transmittedservices", "accountname", "user", "callingstationid"),
    }
)

# --- who

_get = {
    name: getter(name)
    for name in (
        *("provider", "computer", "channel", "logonguid", "targetlogonid", "subjectlogonid"),
        *(
            "logonid",
            "targetusername",
            "targetdomainname",
            "targetsid",
            "samaccountname",
            "requester",
        ),
    )
}


@lru_cache(maxsize=16_384)
def _host(computer: str) -> str:
    return computer.partition(".")[0].lower()


@lru_cache(maxsize=16_384)
def _account(computer: str, domain: str, name: str, sid: str) -> ActorName:
    """An account: of the domain, of the computer, or of the system."""
    if "@" in name:
        name, _, domain = name.partition("@")
    short = domain.partition(".")[0].lower()
    host = _host(computer)
    if name.endswith("$") and sid == "S-1-5-18":
        # The computer itself, under its account's name.
        sid = ""
    if short == "nt authority" or (sid and not sid.startswith(("S-1-5-21-", "S-1-12-1-"))):
        return actor(f"windows:{host}", "service", f"{domain}\\{name}" if domain else name)
    realm = f"ad:{short}" if short and short != host else f"windows:{host}"
    kind = "service_account" if name.endswith("$") else "user"
    above = actor(realm, kind, sid) if sid else None
    return actor(realm, kind, name.lower(), above)


def _named(who: str) -> Any:
    """The account that the members beginning with this word name."""
    name_of, domain_of, sid_of = (
        getter(tuple(f"{who}{part}" for part in parts)) for parts in _NAMES_OF
    )
    computer_of = _get["computer"]

    def get(record: Row, _: str = "") -> ActorName | None:
        name = name_of(record)
        sid = sid_of(record) or ""
        if sid == "S-1-0-0":
            sid = ""
        if name is None:
            return None
        return _account(computer_of(record) or "", domain_of(record) or "", name, sid)

    return get


_subject, _target = _named("subject"), _named("target")


def _principal(record: Row) -> ActorName | None:
    """Who logs on or asks, else who acts on others."""
    first, second = _subject, _target
    if record.get("eventid") in _OF_THE_TARGET:
        first, second = _target, _subject
    found: ActorName | None = first(record) or second(record) or _requester(record)
    return found


def _requester(record: Row) -> ActorName | None:
    """Who asked for a certificate: events of the authority name no subject."""
    domain, _, name = (_get["requester"](record) or "").rpartition("\\")
    return _account(_get["computer"](record) or "", domain, name, "") if name else None


def _on_behalf(record: Row) -> ActorName | None:
    """Who asked for a logon as somebody else; as whom somebody acts."""
    event = record.get("eventid")
    asked: ActorName | None = _subject(record)
    if event in _AS_ANOTHER:
        other: ActorName | None = _target(record)
        return None if asked is None or other == asked else other
    if event != "4624":
        return None
    if asked is None or asked.kind != "user" or asked == _target(record):
        return None
    return asked


_domain = getter(("subjectdomainname", "targetdomainname"))


def _realm(record: Row) -> str:
    """The domain of the computer that wrote the event; the computer where it names none."""
    computer = _get["computer"](record) or ""
    host, _, domain = computer.lower().partition(".")
    if domain:
        return f"ad:{domain.partition('.')[0]}"
    found = _domain(record)
    short = found.partition(".")[0].lower() if found is not None else ""
    return f"windows:{host}" if short in ("", host, "nt authority") else f"ad:{short}"


# --- sessions


def _logon(record: Row, which: str, host: str) -> str | None:
    """A logon session, which is unique on one computer until it starts again."""
    found = _get[which](record)
    if found is None or found.lower() in _ZERO:
        return None
    return f"{host}/{found.lower()}"


def _acting(record: Row, host: str) -> str | None:
    return _logon(record, "subjectlogonid", host) or _logon(record, "logonid", host)


def _session(record: Row) -> str | None:
    """The session that an event about a logon is about, else that in which somebody acted."""
    if record["of_target"]:
        return _logon(record, "targetlogonid", record["host"]) or record["acting"]
    acting: str | None = record["acting"]
    return acting


def _ticket(record: Row) -> str | None:
    found = _get["logonguid"](record)
    return None if found is None or found.lower() in _ZERO else found.strip("{}").lower()


def _ticket_used(record: Row) -> str | None:
    if "logonguid" not in record or record.get("eventid") == "4769":
        return None
    return _ticket(record)


def _issued(record: Row, realm: str, principal: ActorName | None) -> Issued | None:
    """The session that a logon begins; the ticket that a domain controller hands out."""
    event = record.get("eventid")
    if event == "4624":
        host = record["host"]
        found = _logon(record, "targetlogonid", host)
        if found is not None and found.rpartition("/")[2] not in _SYSTEM_SESSIONS:
            return Issued(actor(f"windows:{host}", "session", found), principal, False, None)
    elif event == "4769":
        ticket = _ticket(record)
        if ticket is not None:
            return Issued(actor(realm, "token", ticket), principal, False, None)
    return None


# --- what


def _action(record: Row) -> str | None:
    event = record.get("eventid")
    if not event:
        return None
    return _title(event, _get["provider"](record) or AUDIT)


@lru_cache(maxsize=8192)
def _title(event: str, provider: str) -> str:
    """``4624 An account was successfully logged on``; of other providers ``Sysmon 1``."""
    if event in EVENTS and provider in (
        AUDIT,
        "Microsoft-Windows-Eventlog",
        "Security",
        "Eventlog",
    ):
        return f"{event} {EVENTS[event][0]}"
    if provider == AUDIT:
        return event
    return f"{provider.removeprefix('Microsoft-Windows-')} {event}"


def _changed(record: Row) -> str | None:
    """The account that an event about accounts is about."""
    if record.get("eventid") in _OF_RIGHTS:
        return _get["targetsid"](record)
    name = _get["targetusername"](record) or _get["samaccountname"](record)
    if name is None or record.get("eventid") not in _OF_ACCOUNTS:
        return None
    domain = _get["targetdomainname"](record)
    return f"{domain}\\{name}" if domain else name


def _resource(record: Row) -> str | None:
    found: str | None = record["changed"] or record.get("thing")
    return found or _get["channel" if record.get("eventid") == "1102" else "computer"](record)


# A socket's address as it stands in an event whose text would show it plainly: family, port, address
# (win:SocketAddress; not verified against a recording of SMBServer's events).
_SOCKET = re.compile(
    r"(?i)0200[0-9a-f]{4}(?P<four>[0-9a-f]{8})(?:0{16})?"
    r"|1700[0-9a-f]{12}(?P<six>[0-9a-f]{32})(?:[0-9a-f]{8})?"
)
_stated_address = microsoft.plain_address("address")


def _address(record: Row) -> str | None:
    found = _stated_address(record)
    if found is None:
        return _station(record.get("callingstationid"))
    socket = _SOCKET.fullmatch(found) if found[:4] in ("0200", "1700") else None
    if socket is not None:
        return str(ip_address(bytes.fromhex(socket["four"] or socket["six"])))
    return found.removeprefix("::ffff:").lstrip("\\")


def _station(said: Any) -> str | None:
    """What asks a network policy server for access: an address of it, or of its hardware, which
    is none."""
    try:
        return str(ip_address(said)) if type(said) is str else None
    except ValueError:
        return None


# --- the event


def _decided(record: Row) -> Row:
    """What the account's and the computer's names, the event and its status decide: some of it by
    name, and what the table reads as it is."""
    host = _host(_get["computer"](record) or "")
    acting, of_target = _acting(record, host), record.get("eventid") in _OF_THE_TARGET
    used = None if acting is None or of_target else actor(f"windows:{host}", "session", acting)
    return {
        "host": host,
        "of_target": of_target,
        "acting": acting,
        "used": used,
        "changed": _changed(record),
        "what": activity(record.get(_ATTRIBUTE), record.get(_OPERATION)),
        "decided": (
            _realm(record),
            _principal(record),
            _on_behalf(record),
            _action(record),
            results.ended(record),
            results.status(record),
        ),
    }


_REALM, _PRINCIPAL, _ON_BEHALF, _ACTION, _ENDED, _ERROR = (
    Of(itemgetter("decided"), place) for place in range(6)
)


TABLE = Table(
    name="windows",
    title="Windows security events",
    signs=(
        # As exports write them.
        ("EventID", "Computer", "Channel"),
        ("EventID", "Hostname", "Channel"),
        ("winlog.event_id", "winlog.channel"),
        ("Event.System.EventID",),
        ("System.EventID", "System.Channel"),
        ("win.system.eventID",),
        ("category=WindowsEventLogsTable", "properties.EventId"),
        # As the view gives them.
        ("eventid", "computer", "channel"),
        ("eventid", "computer", "provider"),
        ("eventid", "channel=Security"),
        ("eventid", f"provider={AUDIT}"),
    ),
    mark=b'hannel"',
    opens=content.opened,
    view=shapes.Views(_PLAIN, {"thing": _THINGS, "address": _ADDRESSES}, _DECIDING, _decided).of,
    text=prefixed.beside(
        Text(xml_events.looks, xml_events.pieces),
        prefixed.beside(messages.SPLUNK, messages.SNARE),
    ),
    realm=_REALM,
    at=("at",),
    vendor_id=("recordid",),
    action=_ACTION,
    principal=(
        _PRINCIPAL,
        Name("user", ("accountname", "user"), fold=True),
    ),
    credential=(
        Name("certificate", "certthumbprint", fold=True),
        Name("token", _ticket_used),
        lambda record, _: record["used"],
    ),
    agent=(Name("service_account", "transmittedservices", fold=True),),
    on_behalf=(_ON_BEHALF,),
    session=_session,
    resource=_resource,
    outcome=_ENDED,
    activity=lambda record, _: record["what"],
    activities={f"{event} {title}": what for event, (title, what) in EVENTS.items()},
    issued=_issued,
    address=_address,
    request_id=("activityid",),
    error=_ERROR,
    error_of_failures=True,
    content=content.CONTENT,
    lacks={
        "user_agent": "Windows writes the process, not a client's description of itself",
        "request_id": "only some events name an activity",
        "agent": "only delegated tickets name the service in between",
    },
    # 3: who asks for a certificate, and the events of the authority. 4: as whom somebody acts,
    # PowerShell's values and times, events as text. 5: keys written into the directory. 6: events
    # of Azure's diagnostics, of AD FS, and those that only their message tells. 7: messages of two
    # logs alone. 8: addresses of file servers' sessions, and of who asks a network policy server.
    # 9: keywords that Winlogbeat lists, whose rights were changed.
    version=9,
)
