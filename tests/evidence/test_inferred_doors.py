"""Inferred links through the real doors and in the recordings: late, withdrawn, never wrong."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from evidence import clocks, intake, links
from evidence.formats.record import Record
from evidence.models import Clock, Connection, Event, Link, Source
from evidence.queries import events
from evidence.vocabulary import (
    AGENT_RUN,
    API_CALL,
    BECAUSE_ADDRESS,
    BECAUSE_KNOWN,
    BECAUSE_SPAN,
    EXACT,
    INFERRED,
    PLANE_AI,
    PLANE_IDENTITY,
    TOOL_CALL,
    USE,
    proof_words,
)
from tests.bench import lab, variants
from tests.evidence.conftest import NOW
from tests.evidence.formats.conftest import DATA
from tests.evidence.test_correlation import BASE, MINUTE, record, store
from tests.evidence.test_inferred import NAMED, SECOND, SERVICE, USER, shown
from tests.linked import link_everybody

# --- through the real doors


@pytest.fixture
def sources(source: Callable[..., Source]) -> tuple[Source, Source]:
    return source("trail"), source("traces", plane="ai")


def call(number: int, **said: Any) -> Record:
    plain: dict[str, Any] = {
        "plane": PLANE_IDENTITY,
        "activity": USE,
        "at": BASE,
        "action": "s3:GetObject",
        "principal": USER,
        "address": "10.0.0.1",
    }
    return record(number, **plain | said)


def tool(number: int, trace: int, **said: Any) -> Record:
    plain: dict[str, Any] = {
        "plane": PLANE_AI,
        "activity": TOOL_CALL,
        "at": BASE,
        "action": "get_object",
        "principal": SERVICE,
        "duration": SECOND,
        "trace_id": trace.to_bytes(16),
        "span_id": number.to_bytes(8),
    }
    return record(number, **plain | said)


def arrive(*deposits: tuple[Source, list[Record]]) -> None:
    for source, records in deposits:
        store(source, records)
        while links.link_next(now=NOW):
            pass


def told() -> set[tuple[int, int]]:
    """(runs, surplus) of what is shown as inferred."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT runs, surplus FROM evidence_shownlink WHERE strength = 1")
        return set(cursor.fetchall())


@pytest.mark.django_db
def test_stronger_link_that_comes_late_hides_the_inference(sources: tuple[Source, Source]) -> None:
    trail, traces = sources
    arrive((trail, [call(1, request_id="REQ")]), (traces, [tool(2, 1)]))
    assert shown() == {(1, 2, NAMED)}
    event = Event.objects.get(plane=PLANE_IDENTITY)
    (cause,) = events.linked((event.at, event.id))
    assert proof_words(cause.proof, cause.runs, cause.surplus).startswith("score 50 of 100")
    # A span in a trace that is no run says which call it was, and not whose run's: both stand.
    link_everybody(NOW)
    arrive((traces, [tool(3, 2, activity=API_CALL, action="s3:GetObject", request_id="REQ")]))
    assert shown() == {(1, 2, NAMED + BECAUSE_KNOWN + BECAUSE_ADDRESS + BECAUSE_SPAN)}
    assert [one.strength for one in events.linked((event.at, event.id))] == [EXACT, INFERRED]
    arrive((traces, [tool(4, 2, activity=AGENT_RUN, action="run")]))
    assert shown() == set()
    assert [one.strength for one in events.linked((event.at, event.id))] == [EXACT]
    assert Link.objects.filter(strength=INFERRED).count() == 2


@pytest.mark.django_db
def test_run_that_shows_its_calls_late_is_inferred_from_no_more(
    sources: tuple[Source, Source],
) -> None:
    trail, traces = sources
    arrive((trail, [call(1)]), (traces, [tool(2, 1)]))
    assert shown() == {(1, 2, NAMED)}
    arrive((traces, [tool(3, 1, activity=API_CALL, action="sts:AssumeRole", request_id="OTHER")]))
    assert shown() == set()


@pytest.mark.django_db
@pytest.mark.parametrize("before", [30 * MINUTE, 200 * MINUTE])
@pytest.mark.parametrize("calls_first", [True, False])
def test_call_is_inferred_however_long_the_run_has_lasted(
    sources: tuple[Source, Source], before: int, calls_first: bool
) -> None:
    trail, traces = sources
    began = tool(3, 1, at=BASE - before, action="calculator")
    arrived = [(trail, [call(1)]), (traces, [began, tool(2, 1)])]
    arrive(*(arrived if calls_first else reversed(arrived)))
    assert shown() == {(1, 2, NAMED)}


@pytest.mark.django_db
def test_inference_of_several_runs_or_places_cannot_be_told(
    sources: tuple[Source, Source],
) -> None:
    trail, traces = sources
    arrive((trail, [call(1)]), (traces, [tool(2, 1), tool(3, 1)]))
    assert told() == {(1, 0)}
    arrive((traces, [tool(4, 2)]))
    assert told() == {(2, 0)}
    arrive((trail, [call(5, at=BASE + 10 * MINUTE)]), (traces, [tool(6, 3, at=BASE + 10 * MINUTE)]))
    assert told() == {(2, 0), (1, 0)}
    # The same key at the same time from somewhere else, as the service's other calls were not.
    arrive((trail, [call(7, at=BASE + 10 * MINUTE, address="198.51.100.7")]))
    assert told() == {(2, 0), (1, 0)}
    assert 7 not in {effect for effect, _, _ in shown()}


