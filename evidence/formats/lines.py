"""Log lines that are no JSON: CSV, syslog, CEF, LEEF and key="value"; lines as pieces.

Owns the taking apart of such text into objects, for the tables of formats and for mapping files,
and where such text may be cut. Knows no vendor. Sources: RFC 4180, RFC 3164, RFC 5424; Common Event Format, Micro Focus,
version 25. Work is linear in the text, whoever wrote it. Pure.
"""

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import orjson

from evidence.formats import escaping
from evidence.formats.documents import Piece

# The module's own limit is 128 KiB a cell; statements are longer. It is one for the process.
csv.field_size_limit(16 * 1024 * 1024)
# What PowerShell writes before the names of the columns, unless it is told not to.
TYPED = b"#TYPE "
_PRIORITY = re.compile(r"<\d{1,3}>(?:\d{1,2} )?")
_RFC5424 = re.compile(r"(\d{4}-\d\d-\d\dT\S{1,40}) (\S{1,255}) ?")
_RFC3164 = re.compile(r"([A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:Z| \d{4})?) (\S{1,255}) ?")
_CEF = re.compile(r"CEF:\s?(\d{1,2})\|")
_LEEF = re.compile(r"LEEF:\s?([12])\.0\|")
_CEF_HEADER = ("deviceVendor", "deviceProduct", "deviceVersion", "deviceEventClassId", "name")
_CEF_KEY = re.compile(r"(?:^|\s)([A-Za-z_][\w.\[\]-]{0,62})=")
_CEF_BAR = re.compile(r"\\[\\|]|\|")
_CEF_ESCAPED = re.compile(r"\\([\\=|nr])")
_LABEL = re.compile(r"((?:cs|cn|cfp|c6a|flexString|flexNumber|deviceCustom\w{1,20}?)\d{1,2})Label")
_QUOTED = re.compile(r'([A-Za-z]\w{0,62})="([^"]*)"')


class Lines(NamedTuple):
    """Text of lines: may be cut before each line of which `begins` is true."""

    begins: Callable[[bytes], bool] = lambda _: True


class Rows(NamedTuple):
    """Text of CSV: may be cut between its rows, before one whose first line `begins`."""

    delimiter: str = ","
    header: bool = True  # its first row names the columns, and begins every part
    begins: Callable[[bytes], bool] = lambda _: True


# How a body that is no JSON may be cut where it is large.
type Seams = Rows | Lines


def escaped(piece: Piece) -> Piece:
    """A record with its texts escaped, as those of a body of JSON are."""
    place, value, problem, raw = piece
    if problem:
        return place, value, problem, escaping.escaped_json(raw)
    try:
        written = orjson.dumps(value)
    except (TypeError, ValueError, RecursionError):
        return piece
    changed = escaping.escaped_json(written)
    return piece if changed is written else (place, orjson.loads(changed), "", b"")


def rows(
    body: bytes, names: Sequence[str] | None = None, *, fewest: int = 2, delimiter: str = ","
) -> Iterator[Piece]:
    """The rows of CSV text as objects; empty cells are left out.

    `names`: of the columns, in their order; none: the first row names them. A row may be shorter
    than they are (older servers write fewer columns), not shorter than `fewest`.
    """
    text = body.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    found = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=delimiter)
    while True:
        line = found.line_num + 1
        try:
            cells = next(found)
        except StopIteration:
            return
        except csv.Error as problem:
            yield f"line {line}", None, f"broken CSV: {problem}", b""
            continue
        if not cells:
            continue
        if names is None:
            if not cells[0].startswith(TYPED.decode()):
                names = [cell.strip() for cell in cells]
            continue
        if len(cells) < fewest:
            raw = ",".join(cells).encode()
            short = f"has {len(cells)} columns where at least {fewest} are expected"
            yield f"line {line}", None, short, raw
            continue
        value = {name: cell for name, cell in zip(names, cells, strict=False) if cell}
        yield f"line {line}", value, "", b""


def whole_rows(lines: Iterable[bytes], delimiter: str) -> Iterator[tuple[list[bytes], bool]]:
    """(the lines of a row, whether it has cells), just as `rows` tells them apart."""
    held: list[bytes] = []

    def fed() -> Iterator[str]:
        for line in lines:
            held.append(line)
            # What CSV is made of is ASCII, and no byte of another character looks like it.
            yield line.decode("latin-1")

    found = csv.reader(fed(), strict=True, delimiter=delimiter)
    while True:
        try:
            cells = next(found)
        except StopIteration:
            return
        except csv.Error:
            cells = []
        yield held[:], bool(cells)
        held.clear()


