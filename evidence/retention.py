"""What is past its period goes, and what somebody holds stays: months of events, then bodies.

A month of raw events gives way when everything a source has in it is past that source's period;
rows that are held, or another source's, are copied into the partition that takes its place
(docs/decisions/0008-months-give-way.md). A deposit's bytes go when none of its events is left.
The database does each step whole or not at all, and looks for itself whether it may; whatever a
crash leaves over is found by the next run. Roll-ups stay.
"""

import logging
from collections.abc import Callable
from datetime import date, datetime
from typing import Any, NamedTuple

from django.db import OperationalError, connection, transaction

from evidence import above, chain, ledger, retold
from evidence.models import Dropped, Source
from evidence.partitions import bounds
from evidence.stores import bodies
from evidence.words import counted

log = logging.getLogger(__name__)

BATCH = 200

# Months that exist, with the sources whose period is over for all of them; and whether the last
# run left nothing of that source there.
MONTHS = """
SELECT m.month, s.id, s.name, EXISTS (
    SELECT FROM evidence_dropped d WHERE d.source_id = s.id AND d.month = m.month AND d.id = (
        SELECT max(x.id) FROM evidence_dropped x
        WHERE x.source_id = s.id AND x.month = m.month) AND d.held = 0)
FROM (
    SELECT to_date(right(c.relname, 7), 'YYYY_MM') AS month
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'evidence_event'::regclass) m
JOIN evidence_source s ON evidence_due_at(s.id, m.month::timestamp AT TIME ZONE 'UTC') <= %s
ORDER BY 1, 3
"""
# Rows of these sources in a month: those that go, and those that somebody holds.
COUNTED = """
WITH held AS MATERIALIZED (SELECT * FROM evidence_held_with_links(%(begins)s, %(ends)s))
SELECT e.source_id, count(*) FILTER (WHERE h.at IS NULL), count(*) FILTER (WHERE h.at IS NOT NULL)
FROM evidence_event e LEFT JOIN held h ON h.at = e.at AND h.event_id = e.id
WHERE e.at >= %(begins)s AND e.at < %(ends)s AND e.source_id = ANY(%(sources)s) GROUP BY 1
"""
# Who called for whom in an hour of which no event of the caller is left.
STRANGERS = """
DELETE FROM evidence_acquaintance k WHERE k.hour >= %s AND k.hour < %s AND NOT EXISTS (
    SELECT FROM evidence_event e WHERE e.principal_id = k.caller_id
    AND e.at >= k.hour AND e.at < k.hour + interval '1 hour')
"""
SIZE = """
SELECT pg_total_relation_size(c.oid), greatest(c.reltuples, 0)::bigint
FROM pg_class c WHERE c.relname = %s
"""
BODIES_DUE = """
SELECT s.name, count(*), coalesce(sum(d.kept_bytes), 0)::bigint
FROM evidence_deposits_due(%s, NULL) d JOIN evidence_source s ON s.id = d.source_id
GROUP BY 1 ORDER BY 1
"""
BODY_MONTHS = """
SELECT to_date(right(c.relname, 7), 'YYYY_MM') FROM pg_inherits i
JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'evidence_depositbody'::regclass
ORDER BY 1
"""


# Set by config/celery.py: what upper apps delete when events of a time (from, to) were dropped or
# erased (evidence/emptying.py), in the same transaction.
followers: list[Callable[[datetime, datetime], None]] = []


class Month(NamedTuple):
    """Events of one source in one month that are past their period."""

    source: str
    month: date
    going: int
    held: int
    size: int  # about how many bytes of the partition are theirs


class Bodies(NamedTuple):
    """Deposits of one source whose bytes nothing needs any more."""

    source: str
    deposits: int
    size: int  # of the kept bytes, before compression


class Plan(NamedTuple):
    """What a run now would let go. Bodies whose last events go in the same run come on top."""

    months: list[Month]
    bodies: list[Bodies]


def plan(*, now: datetime) -> Plan:
    """What is due, without touching anything."""
    months = [
        row for month, sources in _due(now).items() for row in _counted(month, sources) if row.going
    ]
    with connection.cursor() as cursor:
        cursor.execute(BODIES_DUE, [now])
        return Plan(months, [Bodies(*row) for row in cursor.fetchall()])


def _due(now: datetime) -> dict[date, dict[int, str]]:
    """Months in which something may be left to do, with their sources by id."""
    found: dict[date, dict[int, str]] = {}
    with connection.cursor() as cursor:
        cursor.execute(MONTHS, [now])
        for month, source, name, settled in cursor.fetchall():
            if not settled:
                found.setdefault(month, {})[source] = name
    return found


def _counted(month: date, sources: dict[int, str]) -> list[Month]:
    begins, ends = bounds(month)
    with connection.cursor() as cursor:
        cursor.execute(COUNTED, {"begins": begins, "ends": ends, "sources": list(sources)})
        rows = cursor.fetchall()
        cursor.execute(SIZE, [f"evidence_event_{month:%Y_%m}"])
        size, many = cursor.fetchone() or (0, 0)
    many = max(many, sum(going + held for _, going, held in rows), 1)
    return [
        Month(sources[source], month, going, held, size * going // many)
        for source, going, held in sorted(rows, key=lambda row: sources[row[0]])
    ]


class Run(NamedTuple):
    """What one run let go."""

    events: int
    held: int
    deposits: int
    body_months: int
    orphans: int
    waits: list[str]  # what could not be done now, and is tried again


def prune(
    *,
    now: datetime,
    enough: Callable[[], bool] = lambda: False,
    step: Callable[[str], None] = lambda _words: None,
) -> Run:
    """Let go of everything that is past its period and that nobody holds.

    `enough` is asked between steps; what is left is found by the next run.
    """
    events, held, waits = 0, 0, []
    for month, sources in _due(now).items():
        if enough():
            break
        try:
            gone = _month(month, sources, now)
        except OperationalError as problem:
            # Somebody works in this month: the step undid itself.
            log.warning("%s was not dropped: %s", month, problem)
            waits.append(f"events of {month:%Y-%m}")
            continue
        events += sum(row[1] for row in gone)
        held += sum(row[2] for row in gone)
        step(f"{month:%Y-%m}: {counted(sum(row[1] for row in gone), 'event')}")
    deposits = 0
    while not enough() and (many := _bury(now)):
        deposits += many
        step(f"{counted(deposits, 'deposit')}")
    months = 0 if enough() else _empty_months(waits)
    return Run(events, held, deposits, months, len(bodies.orphans(remove=True)), waits)


def _month(month: date, sources: dict[int, str], now: datetime) -> list[tuple[int, int, int]]:
    known = list(
        Dropped.objects.filter(month=month, source__in=sources).values_list("source_id", flat=True)
    )
    if set(known) == set(sources) and not any(row.going for row in _counted(month, sources)):
        # Held as before: nothing to copy.
        return []
    names = dict(Source.objects.values_list("pk", "name"))
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT * FROM countersign_drop_month(%s, %s)", [month, now])
        rows = [(int(one), int(two), int(three)) for one, two, three in cursor.fetchall()]
        cursor.execute(STRANGERS, bounds(month))
        above.let_go(cursor, bounds(month))
        retold.let_go(cursor, bounds(month))
        for follow in followers:
            follow(*bounds(month))
        for source, dropped, held in rows:
            if dropped:
                stays = (
                    f"; {counted(held, 'event is held and stays', 'events are held and stay')}"
                    if held
                    else ""
                )
                ledger.append(
                    at=now,
                    by="countersign",
                    by_name="Countersign",
                    act="events.dropped",
                    subject=f"source:{names[source]}",
                    words=f"retention dropped {counted(dropped, 'raw event')} of {names[source]}"
                    f" of {month:%Y-%m}{stays}",
                    data={"month": f"{month:%Y-%m}", "events": dropped, "held": held},
                )
    return rows


def _bury(now: datetime) -> int:
    """The bytes of one batch of deposits; how many."""
    names = dict(Source.objects.values_list("pk", "name"))
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT * FROM countersign_bury(%s, %s)", [now, BATCH])
        rows = cursor.fetchall()
        by_source: dict[int, dict[str, Any]] = {}
        for deposit, source, digest, _size in rows:
            by_source.setdefault(source, {})[str(deposit)] = bytes(digest).hex()
        for source, deposits in sorted(by_source.items()):
            ledger.append(
                at=now,
                by="countersign",
                by_name="Countersign",
                act=chain.DROPPED,
                subject=f"source:{names[source]}",
                words=f"retention dropped the bytes of {counted(len(deposits), 'deposit')} of"
                f" {names[source]}: none of their events is kept any more",
                data={"deposits": deposits},
            )
    return len(rows)


def _empty_months(waits: list[str]) -> int:
    """Months of bodies in which nothing lies any more."""
    with connection.cursor() as cursor:
        cursor.execute(BODY_MONTHS)
        months = [month for (month,) in cursor.fetchall()]
    gone = 0
    for month in months:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SELECT countersign_drop_empty(%s)", [month])
                row = cursor.fetchone()
                gone += bool(row and row[0])
        except OperationalError as problem:
            log.warning("bodies of %s were not dropped: %s", month, problem)
            waits.append(f"bodies of {month:%Y-%m}")
    return gone
