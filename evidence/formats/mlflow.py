"""MLflow traces, as its client, its server and its artifacts write them.

Owns the meaning of a span's members and of what a trace says of people, and the bodies they
travel in: ``Trace.to_dict()`` (one, a list, JSON lines), the server's answers (``trace_info``,
attributes in lists), ``traces.json`` of the artifact store, rows of a data frame; span schemas
2 and 3, ids in base64 and in hexadecimal. Attribute values are JSON written as text. A span that
MLflow took in by OTLP reads as it would have read if it had been sent here. Source:
mlflow-skinny 3.17 (entities/trace, trace_info, span; tracing/constant); traces of that version
were read; schema 2 and the server's answers are not verified. Pure.

What is kept is one record for each span, with what its trace says of person, session and source
beside it, without the previews of request and response.

Not given by MLflow: the service a trace came from (its script or notebook stands in), whether a
span called or was called, addresses and user agents, credentials that no attribute names.
"""

from collections.abc import Iterator
from typing import Any

from evidence.formats import escaping, spans
from evidence.formats.documents import Piece, Shape, pieces
from evidence.formats.marking import Gone
from evidence.formats.otlp import content, names
from evidence.formats.record import Asked, Format, Parsed
from evidence.formats.spans import Told, mapping, text
from evidence.formats.tables import Row, Unreadable

NAME = "mlflow"
_MARK = b'"start_time_unix_nano"'
_OLD_MARK = b'"start_time"'
# What a span takes from its trace: text that does not change once it is written.
_OF_INFO = ("trace_id", "request_id", "client_request_id", "experiment_id")
_PREVIEWS = (content.CONTENT, content.LITERALS)
# Tags can be changed afterwards; these are written with the trace.
_TAGS = ("mlflow.source.name", "mlflow.source.type", "mlflow.user")
_WANTED = names.READ | {"http.route"}
_FAILED = frozenset({"ERROR", "STATUS_CODE_ERROR", "2"})


def _is_span(value: Any) -> bool:
    if type(value) is not dict or "name" not in value:
        return False
    if "start_time_unix_nano" in value:
        return "span_id" in value
    context = value.get("context")
    return (
        type(context) is dict
        and "span_id" in context
        and "start_time" in value
        and ("info" in value or any(name.startswith("mlflow.") for name in _attributes(value)))
    )


def _is_trace(value: Any) -> bool:
    return _spans_of(value) is not None


def _spans_of(value: Any) -> list[Any] | None:
    """The spans of a trace's document; None: it is none."""
    if type(value) is not dict:
        return None
    inside = value.get("trace")
    if type(inside) is dict and "info" not in value and "spans" not in value:
        value = inside
    data = value.get("data")
    listed = data.get("spans") if type(data) is dict else value.get("spans")
    if type(listed) is not list:
        return None
    known = "info" in value or "trace_info" in value or "trace_metadata" in value
    return listed if known or any(_is_span(one) for one in listed[:3]) else None


def _is_ours(value: Any) -> bool:
    return _is_span(value) or _is_trace(value)


def _shape(body: bytes) -> Shape:
    return Shape(("Records", "traces"), _MARK if _MARK in body else _OLD_MARK, _is_ours)


def recognise(head: bytes) -> bool:
    """JSON whose first records are MLflow's traces or spans."""
    return spans.begins_with(head, _shape(head))


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
    """The spans of every trace among the pieces, each beside what its trace says."""
    for position, value, problem, raw in found:
        listed = None if problem else _spans_of(value)
        if listed is None or _is_span(value):
            yield position, value, problem, raw
            continue
        info = _info(value)
        for number, span in enumerate(listed):
            place = f"{position}.spans[{number}]"
            if type(span) is dict:
                yield place, {**span, "info": info}, "", b""
            else:
                yield place, span, "", b""


