"""Due deadlines and two workers: how long the sweep takes, and that each is done once."""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path

from django.db import connection

from evidence.models import LedgerEntry
from reviews import actions
from reviews.actions.policy_versions import in_force
from reviews.policy_document import REQUESTS
from tests.bench import database, line
from tests.bench.told import Said
from tests.reviews import crowd, silent

WORKERS = 2
MANY = 10_000
OPENED = datetime(2026, 11, 2, tzinfo=UTC)
DUE = OPENED + silent.WITHIN
# door, and what its silence does.
DOORS = (
    ("access_review", "escalate"),
    ("access_request", "deny"),
    ("access_review", "narrow"),
    ("access_review", "suspend"),
    ("access_review", "revoke"),
)
TICKS = os.sysconf("SC_CLK_TCK")


def measure(many: int = MANY) -> Iterator[Said]:
    line.ready()
    source = silent.at_work(opened=OPENED, until=DUE + timedelta(days=1))
    parties = crowd.people(300)
    policy = in_force(now=OPENED, name=REQUESTS)
    for door, silence in DOORS:
        silent.cases(
            many,
            silence=silence,
            parties=parties,
            source=source,
            opened=OPENED,
            door=door,
            policy=policy,
        )
        database.as_owner("ANALYZE")
        late = DUE + timedelta(hours=1)
        seconds, ours, server = swept(lambda now=late: actions.deadlines_next(now=now))  # type: ignore[misc]  # mypy does not type defaults of lambdas
        done = Counter(
            LedgerEntry.objects.filter(act="case.silence", data__silence=silence).values_list(
                "subject", flat=True
            )
        )
        once = len(done) == many and set(done.values()) == {1}
        yield Said(
            f"{many:,} due deadlines ({silence}), {WORKERS} workers",
            f"{seconds:.1f} s, {ours:.1f} CPU s and {server:.1f} of PostgreSQL",
            "target 60",
            seconds <= 60,
        )
        yield Said(
            "  each done once", f"{len(done):,} cases, {sum(done.values()):,} times", "", once
        )


def swept(step: Callable[[], bool]) -> tuple[float, float, float]:
    """Seconds by the clock until two workers find nothing any more that this step does, and CPU
    seconds of the workers and of their servers.

    The server's are 0 where it runs on another machine.
    """
    context = get_context("fork")
    gate = context.Barrier(WORKERS + 1)
    spent = context.SimpleQueue()

    def work(gate: Barrier) -> None:
        gate.wait()
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            server = int(cursor.fetchone()[0])
        while step():
            pass
        spent.put((time.process_time(), cpu_of(server)))
        connection.close()
        os._exit(0)

    connection.close()
    workers = [context.Process(target=work, args=(gate,)) for _ in range(WORKERS)]
    for one in workers:
        one.start()
    gate.wait()
    started = time.perf_counter()
    for one in workers:
        one.join()
    seconds = time.perf_counter() - started
    ours, server = zip(*[spent.get() for _ in workers], strict=True)
    return seconds, sum(ours), sum(server)


def cpu_of(pid: int) -> float:
    """CPU seconds of a process of this machine; 0 where it is not one."""
    found = Path(f"/proc/{pid}/stat")
    if not found.is_file():
        return 0.0
    fields = found.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS
