"""Processes that take bodies side by side, so that every core works on a large input.

Owns how they begin, what goes to them and comes back, and how they end. They are forked, so they
begin at once and know what this process knows; each has a connection of its own. Must not know
what taking a body means.
"""

import ctypes
import gc
import mmap
import multiprocessing
import os
import pickle
import signal
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, NamedTuple

from django.db import connection, connections

MOST_WORKERS = 4
# Parameters of glibc's mallopt, from its malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
# Bodies up to this size are handed over in memory that both processes see; larger ones through the
# line, which takes five times as long. What no body needed takes no memory.
SHARED = 32 * 1024 * 1024
# Bodies given out before the first of them is answered, for each worker: bounds what waits.
AHEAD = 3


class WorkerLost(RuntimeError):
    """A worker ended in the middle of a body, or could not take it; the sentence says which."""


class _Worker(NamedTuple):
    line: Connection
    shared: mmap.mmap
    process: Any  # multiprocessing's ForkProcess

    def give(self, job: object, data: bytes) -> None:
        """Hand over a job. The worker is free: it has taken out what was shared before."""
        size = len(data)
        if size <= SHARED:
            self.shared[:size] = data
        self.line.send((job, size))
        if size > SHARED:
            # Not pickled with the job: that would copy megabytes twice on either side.
            self.line.send_bytes(data)


def size() -> int:
    """How many workers are of use here; below two, none.

    Only a process without other threads may fork, and what a worker needs must be committed.
    """
    if sys.platform != "linux" or connection.in_atomic_block:
        return 0
    alone = sum(1 for _ in Path("/proc/self/task").iterdir()) == 1
    return min(MOST_WORKERS, len(os.sched_getaffinity(0))) if alone else 0


def side_by_side[Job, Answer](
    take: Callable[[Job, bytes], Answer], jobs: Iterable[tuple[Job, bytes]], *, workers: int
) -> Iterator[Answer]:
    """What `take` answers to each job and its bytes, in their order. The first exception, in their
    order, ends it and is raised here; what was taken before and beside it stays taken."""
    crew = _begin(take, workers)
    free = list(crew)
    at_work: dict[Connection, tuple[int, _Worker]] = {}
    answers: dict[int, Answer | BaseException] = {}
    turn = 0
    coming = enumerate(jobs)
    following = next(coming, None)
    try:
        while following or at_work or answers:
            # First of all, so that no worker waits while somebody looks at an answer.
            while following and free and following[0] - turn < AHEAD * workers:
                worker = free.pop()
                number, (job, data) = following
                try:
                    worker.give(job, data)
                    at_work[worker.line] = number, worker
                except OSError:
                    answers[number] = _lost(worker)
                # Read while the workers work.
                del job, data
                following = next(coming, None)
            while turn in answers:
                answer = answers.pop(turn)
                turn += 1
                if isinstance(answer, BaseException):
                    raise answer
                yield answer
            spoke = wait(list(at_work)) if at_work else []
            for line in [line for line in at_work if line in spoke]:
                number, worker = at_work.pop(line)
                try:
                    answers[number] = line.recv()
                    free.append(worker)
                except (EOFError, OSError):
                    answers[number] = _lost(worker)
    finally:
        for worker in crew:
            worker.line.close()
            if at_work:
                # Somebody stopped listening; what a worker has not committed is undone.
                worker.process.terminate()
        for worker in crew:
            worker.process.join()
            worker.process.close()
            worker.shared.close()


def _begin(take: Callable[[Any, bytes], Any], workers: int) -> list[_Worker]:
    # Two processes must not speak over one connection: ours is opened again when it is needed.
    connections.close_all()
    forking = multiprocessing.get_context("fork")
    crew: list[_Worker] = []
    # What is there now is not looked at again, so that its memory stays shared.
    gc.freeze()
    try:
        for _ in range(workers):
            ours, theirs = forking.Pipe()
            shared = mmap.mmap(-1, SHARED)
            # A worker that kept our ends of the lines would never see that we are gone.
            kept = [ours, *(worker.line for worker in crew)]
            process = forking.Process(target=_work, args=(take, theirs, shared, kept), daemon=True)
            process.start()
            theirs.close()
            crew.append(_Worker(ours, shared, process))
    finally:
        gc.unfreeze()
    return crew


def _lost(worker: _Worker) -> WorkerLost:
    worker.process.join()
    return WorkerLost(
        f"a process that stores evidence ended unexpectedly (exit code {worker.process.exitcode});"
        " what was counted is stored, and sending all of it again stores nothing twice"
    )


def _work(
    take: Callable[[Any, bytes], Any],
    line: Connection,
    shared: mmap.mmap,
    not_mine: list[Connection],
) -> None:
    """A worker's life: one job after the other, until the line is closed."""
    # Ctrl-C goes to all processes of a terminal; the one that gives out the work ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for other in not_mine:
        other.close()
    _keep_memory()
    # Records make no cycles, and looking for some among a million objects takes a tenth of the
    # time; what anything else left behind is collected after each job.
    gc.disable()
    try:
        while True:
            job, size = line.recv()
            data = shared[:size] if size <= SHARED else line.recv_bytes()
            try:
                answer = take(job, data)
            except Exception as problem:  # noqa: BLE001 - it is raised where the work was given out
                answer = _carried(problem)
            line.send(answer)
            del job, data, answer
            gc.collect(0)
    except (EOFError, OSError):
        pass
    finally:
        connections.close_all()


def _keep_memory() -> None:
    """Let the allocator keep what is freed: each body needs as much again as the one before it.

    Giving a few dozen MiB back to the system and taking them again took a tenth of the time.
    """
    with suppress(AttributeError):  # not every C library has it
        allocator = ctypes.CDLL(None)
        for parameter in (M_TRIM_THRESHOLD, M_MMAP_THRESHOLD):
            allocator.mallopt(parameter, 1 << 30)


def _carried(problem: Exception) -> Exception:
    """The exception as it can cross to the other process; its traceback goes as a note."""
    carried = problem
    try:
        pickle.loads(pickle.dumps(problem))  # noqa: S301 - our own exception, never from outside
    except Exception:  # noqa: BLE001 - whatever hinders it
        carried = WorkerLost(f"{type(problem).__name__}: {problem}")
    carried.add_note("".join(traceback.format_exception(problem)))
    return carried
