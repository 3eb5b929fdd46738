"""Lines that arrive for as long as somebody writes them: from a file that grows, from a socket.

Owns what both have in common: saying of which cluster the records are, and storing a batch however
long the database is away. Must not know where the lines come from. A batch is committed before
the next one is asked for.
"""

import logging
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from threading import Event as Signal
from threading import Lock

from django.db import InterfaceError, OperationalError, close_old_connections, connection

from evidence import intake
from evidence.models import Source

log = logging.getLogger(__name__)

# One batch: what a format reads at once, and what is at most read again after a crash.
BATCH = 4 * 1024 * 1024
# A line without an end after so much is handed on as it is, and becomes a reject.
LONGEST_LINE = 16 * 1024 * 1024
FIRST_WAIT, LONGEST_WAIT = 1.0, 30.0

_CLUSTER = re.compile(r"[\w.:/-]{1,150}", re.ASCII)
_OPENING = re.compile(rb"^\{(?=\s*\")", re.MULTILINE)


class Ended(Exception):
    """Told to stop before a batch was stored; whoever sent it has it still, or it is lost."""


@contextmanager
def stopping() -> Iterator[Signal]:
    """Set by SIGTERM and by Ctrl-C: the batch at hand is ended first."""
    stop = Signal()
    before = {
        number: signal.signal(number, lambda *_: stop.set())
        for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def wrong_cluster(cluster: str) -> str:
    """What is wrong with a cluster's name; empty when nothing is."""
    if not cluster or _CLUSTER.fullmatch(cluster):
        return ""
    return "a cluster's name has letters, digits and . : / _ - only, at most 150 of them"


def of_cluster(lines: bytes, cluster: str) -> bytes:
    """Each JSON line with the member `cluster_name`, which the log's writer leaves out.

    A line that names a cluster itself keeps its own: of two members of one name the last counts.
    """
    if not cluster:
        return lines
    return _OPENING.sub(b'{"cluster_name":"%b",' % cluster.encode(), lines)


@dataclass(slots=True)
class Counts:
    """What became of everything so far."""

    batches: int = 0
    records: int = 0
    events: int = 0
    duplicates: int = 0
    rejects: int = 0
    old: int = 0

    def add(self, taken: intake.Taken) -> None:
        self.batches += 1
        self.records += taken.records
        self.rejects += taken.rejects
        self.old += taken.old
        self.events += taken.new
        self.duplicates += taken.known


@dataclass(slots=True)
class Taker:
    """Stores batches of one source."""

    source: Source
    by: str
    now: Callable[[], datetime]
    stop: Signal
    format: str = ""  # empty: the source's, else recognised
    cluster: str = ""
    counts: Counts = field(default_factory=Counts)
    lock: Lock = field(default_factory=Lock)  # writers of a socket are threads of their own

    def take(self, lines: bytes, *, name: str) -> None:
        """Returns once the lines are committed. Raises NotTaken, and Ended when told to stop while
        the database is away."""
        wait = FIRST_WAIT
        body = of_cluster(lines, self.cluster)
        while True:
            try:
                taken = intake.take(
                    source=self.source,
                    body=body,
                    by=self.by,
                    now=self.now(),
                    format=self.format,
                    name=name,
                )
            except (OperationalError, InterfaceError, OSError) as problem:
                log.warning("evidence was not stored, tried again: %s", str(problem)[:300])
                if not connection.in_atomic_block:
                    close_old_connections()
                if self.stop.wait(wait):
                    raise Ended from problem
                wait = min(2 * wait, LONGEST_WAIT)
            else:
                with self.lock:
                    self.counts.add(taken)
                return
