"""Inferred links of several runs and addresses, and of calls of an SDK without ids."""

from collections.abc import Callable
from itertools import permutations
from typing import Any

import pytest
from django.db import connection

from evidence import clocks, votes
from evidence.formats.record import ActorName, Record
from evidence.inference import (
    CLEARLY_WORSE,
    HARDLY,
    MOST_BESIDE,
    MOST_NEAR,
    MOST_RUNS,
    SPANS_AROUND,
)
from evidence.models import ClockTaken, Event, Source
from evidence.queries import events
from evidence.vocabulary import (
    API_CALL,
    CLAIMED,
    EXACT,
    INFERRED,
    PLANE_IDENTITY,
    score_of,
)
from evidence.votes import FEWEST, Fit
from tests.evidence.conftest import NOW
from tests.evidence.test_correlation import BASE, MINUTE
from tests.evidence.test_inferred import NAMED, REALM, SECOND, arrived, shown
from tests.evidence.test_inferred_doors import arrive, call, told, tool
from tests.linked import link_everybody

type Make = Callable[..., Source]
STOLEN = "198.51.100.7"
OTHERS = ActorName(REALM, "service", "something-else")


@pytest.fixture
def sources(source: Make) -> tuple[Source, Source]:
    return source("trail"), source("traces", plane="ai")


def sdk(number: int, trace: int, **said: Any) -> Record:
    """A call of an SDK below a tool call, which states neither request id nor credential."""
    return tool(number, trace, **{"activity": API_CALL, "action": "S3:GetObject"} | said)


def pairs(found: set[tuple[int, int, int]]) -> set[tuple[int, int]]:
    return {(effect, cause) for effect, cause, _ in found}


@pytest.mark.django_db
def test_database_counts_points_as_the_rule_does() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT evidence_points(p::smallint) FROM generate_series(128, 255) p")
        counted = [min(points, 95) for (points,) in cursor.fetchall()]
        cursor.execute(
            "SELECT string_agg(pg_get_functiondef(proname::regproc), '' ORDER BY proname)"
            " FROM pg_proc WHERE proname IN"
            " ('evidence_inferred', 'evidence_calls_beside', 'evidence_spans_around')"
        )
        said = cursor.fetchone()[0]
        cursor.execute("SELECT pg_get_viewdef('evidence_shownlink'::regclass)")
        view = cursor.fetchone()[0]
    assert counted == [score_of(proof) for proof in range(128, 256)]
    assert f"points > fits.most - {CLEARLY_WORSE}\n" in said
    assert f"place[1] * {HARDLY} >= p.place[2]" in said
    assert said.count(f"LIMIT {SPANS_AROUND})") == 2
    assert said.count(f"LIMIT {MOST_BESIDE + 1}\n") == 1
    assert said.count(f"<= {MOST_NEAR} ") == 2
    assert f"i.runs <= {MOST_RUNS})" in view


@pytest.mark.django_db
def test_call_of_an_sdk_without_ids_leads_to_its_run(sources: tuple[Source, Source]) -> None:
    trail, traces = sources
    arrive(
        (trail, [call(1)]),
        # The tool's own name says nothing, and the other run's call is another operation.
        (traces, [tool(2, 1, action="x"), sdk(3, 1), tool(4, 2), sdk(5, 2, action="S3:PutObject")]),
    )
    assert shown() == {(1, 3, NAMED)}
    assert told() == {(1, 0)}
    # A call that states its id has said which event it is; one outside any run is nobody's.
    arrive((traces, [tool(6, 3), sdk(7, 3, request_id="OTHER"), sdk(8, 4)]))
    assert shown() == {(1, 3, NAMED)}


@pytest.mark.django_db
def test_run_is_named_where_the_next_best_is_clearly_worse(
    sources: tuple[Source, Source],
) -> None:
    trail, traces = sources
    # Before the call, and called otherwise: two reasons fewer.
    worse = tool(3, 2, at=BASE - 3 * SECOND, action="read_invoice", agent=None)
    arrive((trail, [call(1, user_agent="sdk invoice/1")]), (traces, [tool(2, 1), worse]))
    assert pairs(shown()) == {(1, 2)}
    assert told() == {(1, 0)}
    # One reason fewer is not enough.
    arrive((traces, [tool(4, 3, action="read_invoice")]))
    assert pairs(shown()) == {(1, 2), (1, 4)}
    assert told() == {(2, 0)}


@pytest.mark.django_db
@pytest.mark.parametrize(("runs", "found"), [(5, {(5, 0)}), (6, set())])
def test_set_of_more_runs_than_five_is_not_shown(
    sources: tuple[Source, Source], runs: int, found: set[tuple[int, int]]
) -> None:
    trail, traces = sources
    arrive((trail, [call(1)]), (traces, [tool(10 + one, 1 + one) for one in range(runs)]))
    assert told() == found
    assert len(shown()) == (runs if found else 0)


@pytest.mark.django_db
def test_calls_of_a_stolen_key_are_not_given_to_the_run(source: Make) -> None:
    """At the time of the run's own calls, from elsewhere, and for a part of what it did."""
    later = BASE + MINUTE
    deposits = [
        [call(1), call(2, at=later)],
        [call(3, address=STOLEN)],
        [tool(4, 1), tool(5, 1, at=later)],
    ]
    for order in permutations(deposits):
        assert arrived(source, order, link_between=True) == {(1, 4, NAMED), (2, 5, NAMED)}


