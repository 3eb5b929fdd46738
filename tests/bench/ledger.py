"""The ledger with many rows: what an entry costs whoever writes it, and how fast all are verified.

Eight writers append at once while one process seals, as in an installation. Each of their
transactions inserts one plain row; every second one writes an entry of the ledger as well, so that
both kinds meet the same machine. It is measured twice. *Closed*: each writer begins the next
transaction when one is done; eight of them keep any small machine busy, so that what is seen is
mostly waiting for a core, and the figures say how many transactions there are in a second. *Paced*:
together a hundred transactions a second, at times that do not depend on when the last one ended,
which is more than an installation has at its busiest: there an entry's cost is what the second of a
pair of transactions takes longer than the first, which met the same moment.
"""

import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from io import StringIO
from multiprocessing import get_context
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
from typing import NamedTuple

from django.core.management import call_command
from django.db import connection, transaction

from evidence import crew, ledger
from evidence.models import Looked
from tests.bench import database

WRITERS, ROUNDS = 8, 400
PACE, PAIRS = 100, 125  # transactions a second, of all writers; pairs of each: twenty seconds
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
BATCH = 5_000
SCRIPT = Path(__file__).parents[2] / "scripts" / "verify_ledger.py"


class Appended(NamedTuple):
    """Milliseconds at the 95th percentile under so many writers."""

    call: float  # of the call alone
    plain: float  # a transaction with one plain row
    both: float  # the same with an entry
    rows: int


class Paced(NamedTuple):
    """Milliseconds: what transactions with an entry take longer than those without, beside them."""

    median: float  # the difference of the medians
    p95: float  # of the 95th percentiles
    call: float  # of the call alone, at the 95th percentile
    plain: float  # a transaction without, at the 95th percentile
    late: float  # how late transactions began, at the 95th percentile: a machine that keeps pace
    pairs: int


class Verified(NamedTuple):
    """Rows a second."""

    alone: float  # by one process
    here: float  # by one for each core
    script: float  # the same two
    script_here: float
    rows: int
    megabytes: int  # the most memory that the largest of these processes took


class Filled(NamedTuple):
    """What filling took."""

    seconds: float
    megabytes: int  # the most memory of this process


def fill(rows: int) -> Filled:
    """So many entries as people and the app write them, sealed as they come, as each second does."""
    dice, began = random.Random(7), time.perf_counter()
    for first in range(0, rows, BATCH):
        with transaction.atomic():
            ledger.append_all(
                [_said(dice, number) for number in range(first, min(first + BATCH, rows))]
            )
        ledger.seal(now=NOW, thorough=False)
    while ledger.seal(now=NOW):
        pass
    # As autovacuum does in time.
    database.as_owner("VACUUM (ANALYZE) evidence_ledgerentry, evidence_ledgerseal")
    most = getrusage(RUSAGE_SELF).ru_maxrss // 1024
    return Filled(time.perf_counter() - began, most)


def _said(dice: random.Random, number: int) -> ledger.Said:
    case = dice.randrange(100_000)
    at = NOW + timedelta(seconds=number)
    return ledger.Said(
        at=at,
        recorded_at=at,
        by=f"user:0190{case:08x}",
        by_name="Zoë Müller",
        act="item.answered",
        subject=f"CS-{case}",
        words=f"Zoë Müller answered revoke on key AKIA{case:012d}, as identity owner",
        data={
            "case": f"0190{case:028x}", "item": f"0191{case:028x}", "seat": "identity_owner",
            "answer": "revoke", "before": None, "reason": "not seen in 90 days: nobody needs it",
            "proposal": {}, "outcome": "", "capsule": f"CAP-{number}",
            "capsule_digest": f"{number:064x}",
        },
    )  # fmt: skip


