"""Rule 5 of evidence/correlation.py: which run an API event is of, where nothing states it. Pure.

Owns the reasons, and what is shown of several runs. Calls are inferred from two kinds of spans: tool
calls of runs that show no calls of an SDK, whose name fits the action (evidence/tool_actions.py),
and calls of an SDK that state neither request id nor credential, which name the operation itself.
The time has to fit, and there has to be a reason to take the caller for the span's agent.

A run is named where the next best is clearly worse; else the best are shown, and nothing where they
are many. One span explains one call: a worse run is left out where its span has a better call. Of
the addresses from which a span's calls came, those that explain fewer of its run's spans than another
are left out, or fewer of its service's; so is a place that explains hardly any of the spans around.
evidence/inferred.py, the view evidence_shownlink and functions of the database say the same; a
property test compares both over any order and split.
"""

import ipaddress
import re
from collections.abc import Iterable, Mapping

from evidence.correlation import (
    LONGEST_CALL_MICROS,
    ApiEvent,
    Found,
    Span,
    folded,
    in_its_time,
    same_act,
)
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
    CLAIMED,
    INFERRED,
    MODEL_CALL,
    PROOF_CREDENTIAL,
    PROOF_INFERRED,
    PROOF_REQUEST_ID,
    TOOL_CALL,
    score_of,
)

# A link by inference needs so many points (vocabulary.REASONS).
LEAST_POINTS = 40
# A run that has so many points fewer than the best is not shown: one reason can mislead, two that
# agree hardly do.
CLEARLY_WORSE = 15
# Of more runs than this none is shown: that would say nothing.
MOST_RUNS = 5
# Around a span so many of its service's are asked on each side, within an hour, where the caller's
# calls come from; and a place is left out of which another explains so many times as many.
SPANS_AROUND, HARDLY = 10, 4
# Of more other calls of a span, or other spans of a call, nothing is concluded (not modelled here).
MOST_BESIDE, MOST_NEAR = 10, 20
# Containers move between the addresses of one's own networks: these are one place.
INSIDE = [
    ipaddress.ip_network(one)
    for one in (
        "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7",
    )
]  # fmt: skip
# What this hour's exact links say of a caller is said of the calls of the same hour.
HOUR_MICROS, SECOND_MICROS = 3_600_000_000, 1_000_000
# Shorter names are not compared: too many things are called so.
SHORTEST_NAME = 5

type Run = tuple[int, bytes]

_UNNAMING = re.compile(r"(^|-)(svc|service|sa|role|user|iam|agent|bot)(?=-|$)")


def plain_name(name: str) -> str:
    """A name as it is compared: `arn:aws:iam::1:user/svc-invoice-agent` and `Invoice Agent` are
    both `invoice`. The database has the same (evidence_plain_name)."""
    last = re.split("[/:]", name)[-1]
    words = re.sub("[^a-z0-9]+", "-", folded(last))
    return _UNNAMING.sub("", words).strip("-")


def inferred(
    events: Iterable[ApiEvent], spans: Iterable[Span], found: Iterable[Found]
) -> set[Found]:
    """Rule 5, given all the links there are by the others, as strong as they are shown: what is
    shown as inferred.

    The clocks are taken to agree; evidence/inferred.py takes off what they differ by.
    """
    apis = {event.id: event for event in events}
    known = {span.id: span for span in spans}
    found = [*found]
    made = _that_fit(apis, known, found)
    fit = _from_the_likely_place(made, apis, known)
    return _best(fit, _elsewhere(made, found, apis, known), apis, known)


