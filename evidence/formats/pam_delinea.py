"""Delinea's Secret Server (once Thycotic's): its events as CEF lines, or as JSON with CEF's keys.

Owns the meaning of their fields. A secret is a credential: to view or check it out is to be issued
it. Source: Delinea's description of its SIEM integration; not verified against records of every
kind. The actions are the vendor's own names ("SECRET - VIEW"). Pure.
"""

import re
from collections.abc import Iterator
from typing import Any

from evidence.formats import lines, tables
from evidence.formats.documents import Piece
from evidence.formats.record import ActorName
from evidence.formats.tables import Issues, Name, Row, Table, Text
from evidence.vocabulary import (
    AUTHENTICATION,
    CHANGE,
    ISSUANCE,
    OUTCOME_FAILED,
    OUTCOME_OK,
    OUTCOME_REFUSED,
    OUTCOME_UNKNOWN,
    REVOCATION,
)

_LINE = re.compile(
    rb"[^\n]{0,400}?(?:CEF:\s?\d+|LEEF:\s?[12]\.0)\|(?:Thycotic|Delinea)[^|\n]{0,40}\|",
    re.IGNORECASE,
)
_SECRET = ("fname", "fileName", "labels.Secret Name")
_WHO = ("suser", "usrName", "sourceUserName", "suid")
# The product itself, which changes passwords and runs tasks.
_ITSELF = "thycoticsystem"
# What the product logs of itself; only what it says of it tells more.
_OWN_LOG, _SIGN_IN_FAILED = "System Log", "Login Failed"
_LOOKED_AT = 2_000
_FOLDER = ("labels.Folder", "labels.Folder Name", "cs3")


def _looks(head: bytes) -> bool:
    # A field of JSON may quote such a line: also in what a deposit keeps.
    return not lines.is_json(head) and _LINE.match(head) is not None


def _line(line: str) -> dict[str, Any] | None:
    return lines.cef(line) or lines.leef(line)


def _pieces(body: bytes) -> Iterator[Piece]:
    return lines.each_line(body, _line, "CEF or LEEF line")


def _opened(record: Row) -> Row:
    """The record with what its message says beyond its name, before the message is dropped."""
    if record.get("name") != _OWN_LOG or "act" in record:
        return record
    said = record.get("msg")
    failed = type(said) is str and _SIGN_IN_FAILED.lower() in said[:_LOOKED_AT].lower()
    return {**record, "act": _SIGN_IN_FAILED} if failed else record


_named, _called = tables.getter(_SECRET), tables.getter(_WHO)


def _who(record: Row, realm: str) -> ActorName | None:
    name = _called(record)
    if not name:
        return None
    return tables.actor(realm, "service" if name.lower() == _ITSELF else "user", name)


def _secret(record: Row, realm: str) -> ActorName | None:
    """The secret that an event is about, where it is about one."""
    said = record.get("name")
    found = _named(record) if type(said) is str and said.upper().startswith("SECRET") else None
    return tables.actor(realm, "account", found) if found else None


def _ended(record: Row) -> int:
    words = f"{record.get('name')} {record.get('act')}".lower()
    if "denied" in words:
        return OUTCOME_REFUSED
    if "fail" in words:
        return OUTCOME_FAILED
    return OUTCOME_UNKNOWN if record.get("name") == _OWN_LOG else OUTCOME_OK


TABLE = Table(
    name="delinea",
    title="Delinea Secret Server",
    signs=(("deviceVendor=Thycotic Software|Thycotic|Delinea|Delinea Inc.", "deviceEventClassId"),),
    mark=b'"deviceEventClassId"',
    text=Text(_looks, _pieces, lambda _: lines.Lines(_looks)),
    opens=_opened,
    realm="delinea:{dvchost|deviceHostName|host}",
    at=("rt", "deviceReceiptTime", "devTime", "time"),
    vendor_id="externalId",
    action=("name", "act", "deviceEventClassId"),
    principal=(_who,),
    credential=(_secret,),
    resource=(*_SECRET, "duser", *_FOLDER),
    outcome=_ended,
    patterns=(
        (
            (
                r"(?i)secret - (?:view|check[ _]?out|copy|password[ _]displayed|web[ _]?password"
                r"|launch|export)"
            ),
            ISSUANCE,
        ),
        (r"(?i)secret - check ?in", REVOCATION),
        (r"(?i)user - (?:log|challenge|two ?factor)|.*log(?:in|on|out|off)", AUTHENTICATION),
        (r"(?i)user - (?:disable|delete|lock)", REVOCATION),
        (
            (
                r"(?i).* - .*(?:creat|add|edit|updat|delet|remov|chang|assign|enabl|disabl|set|mov|copy"
                r"|reset|expir|undelet|grant|revok)"
            ),
            CHANGE,
        ),
    ),
    issues=(
        Issues(
            frozenset(
                {
                    *("SECRET - VIEW", "SECRET - CHECKOUT", "SECRET - COPY"),
                    *("SECRET - PASSWORD_DISPLAYED", "SECRET - PASSWORD DISPLAYED"),
                }
            ),
            Name("account", _SECRET),
            standing=False,
        ),
    ),
    address=("src", "sourceAddress", "shost"),
    content=("msg",),
    lacks={
        "session": "events name no session",
        "user agent": "events carry none",
        "request_id": "events carry none",
    },
    # 4: passwords that are displayed, the product's log of itself, and the product as who acts.
    version=4,
)
