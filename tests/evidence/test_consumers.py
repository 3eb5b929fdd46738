"""Every deposit is handled once by each consumer, however late it commits and whoever dies."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Thread
from typing import Any

import pytest
from django.db import connection, transaction

from evidence import consumers
from evidence.models import Consumer, Deposit, Progress, Source

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
LEASE = timedelta(minutes=5)
LINKS = "links"


def deposited(source: Source, number: int, *, records: int = 0) -> Deposit:
    return Deposit.objects.create(
        source=source, received_at=NOW, received_by="test", format="cloudtrail",
        received_digest=number.to_bytes(32, "big"), received_bytes=1, kept_digest=bytes(32),
        kept_bytes=1, rule_version=1, records=records, events=0, duplicates=0, rejects=0,
    )  # fmt: skip


def handled(consumer: str, *, now: datetime = NOW) -> list[int]:
    """The deposits that this consumer gets and finishes, in order."""
    found: list[int] = []

    def work(held: Progress) -> None:
        assert consumers.finish(held, now=now)
        found.append(held.deposit_id)

    while consumers.handle_next(consumer, work, lease=LEASE, now=now):
        pass
    return found


@pytest.mark.django_db
def test_consumers_are_those_of_the_migrations() -> None:
    assert dict(Consumer.objects.values_list("name", "after")) == {
        "links": "",
        "credentials": "",
        "judging": "links",
        "sealed": "",
    }


@pytest.mark.django_db
def test_deposit_waits_for_a_follower_once_the_other_is_done(
    source: Callable[..., Source],
) -> None:
    mine = source()
    one, two = deposited(mine, 1), deposited(mine, 2)
    assert handled("judging") == []
    assert handled("credentials") == [one.pk, two.pk]
    assert handled(LINKS) == [one.pk, two.pk]
    assert handled("judging") == [one.pk, two.pk]
    assert [handled(name) for name in ("links", "credentials", "judging")] == [[], [], []]


@pytest.mark.django_db
def test_deposit_that_somebody_holds_is_taken_when_its_lease_is_over(
    source: Callable[..., Source],
) -> None:
    deposit = deposited(source(), 1)
    held = consumers.claim(LINKS, lease=LEASE, now=NOW)
    assert held is not None
    assert consumers.claim(LINKS, lease=LEASE, now=NOW + LEASE - timedelta(seconds=1)) is None
    again = consumers.claim(LINKS, lease=LEASE, now=NOW + LEASE)
    assert again is not None
    assert (held.deposit_id, again.deposit_id, again.attempts) == (deposit.pk, deposit.pk, 2)
    # Whoever was thought dead and comes back takes nothing from the one who has it now.
    assert consumers.finish(held, now=NOW + LEASE) is False
    assert consumers.finish(again, now=NOW + LEASE) is True


@pytest.mark.django_db
def test_deposit_that_is_put_back_while_it_is_handled_is_handled_again(
    source: Callable[..., Source],
) -> None:
    deposited(source(), 1)

    def work(held: Progress) -> None:
        Progress.objects.filter(pk=held.pk).update(leased_until=None)
        assert consumers.finish(held, now=NOW) is False

    assert consumers.handle_next(LINKS, work, lease=LEASE, now=NOW)
    assert len(handled(LINKS)) == 1


@pytest.mark.django_db
def test_deposit_that_fails_says_why_waits_longer_and_holds_up_nobody(
    source: Callable[..., Source],
) -> None:
    mine = source()
    bad, good = deposited(mine, 1), deposited(mine, 2)

    def work(_held: Progress) -> None:
        raise ValueError("cannot\0be")

    now, waited = NOW, []
    for _ in range(12):
        assert consumers.handle_next(LINKS, work, lease=LEASE, now=now) == bad.pk
        row = Progress.objects.get(consumer=LINKS, deposit=bad)
        assert (row.failed_why, row.done_at) == ("ValueError: cannotbe", None)
        assert row.leased_until is not None
        waited.append((row.leased_until - now) // LEASE)
        now = row.leased_until
    assert waited == [1, 2, 4, 8, 16, 32, 64, 128, 256, 256, 256, 256]
    assert handled(LINKS, now=now - timedelta(seconds=1)) == [good.pk]
    assert handled(LINKS, now=now) == [bad.pk]
    row.refresh_from_db()
    assert (row.failed_why, row.done_at) == ("", now)


@pytest.mark.django_db(transaction=True)
def test_deposit_that_commits_late_below_one_that_is_done_is_handled(
    source: Callable[..., Source],
) -> None:
    mine = source()
    numbers: list[int] = []

    def meanwhile() -> None:
        numbers.append(deposited(mine, 2).pk)
        numbers.extend(handled(LINKS))
        connection.close()

    with transaction.atomic():
        late = deposited(mine, 1)
        other = Thread(target=meanwhile)
        other.start()
        other.join(60)
    assert numbers == [late.pk + 1] * 2
    assert handled(LINKS) == [late.pk]


@pytest.mark.django_db(transaction=True)
def test_deposits_go_to_workers_that_look_at_once_one_each(source: Callable[..., Source]) -> None:
    mine = source()
    first, second = deposited(mine, 1), deposited(mine, 2)
    found: list[int] = []

    def meanwhile() -> None:
        held = consumers.claim(LINKS, lease=LEASE, now=NOW)
        found.append(held.deposit_id if held else 0)
        connection.close()

    with transaction.atomic():
        held = consumers.claim(LINKS, lease=LEASE, now=NOW)
        assert held is not None
        # It does not wait for the row that is being claimed here.
        other = Thread(target=meanwhile)
        other.start()
        other.join(60)
    assert (held.deposit_id, found) == (first.pk, [second.pk])


@pytest.mark.django_db(transaction=True)
def test_deposits_that_are_done_cost_nothing(
    source: Callable[..., Source], as_owner: Callable[..., list[tuple[Any, ...]]]
) -> None:
    """Counted in pages of the database: a search through what is done would touch hundreds."""
    as_owner(
        "INSERT INTO evidence_deposit (source_id, received_at, received_by, name, format,"
        " received_digest, received_bytes, kept_digest, kept_bytes, place, rule_version, records,"
        " events, duplicates, rejects, redactions) SELECT %s, now(), 'test', '', 'cloudtrail',"
        " sha256(n::text::bytea), 1, '', 1, '', 1, 0, 0, 0, 0, '{}'"
        " FROM generate_series(1, 20000) n",
        [source().pk],
    )
    as_owner("UPDATE evidence_progress SET done_at = now()")
    as_owner("VACUUM ANALYZE evidence_progress")
    last = deposited(Source.objects.get(), 1)
    values: dict[str, Any] = {"consumer": LINKS, "now": NOW, "until": NOW + LEASE}
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {consumers.CLAIM}", values)
        said = cursor.fetchone()[0]
    plan = (json.loads(said) if isinstance(said, str) else said)[0]["Plan"]
    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < 40
    assert Progress.objects.get(consumer=LINKS, done_at=None).deposit_id == last.pk
