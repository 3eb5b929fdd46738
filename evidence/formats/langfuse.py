"""Langfuse: observations as its API and its exports hand them out.

Owns the meaning of an observation's members, and the bodies they travel in: pages of
``GET /api/public/v2/observations``, JSON lines, exports of the page (``{"trace": {…},
"observations": […]}``), a trace with its observations, and the lower-case exports to object
storage. An observation that came to Langfuse by OTLP keeps its span in ``metadata``; it reads as
that span would have read if it had been sent here. Source: Langfuse's API definition
(fern/apis/server: observations, commons, trace) and real exports of ten frameworks; the names of
exports to object storage are not verified. Pure.

What is kept is one record for each observation, with what its trace says of person,
conversation and release beside it; the observation's metadata are kept as an object.

Not given by Langfuse: whether a span called or was called, the address and user agent of a
caller, and any credential that the span's own attributes do not name.
"""

import re
from collections.abc import Iterator
from typing import Any

from evidence.formats import escaping, exports, lines, spans
from evidence.formats.beginnings import begun
from evidence.formats.documents import Piece, Shape, clean, pieces
from evidence.formats.exports import Export
from evidence.formats.lines import Seams
from evidence.formats.marking import Gone
from evidence.formats.record import Asked, Format, Parsed
from evidence.formats.spans import Told, mapping, text
from evidence.formats.tables import Row, Unreadable

NAME = "langfuse"
# Types that say what an observation did; the others are steps, like a span that says nothing.
_TYPES = frozenset({"AGENT", "TOOL", "GENERATION", "EMBEDDING", "GUARDRAIL"})
_ALL_TYPES = _TYPES | {"SPAN", "EVENT", "CHAIN", "RETRIEVER", "EVALUATOR"}
# What LangGraph and LangChain call their own steps.
_MACHINERY = re.compile(r"Runnable|ChannelWrite|ChannelRead|Branch<|LangGraph|Chat|Prompt|_|\Z")
# Members that hold what was said, wherever they stand.
_SAID = ("input", "output", "toolCalls", "tool_calls", "comments", "corrections", "scores")
# What an observation takes from its trace: text that does not change once it is written.
_OF_TRACE = ("id", "name", "userId", "sessionId", "release", "version", "environment")
# An export of the page, whose trace may be longer than is looked at.
_TRACE = re.compile(rb'\{\s*"trace"\s*:\s*\{')
_LOOKED_AT = 65_536
# Exports to object storage write members so.
_CAMEL = {
    "start_time": "startTime",
    "end_time": "endTime",
    "trace_id": "traceId",
    "parent_observation_id": "parentObservationId",
    "user_id": "userId",
    "session_id": "sessionId",
    "status_message": "statusMessage",
    "provided_model_name": "model",
}
_LOWER = {camel: lower for lower, camel in _CAMEL.items()}
# Which attribute a member stands for: of the observation (0), its trace (1), its metadata (2).
_BEYOND = (
    ("langfuse.user.id", 0, "userId"),
    ("langfuse.user.id", 1, "userId"),
    ("langfuse.session.id", 0, "sessionId"),
    ("langfuse.session.id", 1, "sessionId"),
    ("langfuse.session.id", 2, "thread_id"),
    ("langsmith.metadata.lc_agent_name", 2, "lc_agent_name"),
    ("langfuse.observation.model.name", 0, "model"),
    ("langfuse.observation.model.name", 0, "providedModelName"),
    ("langfuse.release", 0, "release"),
    ("langfuse.release", 1, "release"),
    ("langfuse.version", 0, "version"),
    ("langfuse.version", 1, "version"),
)
# Version 4 hands metadata out flat: these members were objects once.
_FLAT = ("attributes", "resourceAttributes", "scope")
# What the pages of Langfuse download as CSV has the API's names.
_EXPORTS = (Export(frozenset({"id", "traceId", "type", "startTime"})),)
_MARK = b'"startTime"'
_LOWER_MARK = b'"start_time"'


def _is_observation(value: Any) -> bool:
    if type(value) is not dict:
        return False
    if "startTime" in value:
        return "traceId" in value and ("parentObservationId" in value or _typed(value))
    return "start_time" in value and "trace_id" in value and _typed(value)


def _typed(value: Row) -> bool:
    kind = value.get("type")
    return type(kind) is str and kind in _ALL_TYPES and "span_id" not in value


def _is_trace(value: Any) -> bool:
    """A trace with its observations, or what an export wraps around both."""
    if type(value) is not dict or type(value.get("observations")) is not list:
        return False
    listed = value["observations"]
    return type(value.get("trace")) is dict or (
        "timestamp" in value and all(type(one) in (dict, str) for one in listed[:1])
    )


def _is_ours(value: Any) -> bool:
    return _is_observation(value) or _is_trace(value)


def recognise(head: bytes) -> bool:
    """JSON whose first records are Langfuse's observations or traces, or CSV of such."""
    if exports.known(head, _EXPORTS) is not None:
        return True
    return spans.begins_with(head, _shape(head)) or _begins_with_trace(head)


