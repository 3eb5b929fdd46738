"""Which records of a body become events: possible times, few new months, each one once.

Owns what a forged clock cannot do, and what is kept as old (decisions 8). Times are microseconds since 1970 UTC.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from evidence import partitions
from evidence.formats.record import Record, Rejected
from evidence.models import Source
from evidence.words import counted

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# A record a little ahead of our clock is a clock that is a little ahead.
MOST_AHEAD = timedelta(days=1)


@dataclass
class Admitted:
    """Records that may be stored, each with its place among all records that its body holds."""

    ordinals: Sequence[int]
    records: list[Record]

    @cached_property
    def fields(self) -> dict[str, tuple[Any, ...]]:
        """The values of each field of the records, by the field's name."""
        if not self.records:
            return dict.fromkeys(Record._fields, ())
        return dict(zip(Record._fields, zip(*self.records, strict=True), strict=True))

    @cached_property
    def times(self) -> list[int]:
        """The times that the records state."""
        return [at for at in self.fields["at"] if at is not None]

    def only(self, chosen: Iterable[int]) -> "Admitted":
        """Those at these indexes."""
        pairs = [(self.ordinals[index], self.records[index]) for index in chosen]
        return Admitted([ordinal for ordinal, _ in pairs], [record for _, record in pairs])


def admit(
    records: list[Record], *, source: Source, now: datetime, rejects: list[Rejected]
) -> Admitted:
    """The records to store; what is refused or kept as old goes into `rejects`. Makes missing
    partitions."""
    in_time = _in_time(Admitted(range(len(records)), records), source, now, rejects)
    return _alone(_in_few_months(in_time, now, rejects))


def _in_time(given: Admitted, source: Source, now: datetime, rejects: list[Rejected]) -> Admitted:
    """Records whose stated time is possible."""
    earliest = micros(now) - source.retention_days * 86_400_000_000
    latest = micros(now + MOST_AHEAD)
    times = given.times
    if not times or (earliest <= min(times) and max(times) <= latest):
        return given
    kept = []
    for index, record in enumerate(given.records):
        at = record.at
        if at is None or earliest <= at <= latest:
            kept.append(index)
        elif at > latest:
            why = f"its time {_say(at)} lies a day ahead"
            rejects.append(Rejected(record.position, why, record.action))
        else:
            days = counted(source.retention_days, "day")
            rejects.append(_old(record, at, f"lies before the {days} that this source is kept for"))
    return given.only(kept)


def _in_few_months(given: Admitted, now: datetime, rejects: list[Rejected]) -> Admitted:
    """Make the months that are missing, at most MOST_NEW for one body; newest months win."""
    times = given.times
    if len(times) < len(given.records):
        times = [*times, micros(now)]
    if not times:
        return given
    months = set()
    month, last = (partitions.month_of(moment(at)) for at in (min(times), max(times)))
    while month <= last:
        months.add(month)
        month = (month + timedelta(days=31)).replace(day=1)
    lacking = partitions.missing(partitions.BY_EVENT_TIME, months)
    if not lacking:
        return given
    exact = {partitions.month_of(moment(at)) for at in set(times)}
    lacking = [pair for pair in lacking if pair[1] in exact]
    new = sorted({month for _, month in lacking}, reverse=True)
    refused = set(new[partitions.MOST_NEW :])
    partitions.ensure(pair for pair in lacking if pair[1] not in refused)
    if not refused:
        return given
    kept = []
    for index, record in enumerate(given.records):
        at = record.at
        if at is not None and partitions.month_of(moment(at)) in refused:
            why = f"lies before the {partitions.MOST_NEW} newest months that one reading may open"
            rejects.append(_old(record, at, why))
        else:
            kept.append(index)
    return given.only(kept)


def _alone(given: Admitted) -> Admitted:
    """Each record once: a body that repeats a record stores it once."""
    if len(set(given.fields["digest"])) == len(given.records):
        return given
    seen: dict[tuple[int | None, bytes], int] = {}
    for index, record in enumerate(given.records):
        seen.setdefault((record.at, record.digest), index)
    return given.only(seen.values())


def _old(record: Record, at: int, why: str) -> Rejected:
    reason = f"kept as old: its time {_say(at)} {why}"
    return Rejected(record.position, reason, record.action, max(at, EARLIEST))


def moment(at: int) -> datetime:
    return EPOCH + timedelta(microseconds=at)


def micros(at: datetime) -> int:
    gone = at - EPOCH
    return (gone.days * 86_400 + gone.seconds) * 1_000_000 + gone.microseconds


# What no calendar of ours reaches.
EARLIEST = micros(datetime.min.replace(tzinfo=UTC))


def _say(at: int) -> str:
    try:
        return moment(at).strftime("%Y-%m-%d %H:%M:%S UTC")
    except OverflowError:
        return f"{at} µs"