@pytest.mark.django_db
def test_runs_of_one_call_are_told_by_those_beside_them(source: Make) -> None:
    """Each address explains all of the run; the thief's none of the service's other run."""
    later = BASE + MINUTE
    deposits = [[call(1), call(2, at=later), call(3, address=STOLEN)], [tool(4, 1)]]
    deposits.append([tool(5, 2, at=later)])
    for order in permutations(deposits):
        assert arrived(source, order, link_between=True) == {(1, 4, NAMED), (2, 5, NAMED)}


@pytest.mark.django_db
def test_addresses_that_explain_as_much_leave_it_open(sources: tuple[Source, Source]) -> None:
    trail, traces = sources
    arrive((trail, [call(1), call(2, address=STOLEN)]), (traces, [tool(3, 1)]))
    assert told() == {(1, 1)}


@pytest.mark.django_db
def test_claim_hides_no_inferred_link(sources: tuple[Source, Source]) -> None:
    """Somebody who has read the log states the call's id in a run of another agent."""
    trail, traces = sources
    claim = sdk(4, 2, principal=OTHERS, request_id="REQ")
    deposits = (
        (trail, [call(1, request_id="REQ")]),
        (traces, [tool(2, 1)]),
        (traces, [tool(3, 2, principal=OTHERS, action="x"), claim]),
    )
    arrive(*deposits)
    assert shown() == {(1, 2, NAMED)}
    assert set(strengths()) == {CLAIMED, INFERRED}
    link_everybody(NOW)
    assert strengths() == [EXACT]


def strengths() -> list[int]:
    event = Event.objects.get(plane=PLANE_IDENTITY)
    return [one.strength for one in events.linked((event.at, event.id))]


# --- clocks


def fits(*offsets: int, wide: int = SECOND) -> list[Fit]:
    """A span and its call for each of these differences."""
    return [Fit(("s", n), ("c", n), one, one + wide) for n, one in enumerate(offsets)]


PLAIN = [7 * SECOND + one * 10_000 for one in range(FEWEST)]


@pytest.mark.parametrize(
    ("some", "agreed"),
    [
        (fits(*PLAIN), 7 * SECOND + SECOND // 2),
        (fits(*(-one for one in PLAIN)), -6_500_000),
        (fits(*(one - 7 * SECOND - SECOND // 2 for one in PLAIN)), 0),
        (fits(*PLAIN[1:]), None),
        # Another difference has more than half as many.
        (fits(*PLAIN, *(one + MINUTE for one in PLAIN[5:])), 7 * SECOND + SECOND // 2),
        (fits(*PLAIN, *(one + MINUTE for one in PLAIN[4:])), None),
        # Too wide to say.
        (fits(*PLAIN, wide=4 * SECOND), None),
        # Many spans and one call, one span and many calls.
        ([one._replace(call=0) for one in fits(*PLAIN)], None),
        ([one._replace(span=0) for one in fits(*PLAIN)], None),
        ([], None),
    ],
)
def test_clocks_differ_by_what_most_calls_agree_on(some: list[Fit], agreed: int | None) -> None:
    assert votes.agreed_on(some) == agreed
    assert votes.agreed_on(some[::-1]) == agreed


AHEAD = 7 * SECOND


def busy(ahead: int) -> list[list[Record]]:
    """Runs at irregular times, each with one call; the log's clock is so far ahead. In two halves."""
    moments = [BASE + one * one * 3 * SECOND for one in range(12)]
    calls = [call(100 + n, at=at + ahead) for n, at in enumerate(moments)]
    spans = [
        one
        for n, at in enumerate(moments)
        for one in (
            tool(200 + n, 1 + n, at=at, duration=SECOND),
            sdk(300 + n, 1 + n, at=at, duration=SECOND // 2),
        )
    ]
    return [calls[:6], calls[6:], spans[:12], spans[12:]]


@pytest.mark.django_db
@pytest.mark.parametrize("ahead", [0, AHEAD, -3 * MINUTE])
def test_difference_on_which_calls_agree_is_taken_off(source: Make, ahead: int) -> None:
    deposits = busy(ahead)
    for order in [*permutations(deposits)][::7]:
        found = arrived(source, order, link_between=True)
        assert pairs(found) == {(100 + n, 300 + n) for n in range(12)}


@pytest.mark.django_db
def test_days_far_apart_vote_where_they_have_events(
    source: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clocks, "MOST_DAYS", -1)
    found = arrived(source, busy(AHEAD), link_between=True)
    assert pairs(found) == {(100 + n, 300 + n) for n in range(12)}


@pytest.mark.django_db
def test_exact_links_are_believed_before_votes(sources: tuple[Source, Source]) -> None:
    trail, traces = sources
    for records in busy(AHEAD):
        arrive((trail if records[0].plane == PLANE_IDENTITY else traces, records))
    assert ClockTaken.objects.get().voted
    sure = [call(1000 + n, at=BASE + n, request_id=f"R{n}") for n in range(20)]
    spans = [sdk(2000 + n, 99, at=BASE + n, request_id=f"R{n}") for n in range(20)]
    arrive((trail, sure), (traces, [tool(3000, 99), *spans]))
    (taken,) = ClockTaken.objects.all()
    assert (taken.seconds, taken.voted) == (0.0, False)
