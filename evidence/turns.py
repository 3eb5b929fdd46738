"""How many intakes run at once in this process, whose turn it is, and how much a source may use.

Owns fairness among sources. A turn goes to the source that used least of late; one that was sent
away keeps its claim until it comes again, so that many senders of others do not starve it. And it
owns the quota: what a source may use in a minute over time, in seconds of turns, bytes and
records. Beyond it, it is told when to come again, and what it sent stays with it. Knows no
database; seconds are of a clock that only goes on.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from threading import Condition
from time import monotonic
from typing import NamedTuple

# A sender that is told to come again in two seconds has come by then.
CLAIM_SECONDS = 5.0
# After so many seconds, what a source used counts half.
HALF_LIFE = 60.0
# So many sources with nothing owed are remembered.
MOST_REMEMBERED = 1_000


class Busy(Exception):
    """Too many intakes at once; come again after this many seconds."""

    retry_after = 2


class Spent(Busy):
    """The source used its quota; it may come again after `retry_after` seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(retry_after)
        self.retry_after = retry_after


class Quota(NamedTuple):
    """What a source may use in a minute over time; one minute's worth may be ahead of its time."""

    seconds: float  # of turns
    bytes: int  # unpacked
    records: int


@dataclass
class Used:
    """What one turn used, besides its time."""

    bytes: int = 0
    records: int = 0


class Turns:
    """At most so many at once, a few more wait a moment, the rest are told to come again."""

    def __init__(
        self,
        most: int,
        waiting: int,
        patience: float,
        *,
        quota: Quota | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.most, self.most_waiting, self.patience = most, waiting, patience
        self.quota, self.clock = quota, clock
        self.running = self.waiting = 0
        self._changed = Condition()
        self._claims: dict[int, float] = {}  # source -> until when a free turn is kept for it
        self._used: dict[int, tuple[float, float]] = {}  # source -> (seconds, when that was true)
        self._paid_until: dict[int, float] = {}  # source -> when its quota has caught up with it

    @contextmanager
    def one(self, source: int) -> Iterator[Used]:
        """A turn of this source (its id). Raises Busy or Spent."""
        with self._changed:
            self._within_quota(source)
            self._begin(source)
        used, began = Used(), self.clock()
        try:
            yield used
        finally:
            with self._changed:
                self.running -= 1
                self._charge(source, used, self.clock() - began)
                self._changed.notify_all()

    def _begin(self, source: int) -> None:
        ends = self.clock() + self.patience
        self._claims[source] = self.clock() + CLAIM_SECONDS
        if not self._is_next(source):
            if self.waiting >= self.most_waiting:
                raise Busy
            self.waiting += 1
            try:
                while not self._is_next(source):
                    if not self._changed.wait(ends - self.clock()):
                        raise Busy
            finally:
                self.waiting -= 1
        del self._claims[source]
        self.running += 1

    def _is_next(self, source: int) -> bool:
        """Whether a turn is free that no source with a better claim waits for."""
        now = self.clock()
        mine = self._used_lately(source, now)
        better = sum(
            other != source and until > now and self._used_lately(other, now) < mine
            for other, until in self._claims.items()
        )
        return self.most - self.running > better

    def _used_lately(self, source: int, now: float) -> float:
        seconds, at = self._used.get(source, (0.0, now))
        return float(seconds * 0.5 ** ((now - at) / HALF_LIFE))

    def _within_quota(self, source: int) -> None:
        ahead = self._paid_until.get(source, 0.0) - self.clock() - 60.0
        if self.quota is not None and ahead > 0:
            raise Spent(ceil(ahead))

    def _charge(self, source: int, used: Used, seconds: float) -> None:
        now = self.clock()
        self._used[source] = (self._used_lately(source, now) + seconds, now)
        if self.quota is not None:
            minutes = max(
                seconds / self.quota.seconds,
                used.bytes / self.quota.bytes,
                used.records / self.quota.records,
            )
            self._paid_until[source] = max(self._paid_until.get(source, now), now) + 60.0 * minutes
        if len(self._used) > MOST_REMEMBERED:
            self._forget(now)

    def _forget(self, now: float) -> None:
        """Let go of sources that used next to nothing of late and owe nothing."""
        self._claims = {one: until for one, until in self._claims.items() if until > now}
        self._paid_until = {one: until for one, until in self._paid_until.items() if until > now}
        self._used = {
            one: kept
            for one, kept in self._used.items()
            if one in self._paid_until or self._used_lately(one, now) > 0.1
        }
