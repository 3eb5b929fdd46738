"""What a body that no format recognises looks like, and which formats come nearest to it.

Owns the words for its shape, and the comparison with the signs by which tables know their records.
It names members and columns, never what stands in them, and no name that may be somebody's. Pure.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from evidence.formats import exports, paths
from evidence.formats.documents import clean, is_lines
from evidence.formats.paths import Sign
from evidence.formats.tables import Row, Table
from evidence.words import listed

type Signs = Mapping[str, list[list[Sign]]]

NEAREST, RECORDS = 3, 5
_LOOKED_AT, _NAMED = 65_536, 4
# What has no more of any group of signs only has a word in common with it.
_LEAST = 0.34
# A member's name that a program would choose; others may be data, as in an object by login.
_NAME = re.compile(r"[A-Za-z_@][A-Za-z_@-]{0,29}\Z")
_TITLE = re.compile(r"[A-Za-z_@][\w .()/\[\]-]{0,60}\Z")
_SYSLOG = re.compile(rb"<\d{1,3}>(?:1 )?|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d ")
# Formats that have readers of their own, by what their records have.
_OWN: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "cloudtrail": (("eventName", "eventSource", "userIdentity", "eventTime"),),
    "otlp": (("resourceSpans",), ("traceId", "spanId", "startTimeUnixNano")),
    "langfuse": (("traceId", "type", "startTime"), ("trace", "observations")),
    "mlflow": (("info", "data.spans"), ("info.trace_id",)),
    "spans": (
        ("context.span_id", "kind^SpanKind.", "start_time"),
        ("traceID", "spanID", "operationName"),
        ("traceID", "spans", "processes"),
    ),
}


def looks_like(head: bytes, records: list[Row]) -> str:
    """A body's shape in a few words; `records`: the first objects that it holds, if it does."""
    text = clean(head[:_LOOKED_AT])
    if records:
        inside = listed_in(records)
        if inside is not None:
            name, rows = inside
            within = f" {name}" if _NAME.match(name) else ""
            return f"JSON with a list{within} of objects{_with(rows[0], 'member')}"
        kind = "JSON lines" if is_lines(text) else "JSON"
        return f"{kind}{_with(records[0], 'member')}"
    if text[:1] in (b"{", b"["):
        return "JSON without an object that could be a record"
    if text[:1] == b"<" and not _SYSLOG.match(text):
        return "XML" if text[:5] == b"<?xml" or b"</" in text else "text that begins with <"
    if text[:4] == b"CEF:" or b" CEF:0|" in text[:500]:
        return "CEF"
    if _SYSLOG.match(text):
        return "syslog"
    named = exports.columns(head)
    if len(named) > 2:
        return f"CSV{_with(dict.fromkeys(sorted(named)), 'column')}"
    return "plain text"


def _with(row: Mapping[str, Any], what: str) -> str:
    names = [name for name in row if type(name) is str and _NAME.match(name)][:_NAMED]
    # Objects below keys, and a first row of values, are somebody's data.
    keyed = len(row) > 1 and all(type(value) is dict for value in row.values())
    if not names or keyed or (what == "column" and not all(map(_TITLE.match, row))):
        return ""
    return f" with the {what}{'s' if len(names) > 1 else ''} {listed(names)}"


def nearest(records: Iterable[Row], signs: Signs) -> list[str]:
    """The formats whose signs these objects have most of, the nearest first."""
    some = [paths.lower_names(row, 4, 20) for row in list(records)[: 2 * RECORDS]]
    scores = []
    for name, groups in signs.items():
        score = max((_share(row, group) for row in some for group in groups), default=0.0)
        if score > _LEAST:
            scores.append((-score, name))
    return [name for _, name in sorted(scores)[:NEAREST]]


def listed_in(records: list[Row]) -> tuple[str, list[Row]] | None:
    """The list of objects inside a document, and its name, where it seems to hold the records."""
    if len(records) != 1:
        return None
    for name, value in records[0].items():
        if type(value) is list and value and all(type(one) is dict for one in value[:RECORDS]):
            return str(name), value[:RECORDS]
    return None


def of_columns(head: bytes) -> list[Row]:
    """The columns of CSV as one object, to be compared like a record."""
    named = exports.columns(head)
    return [dict.fromkeys(named, "")] if len(named) > 2 else []


def signs_of(tables: Iterable[Table]) -> Signs:
    """What to compare with: the signs of these tables, and of formats that have none."""
    groups = dict(_OWN)
    groups |= {table.name: table.signs for table in tables}
    return {
        name: [[Sign.of(sign) for sign in group] for group in signs]
        for name, signs in groups.items()
    }


def _share(row: Row, signs: list[Sign]) -> float:
    """How much of a group of signs a record has; what is there with another value counts a half."""
    wanted = [sign for sign in signs if not sign.absent]
    found = 0.0
    for sign in wanted:
        value = paths.getter(sign.path, folded=True)(row)
        if value is None:
            continue
        said = str(value)
        other = (sign.one_of and said not in sign.one_of) or not said.startswith(sign.begins)
        found += 0.5 if other else 1.0
    return found / len(wanted) if wanted else 0.0