def _begins_with_trace(head: bytes) -> bool:
    """Whether an export of the page begins so, whose trace goes on beyond what is looked at."""
    text = clean(head[:_LOOKED_AT])
    found = mapping(begun(text)).get("trace") if _TRACE.match(text) is not None else None
    # A trace names itself and its time before what was said in it.
    return type(found) is dict and "id" in found and "timestamp" in found


def parse(body: bytes, asked: Asked) -> Parsed:
    """Read all observations of a body; never raises for what the body holds."""
    export = exports.known(body, _EXPORTS)
    found = (
        pieces(escaping.escaped_json(body), _shape(body))
        if export is None
        else map(lines.escaped, exports.rows(body, export))
    )
    return spans.parse(
        _observations(found),
        asked,
        name=NAME,
        knows=_is_observation,
        tells=_told,
        drops=_without_content,
    )


def _shape(body: bytes) -> Shape:
    return Shape(("Records", "data"), _MARK if _MARK in body else _LOWER_MARK, _is_ours)


def _observations(found: Iterator[Piece]) -> Iterator[Piece]:
    """The observations of every trace among the pieces, each beside what its trace says."""
    for position, value, problem, raw in found:
        if problem or not _is_trace(value):
            yield position, _unflattened(value), problem, raw
            continue
        whole = value["trace"] if type(value.get("trace")) is dict else value
        trace = {
            name: said for name in _OF_TRACE if (said := text(whole, name, _LOWER.get(name, name)))
        }
        for number, observation in enumerate(value["observations"]):
            place = f"{position}.observations[{number}]"
            if type(observation) is dict:
                yield place, _unflattened({**observation, "trace": trace}), "", b""
            else:
                yield place, observation, "", b""


def _unflattened(value: Any) -> Any:
    """An observation whose metadata are nested as they were sent: content is found by names."""
    metadata = value.get("metadata") if type(value) is dict else None
    if type(metadata) is not dict:
        return value
    made: Row = {}
    nested: dict[str, Row] = {}
    for name, said in metadata.items():
        holder, _, inside = name.partition(".")
        if inside and holder in _FLAT:
            nested.setdefault(holder, {})[inside] = said
        else:
            made[name] = said
    for holder, members in nested.items():
        made[holder] = mapping(made.get(holder)) | members
    return {**value, "metadata": made}


def _without_content(value: Any, lost: Gone) -> None:
    if type(value) is not dict:
        return
    for member in _SAID:
        if member in value:
            value[member] = spans.gone(value[member], lost)
    spans.without_words(value, ("statusMessage", "status_message"), lost)
    # Some libraries send the system's instruction as a parameter of the model.
    for member in ("metadata", "modelParameters", "model_parameters"):
        said = value.get(member)
        if type(said) is str and said[:1] == "{":
            said = spans.parsed(said)
        if type(said) in (dict, list):
            value[member] = said
            spans.without_content(said, lost)


def _told(row: Row) -> Told:
    """An observation as a span. Raises Unreadable."""
    if type(row) is not dict or not _is_observation(row):
        raise Unreadable(
            "is no observation of Langfuse: it has no traceId and startTime; export traces"
            " together with their observations"
        )
    if "startTime" not in row:
        row = {_CAMEL.get(name, name): value for name, value in row.items()}
    metadata, trace = mapping(row.get("metadata")), mapping(row.get("trace"))
    attributes = dict(mapping(metadata.get("attributes")))
    # What Langfuse knows beyond the attributes, under the names that attributes have.
    kind = row.get("type")
    if type(kind) is str and kind in _TYPES:
        attributes.setdefault("langfuse.observation.type", kind.lower())
    elif kind == "SPAN" and _runs_a_tool(text(row, "name"), metadata):
        attributes.setdefault("langfuse.observation.type", "tool")
    for name, holder, member in _BEYOND:
        said = (row, trace, metadata)[holder].get(member)
        if type(said) is str and said:
            attributes.setdefault(name, said)
    start = spans.nanoseconds(row.get("startTime"))
    end = spans.nanoseconds(row.get("endTime"))
    number = text(row, "id")
    span = spans.identifier(number, 8)
    return Told(
        trace=spans.identifier(text(row, "traceId") or text(trace, "id"), 16),
        span=span,
        parent=spans.identifier(text(row, "parentObservationId"), 8),
        name=text(row, "name"),
        start=start,
        end=max(start, end),
        attributes=attributes,
        resource=mapping(metadata.get("resourceAttributes")),
        failed=row.get("level") == "ERROR",
        message=text(row, "statusMessage"),
        # An id that is no span's is the only way to find the observation again.
        vendor_id=None if span.hex() == number else number,
    )


def _runs_a_tool(name: str, metadata: Row) -> bool:
    """Whether a span of LangGraph's node of tools is a tool's, and no machinery's.

    Callbacks from before Langfuse had a type for them wrote a tool as they wrote every step.
    """
    if metadata.get("langgraph_node") != "tools" or name == "tools" or _MACHINERY.match(name):
        return False
    tags = metadata.get("tags")
    return not (type(tags) is list and tags)


def _seams(head: bytes) -> Seams | None:
    return None if exports.known(head, _EXPORTS) is None else exports.seams(head)


FORMAT = Format(NAME, "Langfuse observations", recognise, parse, version=8, seams=_seams)
