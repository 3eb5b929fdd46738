"""CSV and syslog as a mapping file asks for them: text as objects with named members.

Owns what a line becomes before a mapping's paths look into it. Sources: RFC 4180; RFC 5424,
sections 6 and 6.3; RFC 3164, section 4; RFC 6587, section 3.4.1 (a count before the line). Work
is linear in the text, whoever wrote it: key=value is found with RE2. Pure.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import re2

from evidence.formats import lines
from evidence.formats.documents import Piece

PAYLOADS = ("text", "json", "keyvalue", "cef")
SEVERITIES = (
    "emergency",
    "alert",
    "critical",
    "error",
    "warning",
    "notice",
    "informational",
    "debug",
)
# What is kept of a body is this document; it is read again as JSON whatever the body was.
_KEPT = b'{"Records":['
_COUNTED = re.compile(r"\d{1,7} (?=<\d{1,3}>)")
_PRIORITY = re.compile(r"<(\d{1,3})>")
_NEW = re.compile(
    r"(?P<version>\d{1,2}) (?P<time>\S{1,64}) (?P<host>\S{1,255}) (?P<app>\S{1,128})"
    r" (?P<pid>\S{1,128}) (?P<msgid>\S{1,64})(?: |\Z)"
)
_OLD = re.compile(
    r"(?P<month>[A-Z][a-z]{2}) (?P<day>[ \d]?\d) (?:(?P<year>\d{4}) )?(?P<clock>\d\d:\d\d:\d\d)"
    r"(?:\.\d{1,6})?(?: (?P<after>\d{4}))? (?P<host>\S{1,255})(?: |\Z)"
)
# Many senders of the old form write an ISO time in it.
_ISO = re.compile(r"(?P<time>\d{4}-\d\d-\d\dT\S{1,40}) (?P<host>\S{1,255})(?: |\Z)")
_TAG = re.compile(r"(?!CEF:\s?\d)(?P<app>[^\s:\[\]]{1,128})(?:\[(?P<pid>[^\]\s]{1,64})\])?: ?")
_BLOCK = re.compile(r"\[(?P<id>[^\s=\]\"]{1,64})")
_PARAMETER = re.compile(r' (?P<name>[^\s=\]"]{1,64})="(?P<value>(?:[^"\\\]]++|\\.)*+)"')
_ESCAPED = re.compile(r'\\(["\\\]])')
# RE2: an attacker writes these lines.
_PAIR = re2.compile(
    r"""(?:^|[\s,;])([A-Za-z_@][\w.@/:-]{0,62})=(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([^\s,;"']*))"""
)
_MOST_PAIRS = 256


def is_kept(body: bytes) -> bool:
    """Whether these are bytes that a deposit kept, not what was received."""
    return body.startswith(_KEPT)


def csv_pieces(columns: tuple[str, ...], delimiter: str) -> Callable[[bytes], Iterator[Piece]]:
    """What finds the rows of CSV; without `columns` the first row names them."""

    def pieces(body: bytes) -> Iterator[Piece]:
        return lines.rows(body, columns or None, delimiter=delimiter)

    return pieces


def syslog_pieces(payload: str, year: int | None) -> Callable[[bytes], Iterator[Piece]]:
    """What finds the messages of syslog, one a line, with the payload taken apart."""

    def read(line: str) -> dict[str, Any] | None:
        return message(line, payload, year)

    def pieces(body: bytes) -> Iterator[Piece]:
        what = "syslog line (<priority>, a time and a host)"
        if payload != "text":
            what = f"syslog line with {payload} in it"
        return lines.each_line(body, read, what)

    return pieces


def message(line: str, payload: str, year: int | None = None) -> dict[str, Any] | None:
    """One syslog line as an object; None when it is none, or its payload is not as asked.

    Members: facility, severity, time, host, app, pid, msgid, data (structured data by its ids),
    message; and fields, the payload taken apart.
    """
    counted = _COUNTED.match(line)
    rest = line[counted.end() :] if counted else line
    made: dict[str, Any] = {}
    priority = _PRIORITY.match(rest)
    if priority is not None and int(priority[1]) < 192:
        number = int(priority[1])
        made |= {"facility": number // 8, "severity": SEVERITIES[number % 8]}
        rest = rest[priority.end() :]
    new = _NEW.match(rest) if priority is not None else None
    if new is not None:
        made |= {name: value for name, value in new.groupdict().items() if value != "-"}
        rest, made["data"] = _structured(rest[new.end() :])
    else:
        rest = _old(rest, made, year)
        # A file of CEF often has the bare events, which name their own time and device.
        if "host" not in made and not (payload == "cef" and rest.startswith("CEF:")):
            return None
    rest = rest.removeprefix("\ufeff")
    if payload == "text":
        return made | {"message": rest}
    # What became a field stands nowhere else: a mapping may name it as content to be dropped.
    fields, left = _payload(rest, payload)
    if not fields:
        return None
    return made | {"message": left.strip(), "fields": fields}


def _old(rest: str, made: dict[str, Any], year: int | None) -> str:
    """What follows the header of the old form; its parts go into `made`."""
    found = _OLD.match(rest)
    if found is not None:
        said = found["year"] or found["after"] or (str(year) if year else "")
        day = found["day"].strip().zfill(2)
        # Without a year it is no time: the month may be last year's.
        made["time"] = " ".join(filter(None, (found["month"], day, said, found["clock"])))
    else:
        found = _ISO.match(rest)
        if found is None:
            return rest
        made["time"] = found["time"]
    made["host"] = found["host"]
    rest = rest[found.end() :]
    tag = _TAG.match(rest)
    if tag is not None:
        made |= {name: value for name, value in tag.groupdict().items() if value}
        rest = rest[tag.end() :]
    return rest


def _structured(text: str) -> tuple[str, dict[str, dict[str, str]]]:
    """(the message, {id: {name: value}}) of what follows the header of the new form."""
    if text.startswith("- ") or text == "-":
        return text[2:], {}
    data: dict[str, dict[str, str]] = {}
    at = 0
    while (block := _BLOCK.match(text, at)) is not None:
        values: dict[str, str] = {}
        here = block.end()
        while (one := _PARAMETER.match(text, here)) is not None:
            values[one["name"]] = _ESCAPED.sub(r"\1", one["value"])
            here = one.end()
        if text[here : here + 1] != "]":
            break
        data[block["id"]] = values
        at = here + 1
    return text[at:].removeprefix(" "), data


def _payload(text: str, payload: str) -> tuple[dict[str, Any] | None, str]:
    """(the fields of a message, what of it is in none)."""
    if payload == "keyvalue":
        return pairs(text)
    if payload == "cef":
        start = text.find("CEF:")
        return lines.cef(text), text[: max(start, 0)]
    start = text.find("{")
    if start < 0:
        return None, text
    try:
        value = orjson.loads(text[start:])
    except (ValueError, RecursionError):
        return None, text
    return (value if type(value) is dict else None), text[:start]


def pairs(text: str) -> tuple[dict[str, str], str]:
    """(``name=value name="a value"`` as an object, the rest of the text).

    Empty values are left out. Of a name that stands twice the first is taken: whoever writes
    the end of a line is most often an attacker.
    """
    found: dict[str, str] = {}
    rest: list[str] = []
    done = 0
    for match in _PAIR.finditer(text):
        if len(found) >= _MOST_PAIRS:
            break
        name, quoted, single, bare = match.groups()
        value = _ESCAPED.sub(r"\1", quoted) if quoted is not None else single or bare or ""
        if value:
            found.setdefault(name, value)
        rest.append(text[done : match.start()])
        done = match.end()
    return found, "".join((*rest, text[done:]))
