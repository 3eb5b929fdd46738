"""Retention, erasure and the queue of a bucket, killed again and again: each step whole or not.

One table of work: what there is to do, which task does it, and what must be true after each kill.
"""

import json
import random
import time
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from string import ascii_letters
from typing import Any

import pytest
from django.utils import timezone

from evidence import chain, erasing, intake, ledger, retention, tasks
from evidence.models import (
    Connection,
    Deposit,
    DepositBody,
    Dropped,
    Erasure,
    Event,
    LedgerEntry,
    Pull,
    Source,
    Tombstone,
)
from evidence.permissions import Reader
from evidence.stores import bodies
from tests.evidence.bodies import AT_ANY_AGE, record, trail
from tests.evidence.killing import dooming
from tests.evidence.sources import pulling
from tests.evidence.sources.buckets import Filled, aws_account, filled, lab, log_of, numbers
from tests.evidence.sources.test_s3_queue import Told

pytestmark = pytest.mark.real_clock

__all__ = ["aws_account", "filled", "lab"]

type Make = Callable[..., Source]
type AsOwner = Callable[..., list[tuple[Any, ...]]]

KILLS = 5
ANNA = Reader("user:anna", "Anna", None, frozenset(), None, None, "person-anna")
BEN = Reader("user:ben", "Ben", None, frozenset(), None, None, "person-ben")
SECRET = "JaneDoe-passport.pdf"


def faults() -> list[str]:
    now = timezone.now()
    chain.seal(now=now)
    ledger.seal(now=now)
    found = [fault for one in chain.verify() for fault in one.faults]
    return found + [fault.what for fault in ledger.verify().faults]


def acts(act: str) -> list[Any]:
    return list(LedgerEntry.objects.filter(act=act).order_by("pk").values_list("data", flat=True))


MONTHS, OF_MONTH, BATCH = 24, 4, 2


