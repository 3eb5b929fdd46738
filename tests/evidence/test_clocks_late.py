"""A difference of clocks that is known late: what was inferred without it is inferred again."""

from collections.abc import Callable
from datetime import timedelta
from itertools import permutations

import pytest
from django.db import connection

from evidence import bulk, clocks, links
from evidence.formats.record import Record
from evidence.models import ClockTaken, Link, Source
from evidence.vocabulary import API_CALL, INFERRED, PLANE_AI, PLANE_IDENTITY
from tests.evidence.conftest import NOW
from tests.evidence.test_correlation import BASE, MINUTE, store
from tests.evidence.test_inferred import SECOND, arrived, shown
from tests.evidence.test_inferred_doors import call, tool

type Make = Callable[..., Source]
AHEAD, LATER, DAY = 90 * SECOND, 5 * MINUTE, 24 * 60 * MINUTE
CALLS = "s3:GetObject"


def sure(at: int, *, calls: int = 20, ahead: int = AHEAD, first: int = 0) -> list[list[Record]]:
    """Calls that both have, which a log dates so much later: of the log, and of the traces."""
    numbers = range(first, first + calls)
    return [
        [call(1000 + one, at=at + ahead + one, request_id=f"R{one}") for one in numbers],
        [
            tool(2000 + one, 9, at=at + one, request_id=f"R{one}", activity=API_CALL, action=CALLS)
            for one in numbers
        ],
    ]


# A call, the tool that made it, and one that a reader without the difference takes for it.
SILENT = [
    [call(1, at=BASE + LATER + AHEAD)],
    [tool(2, 1, at=BASE + LATER), tool(3, 2, at=BASE + LATER + AHEAD)],
]


def pairs() -> set[tuple[int, int]]:
    return {(effect, cause) for effect, cause, _ in shown()}


@pytest.mark.django_db
@pytest.mark.parametrize("days", [0, -1, 1])
def test_links_are_the_same_whenever_the_difference_is_known(source: Make, days: int) -> None:
    deposits = [*sure(BASE + days * DAY), *SILENT]
    orders = list(permutations(deposits))
    for order in orders if not days else orders[::7]:
        found = arrived(source, order, link_between=True)
        assert {(effect, cause) for effect, cause, _ in found} == {(1, 2)}


@pytest.mark.django_db
def test_difference_that_more_calls_correct_is_taken_off_anew(source: Make) -> None:
    """Twenty calls say ninety seconds, forty more that there is none."""
    corrected = [*sure(BASE), *sure(BASE, calls=40, ahead=0, first=50), *SILENT]
    for order in (corrected, corrected[::-1], corrected[4:] + corrected[:4]):
        found = arrived(source, order, link_between=True)
        assert {(effect, cause) for effect, cause, _ in found} == {(1, 3)}


@pytest.fixture
def waiting(source: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Silent runs that were linked, and what tells of the clocks, which is not linked yet."""
    monkeypatch.setattr(bulk, "LEAST_ROWS", 1)
    monkeypatch.setattr(bulk, "MOST_OLD_ROWS", 10**9)
    into = {PLANE_IDENTITY: source("trail"), PLANE_AI: source("traces", plane="ai")}
    for records in SILENT:
        store(into[records[0].plane], records)
    while links.link_next(now=NOW):
        pass
    assert pairs() == {(1, 3)}
    for records in sure(BASE):
        store(into[records[0].plane], records)


@pytest.mark.django_db
@pytest.mark.usefixtures("waiting")
def test_linked_together_it_is_the_same() -> None:
    assert bulk.link_many(now=NOW) == 2
    assert pairs() == {(1, 2)}
    (taken,) = ClockTaken.objects.filter(seconds__gt=0).values_list("seconds", flat=True).distinct()
    assert taken == 90


@pytest.mark.django_db
@pytest.mark.usefixtures("waiting")
def test_job_that_dies_before_it_is_done_leaves_the_day_to_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Hands of their own have committed by then what they took away."""
    found: list[clocks.Apart] = []
    real = clocks.take

    def dies(cursor: object, moved: list[clocks.Apart]) -> None:
        found.extend(moved)
        raise OSError("the machine is gone")

    monkeypatch.setattr(clocks, "take", dies)
    assert bulk.link_many(now=NOW) == 2
    assert not ClockTaken.objects.exists()
    logs, traces, days, *_ = (list(column) for column in zip(*found, strict=True))
    with connection.cursor() as cursor:
        cursor.execute("SELECT countersign_infer_again(%s, %s, %s)", [logs, traces, days])
    assert not Link.objects.filter(strength=INFERRED).exists()
    monkeypatch.setattr(clocks, "take", real)
    while links.link_next(now=NOW):
        pass
    assert pairs() == {(1, 2)}


@pytest.mark.django_db
@pytest.mark.usefixtures("waiting")
def test_only_what_is_inferred_goes() -> None:
    """Whatever the app asks for: exact links, and those of other sources and days, stay."""
    while links.link_next(now=NOW):
        pass
    exact = Link.objects.exclude(strength=INFERRED).count()
    (row,) = Link.objects.filter(strength=INFERRED)
    trail, other = Source.objects.get(name="trail").pk, Source.objects.get(name="traces").pk
    day = row.effect_at.date()
    for log, traces, when, left in (
        (other, trail, day, 1),
        (trail, other, day + timedelta(days=1), 1),
        (trail, other, day, 0),
    ):
        with connection.cursor() as cursor:
            cursor.execute("SELECT countersign_infer_again(%s, %s, %s)", [[log], [traces], [when]])
        assert Link.objects.filter(strength=INFERRED).count() == left
    assert Link.objects.exclude(strength=INFERRED).count() == exact


@pytest.mark.django_db
def test_clocks_that_agree_are_inferred_once(source: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clocks, "take", lambda _, moved: moved and pytest.fail(f"again: {moved}"))
    found = arrived(source, [*SILENT, *sure(BASE, ahead=0)], link_between=True)
    assert {(effect, cause) for effect, cause, _ in found} == {(1, 3)}
