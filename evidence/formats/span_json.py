"""Spans that tracing tools write as JSON of their own: OpenTelemetry's console, Jaeger, Phoenix.

Owns how these become one shape, that of OpenTelemetry's console exporter (`ReadableSpan.to_json`),
which is what is kept. Sources: opentelemetry-sdk for Python (trace/__init__.py); Jaeger's UI model
(model/json: traces with their processes, ids without leading zeros, times in microseconds);
Phoenix's data frames (columns ``context.span_id``, ``attributes.*``) and its REST API's spans. No
recorded files were at hand. What an attribute means stands in otlp/. Pure.

Not given: by Phoenix, the service that a trace came from and whether a span called or was called.
"""

from collections.abc import Iterator
from typing import Any

from evidence.formats import escaping, spans
from evidence.formats.documents import Piece, Shape, pieces
from evidence.formats.marking import Gone
from evidence.formats.otlp import content
from evidence.formats.record import Asked, Format, Parsed
from evidence.formats.spans import Told, mapping, text
from evidence.formats.tables import Row, Unreadable

NAME = "spans"
_KIND = "SpanKind."
# What every record of one of these writers has, the rarest first.
_MARKS = (b'"spanID"', b'"context.span_id"', b'"span_id"')
_COLUMN = "attributes."
_FAILED = frozenset({"ERROR", "STATUSCODE.ERROR", "2"})
_MOST_EVENTS = 1_000


def _is_console(value: Row) -> bool:
    context = value.get("context")
    if type(context) is not dict or "span_id" not in context or "start_time" not in value:
        return False
    return text(value, "kind").startswith(_KIND)


def _is_phoenix(value: Row) -> bool:
    if "context.span_id" in value:
        return "context.trace_id" in value
    context = value.get("context")
    return type(context) is dict and "span_id" in context and "span_kind" in value


def _is_jaeger(value: Row) -> bool:
    return "spanID" in value and "operationName" in value


def _is_span(value: Any) -> bool:
    return type(value) is dict and (_is_console(value) or _is_phoenix(value) or _is_jaeger(value))


def _is_trace(value: Any) -> bool:
    return type(value) is dict and type(value.get("spans")) is list and "processes" in value


def _is_ours(value: Any) -> bool:
    return _is_span(value) or _is_trace(value)


def _shape(body: bytes) -> Shape:
    mark = next((mark for mark in _MARKS if mark in body), _MARKS[-1])
    return Shape(("Records", "data"), mark, _is_ours)


def recognise(head: bytes) -> bool:
    """JSON whose first records are spans of one of these."""
    return spans.begins_with(head, _shape(head[: spans.FIRST]))


def parse(body: bytes, asked: Asked) -> Parsed:
    """Read all spans of a body; never raises for what the body holds."""
    return spans.parse(
        _spans(pieces(escaping.escaped_json(body), _shape(body))),
        asked,
        name=NAME,
        knows=_is_span,
        tells=_told,
        drops=_without_content,
    )


def _spans(found: Iterator[Piece]) -> Iterator[Piece]:
    """The spans among the pieces, those of Jaeger's traces beside their process, in one shape."""
    for position, value, problem, raw in found:
        if problem or not _is_trace(value):
            yield position, value if problem else _alike(value, {}), problem, raw
            continue
        processes = mapping(value["processes"])
        for number, span in enumerate(value["spans"]):
            yield f"{position}.spans[{number}]", _alike(span, processes), "", b""


def _alike(value: Any, processes: Row) -> Any:
    """A span as the console writes it; what is none stays as it is."""
    if type(value) is not dict or _is_console(value):
        return value
    if _is_jaeger(value):
        return _of_jaeger(value, processes)
    return _of_phoenix(value) if _is_phoenix(value) else value


def _of_jaeger(row: Row, processes: Row) -> Row:
    process = mapping(row.get("process") or processes.get(text(row, "processID")))
    tags = _tags(row.get("tags"))
    start, lasted = row.get("startTime"), row.get("duration")
    start = start if type(start) is int else 0
    lasted = lasted if type(lasted) is int else 0
    failed = tags.get("error") in (True, "true") or tags.get("otel.status_code") == "ERROR"
    resource = _tags(process.get("tags"))
    if text(process, "serviceName"):
        resource.setdefault("service.name", process["serviceName"])
    return {
        "name": text(row, "operationName"),
        "context": {
            "trace_id": text(row, "traceID").zfill(32),
            "span_id": text(row, "spanID").zfill(16),
        },
        "kind": f"{_KIND}{text(tags, 'span.kind').upper() or 'INTERNAL'}",
        "parent_id": _parent(row),
        "start_time": start * 1_000,
        "end_time": (start + lasted) * 1_000,
        "status": {
            "status_code": "ERROR" if failed else "UNSET",
            "description": text(tags, "otel.status_description"),
        },
        "attributes": tags,
        "events": [_logged(one) for one in _listed(row.get("logs"))],
        "resource": {"attributes": resource},
    }


