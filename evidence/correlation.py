"""The rules by which an API event and a span are one act. Pure.

evidence/links.py says the same in SQL; a property test compares both over any order and split.

1. *Request id*: an API event of an identity log and a span carry the same request id, and name
   the same service and the same operation: **exact**, as far as the two records tell. Whoever
   reads the log can copy an id, so it is *claimed* until the span's agent is linked to the account
   that called (identities_link_strength, in a migration of identities). Request ids alone repeat
   in real logs (paged calls, service calls that share their caller's id), so the action must
   agree. A span that states no service is compared by its operation. A span of HTTP names a method
   and no operation (`GET`; the cluster's log says `list pods`): its id alone decides, where it is
   long enough to be nobody else's.
2. *Credential*: a span says which credential it used and states no request id; an API event has
   the same credential and the same action, in the span's time: **key**. A span that states a
   request id has said which event it is, and is never taken for another.
3. *Parentage*: the span of rule 1 or 2 descends from a tool call in the same trace: the tool call
   caused the API event, as strongly as the span did.
4. *Issuance*: the event that issued a temporary key is exactly linked to a tool call: API events
   with that key, until the tool call's run ends, are linked to the tool call: **key**. Later ones
   are not: a cached key serves the runs that follow.

5. *Inference* (evidence/inference.py): a span that fits in name and time, and a reason to take the
   caller for its agent: **inferred**, with a score. Only where no stronger link leads to a run.

6. *Token or pod*: a span names the token that it called with, or the pod that it called from, and
   no request id; an API event has the same, in the span's time, whatever its action: **key**.
   Other systems' actions have other names in spans; what has one id is one thing.

All pairs that hold are found, whatever else is known of the event: what is shown of them is the
strongest, and of how many runs it may be (evidence_shownlink, a view).

Where a sender used one span id twice in a trace, every span of that id is followed: a choice
among them would depend on what arrived first.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from evidence.vocabulary import (
    EXACT,
    KEY,
    PROOF_CREDENTIAL,
    PROOF_CREDENTIAL_PARENT,
    PROOF_ISSUANCE,
    PROOF_PARENT,
    PROOF_REQUEST_ID,
    PROOF_TOKEN,
    PROOF_TOKEN_PARENT,
    TOOL_CALL,
)

# What spans of HTTP are called: a method, and a path perhaps. The database asks with the same.
METHOD = r"^(HTTP )?(CONNECT|DELETE|GET|HEAD|OPTIONS|PATCH|POST|PUT|TRACE)( |$)"
_METHOD = re.compile(METHOD.replace("$", r"\Z"))
# CloudTrail dates the operations of some services. The database asks with the same.
VERSION = r"[0-9]{8}(v[0-9]+)?$"
_VERSION = re.compile(VERSION.replace("$", r"\Z"))
# Shorter ids of requests are counted up, or typed: they are met in more systems than one.
SHORTEST_SURE_ID = 16
# How far apart the two clocks may be; request ids may repeat after that.
WINDOW_MICROS = 86_400_000_000
# How far an API event may lie outside the time of a span that claims it by credential. Logs cut
# their times to whole seconds, and a host that keeps time by NTP is within one; wider, and spans
# of other runs would be met more often than clocks that wrong. The database counts with the same
# (evidence_surplus, in a migration).
SKEW_MICROS = 5_000_000
# A call of an SDK counts for so long at most: botocore's own read timeout.
LONGEST_CALL_MICROS = 60_000_000
# A span that claims to have lasted for years must not make its run that long.
LONGEST_SPAN_MICROS = 30 * 86_400_000_000
# Of one run, and of other runs besides, so many candidates by credential are written: what is
# shown is their number of runs, and a busy key would make millions of rows (not modelled here).
MOST_CANDIDATES = 8
# A trace deeper than this is not walked: real ones are under twenty.
DEEPEST = 64


class ApiEvent(NamedTuple):
    id: int
    at: int
    request_id: str | None
    action: str
    credential: str | None = None
    issued: str | None = None  # the temporary key that this event issued
    caller: str | None = None
    above: str | None = None  # the role of the session that called
    address: str | None = None
    client: str | None = None  # its user agent
    tokens: frozenset[str] = frozenset()  # of the call: its token, its pod


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
    credential: str | None = None
    duration: int = 0
    service: str | None = None
    agent: str | None = None
    token: str | None = None


class Found(NamedTuple):
    effect: int
    cause: int
    proof: int
    strength: int


def same_act(api_action: str, span_action: str) -> bool:
    """Same service and same operation, ignoring the case of ASCII letters and the date of an
    operation's version: `lambda:ListFunctions20150331` and `Lambda:ListFunctions`. The operation
    is everything after the first colon; a span that has none names the operation alone."""
    api, span = _act(api_action), _act(span_action)
    return api == span or (":" not in span and span != "" and api.partition(":")[2] == span)


def _act(action: str) -> str:
    return _VERSION.sub("", folded(action))


def folded(text: str) -> str:
    return text.encode("utf-8", "surrogatepass").lower().decode("utf-8", "surrogatepass")


def same_request(event: ApiEvent, span: Span) -> bool:
    """Whether the span is the event's call, where both state this request id."""
    return same_act(event.action, span.action) or (
        len(span.request_id or "") >= SHORTEST_SURE_ID and _METHOD.search(span.action) is not None
    )


