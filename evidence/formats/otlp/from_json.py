"""OTLP/JSON to export requests.

Owns the JSON encoding, read by hand into the protobuf classes: its ids are hexadecimal where
protobuf's own JSON has base64, and the two encodings of a span must come out equal. Also owns
what can be saved of a damaged document. Knows nothing of what a span means. Pure.
(opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding)
"""

import base64
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import orjson
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import (
    AnyValue,
    ArrayValue,
    InstrumentationScope,
    KeyValue,
    KeyValueList,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from evidence.formats.counting import require_few
from evidence.formats.documents import said
from evidence.formats.otlp.found import Found

_DEEPEST = 32
_RESOURCE = re.compile(r"\"resource\"\s*:\s*(?=\{)")
_OBJECT = re.compile(r"[\[,]\s*(?=\{\s*\")")
_WRONG = (ValueError, TypeError, AttributeError, OverflowError, KeyError, RecursionError)


def requests(text: bytes) -> Iterator[Found]:
    """All export requests of a JSON document, a list of them, or lines of them."""
    try:
        yield from _documents(orjson.loads(text), "")
        return
    except (ValueError, RecursionError) as problem:
        why = said(problem)
    lines = text.split(b"\n")
    first = lines[0].strip()
    if len(lines) > 1 and first[:1] == b"{" and first[-1:] == b"}" and len(first) > 2:
        for number, given in enumerate(lines, start=1):
            line = given.strip()
            if not line:
                continue
            before = f"line {number} "
            try:
                value = orjson.loads(line)
            except (ValueError, RecursionError) as problem:
                yield _rescued(line, before, said(problem))
                continue
            yield from _documents(value, before)
    else:
        yield _rescued(text, "", why)


def _documents(value: Any, before: str) -> Iterator[Found]:
    if isinstance(value, list):
        for number, document in enumerate(value):
            yield _document(document, f"{before}[{number}] ".lstrip())
    else:
        yield _document(value, before)


def _document(value: Any, before: str) -> Found:
    lost: list[tuple[str, str, bytes]] = []
    numbers: dict[tuple[int, int], list[int]] = {}
    groups = value.get("resourceSpans") if isinstance(value, dict) else None
    if not isinstance(groups, list):
        # An empty object is a valid export of nothing.
        if value != {}:
            lost.append((before.strip() or "body", "has no list of resourceSpans", _raw(value)))
        return Found(before, None, numbers, lost)
    request = ExportTraceServiceRequest()
    require_few(_many(groups))
    for r, group in enumerate(groups):
        made = request.resource_spans.add()
        place = f"{before}resourceSpans[{r}]"
        if not isinstance(group, dict):
            lost.append((place, "is not a JSON object", _raw(group)))
            continue
        try:
            made.CopyFrom(
                ResourceSpans(
                    resource=_resource(group.get("resource")),
                    schema_url=group.get("schemaUrl") or "",
                )
            )
        except _WRONG as problem:
            lost.append((f"{place}.resource", said(problem), _raw(group.get("resource"))))
            continue
        scopes = group.get("scopeSpans") or []
        for s, scope in enumerate(scopes if isinstance(scopes, list) else [scopes]):
            made_scope = made.scope_spans.add()
            _scope_spans(scope, made_scope, (r, s), before, numbers, lost)
    return Found(before, request, numbers, lost)


def _many(groups: list[Any]) -> int:
    """The spans of these groups; one without any counts as one, and so does a scope."""
    many = 0
    for group in groups:
        scopes = group.get("scopeSpans") if isinstance(group, dict) else None
        for scope in scopes if isinstance(scopes, list) else [scopes]:
            spans = scope.get("spans") if isinstance(scope, dict) else None
            many += len(spans) or 1 if isinstance(spans, list) else 1
    return many


def _scope_spans(
    scope: Any,
    made: ScopeSpans,
    place: tuple[int, int],
    before: str,
    numbers: dict[tuple[int, int], list[int]],
    lost: list[tuple[str, str, bytes]],
) -> None:
    where = f"{before}scopeSpans[{place[0]}.{place[1]}]"
    try:
        made.CopyFrom(
            ScopeSpans(scope=_scope(scope.get("scope")), schema_url=scope.get("schemaUrl") or "")
        )
        spans = scope.get("spans") or []
    except _WRONG as problem:
        lost.append((where, said(problem), _raw(scope)))
        return
    if not isinstance(spans, list):
        lost.append((where, "its spans are not a list", _raw(spans)))
        return
    kept = []
    for number, span in enumerate(spans):
        try:
            made.spans.append(_span(span))
            kept.append(number)
        except _WRONG as problem:
            at = f"{before}spans[{place[0]}.{place[1]}.{number}]"
            lost.append((at, _reason(problem), _raw(span)))
    if len(kept) != len(spans):
        numbers[place] = kept


def _reason(problem: Exception) -> str:
    if isinstance(problem, UnicodeError):
        return "holds text that is not valid Unicode"
    if isinstance(problem, RecursionError):
        return "is nested too deeply"
    if isinstance(problem, ValueError | OverflowError):
        return said(problem)
    return "a member has the wrong type"


def _raw(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except (TypeError, ValueError, RecursionError):
        return repr(value)[:4000].encode("utf-8", "replace") if not _deep(value) else b""


def _deep(value: Any) -> bool:
    """Whether a value nests beyond what may be printed."""
    level = [value]
    for _ in range(200):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return False
    return True


def _rescued(raw: bytes, before: str, why: str) -> Found:
    """What the strict parser refuses: the spans that read alone, each under its resource."""
    text = raw.decode("utf-8", "surrogateescape")
    try:
        # Lenient about lone surrogates: the span that holds one is rejected, not its neighbours.
        return _document(json.loads(text), before)
    except (ValueError, RecursionError):
        pass
    decoder = json.JSONDecoder()
    resources = list(_each(text, _RESOURCE, decoder, lambda value: isinstance(value, dict)))
    groups: dict[int, dict[str, Any]] = {}
    done = 0
    for start, end, span in _each(text, _OBJECT, decoder, _is_span):
        if start < done:
            continue
        done = end
        near = [number for number, (place, _, _) in enumerate(resources) if place < start]
        number = near[-1] if near else -1
        group = groups.setdefault(
            number,
            {
                "resource": resources[number][2] if near else {},
                "scopeSpans": [{"spans": []}],
            },
        )
        group["scopeSpans"][0]["spans"].append(span)
    found = _document({"resourceSpans": list(groups.values())}, before)
    found.lost.append((before.strip() or "body", f"broken JSON, in part: {why}", raw))
    return found


def _is_span(value: Any) -> bool:
    return isinstance(value, dict) and {"traceId", "spanId", "startTimeUnixNano"} <= value.keys()


def _each(
    text: str,
    pattern: re.Pattern[str],
    decoder: json.JSONDecoder,
    wanted: Callable[[Any], bool],
) -> Iterator[tuple[int, int, Any]]:
    """(start, end, value) of each whole value that begins where the pattern ends."""
    budget = 64 * len(text) + 4_000_000
    done = 0
    for match in pattern.finditer(text):
        start = match.end()
        if start < done:
            continue
        if budget < 0:
            return
        try:
            value, end = decoder.raw_decode(text, start)
        except json.JSONDecodeError as problem:
            # The complaint counts the lines before it, so late ones cost more.
            budget -= problem.pos - start + start // 4 + 64
            continue
        except (ValueError, RecursionError):
            budget -= 1_000_000
            continue
        budget -= end - start
        if wanted(value):
            yield start, end, value
            done = end


def _resource(value: Any) -> Resource:
    if value is None:
        return Resource()
    return Resource(
        attributes=_attributes(value.get("attributes")),
        dropped_attributes_count=_number(value.get("droppedAttributesCount")),
    )


def _scope(value: Any) -> InstrumentationScope:
    if value is None:
        return InstrumentationScope()
    return InstrumentationScope(
        name=value.get("name") or "",
        version=value.get("version") or "",
        attributes=_attributes(value.get("attributes")),
        dropped_attributes_count=_number(value.get("droppedAttributesCount")),
    )


def _span(value: Any) -> Span:
    read = value.get
    return Span(
        trace_id=_id(read("traceId"), "traceId"),
        span_id=_id(read("spanId"), "spanId"),
        trace_state=read("traceState") or "",
        parent_span_id=_id(read("parentSpanId"), "parentSpanId"),
        flags=_number(read("flags")),
        name=read("name") or "",
        kind=_named(read("kind"), Span.SpanKind),
        start_time_unix_nano=_number(read("startTimeUnixNano")),
        end_time_unix_nano=_number(read("endTimeUnixNano")),
        attributes=_attributes(read("attributes")),
        dropped_attributes_count=_number(read("droppedAttributesCount")),
        events=[_event(event) for event in read("events") or ()],
        dropped_events_count=_number(read("droppedEventsCount")),
        links=[_link(link) for link in read("links") or ()],
        dropped_links_count=_number(read("droppedLinksCount")),
        status=_status(read("status")),
    )


def _event(value: Any) -> Span.Event:
    return Span.Event(
        time_unix_nano=_number(value.get("timeUnixNano")),
        name=value.get("name") or "",
        attributes=_attributes(value.get("attributes")),
        dropped_attributes_count=_number(value.get("droppedAttributesCount")),
    )


def _link(value: Any) -> Span.Link:
    return Span.Link(
        trace_id=_id(value.get("traceId"), "link's traceId"),
        span_id=_id(value.get("spanId"), "link's spanId"),
        trace_state=value.get("traceState") or "",
        attributes=_attributes(value.get("attributes")),
        dropped_attributes_count=_number(value.get("droppedAttributesCount")),
        flags=_number(value.get("flags")),
    )


def _status(value: Any) -> Status | None:
    if value is None:
        return None
    return Status(
        message=value.get("message") or "", code=_named(value.get("code"), Status.StatusCode)
    )


def _id(value: Any, what: str) -> bytes:
    if not value:
        return b""
    try:
        return bytes.fromhex(value)
    except (ValueError, TypeError):
        raise ValueError(f"its {what} is not hexadecimal") from None


def _number(value: Any) -> int:
    if not value:
        return 0
    return value if type(value) is int else int(value)


def _named(value: Any, names: Any) -> Any:
    if type(value) is int:
        return value
    return names.Value(value) if value else 0


def _attributes(value: Any) -> list[KeyValue]:
    return [KeyValue(key=pair["key"], value=_value(pair, 0)) for pair in value or ()]


def _value(pair: Any, depth: int) -> AnyValue | None:
    """The value of a pair; absent stays absent, as it is on the wire."""
    value = pair.get("value")
    return None if value is None else _any(value, depth)


def _any(value: Any, depth: int) -> AnyValue:
    """An AnyValue: exactly one member says its type; numbers of 64 bits may be text."""
    if not value:
        return AnyValue()
    if depth > _DEEPEST:
        raise ValueError("is nested too deeply")
    for member, inside in value.items():
        if member == "stringValue":
            return AnyValue(string_value=inside)
        if member == "intValue":
            return AnyValue(int_value=int(inside))
        if member == "boolValue":
            return AnyValue(bool_value=inside)
        if member == "doubleValue":
            return AnyValue(double_value=float(inside))
        if member == "arrayValue":
            inner = (inside or {}).get("values") or ()
            return AnyValue(array_value=ArrayValue(values=[_any(x, depth + 1) for x in inner]))
        if member == "kvlistValue":
            pairs = (inside or {}).get("values") or ()
            made = [KeyValue(key=x["key"], value=_value(x, depth + 1)) for x in pairs]
            return AnyValue(kvlist_value=KeyValueList(values=made))
        if member == "bytesValue":
            return AnyValue(bytes_value=base64.b64decode(inside, validate=True))
    return AnyValue()
