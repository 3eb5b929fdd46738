"""How far a source that sends regularly is shown to be complete."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from evidence import intake, watermarks
from evidence.models import Gap, Source
from tests.evidence.bodies import record, trail
from tests.evidence.conftest import NOW

LAG = timedelta(seconds=60)


def receive(source: Source, *minutes: int) -> None:
    """One body at each of these minutes after NOW."""
    for minute in minutes:
        at = NOW + timedelta(minutes=minute)
        intake.take(source=source, body=trail(record(minute, at=at)), by="command", now=at)


@pytest.fixture
def beating(source: Callable[..., Source]) -> Source:
    return source("beat", expected_every_seconds=300, lag_seconds=60)


def gaps(source: Source) -> list[tuple[datetime, datetime]]:
    return [
        (gap.during.lower, gap.during.upper)
        for gap in Gap.objects.filter(source=source).order_by("during")
    ]


def test_heartbeat_is_complete_to_the_last_receipt_less_the_delay(beating: Source) -> None:
    receive(beating, 0, 4, 8)
    moved = watermarks.advance(now=NOW + timedelta(minutes=9))
    beating.refresh_from_db()
    assert (moved, beating.watermark, beating.completeness) == (
        1,
        NOW + timedelta(minutes=8) - LAG,
        "heartbeat",
    )


def test_heartbeat_knows_nothing_of_the_time_before_the_first_receipt(beating: Source) -> None:
    receive(beating, 0)
    watermarks.advance(now=NOW)
    assert gaps(beating) == [
        (NOW - timedelta(days=3650), NOW - LAG - timedelta(seconds=300)),
    ]


def test_heartbeat_that_stopped_for_a_while_leaves_a_gap(beating: Source) -> None:
    receive(beating, 0, 4, 14, 18)
    watermarks.advance(now=NOW + timedelta(minutes=18))
    assert gaps(beating)[1:] == [
        (NOW + timedelta(minutes=4) - LAG, NOW + timedelta(minutes=14) - LAG)
    ]


def test_heartbeat_that_stops_between_two_looks_leaves_the_same_gap(beating: Source) -> None:
    for minute in (0, 4, 14, 18):
        receive(beating, minute)
        watermarks.advance(now=NOW + timedelta(minutes=minute))
    assert gaps(beating)[1:] == [
        (NOW + timedelta(minutes=4) - LAG, NOW + timedelta(minutes=14) - LAG)
    ]


def test_heartbeat_without_anything_new_stays(beating: Source) -> None:
    receive(beating, 0)
    assert watermarks.advance(now=NOW) == 1
    assert watermarks.advance(now=NOW + timedelta(hours=1)) == 0
    assert Gap.objects.count() == 1


@pytest.mark.parametrize(
    "said",
    [{"expected_every_seconds": None}, {"expected_every_seconds": 300, "sampling": 0.1}],
)
def test_heartbeat_of_a_source_that_proves_nothing_is_not_known(
    source: Callable[..., Source], said: dict[str, float | None]
) -> None:
    row = source("other", **said)
    receive(row, 0)
    assert watermarks.advance(now=NOW) == 0
    row.refresh_from_db()
    assert (row.watermark, row.completeness) == (None, "")


def test_heartbeat_wakes_who_waits_for_completeness(
    beating: Source, nudges: list[str], django_capture_on_commit_callbacks: Callable[..., object]
) -> None:
    receive(beating, 0)
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[attr-defined]  # a context manager
        watermarks.advance(now=NOW)
    assert nudges == ["evidence.linked"]
