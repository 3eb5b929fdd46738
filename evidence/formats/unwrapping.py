"""What transports wrap records in: members that hold them, rows of queries, a prefix on each line.

Owns the one table of these wrappings, whatever format is inside; a vendor's own wrapping stands
beside its table (`Table.opens`). A record that needs none of this is never looked at here. Pure.
"""

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import orjson

from evidence.formats import escaping, exports, lines

# Members in which transports wrap a record, as an object or as its text: subscriptions, forwarders,
# rule tests, rows of CloudWatch Logs Insights and CloudTrail Lake, and the columns of SIEMs.
ENVELOPES = (
    "log",
    "detail",
    "event",
    "message",
    "record",
    "data",
    "_raw",
    "result",
    "@message",
    "eventJson",
    "event.original",
    "data_base64",
)
# Members of a document that list records, or what wraps each of them.
LISTS = (
    "Records",
    "records",
    "events",
    "value",
    "items",
    "logs",
    "entries",
    "data",
    "logEvents",
    "receivedMessages",
    "QueryResultRows",
    "results",
)
# What Pub/Sub and CloudEvents carry as base64 begins so when it is a JSON object.
_ENCODED = ("data", "data_base64")
_OBJECT_ENCODED = ("ey", "ew")
# More is no message of a queue.
_LONGEST_ENCODED = 16 * 1024 * 1024
_MOST_CELLS = 1_000
# A line that is JSON behind a prefix: of syslog, of a node, of a container's runtime.
_LONGEST_PREFIX = 300
_BEHIND = re.compile(
    rb'[^\n{"\x00-\x08\x0e-\x1f\x80-\xff]{1,%d}?(?<=[\s:|])(?=\{\s*")' % _LONGEST_PREFIX
)
_BOM = b"\xef\xbb\xbf"
# Columns of CSV that hold whole records, the likeliest first: of what the console of CloudWatch
# Logs Insights downloads, Purview and Search-UnifiedAuditLog, Elastic, Splunk.
_RECORDS = ("@message", "AuditData", "event.original", "_raw", "message")
# A vendor's records have so many members at least, where three columns of a name like theirs are
# anybody's; and so they are called, which the first line of a log is not.
_FEWEST_COLUMNS, _COLUMN = 6, re.compile(r"[A-Za-z_@][\w .:@/()\[\]{}-]{0,100}\Z")
# The first of them says besides whose log it is in, `account:group`.
_LOG = "@log"
# What is taken is never given back (`?+`): a lone quote could be either end of a name, and a row of
# them would be tried in every way.
_HEADER = re.compile(
    rb"(?:\xef\xbb\xbf)?(?:%b[^\r\n]{0,300}\r?\n)?"
    rb'("?+[^",\r\n]{0,200}+"?+(?:,"?+[^",\r\n]{0,200}+"?+){0,2000}+)\r?\n' % lines.TYPED
)


def inside(value: Any, members: tuple[str, ...] = ENVELOPES) -> Any:
    """The object that a value wraps, in the first of these members that holds one; else None."""
    if type(value) is list:
        return of_row(value)
    if type(value) is not dict:
        return None
    event = value.get("event")
    if type(event) is dict and type(event.get("original")) is str:
        # The Elastic schema has objects called log and message beside what was received.
        found = _written("", event["original"])
        if found is not None:
            return found
    for name in members:
        held = value.get(name)
        if type(held) is str:
            held = _written(name, held)
        if type(held) is dict:
            return held
    return None


def _written(name: str, text: str) -> Any:
    """The object that a text is; None where it is none."""
    said: str | bytes = text
    if text.lstrip()[:1] != "{":
        if (
            name not in _ENCODED
            or not text.startswith(_OBJECT_ENCODED)
            or len(text) > _LONGEST_ENCODED
        ):
            return None
        try:
            said = base64.b64decode(text, validate=True)
        except (ValueError, binascii.Error):
            return None
    try:
        # What was encoded was not escaped with the body around it.
        found = escaping.loads(said) if type(said) is bytes else orjson.loads(said)
    except (ValueError, RecursionError):
        return None
    return found if type(found) is dict else None


def of_row(cells: list[Any]) -> dict[str, Any] | None:
    """A row that a query hands out as a list of cells, as one object: ``[{"field": "@message",
    "value": "…"}]`` of Logs Insights, ``[{"eventJson": "…"}]`` of Lake; None where it is none."""
    if not cells or len(cells) > _MOST_CELLS or not all(type(cell) is dict for cell in cells):
        return None
    made: dict[str, Any] = {}
    for cell in cells:
        if len(cell) == 2 and type(cell.get("field")) is str and "value" in cell:
            made.setdefault(cell["field"], cell["value"])
        elif len(cell) == 1:
            for name, held in cell.items():
                made.setdefault(name, held)
        else:
            return None
    return made


def is_behind(head: bytes) -> bool:
    """Whether the first line of a body is JSON behind a prefix."""
    text = head[: 2 * _LONGEST_PREFIX].removeprefix(_BOM).lstrip()
    return text[:1] not in (b"{", b"[") and _BEHIND.match(text) is not None


def records_in(head: bytes) -> str:
    """The column that holds a whole record in each row, where a body is CSV that has one; else ''."""
    named = _columns(head)
    return next((name for name in _RECORDS if name in named), "")


def is_table(head: bytes) -> bool:
    """Whether a body is CSV whose columns may be a record's members."""
    named = _columns(head)
    return len(named) >= _FEWEST_COLUMNS and all(map(_COLUMN.match, named))


def _columns(head: bytes) -> list[str]:
    found = _HEADER.match(head)
    if found is None:
        return []
    return [
        name.strip() for name in found[1].decode("utf-8", "replace").replace('"', "").split(",")
    ]


def plain(body: bytes) -> bytes:
    """A body without the prefixes of its lines, or its rows as lines of JSON, each where it stood;
    any other as it is."""
    if column := records_in(body):
        return b"\n".join(_placed(body, partial(_held, column)))
    if is_behind(body):
        return b"\n".join(_lines(body.removeprefix(_BOM)))
    return b"\n".join(_placed(body, exports.object_of)) if is_table(body) else body


def _held(column: str, row: dict[str, str]) -> dict[str, str]:
    """The record in a row as a transport writes it, and as the log subscription of the same events
    does."""
    if column not in row:
        # No record: the reader says so of the line.
        return row
    account, _, group = row.get(_LOG, "").partition(":")
    named = {"owner": account, "logGroup": group} if group else {}
    return {**named, "message": row[column]}


def _placed(body: bytes, made: Callable[[dict[str, str]], Any]) -> Iterator[bytes]:
    written = 0
    for place, row, problem, _ in lines.rows(body, fewest=1):
        number = int(place.removeprefix("line "))
        for _ in range(number - written - 1):
            yield b""
        written = number
        yield orjson.dumps(problem or made(row))


def _lines(body: bytes) -> Iterator[bytes]:
    for line in body.split(b"\n"):
        found = _BEHIND.match(line)
        yield line[found.end() :] if found is not None else line