def _that_fit(
    apis: Mapping[int, ApiEvent], known: Mapping[int, Span], found: Iterable[Found]
) -> set[Found]:
    """All that have enough points."""
    acts: dict[Run, set[int]] = {}
    for span in known.values():
        acts.setdefault(_run(span), set()).add(span.activity)
    runs = {run for run, did in acts.items() if did & {AGENT_RUN, TOOL_CALL, MODEL_CALL}}
    explained = {
        one.effect for one in found if one.strength > CLAIMED and _run(known[one.cause]) in runs
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
    causes = [
        span
        for span in known.values()
        if (span.activity == TOOL_CALL and API_CALL not in acts[_run(span)])
        or (says_nothing(span) and _run(span) in runs)
    ]
    made = set()
    for event in apis.values():
        if event.id in explained:
            continue
        for span in causes:
            because = _because(event, span, sure, outside.get(event.id, ()))
            proof = PROOF_INFERRED + because
            if because and score_of(proof) >= LEAST_POINTS:
                made.add(Found(event.id, span.id, proof, INFERRED))
    return made


def _run(span: Span) -> Run:
    return span.source, span.trace


def says_nothing(span: Span) -> bool:
    """Whether a call of an SDK leaves open which event of a log it is. Its pod (a `token` here;
    other tokens are credentials) tells the log of a cluster alone."""
    return span.activity == API_CALL and span.request_id is None and span.credential is None


def _from_the_likely_place(
    made: Iterable[Found], apis: Mapping[int, ApiEvent], known: Mapping[int, Span]
) -> set[Found]:
    """Without calls from an address that explains fewer of the run's spans than another address
    from which calls came that fit the same span, or, of as many, fewer of the service's spans in
    that hour: a stolen key is used from elsewhere, for a part of what the agent does."""
    made = set(made)
    places: dict[int, set[str | None]] = {}
    of_run: dict[tuple[Run, str | None], set[int]] = {}
    of_service: dict[tuple[int, str | None, str | None], set[int]] = {}
    for one in made:
        address = apis[one.effect].address
        places.setdefault(one.cause, set()).add(address)
        span = known[one.cause]
        of_run.setdefault((_run(span), address), set()).add(one.cause)
        if span.service is not None:
            of_service.setdefault((span.source, span.service, address), set()).add(one.cause)

    def explains(cause: int, address: str | None) -> tuple[int, int]:
        span = known[cause]
        others = of_service.get((span.source, span.service, address), set())
        return (
            len(of_run[_run(span), address]),
            sum(abs(known[one].at - span.at) <= HOUR_MICROS for one in others),
        )

    return {
        one
        for one in made
        if explains(one.cause, apis[one.effect].address)
        == max(explains(one.cause, address) for address in places[one.cause])
    }


def place_of(address: str | None) -> str:
    """The network that an address is in, all of one's own taken for one; other names as they are."""
    try:
        plain = ipaddress.ip_address(re.sub(r"(?i)^::ffff:(?=[0-9]+[.])", "", address or ""))
    except ValueError:
        return address or ""
    if any(plain in network for network in INSIDE):
        return "inside"
    return str(ipaddress.ip_network((plain, 24 if plain.version == 4 else 48), strict=False))


def _elsewhere(
    made: set[Found],
    found: Iterable[Found],
    apis: Mapping[int, ApiEvent],
    known: Mapping[int, Span],
) -> set[Found]:
    """Those that come from a place which explains hardly any of the service's spans around, where
    calls of the same caller from another place explain them: the tool called nothing, perhaps, and
    somebody else did with a stolen key. Exactly linked calls count as well."""
    calls: dict[int, set[int]] = {}
    for one in (*made, *found):
        sure = one.strength > CLAIMED and known[one.cause].activity == API_CALL
        if one.strength == INFERRED or sure:
            calls.setdefault(one.cause, set()).add(one.effect)
    gone = set()
    for one in made:
        event = apis[one.effect]
        explained: dict[str, set[int]] = {}
        for near in _around(known[one.cause], known.values()):
            for call in calls.get(near, ()):
                if apis[call].caller == event.caller:
                    explained.setdefault(place_of(apis[call].address), set()).add(near)
        here = len(explained.pop(place_of(event.address), ()))
        if here * HARDLY < max(map(len, explained.values()), default=0):
            gone.add(one)
    return gone


def _around(span: Span, spans: Iterable[Span]) -> list[int]:
    """This span and those of its service around it."""
    near = sorted(
        (one.at, one.id)
        for one in spans
        if one.activity in (TOOL_CALL, API_CALL)
        and (one.source, one.service) == (span.source, span.service)
        and abs(one.at - span.at) <= HOUR_MICROS
    )
    if span.service is None:
        return [span.id]
    here = near.index((span.at, span.id))
    return [one for _, one in near[max(here - SPANS_AROUND, 0) : here + SPANS_AROUND + 1]]


def _best(
    fit: set[Found],
    elsewhere: set[Found],
    apis: Mapping[int, ApiEvent],
    known: Mapping[int, Span],
) -> set[Found]:
    """What is clearly better than the rest, of each event; nothing where that is many runs."""
    points: dict[int, dict[int, int]] = {}
    calls: dict[int, set[int]] = {}
    for one in fit:
        points.setdefault(one.effect, {})[one.cause] = score_of(one.proof)
        calls.setdefault(one.cause, set()).add(one.effect)

    def beside(effect: int, cause: int) -> list[tuple[int, int]]:
        """The points of other such calls with this span, and the most that they have with any."""
        of = apis[effect].caller, apis[effect].action
        return [
            (points[other][cause], max(points[other].values()))
            for other in calls[cause]
            if other != effect and (apis[other].caller, apis[other].action) == of
        ]

    of_event: dict[int, list[Found]] = {}
    for one in fit - elsewhere:
        of_event.setdefault(one.effect, []).append(one)
    shown: set[Found] = set()
    for effect, some in of_event.items():
        most = max(score_of(one.proof) for one in some)
        free = any(
            all(other < most for other, _ in beside(effect, one.cause))
            for one in some
            if score_of(one.proof) == most
        )
        best = [
            one
            for one in some
            if score_of(one.proof) > most - CLEARLY_WORSE
            and not (
                free
                and score_of(one.proof) < most
                and any(
                    other > score_of(one.proof) and other == its_most
                    for other, its_most in beside(effect, one.cause)
                )
            )
        ]
        if len({_run(known[one.cause]) for one in best}) <= MOST_RUNS:
            shown.update(best)
    return shown


def _because(
    event: ApiEvent,
    tool: Span,
    sure: Mapping[tuple[str, str, int], set[str | None]],
    outside: Iterable[Span],
) -> int:
    """The reasons to take the event for the span's; 0 where there is none to."""
    if tool.activity == API_CALL:
        fits = same = same_act(event.action, tool.action)
    else:
        shared = keys_of_tool(tool.action) & keys_of_action(event.action)
        fits, same = bool(shared), any(key.startswith(SAME_OPERATION) for key in shared)
    if not fits or not in_its_time(event.at, tool):
        return 0
    if tool.token is not None and event.tokens:
        # Rule 6 has said whether it is the same.
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
    if any(one in folded(event.client or "") for one in plain):
        because |= BECAUSE_CLIENT
    if same:
        because |= BECAUSE_OPERATION
    # Many logs cut their times to whole seconds: it may have been at any moment of that one.
    latest = event.at + (0 if event.at % SECOND_MICROS else SECOND_MICROS - 1)
    return because | (BECAUSE_WITHIN if tool.at <= latest and event.at <= ends else 0)
