"""Tasks run twice, at once, or die half-way: the rows say what is left."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from threading import Thread
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from evidence import consumers, intake, ledger, links, tasks
from evidence.models import Deposit, Event, LedgerEntry, LedgerSeal, Link, Progress, Run, Source
from evidence.stores import bodies
from tests import clock
from tests.evidence.bodies import record, run_of, trail


def fill(source: Callable[..., Source], pairs: int) -> None:
    """This many runs, and as many API events that they caused, each in a deposit of its own."""
    trails, traces = source("trail"), source("traces", plane="ai")
    for number in range(1, pairs + 1):
        one = record(number)
        intake.take(source=trails, body=trail(one), by="command", now=timezone.now())
        spans = run_of(one["requestID"], trace=number).SerializeToString()
        intake.take(source=traces, body=spans, by="command", now=timezone.now(), format="otlp")


def by_threads(work: Callable[[], object], many: int) -> None:
    """Run this in threads, each with a connection of its own; their errors are this one's."""
    problems: list[BaseException] = []

    def guarded() -> None:
        try:
            work()
        except BaseException as problem:  # noqa: BLE001 - handed to the test below
            problems.append(problem)
        finally:
            connection.close()

    threads = [Thread(target=guarded) for _ in range(many)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert problems == []


@pytest.mark.django_db(transaction=True)
def test_linking_by_several_workers_at_once_is_linking_once(
    source: Callable[..., Source],
) -> None:
    fill(source, 12)
    by_threads(tasks.link_stored, 4)
    assert Link.objects.count() == 24
    assert Run.objects.filter(spans=3, ended=True).count() == 12
    done = Progress.objects.filter(consumer="links", done_at__isnull=False)
    assert (done.count(), done.filter(attempts=1).count()) == (24, 24)
    tasks.link_stored()
    assert Link.objects.count() == 24


@pytest.mark.django_db(transaction=True)
def test_linking_goes_on_where_a_dead_worker_held_a_lease(source: Callable[..., Source]) -> None:
    fill(source, 1)
    now = timezone.now()
    held = consumers.claim(links.CONSUMER, lease=links.LEASE, now=now)
    assert held is not None
    tasks.link_stored()
    assert Link.objects.count() == 2
    assert Progress.objects.filter(pk=held.pk, done_at=None).exists()
    while links.link_next(now=now + links.LEASE + timedelta(seconds=1)):
        pass
    assert Progress.objects.filter(pk=held.pk, done_at__isnull=False).exists()
    assert Link.objects.count() == 2


WORKER = """
import sys
from django.conf import settings
settings.DATABASES["default"]["NAME"] = sys.argv[1]
import django
django.setup()
from evidence import links
derive = links.derive
def slowly(deposit, *, now):
    made = derive(deposit, now=now)
    print("linked", flush=True)
    if deposit.pk > int(sys.argv[2]):
        import time
        time.sleep(60)
    return made
links.derive = slowly
from evidence import tasks
from tests import clock
clock.use_parent_clock()
tasks.link_stored()
"""


@pytest.mark.django_db(transaction=True)
def test_linking_that_is_killed_is_finished_by_the_next_worker(
    source: Callable[..., Source],
) -> None:
    fill(source, 3)
    first = Deposit.objects.order_by("pk").values_list("pk", flat=True)[0]
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER, connection.settings_dict["NAME"], str(first + 1)],
        stdout=subprocess.PIPE,
        env=clock.child_environment(),
    )
    assert worker.stdout is not None
    lines = [worker.stdout.readline() for _ in range(3)]
    worker.send_signal(signal.SIGKILL)
    worker.wait(60)
    worker.stdout.close()
    assert lines == [b"linked\n"] * 3
    left = Progress.objects.filter(consumer="links", done_at=None)
    assert (left.count(), left.filter(attempts=1).count()) == (4, 1)
    later = timezone.now() + links.LEASE + timedelta(seconds=1)
    while links.link_next(now=later):
        pass
    assert (left.count(), Link.objects.count(), Run.objects.count()) == (0, 6, 3)


def write(number: int) -> None:
    ledger.append(
        at=timezone.now(), by="command", by_name="command line", act="test.done",
        subject=f"test:{number}", words=f"entry {number}",
    )  # fmt: skip


@pytest.mark.django_db(transaction=True)
def test_sealing_by_several_workers_at_once_makes_one_chain() -> None:
    def work() -> None:
        for number in range(20):
            write(number)
            tasks.seal_ledger()

    by_threads(work, 4)
    while ledger.seal(now=timezone.now()):
        pass
    numbers = list(LedgerSeal.objects.order_by("number").values_list("number", flat=True))
    assert numbers == list(range(1, 81))
    verified = ledger.verify()
    assert (verified.sealed, verified.unsealed, verified.faults) == (80, 0, [])
    assert LedgerEntry.objects.count() == 80


@pytest.mark.django_db(transaction=True)
def test_orphaned_files_are_swept_and_the_others_are_not(source: Callable[..., Source]) -> None:
    body = trail(*(record(number, noise=os.urandom(2000).hex()) for number in range(600)))
    intake.take(source=source("trail"), body=body, by="command", now=timezone.now())
    deposit = Deposit.objects.get()
    kept = bodies.folder() / deposit.place[5:7] / f"{deposit.place[5:]}.zst"
    orphan = bodies.folder() / "ab" / f"{'ab' * 32}.zst"
    orphan.parent.mkdir(exist_ok=True)
    orphan.write_bytes(b"left behind")
    young = bodies.folder() / "ab" / f"{'cd' * 32}.zst"
    young.write_bytes(b"its row may still come")
    for path in (kept, orphan):
        os.utime(path, (time.time() - 7200, time.time() - 7200))
    tasks.sweep_orphans()
    tasks.sweep_orphans()
    assert (kept.exists(), orphan.exists(), young.exists()) == (True, False, True)


@pytest.mark.django_db(transaction=True)
def test_partitions_are_made_ahead_by_several_workers_at_once(
    as_owner: Callable[..., list[tuple[Any, ...]]],
) -> None:
    by_threads(tasks.partitions_ahead, 4)
    made = as_owner("SELECT count(*) FROM pg_inherits WHERE inhparent = 'evidence_event'::regclass")
    assert made[0][0] >= 4
    assert Event.objects.count() == 0