def _parent(row: Row) -> str | None:
    """The span above; references say it, and in older files a member of its own."""
    for one in _listed(row.get("references")):
        # What follows from a span was begun by it too; a link leads to another trace.
        if text(one, "traceID") == text(row, "traceID"):
            return text(one, "spanID").zfill(16)
    above = text(row, "parentSpanID")
    return above.zfill(16) if above.strip("0") else None


# OpenTracing's names of what an exception says, and OpenTelemetry's.
_RAISED = (
    ("error.kind", "exception.type"),
    ("message", "exception.message"),
    ("error.object", "exception.message"),
    ("stack", "exception.stacktrace"),
)


def _logged(log: Row) -> Row:
    fields = _tags(log.get("fields"))
    if fields.get("event") == "error":
        fields["event"] = "exception"
        for old, new in _RAISED:
            if old in fields:
                fields.setdefault(new, fields.pop(old))
    return {"name": text(fields, "event", "name"), "attributes": fields}


def _tags(given: Any) -> Row:
    """Jaeger's tags; some stores write them as an object."""
    if type(given) is dict:
        return dict(given)
    return {pair["key"]: pair.get("value") for pair in _listed(given) if text(pair, "key")}


def _listed(given: Any) -> list[Row]:
    if type(given) is not list:
        return []
    return [one for one in given[:_MOST_EVENTS] if type(one) is dict]


def _of_phoenix(row: Row) -> Row:
    context = mapping(row.get("context"))
    attributes = dict(mapping(row.get("attributes")))
    for name, value in row.items():
        if name.startswith(_COLUMN) and value is not None:
            attributes.setdefault(name.removeprefix(_COLUMN), value)
    kind = text(row, "span_kind")
    if kind:
        attributes.setdefault("openinference.span.kind", kind)
    return {
        "name": text(row, "name"),
        "context": {
            "trace_id": text(row, "context.trace_id") or text(context, "trace_id"),
            "span_id": text(row, "context.span_id") or text(context, "span_id"),
        },
        "kind": f"{_KIND}INTERNAL",
        "parent_id": text(row, "parent_id") or None,
        "start_time": row.get("start_time"),
        "end_time": row.get("end_time"),
        "status": {
            "status_code": text(row, "status_code"),
            "description": text(row, "status_message"),
        },
        "attributes": attributes,
        "events": _listed(row.get("events")),
        "resource": {"attributes": {}},
    }


def _without_content(value: Any, lost: Gone) -> None:
    if type(value) is not dict:
        return
    resource = value.get("resource")
    for holder in (value, resource if type(resource) is dict else {}):
        if type(holder.get("attributes")) in (dict, list):
            spans.without_content(holder["attributes"], lost)
    spans.without_words(value.get("status"), ("description",), lost)
    for one in ("events", "links"):
        listed = value.get(one)
        for said in listed if type(listed) is list else ():
            if type(said) is not dict:
                continue
            if content.is_message(text(said, "name")):
                said["attributes"] = spans.gone(said.get("attributes"), lost)
            elif type(said.get("attributes")) in (dict, list):
                spans.without_content(said["attributes"], lost)


def _told(row: Row) -> Told:
    """A span in the console's shape as a span of OTLP. Raises Unreadable."""
    if type(row) is not dict or not _is_span(row):
        raise Unreadable(
            "is no span of OpenTelemetry's console, Jaeger or Phoenix: it has no span id and start"
        )
    context, status = mapping(row.get("context")), row.get("status")
    code = status.get("status_code") if type(status) is dict else status
    start = spans.nanoseconds(row.get("start_time"))
    end = spans.nanoseconds(row.get("end_time"))
    return Told(
        trace=spans.identifier(text(context, "trace_id"), 16),
        span=spans.identifier(text(context, "span_id"), 8),
        parent=spans.identifier(text(row, "parent_id"), 8),
        name=text(row, "name"),
        start=start,
        end=max(start, end),
        attributes=mapping(row.get("attributes")),
        resource=mapping(mapping(row.get("resource")).get("attributes")),
        failed=str(code).upper() in _FAILED,
        message=text(mapping(status), "description"),
        exception=_exception(row.get("events")),
        called=text(row, "kind") in (f"{_KIND}SERVER", f"{_KIND}CONSUMER"),
    )


def _exception(events: Any) -> str:
    for event in _listed(events):
        if event.get("name") == "exception":
            return text(mapping(event.get("attributes")), "exception.type")
    return ""


FORMAT = Format(
    NAME, "Spans as JSON: OpenTelemetry's console, Jaeger, Phoenix", recognise, parse, version=4
)
