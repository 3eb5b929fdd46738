"""The rules by which an API event and a span are one act. Pure.

evidence/links.py says the same in SQL; a property test compares both over any order and split.

1. *Request id*: an API event of an identity log and a span carry the same request id, and name
   the same service or the same operation: **exact**. Request ids alone repeat in real logs
   (paged calls, service calls that share their caller's id), so the action must agree.
2. *Parentage*: the span of rule 1 descends from a tool call in the same trace: the tool call
   caused the API event, **exact**.

Where a sender used one span id twice in a trace, every span of that id is followed: a choice
among them would depend on what arrived first.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from evidence.vocabulary import EXACT, PROOF_PARENT, PROOF_REQUEST_ID, TOOL_CALL

# How far apart the two clocks may be; request ids may repeat after that.
WINDOW_MICROS = 86_400_000_000
# A trace deeper than this is not walked: real ones are under twenty.
DEEPEST = 64


class ApiEvent(NamedTuple):
    id: int
    at: int
    request_id: str
    action: str


class Span(NamedTuple):
    id: int
    at: int
    trace: bytes
    span: int
    parent: int | None
    activity: int
    action: str
    request_id: str | None
    source: int = 0  # a trace id is its sender's choice: parents are of the same source


class Found(NamedTuple):
    effect: int
    cause: int
    proof: int
    strength: int


def same_act(api_action: str, span_action: str) -> bool:
    """Same service or same operation, ignoring the case of ASCII letters: `s3:GetObject` and
    `S3:getobject`. The operation is everything after the first colon."""
    api_service, _, api_operation = _folded(api_action).partition(":")
    span_service, _, span_operation = _folded(span_action).partition(":")
    return api_service == span_service or (api_operation != "" and api_operation == span_operation)


def _folded(text: str) -> str:
    return text.encode("utf-8", "surrogatepass").lower().decode("utf-8", "surrogatepass")


def links(events: Iterable[ApiEvent], spans: Iterable[Span]) -> set[Found]:
    """All links between these; the same set for any order of either."""
    by_request: dict[str, list[Span]] = {}
    place: dict[tuple[int, bytes, int], list[Span]] = {}
    for span in spans:
        if span.request_id is not None:
            by_request.setdefault(span.request_id, []).append(span)
        place.setdefault((span.source, span.trace, span.span), []).append(span)
    found = set()
    for event in events:
        for span in by_request.get(event.request_id, ()):
            if abs(span.at - event.at) > WINDOW_MICROS or not same_act(event.action, span.action):
                continue
            found.add(Found(event.id, span.id, PROOF_REQUEST_ID, EXACT))
            for tool in _tools_above(span, place):
                found.add(Found(event.id, tool.id, PROOF_PARENT, EXACT))
    return found


def _tools_above(span: Span, place: Mapping[tuple[int, bytes, int], Sequence[Span]]) -> set[Span]:
    """The nearest tool calls upwards: nothing above a tool call is looked at."""
    tools: set[Span] = set()
    parents = {span.parent}
    for _ in range(DEEPEST):
        above = {
            one
            for parent in parents
            if parent is not None
            for one in place.get((span.source, span.trace, parent), ())
        }
        tools |= {one for one in above if one.activity == TOOL_CALL}
        parents = {one.parent for one in above if one.activity != TOOL_CALL}
        if not parents:
            break
    return tools