@pytest.mark.django_db
def test_busy_agent_makes_few_rows(sources: tuple[Source, Source]) -> None:
    trail, traces = sources
    arrive(
        (traces, [tool(1000 + one, 1 + one, at=BASE - one) for one in range(100)]),
        (trail, [call(1)]),
    )
    assert Link.objects.filter(strength=INFERRED).count() == 32
    # One of so many says nothing.
    assert told() == set()


@pytest.mark.django_db
def test_clocks_that_differ_are_taken_off(sources: tuple[Source, Source]) -> None:
    """Twenty calls show that the log is ninety seconds ahead of the traces."""
    trail, traces = sources
    ahead, later = 90 * SECOND, 5 * MINUTE
    sure = [call(100 + one, at=BASE + ahead + one, request_id=f"R{one}") for one in range(20)]
    said = {"activity": API_CALL, "action": "s3:GetObject"}
    arrive(
        (trail, sure),
        (
            traces,
            [tool(200 + one, 9, at=BASE + one, request_id=f"R{one}", **said) for one in range(20)],
        ),
    )
    assert dict(Clock.objects.values_list("seconds", "calls")) == {90: 20}
    arrive(
        (traces, [tool(2, 1, at=BASE + later), tool(3, 2, at=BASE + later + ahead)]),
        (trail, [call(1, at=BASE + later + ahead)]),
    )
    assert {(effect, cause) for effect, cause, _ in shown()} == {(1, 2)}


@pytest.mark.django_db
@pytest.mark.parametrize(("skew", "found"), [(None, set()), (1.0, set()), (-60.0, {(1, 2)})])
def test_clock_that_a_pull_has_measured_is_taken_off(
    sources: tuple[Source, Source], skew: float | None, found: set[tuple[int, int]]
) -> None:
    trail, traces = sources
    Connection.objects.create(source=trail, connector="okta", skew_seconds=skew)
    arrive((trail, [call(1, at=BASE - MINUTE)]), (traces, [tool(2, 1)]))
    assert {(effect, cause) for effect, cause, _ in shown()} == found


def test_middle_of_a_histogram_needs_enough_calls() -> None:
    assert clocks.middle([(0, 19)]) is None
    assert clocks.middle([(-3, 9), (0, 2), (80, 9)]) == 0
    assert clocks.middle([(-3, 1), (40, 30), (900, 29)]) == 40


# --- the recordings


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`data` is the folder of recordings, as in tests/evidence/formats/conftest.py."""
    if "data" in metafunc.fixturenames:
        metafunc.parametrize("data", [DATA] if DATA.is_dir() else [], ids=["recorded"])


def take(source: Source, body: bytes) -> None:
    intake.take(source=source, body=body, by="command", now=NOW)


def link() -> None:
    while links.link_next(now=NOW):
        pass


def named_runs() -> tuple[dict[str, set[str]], int]:
    """Request id -> trace where one run is named by inference; and how many cannot be told."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT e.request_id, array_agg(DISTINCT encode(uuid_send(s.trace), 'hex')),"
            " bool_and(l.runs = 1 AND l.surplus = 0) FROM evidence_shownlink l"
            " JOIN evidence_event e ON e.at = l.effect_at AND e.id = l.effect_id"
            " JOIN evidence_event s ON s.at = l.cause_at AND s.id = l.cause_id"
            " WHERE l.strength = %s GROUP BY 1",
            [INFERRED],
        )
        found = cursor.fetchall()
    return {one: set(runs) for one, runs, sure in found if sure}, sum(not row[2] for row in found)


@pytest.mark.django_db
@pytest.mark.parametrize("instrumented", [True, False])
def test_lab_is_never_inferred_to_a_wrong_run(
    sources: tuple[Source, Source], data: Path, *, instrumented: bool
) -> None:
    trail, traces = sources
    recording = lab.load(data / "lab")
    for one in (recording if instrumented else variants.without_sdk(recording)).deliveries:
        take(trail if one.source == lab.LOG else traces, one.body())
    link()
    truth = {call.request_id: call.trace for call in recording.calls}
    named, untold = named_runs()
    assert [one for one, runs in named.items() if runs != {truth.get(one)}] == []
    # With the SDK's spans nothing is left to infer. Without, all of it is within two seconds, and
    # twenty calls may be of more than five runs.
    assert (len(named), untold) == ((0, 0) if instrumented else (5, 8))


@pytest.mark.django_db
def test_traces_of_other_agents_are_not_taken_for_the_labs_calls(
    sources: tuple[Source, Source], data: Path
) -> None:
    """Ten frameworks' runs beside a log of another time and other callers: nothing to infer."""
    trail, traces = sources
    take(trail, (data / "lab" / "cloudtrail.json").read_bytes())
    for path in sorted((data / "traces-frameworks").glob("*.json")):
        take(traces, path.read_bytes())
    link()
    assert Event.objects.filter(plane=PLANE_AI, activity=TOOL_CALL).count() > 5
    assert Link.objects.filter(strength=INFERRED).count() == 0
