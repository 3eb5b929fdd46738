"""Monthly partitions: made once, by whoever needs them, with what their table has."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from threading import Barrier, Thread
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from evidence import partitions
from evidence.models import Event

type AsOwner = Callable[..., list[tuple[Any, ...]]]

EVENTS = "evidence_event"


@pytest.mark.parametrize(
    ("moment", "month"),
    [
        ("2026-11-01T00:00:00+00:00", date(2026, 11, 1)),
        ("2026-11-30T23:59:59.999999+00:00", date(2026, 11, 1)),
        ("2026-12-01T00:30:00+01:00", date(2026, 11, 1)),
        ("2026-11-30T23:30:00-01:00", date(2026, 12, 1)),
    ],
)
def test_month_is_that_of_utc(moment: str, month: date) -> None:
    assert partitions.month_of(datetime.fromisoformat(moment)) == month


@pytest.mark.django_db(transaction=True)
def test_month_is_made_once_by_many_at_once(as_owner: AsOwner) -> None:
    month = date(1975, 3, 1)
    start = Barrier(6)
    made: list[int] = []

    def work() -> None:
        try:
            start.wait(60)
            made.append(partitions.ensure([(EVENTS, month)]))
        finally:
            connection.close()

    threads = [Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(made) == [0, 0, 0, 0, 0, 1]
    assert as_owner(
        "SELECT count(*) FROM pg_inherits WHERE inhrelid = 'evidence_event_1975_03'::regclass"
    ) == [(1,)]


@pytest.mark.django_db(transaction=True)
def test_month_has_the_indexes_and_triggers_of_its_table(as_owner: AsOwner) -> None:
    partitions.ensure([(EVENTS, date(1975, 4, 1))])
    counted = """
        SELECT (SELECT count(*) FROM pg_index WHERE indrelid = c.oid),
               (SELECT count(*) FROM pg_trigger WHERE tgrelid = c.oid)
        FROM pg_class c WHERE relname = %s
    """
    indexes, triggers = as_owner(counted, [EVENTS])[0]
    made_indexes, made_triggers = as_owner(counted, ["evidence_event_1975_04"])[0]
    assert (made_indexes, made_triggers > 0, triggers > 0) == (indexes, True, True)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("turn", [1, 2])
def test_month_of_one_test_is_gone_for_the_next(turn: int) -> None:
    assert partitions.ensure([(EVENTS, date(1975, 7, 1))]) == 1


@pytest.mark.django_db(transaction=True)
def test_month_is_made_while_somebody_inserts_into_another(as_owner: AsOwner) -> None:
    partitions.ensure([(EVENTS, date(1975, 5, 1))])
    done: list[int] = []

    def work() -> None:
        try:
            done.append(partitions.ensure([(EVENTS, date(1975, 6, 1))]))
        finally:
            connection.close()

    with transaction.atomic():
        Event.objects.create(
            at=datetime(1975, 5, 2, tzinfo=UTC), id=1, received_at=datetime(1975, 5, 2, tzinfo=UTC),
            deposit_id=1, action_id=1, source_id=1, ordinal=0, plane=1, activity=3, outcome=1,
            time_basis=1, digest="00000000-0000-0000-0000-000000000001",
        )  # fmt: skip
        thread = Thread(target=work)
        thread.start()
        thread.join(20)
        assert done == [1]


@pytest.mark.django_db
@pytest.mark.parametrize("table", ["evidence_actor", "nobody", "pg_class", "evidence_event; --"])
def test_table_without_partitions_gets_none(table: str) -> None:
    with pytest.raises(DatabaseError), transaction.atomic():
        partitions.ensure([(table, date(2026, 1, 1))])


@pytest.mark.django_db
def test_app_may_make_no_table_by_itself() -> None:
    with (
        pytest.raises(DatabaseError),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("CREATE TABLE mine (id int)")


@pytest.mark.django_db
def test_months_ahead_reach_over_the_year() -> None:
    now = datetime(1976, 11, 15, tzinfo=UTC)
    tables = (*partitions.BY_EVENT_TIME, *partitions.BY_RECEIPT)
    assert partitions.ahead(now) == 4 * len(tables)
    assert partitions.ahead(now) == 0
    assert partitions.missing(tables, [date(1976, 11, 1), date(1977, 2, 1)]) == []
    assert partitions.missing(tables, [date(1977, 3, 1)]) == [
        (table, date(1977, 3, 1)) for table in tables
    ]


@pytest.mark.parametrize(
    ("month", "ends"), [(date(2026, 1, 1), (2026, 2)), (date(2026, 12, 1), (2027, 1))]
)
def test_bounds_of_a_month(month: date, ends: tuple[int, int]) -> None:
    begins, after = partitions.bounds(month)
    assert (begins.date(), (after.year, after.month), after.day) == (month, ends, 1)
    assert isinstance(begins, datetime)