def each_line(
    body: bytes, read: Callable[[str], dict[str, Any] | None], what: str
) -> Iterator[Piece]:
    """Every line as the object that `read` makes of it; `what` it is not, when it makes none."""
    for number, raw in enumerate(body.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        line = raw.strip()
        if not line:
            continue
        value = read(line.decode("utf-8", "replace"))
        if value is None:
            yield f"line {number}", None, f"is no {what}", line
        else:
            yield f"line {number}", value, "", b""


def is_json(head: bytes) -> bool:
    """Whether a body begins as JSON does, which no log line of these kinds does."""
    return head[:64].lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[")


def syslog(line: str) -> tuple[dict[str, str], str]:
    """({time, host} as far as the header says them, the rest of the line)."""
    priority = _PRIORITY.match(line)
    rest = line[priority.end() :] if priority is not None else line
    for header in (_RFC5424, _RFC3164):
        found = header.match(rest)
        if found is not None:
            return {"time": found[1], "host": found[2]}, rest[found.end() :]
    return {}, rest


def cef(line: str) -> dict[str, Any] | None:
    """A CEF line, maybe behind a syslog header, as a flat object; None when it is none.

    Header members are deviceVendor … name, severity, host and time (of syslog); the extension's
    keep their keys. What labels name (``cs2Label=Safe Name cs2=x``) stands under ``labels`` too.
    """
    start = _CEF.search(line)
    if start is None:
        return None
    parts: list[str] = []
    at = start.end()
    for bar in _CEF_BAR.finditer(line, at):
        if bar[0] == "|":
            parts.append(line[at : bar.start()])
            at = bar.end()
            if len(parts) == 6:
                break
    if len(parts) < 6:
        return None
    made: dict[str, Any] = dict(_extension(line[at:]))
    header, _ = syslog(line[: start.start()])
    made |= header
    made |= {
        name: part.replace("\\|", "|").replace("\\\\", "\\").strip()
        for name, part in zip((*_CEF_HEADER, "severity"), parts, strict=True)
    }
    made["cefVersion"] = start[1]
    labels = labelled(made)
    if labels:
        made["labels"] = labels
    return made


def leef(line: str) -> dict[str, Any] | None:
    """A LEEF line of IBM's, maybe behind a syslog header, as the object that CEF would be; its
    event's id stands under deviceEventClassId. None when it is none."""
    start = _LEEF.search(line)
    if start is None:
        return None
    second = start[1] == "2"
    parts = line[start.end() :].split("|", 5 if second else 4)
    if len(parts) < (6 if second else 5):
        return None
    between = parts[4] if second else ""
    if between[:1].lower() == "x" and len(between) in (3, 5):
        try:
            between = chr(int(between[1:], 16))
        except ValueError:
            return None
    made: dict[str, Any] = {}
    for pair in parts[-1].split(between if len(between) == 1 else "\t"):
        key, equal, value = pair.partition("=")
        if equal and value.strip():
            made[key.strip()] = value.strip()
    header, _ = syslog(line[: start.start()])
    made |= header
    made |= dict(zip(_CEF_HEADER, (part.strip() for part in parts[:4]), strict=False))
    labels = labelled(made)
    if labels:
        made["labels"] = labels
    return made


def labelled(record: dict[str, Any]) -> dict[str, str]:
    """What the custom fields of a CEF object mean, by their labels."""
    found: dict[str, str] = {}
    for name, label in record.items():
        of = _LABEL.fullmatch(name)
        if of is not None and type(label) is str and label:
            value = record.get(of[1])
            if type(value) is str and value:
                found[label] = value
    return found


def _extension(text: str) -> Iterator[tuple[str, str]]:
    keys = list(_CEF_KEY.finditer(text))
    ends = [*(key.start() for key in keys[1:]), len(text)]
    quoted_until = -1
    for key, end in zip(keys, ends, strict=False):
        if key.start() < quoted_until:
            continue  # a key inside a quoted value is part of it
        value = text[key.end() : end].strip()
        if value.startswith('"') and (len(value) < 2 or not value.endswith('"')):
            closing = text.find('"', key.end() + 1)
            if closing > 0:
                quoted_until = closing
                value = text[key.end() : closing + 1].strip()
        if len(value) > 1 and value[0] == value[-1] == '"':
            value = value[1:-1]
        if value:
            yield key[1], _CEF_ESCAPED.sub(_unescaped, value)


def _unescaped(found: re.Match[str]) -> str:
    return {"n": "\n", "r": "\r"}.get(found[1], found[1])


def quoted(line: str) -> dict[str, str]:
    """``Name="value";Other="value"`` as an object; empty values are left out."""
    return {name: value for name, value in _QUOTED.findall(line) if value}
