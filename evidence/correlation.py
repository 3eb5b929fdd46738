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

5. *Inference* (`inferred`): a tool call of a run that shows no calls of an SDK, whose name fits the
   action (evidence/tool_actions.py) and whose time fits, and a reason to take the caller for its
   agent: **inferred**, with a score. Only where no stronger link leads to a run.

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

from evidence.tool_actions import SAME_OPERATION, keys_of_action, keys_of_tool
from evidence.vocabulary import (
    AGENT_RUN,
    API_CALL,
    BECAUSE_ADDRESS,
    BECAUSE_CLIENT,
    BECAUSE_KNOWN,
    BECAUSE_NAMED,
    BECAUSE_OPERATION,
    BECAUSE_SPAN,
    BECAUSE_WITHIN,
    EXACT,
    INFERRED,
    KEY,
    MODEL_CALL,
    PROOF_CREDENTIAL,
    PROOF_CREDENTIAL_PARENT,
    PROOF_INFERRED,
    PROOF_ISSUANCE,
    PROOF_PARENT,
    PROOF_REQUEST_ID,
    PROOF_TOKEN,
    PROOF_TOKEN_PARENT,
    TOOL_CALL,
    score_of,
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
# A link by inference needs so many points (vocabulary.REASONS).
LEAST_POINTS = 40
# What this hour's exact links say of a caller is said of the calls of the same hour.
HOUR_MICROS, SECOND_MICROS = 3_600_000_000, 1_000_000
# Shorter names are not compared: too many things are called so.
SHORTEST_NAME = 5
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
    return _VERSION.sub("", _folded(action))


def _folded(text: str) -> str:
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


# --- inference

_UNNAMING = re.compile(r"(^|-)(svc|service|sa|role|user|iam|agent|bot)(?=-|$)")


def plain_name(name: str) -> str:
    """A name as it is compared: `arn:aws:iam::1:user/svc-invoice-agent` and `Invoice Agent` are
    both `invoice`. The database has the same (evidence_plain_name)."""
    last = re.split("[/:]", name)[-1]
    words = re.sub("[^a-z0-9]+", "-", _folded(last))
    return _UNNAMING.sub("", words).strip("-")


def inferred(
    events: Iterable[ApiEvent], spans: Iterable[Span], found: Iterable[Found]
) -> set[Found]:
    """Rule 5, given all the links there are by the others: what is shown as inferred.

    The clocks are taken to agree; evidence/inferred.py takes off what they differ by.
    """
    apis = {event.id: event for event in events}
    known = {span.id: span for span in spans}
    acts: dict[tuple[int, bytes], set[int]] = {}
    for span in known.values():
        acts.setdefault((span.source, span.trace), set()).add(span.activity)
    runs = {run for run, did in acts.items() if did & {AGENT_RUN, TOOL_CALL, MODEL_CALL}}
    explained = {
        one.effect for one in found if (known[one.cause].source, known[one.cause].trace) in runs
    }
    # (caller, agent or service, hour) -> addresses of the calls that are surely theirs.
    sure: dict[tuple[str, str, int], set[str | None]] = {}
    outside: dict[int, list[Span]] = {}
    for one in found:
        event, span = apis[one.effect], known[one.cause]
        if one.proof == PROOF_REQUEST_ID and event.caller is not None:
            for name in {span.service, span.agent} - {None}:
                place = event.caller, name or "", event.at // HOUR_MICROS
                sure.setdefault(place, set()).add(event.address)
        if one.proof in (PROOF_REQUEST_ID, PROOF_CREDENTIAL):
            outside.setdefault(one.effect, []).append(span)
    made = set()
    for event in apis.values():
        if event.id in explained:
            continue
        for tool in known.values():
            run = tool.source, tool.trace
            if tool.activity != TOOL_CALL or API_CALL in acts[run]:
                continue
            because = _because(event, tool, sure, outside.get(event.id, ()))
            proof = PROOF_INFERRED + because
            if because and score_of(proof) >= LEAST_POINTS:
                made.add(Found(event.id, tool.id, proof, INFERRED))
    return made


def _because(
    event: ApiEvent,
    tool: Span,
    sure: Mapping[tuple[str, str, int], set[str | None]],
    outside: Iterable[Span],
) -> int:
    """The reasons to take the event for the tool call's; 0 where there is none to."""
    shared = keys_of_tool(tool.action) & keys_of_action(event.action)
    if not shared or not in_its_time(event.at, tool):
        return 0
    ends = tool.at + min(max(tool.duration, 0), LONGEST_CALL_MICROS)
    names = {name for name in (tool.service, tool.agent) if name is not None}
    because = 0
    for name in names:
        addresses = sure.get((event.caller or "", name, event.at // HOUR_MICROS))
        if addresses is not None:
            because |= BECAUSE_KNOWN
            if event.address is not None and event.address in addresses:
                because |= BECAUSE_ADDRESS
    plain = {one for one in map(plain_name, names) if len(one) >= SHORTEST_NAME}
    if plain & {plain_name(one) for one in (event.caller, event.above) if one is not None}:
        because |= BECAUSE_NAMED
    if any(
        span.source == tool.source
        and span.service == tool.service is not None
        and tool.at <= span.at <= ends
        for span in outside
    ):
        because |= BECAUSE_SPAN
    if not because:
        return 0
    if any(one in _folded(event.client or "") for one in plain):
        because |= BECAUSE_CLIENT
    if any(key.startswith(SAME_OPERATION) for key in shared):
        because |= BECAUSE_OPERATION
    # Many logs cut their times to whole seconds: it may have been at any moment of that one.
    latest = event.at + (0 if event.at % SECOND_MICROS else SECOND_MICROS - 1)
    return because | (BECAUSE_WITHIN if tool.at <= latest and event.at <= ends else 0)
