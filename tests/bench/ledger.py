"""The ledger with many rows: what an entry costs whoever writes it, and how fast all are verified.

Eight writers append at once while one process seals, as in an installation. Each of their
transactions inserts one plain row; every second one writes an entry of the ledger as well, so that
both kinds meet the same machine. What an entry costs is the time of the call itself, which takes no
lock, and what the transaction takes longer.
"""

import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

from django.core.management import call_command
from django.db import connection, transaction

from evidence import ledger
from evidence.models import Looked

WRITERS, ROUNDS = 8, 400
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
BATCH = 5_000
SCRIPT = Path(__file__).parents[2] / "scripts" / "verify_ledger.py"


class Appended(NamedTuple):
    """Milliseconds at the 95th percentile under so many writers."""

    call: float  # of the call alone
    plain: float  # a transaction with one plain row
    both: float  # the same with an entry
    rows: int


class Verified(NamedTuple):
    """Rows a second."""

    here: float
    script: float
    rows: int


def fill(rows: int) -> None:
    """So many entries as people and the app write them, sealed."""
    dice = random.Random(7)
    for first in range(0, rows, BATCH):
        with transaction.atomic():
            ledger.append_all(
                [_said(dice, number) for number in range(first, min(first + BATCH, rows))]
            )
    while ledger.seal(now=NOW):
        pass


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
    """Under eight writers and a sealer."""
    context = get_context("fork")
    gate, over = context.Barrier(WRITERS + 1), context.Event()
    told = context.SimpleQueue()

    def write(number: int) -> None:
        dice = random.Random(number)
        taken: tuple[list[float], list[float], list[float]] = ([], [], [])
        connection.ensure_connection()
        gate.wait()
        for round_ in range(rounds):
            began = time.perf_counter()
            with transaction.atomic():
                Looked.objects.create(at=NOW, by="user:1", by_name="x", kind="line", ref="NHI-1")
                if round_ % 2:
                    called = time.perf_counter()
                    ledger.append_all([_said(dice, round_)])
                    taken[0].append(time.perf_counter() - called)
            taken[1 + round_ % 2].append(time.perf_counter() - began)
        told.put(taken)
        connection.close()
        os._exit(0)

    def seal() -> None:
        while not over.wait(1):
            ledger.seal(now=NOW, thorough=False)
        connection.close()
        os._exit(0)

    connection.close()
    writers = [context.Process(target=write, args=(one,), daemon=True) for one in range(WRITERS)]
    sealer = context.Process(target=seal, daemon=True)
    for one in (*writers, sealer):
        one.start()
    gate.wait()
    found = [told.get() for _ in writers]
    over.set()
    for one in (*writers, sealer):
        one.join()
    call, plain, both = ([each for one in found for each in one[kind]] for kind in range(3))
    return Appended(_p95(call), _p95(plain), _p95(both), len(call))


def _p95(seconds: Sequence[float]) -> float:
    return statistics.quantiles(seconds, n=20)[-1] * 1_000


def verify() -> Verified:
    """All of it, by the command's own walk and by the script on an exported file."""
    while ledger.seal(now=NOW):
        pass
    began = time.perf_counter()
    found = ledger.verify()
    here = time.perf_counter() - began
    assert not found.faults
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "ledger.ndjson"
        call_command("export_ledger", "--out", str(file), verbosity=0)
        began = time.perf_counter()
        subprocess.run([sys.executable, "-I", SCRIPT, file], check=True, stdout=subprocess.DEVNULL)
        script = time.perf_counter() - began
    return Verified(found.sealed / here, found.sealed / script, found.sealed)
