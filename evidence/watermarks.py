"""How far a source that sends regularly is shown to be complete: its heartbeat.

A source with `expected_every_seconds` that kept sending is complete to its last receipt less its
normal delay. A longer silence between two receipts becomes a gap, never a part of the proof.
Sampled sources prove nothing about absence and are left alone.

What lies before everything a source was ever asked for is a gap as well: a pull says so when it is
the first (evidence/pulls.py), and here it is said of sources whose first was before that was known.
"""

from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange

from evidence import locks, nudge
from evidence.locks import Lock
from evidence.models import Gap, Source

BEFORE_ALL = "nothing had been received yet"
# One look for all of them: there are as many sources as people have connected.
BEFORE_FIRST_PULLS = """
INSERT INTO evidence_gap (source_id, during, reason, recorded_at)
SELECT s.id, tstzrange(first.since - s.retention_days * interval '1 day', first.since, '[)'),
       %(reason)s, %(now)s
FROM evidence_source s
CROSS JOIN LATERAL (SELECT min(p.since) AS since FROM evidence_pull p
                    WHERE p.source_id = s.id AND p.state = 'done') first
WHERE s.completeness = 'cursor' AND s.sampling = 1.0 AND s.retention_days > 0
  AND first.since IS NOT NULL
  AND NOT EXISTS (SELECT FROM evidence_gap g
                  WHERE g.source_id = s.id AND lower(g.during) < first.since)
"""

# Receipts since the last look, each with the one before it, where more than the expected time
# lies between them.
SILENCES = """
SELECT before, received_at FROM (
    SELECT received_at, lag(received_at) OVER (ORDER BY received_at) AS before
    FROM evidence_deposit WHERE source_id = %(source)s AND received_at >= %(since)s
) d WHERE received_at - before > %(every)s ORDER BY received_at
"""
FIRST_AND_LAST = """
SELECT min(received_at), max(received_at) FROM evidence_deposit
WHERE source_id = %(source)s AND received_at >= %(since)s
"""
LONG_AGO = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def advance(*, now: datetime) -> int:
    """Move every heartbeat's watermark as far as it is proven; how many moved."""
    moved = 0
    for number in Source.objects.filter(
        expected_every_seconds__isnull=False, sampling=1.0
    ).values_list("pk", flat=True):
        moved += _advance(number, now)
    return moved


def before_first_pulls(*, now: datetime) -> int:
    """The gap before the first pull of each source that is complete by its cursor and has none;
    how many were written."""
    with transaction.atomic(), connection.cursor() as cursor:
        locks.take(cursor, Lock.FIRST_GAPS)
        cursor.execute(BEFORE_FIRST_PULLS, {"reason": BEFORE_ALL, "now": now})
        return int(cursor.rowcount)


def _advance(number: int, now: datetime) -> bool:
    with transaction.atomic(), connection.cursor() as cursor:
        source = Source.objects.select_for_update(skip_locked=True).filter(pk=number).first()
        if source is None or source.expected_every_seconds is None:
            return False
        lag = timedelta(seconds=source.lag_seconds)
        every = timedelta(seconds=source.expected_every_seconds)
        since = LONG_AGO if source.watermark is None else source.watermark + lag
        facts: dict[str, Any] = {"source": number, "since": since, "every": every}
        cursor.execute(FIRST_AND_LAST, facts)
        first, last = cursor.fetchone() or (None, None)
        if first is None or last is None or last > now:
            return False
        if source.watermark is None:
            # Nothing shows what was before the first receipt.
            oldest = first - timedelta(days=source.retention_days)
            _gap(source, oldest, first - lag - every, BEFORE_ALL, now)
        cursor.execute(SILENCES, facts)
        for before, after in cursor.fetchall():
            _gap(
                source,
                before - lag,
                after - lag,
                f"nothing was received for {int((after - before).total_seconds())} s",
                now,
            )
        reached = last - lag
        if source.watermark is not None and source.watermark >= reached:
            return False
        source.watermark = reached
        source.completeness = "heartbeat"
        source.save(update_fields=["watermark", "completeness"])
        # What waited for the absence of this source's events can be judged now.
        nudge.after_commit("evidence.linked")
    return True


def _gap(source: Source, begins: datetime, ends: datetime, reason: str, now: datetime) -> None:
    if begins >= ends:
        return
    Gap.objects.get_or_create(
        source=source,
        during=DateTimeTZRange(begins, ends, "[)"),
        defaults={"reason": reason, "recorded_at": now},
    )
