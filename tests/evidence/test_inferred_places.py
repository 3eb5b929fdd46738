"""Inferred links: where a caller calls from, one call for a span, and spans that name their pod."""

from collections.abc import Callable
from itertools import permutations
from typing import Any

import pytest

from evidence.formats.record import ActorName, Record
from evidence.inference import place_of
from evidence.models import Source
from evidence.vocabulary import (
    KEY,
    MORE_CALLS,
    PROOF_INFERRED,
    proof_words,
)
from tests.evidence.test_correlation import BASE, MINUTE
from tests.evidence.test_inferred import NAMED, REALM, SECOND, SERVICE, arrived, pure, shown
from tests.evidence.test_inferred_doors import arrive, call, told, tool
from tests.evidence.test_inferred_sets import STOLEN, pairs, sdk, strengths

type Make = Callable[..., Source]


@pytest.fixture
def sources(source: Make) -> tuple[Source, Source]:
    return source("trail"), source("traces", plane="ai")


def found(source: Make, calls: list[Record], spans: list[Record]) -> set[tuple[int, int]]:
    """(call, span) of what is shown, in any order, as the rule without a database says."""
    said = pure(calls, spans)
    half = len(spans) // 2
    for order in [*permutations([calls, spans[:half], spans[half:]])][::2]:
        assert arrived(source, order, link_between=True) == said
    return pairs(said)


def minutes(many: int, **said: Any) -> tuple[list[Record], list[Record]]:
    """So many runs, a minute apart, each with one tool call and its call."""
    moments = [BASE + (1 + n) * MINUTE for n in range(many)]
    return (
        [call(100 + n, at=at, **said) for n, at in enumerate(moments)],
        [tool(200 + n, 100 + n, at=at) for n, at in enumerate(moments)],
    )


@pytest.mark.django_db
def test_call_in_a_silent_tools_time_from_elsewhere_is_no_runs(source: Make) -> None:
    """The tool answered from its cache; a thief called in that moment with the agent's key."""
    calls, spans = minutes(5)
    thief, cached = call(1, address=STOLEN), tool(2, 1)
    linked = {(100 + n, 200 + n) for n in range(5)}
    assert found(source, [*calls, thief], [*spans, cached]) == linked
    # From inside the agent's own networks it is the agent's.
    moved = call(1, address="10.77.0.9")
    assert found(source, [*calls, moved], [*spans, cached]) == {*linked, (1, 2)}
    # Another caller's place says nothing of this one's.
    others = [call(100 + n, at=one.at, principal=None) for n, one in enumerate(calls)]
    assert found(source, [*others, thief], [*spans, cached]) == {(1, 2)}


@pytest.mark.django_db
def test_place_that_explains_no_more_than_another_names_no_run(
    sources: tuple[Source, Source],
) -> None:
    trail, traces = sources
    calls, spans = minutes(1)
    arrive((trail, [*calls, call(1, address=STOLEN)]), (traces, [*spans, tool(2, 1)]))
    assert told() == {(1, 1)}
    arrive((trail, [call(3, at=BASE + 2 * MINUTE)]), (traces, [tool(4, 3, at=BASE + 2 * MINUTE)]))
    # Twice from here, once from there.
    assert told() == {(1, 0), (1, 1)}


def test_networks_of_ones_own_are_one_place() -> None:
    assert {
        place_of(one) for one in ("10.0.0.1", "192.168.3.4", "::ffff:172.16.9.9", "fd00::1")
    } == {"inside"}
    assert place_of("203.0.113.9") == place_of("203.0.113.77") == "203.0.113.0/24"
    assert place_of("2001:db8:1:2::3") == "2001:db8:1::/48"
    assert (place_of("lambda.amazonaws.com"), place_of(None)) == ("lambda.amazonaws.com", "")


@pytest.mark.django_db
def test_worse_run_is_left_out_where_its_span_has_a_better_call(source: Make) -> None:
    """Two runs, three seconds apart: each call lies in the time of its own and near the other."""
    later = BASE + 3 * SECOND
    spans = [tool(11, 1), tool(12, 2, at=later)]
    calls = [call(1), call(2, at=later)]
    assert found(source, calls, spans) == {(1, 11), (2, 12)}
    # Without its own call the other span stays open.
    assert found(source, calls[:1], spans) == {(1, 11), (1, 12)}
    # A caller's other action is another call of the tool.
    other = call(2, at=later, action="s3:HeadObject")
    assert (1, 12) in found(source, [calls[0], other], spans)
    # Where another call fits its best span as well, nothing is concluded.
    assert (1, 12) in found(source, [*calls, call(3)], spans)


@pytest.mark.django_db
def test_more_calls_than_a_span_makes_name_no_run(sources: tuple[Source, Source]) -> None:
    trail, traces = sources
    # The span of one of the two was lost; they fit the other's alone.
    arrive((trail, [call(1), call(2)]), (traces, [tool(11, 1)]))
    assert told() == {(1, MORE_CALLS)}
    assert "more such calls than spans" in proof_words(PROOF_INFERRED, 1, MORE_CALLS)
    # Tools of that name make two, as the runs around it show.
    calls, spans = minutes(2)
    arrive((trail, calls), (traces, spans))
    assert told() == {(1, 0), (1, MORE_CALLS)}
    again = [call(300 + n, at=one.at) for n, one in enumerate(calls)]
    arrive((trail, again))
    assert told() == {(1, 0)}


@pytest.mark.django_db
def test_call_that_fits_a_span_worse_leaves_the_better_named(
    sources: tuple[Source, Source],
) -> None:
    trail, traces = sources
    arrive((trail, [call(1), call(2, at=BASE - 3 * SECOND)]), (traces, [tool(11, 1)]))
    assert told() == {(1, 0), (1, MORE_CALLS)}


def pod(uid: str, realm: str = REALM) -> ActorName:
    return ActorName(realm, "pod", uid, SERVICE if realm == REALM else None)


@pytest.mark.django_db
def test_span_that_names_its_pod_is_inferred_where_the_log_names_none(
    sources: tuple[Source, Source],
) -> None:
    trail, traces = sources
    spans = [tool(2, 1, action="x", credential=pod("A")), sdk(3, 1, credential=pod("A"))]
    arrive((trail, [call(1)]), (traces, spans))
    assert shown() == {(1, 3, NAMED)}
    assert told() == {(1, 0)}


@pytest.mark.django_db
@pytest.mark.parametrize(("uid", "linked"), [("A", [KEY]), ("B", [])])
def test_call_of_a_pod_is_never_inferred_to_another_pods_span(
    sources: tuple[Source, Source], uid: str, linked: list[int]
) -> None:
    trail, traces = sources
    spans = [tool(2, 1, credential=pod("A")), sdk(3, 2, credential=pod("A"))]
    arrive((trail, [call(1, credential=pod(uid, "k8s:prod"))]), (traces, spans))
    assert [*dict.fromkeys(strengths())] == linked
