"""The rules by which an API event and a span are one act. Pure.

evidence/links.py says the same in SQL; a property test compares both over any order and split.

1. *Request id*: an API event of an identity log and a span carry the same request id, and name
   the same service or the same operation: **exact**. Request ids alone repeat in real logs
   (paged calls, service calls that share their caller's id), so the action must agree.
2. *Parentage*: the span of rule 1 descends from a tool call in the same trace: the tool call
   caused the API event, **exact**.
"""

from collections.abc import Iterable, Mapping
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


class Found(NamedTuple):
    effect: int
    cause: int
    proof: int
    strength: int


def same_act(api_action: str, span_action: str) -> bool:
    """Same service or same operation, ignoring case: `s3:GetObject` and `S3:getobject`."""
    api_service, _, api_operation = api_action.lower().partition(":")
    span_service, _, span_operation = span_action.lower().partition(":")
    return api_service == span_service or (
        api_operation != "" and api_operation == span_operation
    )


def links(events: Iterable[ApiEvent], spans: Iterable[Span]) -> set[Found]:
    """All links between these; the same set for any order of either."""
    by_request: dict[str, list[Span]] = {}
    place: dict[tuple[bytes, int], Span] = {}
    for span in spans:
        if span.request_id is not None:
            by_request.setdefault(span.request_id, []).append(span)
        place[(span.trace, span.span)] = span
    found = set()
    for event in events:
        for span in by_request.get(event.request_id, ()):
            if abs(span.at - event.at) > WINDOW_MICROS or not same_act(event.action, span.action):
                continue
            found.add(Found(event.id, span.id, PROOF_REQUEST_ID, EXACT))
            tool = _tool_above(span, place)
            if tool is not None:
                found.add(Found(event.id, tool.id, PROOF_PARENT, EXACT))
    return found


def _tool_above(span: Span, place: Mapping[tuple[bytes, int], Span]) -> Span | None:
    here = span
    for _ in range(DEEPEST):
        if here.parent is None:
            return None
        above = place.get((here.trace, here.parent))
        if above is None:
            return None
        if above.activity == TOOL_CALL:
            return above
        here = above
    return None