def in_its_time(at: int, span: Span) -> bool:
    """Whether a moment lies in the span, as far as two clocks can tell."""
    longest = min(max(span.duration, 0), LONGEST_CALL_MICROS)
    return span.at - SKEW_MICROS <= at <= span.at + longest + SKEW_MICROS


def links(events: Iterable[ApiEvent], spans: Iterable[Span]) -> set[Found]:
    """All links between these; the same set for any order of either."""
    apis = list(events)
    by_request: dict[str, list[Span]] = {}
    by_use: dict[tuple[str, str], list[Span]] = {}
    by_token: dict[str, list[Span]] = {}
    place: dict[tuple[int, bytes, int], list[Span]] = {}
    ends: dict[tuple[int, bytes], int] = {}
    known: dict[int, Span] = {}
    for span in spans:
        known[span.id] = span
        if span.request_id is not None:
            by_request.setdefault(span.request_id, []).append(span)
        elif span.credential is not None:
            # The whole action, not same_act: nothing else says that it is the same call.
            by_use.setdefault((span.credential, span.action), []).append(span)
        if span.request_id is None and span.token is not None:
            by_token.setdefault(span.token, []).append(span)
        place.setdefault((span.source, span.trace, span.span), []).append(span)
        run = span.source, span.trace
        end = span.at + min(max(span.duration, 0), LONGEST_SPAN_MICROS)
        ends[run] = max(end, ends.get(run, end))
    found = set()
    for event in apis:
        for span in by_request.get(event.request_id or "", ()):
            if abs(span.at - event.at) <= WINDOW_MICROS and same_request(event, span):
                found.add(Found(event.id, span.id, PROOF_REQUEST_ID, EXACT))
                for tool in _tools_above(span, place):
                    found.add(Found(event.id, tool.id, PROOF_PARENT, EXACT))
        for span in by_use.get((event.credential or "", event.action), ()):
            if in_its_time(event.at, span):
                found.add(Found(event.id, span.id, PROOF_CREDENTIAL, KEY))
                for tool in _tools_above(span, place):
                    found.add(Found(event.id, tool.id, PROOF_CREDENTIAL_PARENT, KEY))
        for span in (one for token in event.tokens for one in by_token.get(token, ())):
            if in_its_time(event.at, span):
                found.add(Found(event.id, span.id, PROOF_TOKEN, KEY))
                for tool in _tools_above(span, place):
                    found.add(Found(event.id, tool.id, PROOF_TOKEN_PARENT, KEY))
    return found | _of_issued_keys(apis, found, known, ends)


def _of_issued_keys(
    apis: Sequence[ApiEvent],
    found: Iterable[Found],
    known: Mapping[int, Span],
    ends: Mapping[tuple[int, bytes], int],
) -> set[Found]:
    issuing = {event.id: event for event in apis if event.issued is not None}
    made: set[Found] = set()
    for one in found:
        if one.proof != PROOF_PARENT or one.effect not in issuing:
            continue
        issuance, tool = issuing[one.effect], known[one.cause]
        until = ends[tool.source, tool.trace] + SKEW_MICROS
        made |= {
            Found(event.id, tool.id, PROOF_ISSUANCE, KEY)
            for event in apis
            if event.credential == issuance.issued and issuance.at <= event.at <= until
        }
    return made


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
