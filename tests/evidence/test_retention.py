"""Retention: months give way, what is held stays, bodies get tombstones, and a crash is finished."""

from collections.abc import Callable
from datetime import date, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from evidence import chain, intake, ledger, links, retention
from evidence.models import (
    Acquaintance,
    Actor,
    Deposit,
    DepositBody,
    Dropped,
    Event,
    LedgerEntry,
    LegalHold,
    Link,
    Reject,
    RetentionSaid,
    Sighting,
    Source,
    Tombstone,
)
from evidence.stores import bodies
from tests.evidence.bodies import AT_ANY_AGE, record, run_of, trail

# The database refuses to delete evidence at a moment ahead of its own clock.
pytestmark = pytest.mark.real_clock

type AsOwner = Callable[..., list[tuple[Any, ...]]]

LONG_AGO = timedelta(days=200)


def take(source: Source, body: bytes, **said: Any) -> intake.Taken:
    return intake.take(source=source, body=body, by="command", now=timezone.now(), **said)


def old(*numbers: int, days: int = 200) -> bytes:
    """Records of one month, so many days ago."""
    at = timezone.now() - timedelta(days=days)
    first = at.replace(day=2, hour=3, minute=0, second=0, microsecond=0)
    return trail(*(record(one, at=first + timedelta(minutes=one)) for one in numbers))


def month_of(days: int = 200) -> date:
    return (timezone.now() - timedelta(days=days)).date().replace(day=1)


@pytest.fixture
def short(source: Callable[..., Source], as_owner: AsOwner) -> Callable[..., Source]:
    """A source whose period was long when its records came, and has been short for a week."""

    def make(name: str = "trail", *told: bytes, days: int = 30) -> Source:
        row = source(name)
        for body in told:
            take(row, body)
        Source.objects.filter(pk=row.pk).update(retention_days=days)
        as_owner(
            "SET countersign.letting_go = 'on';"
            " UPDATE evidence_retentionsaid SET said_at = said_at - interval '8 days';"
            " RESET countersign.letting_go"
        )
        row.refresh_from_db()
        return row

    return make


def prune() -> retention.Run:
    return retention.prune(now=timezone.now())


def acts(act: str) -> list[str]:
    return list(LedgerEntry.objects.filter(act=act).order_by("pk").values_list("words", flat=True))


@pytest.mark.django_db(transaction=True)
def test_month_past_its_period_goes_with_its_bodies(short: Callable[..., Source]) -> None:
    row = short("trail", old(1, 2, 3), old(4, 5, days=10))
    first, second = Deposit.objects.order_by("pk")
    run = prune()
    assert (run.events, run.held, run.deposits, run.waits) == (3, 0, 1, [])
    assert Event.objects.count() == 2
    assert list(Dropped.objects.filter(events__gt=0).values_list("source", "month", "events")) == [
        (row.pk, month_of(), 3)
    ]
    stone = Tombstone.objects.get()
    assert (stone.deposit_id, stone.ordinal, stone.cause, bytes(stone.gone_digest)) == (
        first.pk, None, "retention", bytes(first.kept_digest),
    )  # fmt: skip
    assert [body.deposit_id for body in DepositBody.objects.all()] == [second.pk]
    assert acts("events.dropped") == [
        f"retention dropped 3 raw events of trail of {month_of():%Y-%m}"
    ]
    assert acts("deposits.dropped") == [
        "retention dropped the bytes of 1 deposit of trail: none of their events is kept any more"
    ]
    again = prune()
    assert (again.events, again.deposits) == (0, 0)


@pytest.mark.django_db(transaction=True)
def test_partition_itself_is_gone_and_comes_back_when_it_is_needed(
    short: Callable[..., Source], as_owner: AsOwner
) -> None:
    row = short("trail", old(1))
    name = f"evidence_event_{month_of():%Y_%m}"
    prune()
    assert as_owner("SELECT to_regclass(%s)", [name]) == [(None,)]
    other = Source.objects.create(name="other", created_at=timezone.now(), created_by="command")
    take(other, old(7))
    assert (Event.objects.count(), take(row, old(8)).old) == (1, 1)


@pytest.mark.django_db(transaction=True)
def test_other_source_keeps_its_rows_in_the_same_month(
    short: Callable[..., Source], source: Callable[..., Source], as_owner: AsOwner
) -> None:
    take(source("other"), old(11, 12))
    row = short("trail", old(1, 2, 3))
    before = list(Event.objects.exclude(source_id=row.pk).order_by("pk").values())
    assert prune().events == 3
    assert list(Event.objects.order_by("pk").values()) == before
    # The new partition is one like any other: found by its name, with indexes and triggers.
    name = f"evidence_event_{month_of():%Y_%m}"
    assert as_owner(
        "SELECT count(*) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
        " WHERE c.relname = %s",
        [name],
    ) == [(1,)]
    with pytest.raises(Exception, match="append-only"):
        as_owner("DELETE FROM evidence_event")
    assert as_owner(
        "SELECT count(*) FROM pg_constraint WHERE conrelid = %s::regclass AND contype = 'c'",
        [name],
    ) == [(0,)]
    # And once more, when the other's period is over.
    Source.objects.exclude(pk=row.pk).update(retention_days=30)
    as_owner(
        "SET countersign.letting_go = 'on';"
        " UPDATE evidence_retentionsaid SET said_at = said_at - interval '8 days';"
        " RESET countersign.letting_go"
    )
    assert (prune().events, Event.objects.count()) == (2, 0)