def append(rounds: int = ROUNDS) -> Appended:
    """Under eight writers and a sealer, each as fast as it goes."""

    def write(number: int) -> Taken:
        dice = random.Random(number)
        taken: Taken = ([], [], [], [])
        for round_ in range(rounds):
            _transaction(dice, round_, taken, round_ % 2)
        return taken

    call, plain, both, _ = _at_once(write)
    return Appended(_p95(call), _p95(plain), _p95(both), len(call))


def paced(pairs: int = PAIRS) -> Paced:
    """The same, together PACE transactions a second."""
    # A pair takes two slots of its writer; which of the two has the entry, alternates.
    slot = WRITERS / PACE

    def write(number: int) -> Taken:
        dice = random.Random(number)
        taken: Taken = ([], [], [], [])
        began = time.perf_counter() + slot * number / WRITERS
        for round_ in range(2 * pairs):
            due = began + round_ * slot
            time.sleep(max(0.0, due - time.perf_counter()))
            taken[3].append(time.perf_counter() - due)
            _transaction(dice, round_, taken, (round_ + round_ // 2) % 2)
        return taken

    call, plain, both, late = _at_once(write)
    return Paced(
        (statistics.median(both) - statistics.median(plain)) * 1_000,
        _p95(both) - _p95(plain),
        _p95(call),
        _p95(plain),
        _p95(late),
        len(call),
    )


# Seconds: of the calls alone, of transactions without, of those with an entry; how late they began.
type Taken = tuple[list[float], list[float], list[float], list[float]]


def _transaction(dice: random.Random, round_: int, taken: Taken, entry: int) -> None:
    """One plain row, and an entry where that is 1."""
    began = time.perf_counter()
    with transaction.atomic():
        Looked.objects.create(at=NOW, by="user:1", by_name="x", kind="line", ref="NHI-1")
        if entry:
            called = time.perf_counter()
            ledger.append_all([_said(dice, round_)])
            taken[0].append(time.perf_counter() - called)
    taken[1 + entry].append(time.perf_counter() - began)


def _at_once(write: Callable[[int], Taken]) -> Taken:
    """What all writers took, beside a process that seals each second."""
    context = get_context("fork")
    gate, over = context.Barrier(WRITERS + 1), context.Event()
    told = context.SimpleQueue()

    def writer(number: int) -> None:
        connection.ensure_connection()
        gate.wait()
        told.put(write(number))
        connection.close()
        os._exit(0)

    def seal() -> None:
        while not over.wait(1):
            ledger.seal(now=NOW, thorough=False)
        connection.close()
        os._exit(0)

    connection.close()
    writers = [context.Process(target=writer, args=(one,), daemon=True) for one in range(WRITERS)]
    sealer = context.Process(target=seal, daemon=True)
    for one in (*writers, sealer):
        one.start()
    gate.wait()
    found = [told.get() for _ in writers]
    over.set()
    for one in (*writers, sealer):
        one.join()
    call, plain, both, late = ([each for one in found for each in one[kind]] for kind in range(4))
    return call, plain, both, late


def _p95(seconds: Sequence[float]) -> float:
    return statistics.quantiles(seconds, n=20)[-1] * 1_000


def verify() -> Verified:
    """All of it, by the command's own walk and by the script on an exported file: each with one
    process, and with one for each core."""
    while ledger.seal(now=NOW):
        pass
    speeds, cores, rows = [], crew.size(), 0
    for processes in (1, cores):
        began = time.perf_counter()
        found = ledger.verify(processes=processes)
        speeds.append(found.sealed / (time.perf_counter() - began))
        assert not found.faults
        rows = found.sealed
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "ledger.ndjson"
        call_command("export_ledger", "--out", str(file), stdout=StringIO())
        for processes in (1, cores):
            command = [sys.executable, "-I", str(SCRIPT), str(file), "--processes", str(processes)]
            began = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            speeds.append(rows / (time.perf_counter() - began))
    most = max(getrusage(who).ru_maxrss for who in (RUSAGE_SELF, RUSAGE_CHILDREN)) // 1024
    alone, here, script, script_here = speeds
    return Verified(alone, here, script, script_here, rows, most)
