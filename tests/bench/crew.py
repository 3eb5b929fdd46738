"""Workers that are up before there is anything to do, as in an installation.

Owns their processes and what they spend: CPU seconds of theirs, and of their servers where those run
on this machine. What they do in a step, and when all is done, is the caller's.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context

from django.db import connection

from config.celery import begin_life
from tests.bench.deadlines import WORKERS, cpu_of

# A nudge wakes a worker at once; one that has nothing to do looks this often.
IDLE = 0.01


@dataclass
class Spent:
    """CPU seconds, known once the workers have ended."""

    ours: float = 0.0
    server: float = 0.0


@contextmanager
def at_work(
    *steps: Callable[[], bool], ready: Callable[[], object] | None = None
) -> Iterator[Spent]:
    """Two workers repeat a step as long as this lasts, each its own where there are two of them;
    `ready` is what one has done in its life before."""
    context = get_context("fork")
    gate = context.Barrier(WORKERS + 1)
    over = context.Event()
    told = context.SimpleQueue()

    def work(step: Callable[[], bool]) -> None:
        begin_life()
        if ready is not None:
            ready()
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            server = int(cursor.fetchone()[0])
        step()
        gate.wait()
        began, before = time.process_time(), cpu_of(server)
        while not over.is_set():
            if not step():
                time.sleep(IDLE)
        told.put((time.process_time() - began, cpu_of(server) - before))
        connection.close()
        os._exit(0)

    begin_life()  # whoever asks has not migrated a database just before
    connection.close()
    workers = [
        context.Process(target=work, args=(steps[number % len(steps)],), daemon=True)
        for number in range(WORKERS)
    ]
    for one in workers:
        one.start()
    gate.wait()
    spent = Spent()
    try:
        yield spent
        over.set()
        for one in workers:
            one.join()
        while not told.empty():
            ours, server = told.get()
            spent.ours += ours
            spent.server += server
        if any(one.exitcode for one in workers):
            raise AssertionError("a worker ended before its time")
    finally:
        for one in workers:
            one.kill()
            one.join()


def until(done: Callable[[], bool], *, longest: float) -> float:
    """Seconds until this is so; AssertionError where it is not in time."""
    began = time.perf_counter()
    while not done():
        if time.perf_counter() - began > longest:
            raise AssertionError(f"not done within {longest:.0f} s")
        time.sleep(0.1)
    return time.perf_counter() - began