@pytest.mark.django_db(transaction=True)
def test_retention_killed_lets_go_of_each_month_and_body_once(
    source: Make, as_owner: AsOwner
) -> None:
    row = source()
    # The latest month has ended more than ten days ago, whatever day it is.
    month = timezone.now().replace(hour=3, minute=0, second=0, microsecond=0) - timedelta(days=37)
    for number in range(MONTHS):
        month = (month - timedelta(days=5)).replace(day=2)
        at = [month + timedelta(minutes=one) for one in range(OF_MONTH)]
        told = [record(number * OF_MONTH + one, at=when) for one, when in enumerate(at)]
        # Each in a deposit of its own.
        for one in told:
            intake.take(source=row, body=trail(one), by="command", now=timezone.now())
    whole = MONTHS * OF_MONTH
    assert (Event.objects.count(), DepositBody.objects.count()) == (whole, whole)
    Source.objects.update(retention_days=10)
    as_owner(
        "SET countersign.letting_go = 'on';"
        " UPDATE evidence_retentionsaid SET said_at = said_at - interval '8 days';"
        " RESET countersign.letting_go"
    )

    def gone() -> int:
        return sum(Dropped.objects.values_list("events", flat=True))

    def progress() -> int:
        return Dropped.objects.filter(events__gt=0).count() + Tombstone.objects.count() // BATCH

    def each_step_is_whole() -> None:
        assert Event.objects.count() + gone() == whole
        assert sum(one["events"] for one in acts("events.dropped")) == gone()
        told = [number for one in acts("deposits.dropped") for number in one["deposits"]]
        stones = list(Tombstone.objects.values_list("deposit_id", flat=True))
        assert sorted(map(int, told)) == sorted(stones)
        left = set(DepositBody.objects.values_list("deposit_id", flat=True))
        assert (left & set(stones), len(left) + len(stones)) == (set(), whole)

    with dooming({"evidence.retention.BATCH": BATCH}) as doomed:
        doomed.run(
            "evidence.tasks.prune",
            kills=KILLS,
            progress=progress,
            stride=(MONTHS + whole // BATCH) // KILLS - 7,
            between=each_step_is_whole,
        )
    assert (Event.objects.count(), DepositBody.objects.count()) == (0, 0)
    assert retention.plan(now=timezone.now()) == retention.Plan([], [])
    assert faults() == []


ERASED = 40
# More than this, packed, lies in a file.
IN_ROW = 1500


@pytest.mark.django_db(transaction=True)
def test_erasure_killed_removes_each_content_whole_and_once(
    source: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    row, now = source(), timezone.now()
    monkeypatch.setattr(bodies, "IN_ROW", IN_ROW)
    at = now.replace(microsecond=0) - timedelta(minutes=9)
    for number in range(ERASED):
        told = [record(3 * number + one, at=at) for one in range(3)]
        # Every other one lies in a file, also what is left of it.
        told[0]["userAgent"] = "".join(random.choices(ascii_letters, k=4000 * (number % 2)))
        told[1]["requestParameters"]["key"] = f"{number}/{SECRET}"
        taken = intake.take(source=row, body=trail(*told), by="command", now=now)
        one = wanted(Deposit.objects.get(pk=taken.deposit), 1 if number % 3 else None)
        erasing.confirm(erasure=one, by=BEN, now=now)
    monkeypatch.setattr(bodies, "ORPHAN_SECONDS", AT_ANY_AGE)

    def progress() -> int:
        return Erasure.objects.filter(state=Erasure.DONE).count()

    def each_step_is_whole() -> None:
        told = [one["erasure"] for one in acts(chain.ERASED)]
        asked = {str(one.pk): one for one in Erasure.objects.select_related("deposit")}
        gone = [asked[number] for number in told]
        assert len(set(told)) == len(told)
        assert sorted(Tombstone.objects.values_list("deposit_id", "ordinal")) == sorted(
            (one.deposit_id, one.ordinal) for one in gone
        )
        for number, one in asked.items():
            assert says(one.deposit) == (number not in told)
            assert one.state == Erasure.CONFIRMED or number in told

    assert Deposit.objects.exclude(place="").count() == ERASED // 2
    names = {
        "evidence.stores.bodies.ORPHAN_SECONDS": AT_ANY_AGE,
        "evidence.stores.bodies.IN_ROW": IN_ROW,
    }
    with dooming(names) as doomed:
        doomed.run(
            "evidence.tasks.erase",
            kills=KILLS,
            progress=progress,
            stride=ERASED // KILLS - 5,
            between=each_step_is_whole,
        )
    # What a child had replaced by a file and was killed before it removed.
    tasks.sweep_orphans()
    assert progress() == ERASED
    assert not any(SECRET.encode() in bodies.unpack(one) for one in kept())
    files = {one.stem for one in bodies.folder().glob("*/*")}
    assert files == {left.hex() for one in kept() if one.place and (left := bodies.left_of(one))}
    assert Event.objects.count() == 3 * ERASED
    assert faults() == []


@pytest.mark.unmovable_clock("compares the times of files")
@pytest.mark.django_db(transaction=True)
def test_file_that_a_killed_erasure_left_behind_is_not_read(
    source: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "IN_ROW", 10)
    row, now = source(), timezone.now()
    taken = intake.take(source=row, body=trail(*map(record, range(3))), by="command", now=now)
    deposit = Deposit.objects.get(pk=taken.deposit)
    before = bodies.unpack(deposit)
    for ordinal in (1, None):
        erasing.confirm(erasure=wanted(deposit, ordinal), by=BEN, now=now)
        tasks.erase()
        # It is too young to be swept, as if its process had died before.
        assert sha256(before).hexdigest() in {one.stem for one in bodies.folder().glob("*/*")}
        if ordinal is None:
            assert bytes_of(deposit) is None
        else:
            assert b'"1.json"' in before
            assert b'"1.json"' not in bodies.unpack(deposit)


def wanted(deposit: Deposit, ordinal: int | None) -> Erasure:
    return erasing.ask(
        deposit=deposit,
        ordinal=ordinal,
        names=False,
        reason="court order 7",
        by=ANNA,
        now=timezone.now(),
    )


def kept() -> list[Deposit]:
    """Deposits of which something is left."""
    return [one for one in Deposit.objects.order_by("pk") if bytes_of(one) is not None]


def bytes_of(deposit: Deposit) -> bytes | None:
    try:
        return bodies.unpack(deposit)
    except FileNotFoundError:
        return None


def says(deposit: Deposit) -> bool:
    """Whether what must go is still there; it is all there or all gone."""
    body = bytes_of(deposit)
    event = Event.objects.filter(deposit_id=deposit.pk, ordinal=1).exclude(resource_id=None)
    there = {SECRET.encode() in (body or b""), event.exists()}
    assert len(there) == 1
    return there.pop()


OBJECTS, PER_OBJECT = 40, 20


@pytest.mark.django_db(transaction=True)
def test_queue_killed_hands_out_each_object_once(
    filled: Filled, source: Make, settings: Any
) -> None:
    told = Told(filled)
    # However often it is killed at the same message: none is poison.
    redrive = {"deadLetterTargetArn": told.arn(told.dead), "maxReceiveCount": "20"}
    told.sqs.set_queue_attributes(
        QueueUrl=told.url, Attributes={"RedrivePolicy": json.dumps(redrive)}
    )
    told.notify()
    for number in range(OBJECTS):
        first = number * PER_OBJECT
        filled.put(f"{number:04}.json.gz", log_of(*range(first, first + PER_OBJECT)))
    pulling.connect(source(), "s3_queue", told.settings())

    def each_object_is_whole() -> None:
        whole = Deposit.objects.values_list("records", flat=True)
        assert (set(whole), Event.objects.count()) == ({PER_OBJECT}, PER_OBJECT * len(whole))
        # Three minutes later the lease is over, and what is done is asked for again.
        Pull.objects.update(leased_until=None)
        Connection.objects.update(next_at=timezone.now())

    names = {"evidence.sources.s3_queue.HELD": 1, "evidence.sources.s3_queue.WAIT": 0}
    with dooming(names) as doomed:
        doomed.run(
            "evidence.tasks.pull",
            kills=KILLS,
            progress=Deposit.objects.count,
            stride=OBJECTS // KILLS - 5,
            between=each_object_is_whole,
        )
        while told.waiting():
            # A message that somebody was killed at is seen again after a second.
            time.sleep(0.2)
            doomed.begin("evidence.tasks.pull")
            assert doomed.ended() == 0
            each_object_is_whole()
    assert numbers() == list(range(OBJECTS * PER_OBJECT))
    assert Deposit.objects.count() == OBJECTS
    assert told.waiting(told.dead) == 0
    assert not Pull.objects.exclude(state="done").exists()