@pytest.mark.django_db(transaction=True)
def test_shorter_period_counts_a_week_after_it_was_said(source: Callable[..., Source]) -> None:
    row = source()
    take(row, old(1))
    Source.objects.filter(pk=row.pk).update(retention_days=30)
    assert (prune().events, retention.plan(now=timezone.now()).months) == (0, [])
    assert [one.days for one in RetentionSaid.objects.order_by("pk")] == [3650, 30]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("what", ["source", "deposit", "actor", "times"])
def test_legal_hold_keeps_events_and_bodies(short: Callable[..., Source], what: str) -> None:
    row = short("trail", old(1, 2))
    event = Event.objects.order_by("at").first()
    assert event is not None
    each: dict[str, dict[str, Any]] = {
        "source": {"source": row},
        "deposit": {"deposit": Deposit.objects.get()},
        "actor": {"actor": Actor.objects.get(pk=event.credential_id or 0)},
        "times": {"begins": event.at, "ends": event.at + timedelta(seconds=1)},
    }
    said = each[what]
    now = timezone.now()
    hold = LegalHold.objects.create(reason="court", placed_at=now, placed_by="user:1", **said)
    run = prune()
    kept = 1 if what == "times" else 2
    assert (run.events, run.held, run.deposits) == (2 - kept, kept, 0)
    assert (Event.objects.count(), DepositBody.objects.count()) == (kept, 1)
    assert prune().events == 0
    LegalHold.objects.filter(pk=hold.pk).update(released_at=now, released_by="user:1")
    after = prune()
    assert (after.events, after.deposits) == (kept, 1)
    assert Tombstone.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_links_and_sightings_go_with_their_events_and_stay_with_held_ones(
    short: Callable[..., Source], source: Callable[..., Source], as_owner: AsOwner
) -> None:
    first = (timezone.now() - LONG_AGO).replace(day=2, hour=3, minute=0, second=0, microsecond=0)
    held = record(1, at=first, requestID="HELD")
    gone = record(2, at=first + timedelta(hours=1), requestID="GONE")
    log, twin = source("log"), source("twin")
    take(log, trail(held, gone))
    take(twin, trail(held, gone, record(3, at=first + timedelta(hours=2))))
    traces = source("traces", plane="ai", format="otlp")
    for number, (name, at) in enumerate((("HELD", first), ("GONE", first + timedelta(hours=1)))):
        take(traces, run_of(name, trace=number + 1, at=at).SerializeToString())
    while links.link_next(now=timezone.now()):
        pass
    assert (Link.objects.count() > 2, Sighting.objects.count()) == (True, 2)
    known = Acquaintance.objects.exclude(hour=Acquaintance.ALWAYS).values_list("hour", flat=True)
    assert set(known.all()) == {first, first + timedelta(hours=1)}
    event = Event.objects.get(request_id="HELD", plane=1)
    LegalHold.objects.create(
        reason="court", placed_at=timezone.now(), placed_by="user:1",
        begins=event.at, ends=event.at + timedelta(microseconds=1), source=log,
    )  # fmt: skip
    wanted = set(Link.objects.filter(effect_id=event.id).values_list("cause_id", flat=True))
    Source.objects.update(retention_days=30)
    as_owner(
        "SET countersign.letting_go = 'on';"
        " UPDATE evidence_retentionsaid SET said_at = said_at - interval '8 days';"
        " RESET countersign.letting_go"
    )
    prune()
    # The held call, what it is linked to, and nothing else; no link or sighting without an event.
    assert set(Event.objects.values_list("id", flat=True)) == wanted | {event.id}
    assert set(Link.objects.values_list("effect_id", flat=True)) == {event.id}
    assert [one.event_id for one in Sighting.objects.all()] == [event.id]
    assert set(known.all()) == {first}


@pytest.mark.django_db(transaction=True)
def test_rejects_keep_their_reason_and_lose_their_excerpt(short: Callable[..., Source]) -> None:
    short("trail", old(1)[:-2] + b',{"eventName": 1, "secretive": "text of a record"}]}')
    reject = Reject.objects.get()
    assert reject.excerpt
    prune()
    after = Reject.objects.get()
    assert (after.reason, after.excerpt) == (reject.reason, "")