def _info(value: Row) -> Row:
    inside = value.get("trace")
    if type(inside) is dict:
        value = inside
    whole = mapping(value.get("info") or value.get("trace_info")) or value
    info: Row = {name: text(whole, name) for name in _OF_INFO if text(whole, name)}
    for name in ("trace_metadata", "request_metadata"):
        said = mapping(whole.get(name))
        info[name] = {
            key: value
            for key, value in said.items()
            if type(value) is str and content.kind_of(key[:200]) not in _PREVIEWS
        }
    tags = mapping(whole.get("tags"))
    info["tags"] = {name: text(tags, name) for name in _TAGS if text(tags, name)}
    return {name: value for name, value in info.items() if value}


def _attributes(row: Row) -> Row:
    """A span's attributes; the server's answers write them as a list of keys and values."""
    given = row.get("attributes")
    if type(given) is not list:
        return mapping(given)
    found = {}
    for pair in given:
        if type(pair) is dict and type(pair.get("key")) is str:
            value = pair.get("value")
            found[pair["key"]] = next(iter(value.values()), None) if type(value) is dict else value
    return found


def _without_content(value: Any, lost: Gone) -> None:
    if type(value) is not dict:
        return
    if type(value.get("attributes")) in (list, str):
        value["attributes"] = _attributes(value)
    spans.without_content({"attributes": value.get("attributes")}, lost)
    spans.without_words(value, ("status_message",), lost)
    spans.without_words(value.get("status"), ("message", "description"), lost)
    events = value.get("events")
    for event in events if type(events) is list else ():
        if type(event) is dict and content.is_message(text(event, "name")):
            event["attributes"] = spans.gone(event.get("attributes"), lost)
        elif type(event) is dict and type(event.get("attributes")) is dict:
            spans.without_content(event["attributes"], lost)


def _told(row: Row) -> Told:
    """A span of MLflow as a span of OTLP. Raises Unreadable."""
    if type(row) is not dict or not _is_span(row):
        raise Unreadable(
            "is no span of MLflow: it has no span_id and start_time_unix_nano; export traces"
            " with their spans"
        )
    context, info = mapping(row.get("context")), mapping(row.get("info"))
    metadata = mapping(info.get("trace_metadata") or info.get("request_metadata"))
    given = _attributes(row)
    attributes = {
        name: spans.parsed(value) if type(value := given[name]) is str else value
        for name in given.keys() & _WANTED
    }
    for name in ("mlflow.trace.user", "mlflow.trace.session"):
        if text(metadata, name):
            attributes.setdefault(name, metadata[name])
    tags = mapping(info.get("tags"))
    resource = {
        "service.name": text(metadata, "mlflow.source.name") or text(tags, "mlflow.source.name"),
        "service.version": text(metadata, "mlflow.modelId", "mlflow.source.git.commit"),
    }
    start = spans.nanoseconds(row.get("start_time_unix_nano") or row.get("start_time"))
    end = spans.nanoseconds(row.get("end_time_unix_nano") or row.get("end_time"))
    status = row.get("status")
    code = status.get("code") if type(status) is dict else row.get("status_code") or status
    parent = text(row, "parent_span_id", "parent_id")
    written = (
        text(row, "trace_id") or text(context, "trace_id") or text(info, "trace_id", "request_id")
    )
    return Told(
        trace=spans.identifier(written, 16),
        span=spans.identifier(text(row, "span_id") or text(context, "span_id"), 8),
        parent=spans.identifier(parent, 8),
        name=text(row, "name"),
        start=start,
        end=max(start, end),
        attributes=attributes,
        resource=resource,
        failed=str(code).upper() in _FAILED,
        message=text(mapping(status), "message", "description") or text(row, "status_message"),
        exception=_exception(row.get("events")),
        principal=text(metadata, "mlflow.auth.username", "mlflow.auth.userId"),
        request_id="" if parent else text(info, "client_request_id"),
    )


def _exception(events: Any) -> str:
    for event in events if type(events) is list else ():
        if type(event) is dict and event.get("name") == "exception":
            return text(mapping(event.get("attributes")), "exception.type")
    return ""


FORMAT = Format(NAME, "MLflow traces", recognise, parse, version=7)