@pytest.mark.django_db(transaction=True)
def test_large_body_leaves_the_disk(
    short: Callable[..., Source], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "IN_ROW", 10)
    monkeypatch.setattr(bodies, "ORPHAN_SECONDS", AT_ANY_AGE)
    short("trail", old(1))
    deposit = Deposit.objects.get()
    assert bodies.unpack(deposit)
    assert (prune().orphans, bodies.orphans(remove=False)) == (1, [])
    with pytest.raises(FileNotFoundError):
        bodies.unpack(deposit)


@pytest.mark.django_db(transaction=True)
def test_same_bytes_are_not_taken_again_after_they_went(short: Callable[..., Source]) -> None:
    body = old(1)
    row = short("trail", body)
    prune()
    assert take(row, body).repeat is True
    assert (Event.objects.count(), DepositBody.objects.count()) == (0, 0)


@pytest.mark.django_db(transaction=True)
def test_chain_and_ledger_verify_after_retention(short: Callable[..., Source]) -> None:
    short("trail", old(1), old(2, days=10))
    chain.seal(now=timezone.now())
    prune()
    ledger.seal(now=timezone.now())
    (found,) = chain.verify()
    assert (found.sealed, found.ended, found.erased, found.faults) == (2, 1, 0, [])
    assert ledger.verify().faults == []


@pytest.mark.unmovable_clock("waits for a timeout of PostgreSQL")
@pytest.mark.django_db(transaction=True)
def test_month_in_which_somebody_works_waits_for_the_next_run(
    short: Callable[..., Source], as_owner: AsOwner
) -> None:
    short("trail", old(1))
    as_owner("BEGIN")
    try:
        as_owner("SELECT count(*) FROM evidence_event")
        run = prune()
    finally:
        as_owner("ROLLBACK")
    assert (run.events, run.waits) == (0, [f"events of {month_of():%Y-%m}"])
    assert prune().events == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("steps", [0, 1, 2])
def test_run_that_is_cut_short_is_finished_by_the_next(
    short: Callable[..., Source], monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    """A crash after any step leaves whole steps: each is one transaction."""
    monkeypatch.setattr(retention, "BATCH", 1)
    short("trail", old(1), old(2), old(3, days=260))
    left = [steps]

    class Crash(Exception):
        pass

    def crash(_words: str) -> None:
        if not left[0]:
            raise Crash
        left[0] -= 1

    with pytest.raises(Crash):
        retention.prune(now=timezone.now(), step=crash)
    prune()
    assert (Event.objects.count(), DepositBody.objects.count()) == (0, 0)
    assert Tombstone.objects.count() == 3
    assert sum(row.events for row in Dropped.objects.all()) == 3
    chain.seal(now=timezone.now())
    assert [one.faults for one in chain.verify()] == [[]]


@pytest.mark.django_db
@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM evidence_tombstone",
        "INSERT INTO evidence_dropped VALUES (1, '1999-01-01', 1, 0, now(), 1)",
        "INSERT INTO evidence_holder VALUES ('me', 'f', '')",
        "UPDATE evidence_retentionsaid SET days = 1",
        "SELECT countersign_swap('evidence_event', '1999-01-01', NULL)",
        "SELECT countersign_drop_month('1999-01-01', now() + interval '1 day')",
        "SELECT countersign_bury(now() + interval '1 day', 1)",
    ],
)
def test_app_cannot_let_go_of_anything_by_itself(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('countersign.letting_go', 'on', true)")
        with pytest.raises(DatabaseError), transaction.atomic():
            cursor.execute(statement)


@pytest.mark.django_db(transaction=True)
def test_dry_run_says_what_would_go_and_touches_nothing(short: Callable[..., Source]) -> None:
    short("trail", old(1, 2, 3))
    out = StringIO()
    call_command("prune", "--dry-run", stdout=out)
    said = out.getvalue()
    assert f"trail {month_of():%Y-%m}: 3 events" in said
    assert "bytes" in said
    assert (Event.objects.count(), Dropped.objects.count()) == (3, 0)
    call_command("prune", stdout=out)
    assert Event.objects.count() == 0


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("many", [1, 6])
def test_events_are_found_by_the_same_statements_however_many_months_gave_way(
    short: Callable[..., Source], source: Callable[..., Source], many: int
) -> None:
    """Held rows lie where they lay: whoever asks for events asks one table."""
    take(source("other"), trail(*(
        record(one, at=timezone.now() - timedelta(days=100 + 31 * one)) for one in range(many)
    )))  # fmt: skip
    short("trail", *(old(one + 50, days=100 + 31 * one) for one in range(many)))
    prune()
    with CaptureQueriesContext(connection) as asked:
        assert Event.objects.filter(at__lt=timezone.now()).count() == many
    assert len(asked) == 1
