"""What a start has touched: resources by action, with when, how often, and how it went.

Owns the bound. What an identity did is counted from its daily roll-up where it did much
(docs/decisions, 22), and from its events where it did little. What one key did has no roll-up, so
its newest calls are read, and beside them every call under a finding, however old: a leaked key's
calls outside its authority never drop out because it was busy since.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time
from typing import Any, NamedTuple

from django.db import connection

from evidence.vocabulary import OUTCOME_FAILED, OUTCOME_REFUSED, PLANE_IDENTITY
from identities.findings import family

from .rows import STRENGTHS, Row
from .starting import Start

# Calls that are read of what one started with, and of each credential that was minted with it. An
# identity has its roll-up, so fewer tell what that leaves out.
MOST_READ = 10_000
MOST_OF_MINTED = 200
MOST_OF_IDENTITY = 2_000
LAST_DAY = date(9999, 12, 31)
# Calls under findings that are read beside them.
MOST_FOUND = 5_000

GIVEN = """
SELECT g.at, g.id, g.strength, NULL::bigint AS via
FROM unnest(%(ats)s::timestamptz[], %(ids)s::bigint[], %(strengths)s::int[]) g(at, id, strength)
"""
# A record that names the key is exactly a call by it.
OF_ACTORS = """
SELECT e.at, e.id, 4 AS strength, a.actor AS via
FROM unnest(%(actors)s::bigint[], %(each)s::int[]) AS a(actor, most)
CROSS JOIN LATERAL (
    SELECT at, id FROM evidence_event
    WHERE credential_id = a.actor AND plane = %(plane)s AND at <= %(at)s
    ORDER BY at DESC LIMIT a.most) e
"""
FOUND = """
SELECT * FROM (
    SELECT e.at, e.id, 4 AS strength, e.credential_id AS via
    FROM identities_finding f
    JOIN identities_findingevent n ON n.finding_id = f.id
    JOIN evidence_event e ON e.at = n.at AND e.id = n.event_id
    WHERE f.identity_id = ANY(%(identities)s::uuid[]) AND f.state IN ('open', 'confirmed')
      AND n.at <= %(at)s AND e.credential_id = ANY(%(actors)s::bigint[])
      AND e.plane = %(plane)s
    ORDER BY n.at DESC LIMIT %(found)s) f
"""
OF_IDENTITY = """
SELECT at, event_id AS id, strength::int AS strength, NULL::bigint AS via
FROM identities_attribution
WHERE identity_no = %(number)s AND plane = %(plane)s AND at <= %(at)s
  AND at >= coalesce(%(since)s, '-infinity'::timestamptz)
ORDER BY at DESC LIMIT %(most)s
"""
GROUPED = """
WITH keys AS MATERIALIZED (
    -- A call of an address by a key that was minted there is told once, through the key.
    SELECT DISTINCT ON (at, id) * FROM (@keys@) k ORDER BY at, id, via NULLS LAST)
SELECT k.via, t.value, coalesce(r.value, ''), e.address_id, count(*),
    count(*) FILTER (WHERE e.outcome IN (@refused@, @failed@)),
    count(*) FILTER (WHERE j.verdict = 2), min(k.strength), min(e.at), max(e.at)
FROM keys k
JOIN evidence_event e ON e.at = k.at AND e.id = k.id AND e.plane = %(plane)s
JOIN evidence_term t ON t.id = e.action_id
LEFT JOIN evidence_term r ON r.id = e.resource_id
LEFT JOIN LATERAL (
    SELECT max(a.verdict) AS verdict FROM identities_attribution a
    WHERE a.identity_no = ANY(%(numbers)s::int[]) AND a.at = e.at AND a.event_id = e.id) j ON true
GROUP BY 1, 2, 3, 4
""".replace("@refused@", str(OUTCOME_REFUSED)).replace("@failed@", str(OUTCOME_FAILED))
ROLLED_UP = """
SELECT t.value, u.family, sum(u.count)::bigint, sum(u.outside)::bigint, min(u.first_at),
    max(u.last_at)
FROM identities_usageday u JOIN evidence_term t ON t.id = u.action_id
WHERE u.identity_no = %(number)s AND u.plane = %(plane)s AND u.day < %(day)s
GROUP BY t.value, u.family
"""


class Touched(NamedTuple):
    """Its rows, by what they came from; the addresses it came from; what was not read."""

    rows: list[Row]
    addresses: frozenset[int]
    bounded: str


class _Group:
    """Calls of one kind on one family of resources, through one actor."""

    def __init__(self) -> None:
        self.count = self.refused = self.outside = 0
        self.strength = 4
        self.names: set[str] = set()
        self.first: datetime | None = None
        self.last: datetime | None = None

    def add(self, row: tuple[Any, ...]) -> None:
        _, _, resource, _, count, refused, outside, strength, first, last = row
        self.count += count
        self.refused += refused
        self.outside += outside
        self.strength = min(self.strength, strength)
        if len(self.names) < 2:
            self.names.add(resource)
        self.first = first if self.first is None else min(self.first, first)
        self.last = last if self.last is None else max(self.last, last)


def of_credentials(
    start: Start,
    own: Sequence[int],
    minted: Sequence[int],
    *,
    numbers: Iterable[int],
    identities: Iterable[Any],
) -> Touched:
    """What these credentials touched, each by itself; and of a run or an address its own events."""
    each = dict.fromkeys(minted, MOST_OF_MINTED) | dict.fromkeys(own, MOST_READ)
    actors = list(each)
    facts: dict[str, Any] = {
        "actors": actors,
        "each": list(each.values()),
        "found": MOST_FOUND,
        "identities": list(identities),
    }
    parts = []
    if start.events:
        parts.append(GIVEN)
        facts |= dict(zip(("ats", "ids", "strengths"), map(list, zip(*start.events, strict=True)), strict=True))  # fmt: skip
    if actors:
        parts += [OF_ACTORS, FOUND]
    if not parts:
        return Touched([], frozenset(), "")
    keys = " UNION ".join(f"({part})" for part in parts)
    found = _grouped(keys, facts, start, numbers)
    read: dict[int, int] = {}
    for row in found:
        read[row[0]] = read.get(row[0], 0) + row[4]
    busy = {one for one, most in each.items() if read.get(one, 0) >= most}
    words = [
        f"the newest {most:,} calls of {whose}"
        for most, whose, some in (
            (MOST_READ, "it", own),
            (MOST_OF_MINTED, "each key that was minted", minted),
        )
        if busy & set(some)
    ]
    bounded = (
        f"Counted in {' and '.join(words)}; what is older is counted where a finding names it."
        if words
        else ""
    )
    made = [replace(row, least=row.through in busy) for row in _rows(found)]
    return Touched(made, _addresses(found), bounded)


def of_identity(start: Start, number: int, *, live: bool) -> Touched:
    """What an identity touched by all that is attributed to it."""
    midnight = datetime.combine(start.at.astimezone(UTC).date(), time(), UTC)
    facts: dict[str, Any] = {"number": number, "most": MOST_OF_IDENTITY, "since": None}
    newest = _grouped(OF_IDENTITY, facts, start, [number])
    looked = _rows(newest)
    if sum(row[4] for row in newest) < MOST_OF_IDENTITY:
        return Touched(looked, _addresses(newest), "")
    # It did more than was read: whole days come from the roll-up, and the last one from its events.
    with connection.cursor() as cursor:
        # Live, the day that runs is in the roll-up too.
        day = LAST_DAY if live else midnight.date()
        cursor.execute(
            ROLLED_UP, {"number": number, "plane": PLANE_IDENTITY, "day": day}
        )  # fmt: skip
        rolled = cursor.fetchall()
    day_s = facts | {"since": midnight, "most": MOST_READ}
    today = [] if live else _grouped(OF_IDENTITY, day_s, start, [number])
    bounded = f"Counted by day. Refusals and strength are of its newest {MOST_OF_IDENTITY:,} calls."
    if sum(row[4] for row in today) >= MOST_READ:
        bounded += f" Of {midnight:%d %b} only the newest {MOST_READ:,} were read."
    return Touched(_merged(rolled, _rows(today), looked), _addresses(newest), bounded)


def _grouped(
    keys: str, facts: dict[str, Any], start: Start, numbers: Iterable[int]
) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(
            GROUPED.replace("@keys@", keys),
            {**facts, "plane": PLANE_IDENTITY, "at": start.at, "numbers": list(numbers)},
        )
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def _addresses(found: Iterable[tuple[Any, ...]]) -> frozenset[int]:
    return frozenset(row[3] for row in found if row[3] is not None)


def _rows(found: Iterable[tuple[Any, ...]]) -> list[Row]:
    groups: dict[tuple[int | None, str, str], _Group] = {}
    for row in found:
        groups.setdefault((row[0], row[1], family(row[2])), _Group()).add(row)
    return [
        Row(
            "touched",
            "resource",
            key=f"{via or ''} {action} {within}",
            name=_called(one.names, within),
            note=action,
            first_at=one.first,
            last_at=one.last,
            count=one.count,
            outside=one.outside,
            refused=one.refused,
            strength=STRENGTHS.get(one.strength, ""),
            through=via,
            action=action,
            ref=within,
        )
        for (via, action, within), one in groups.items()
    ]


def _called(names: set[str], within: str) -> str:
    """The one resource by its name, several by their family."""
    return (next(iter(names)) if len(names) == 1 else within) or "no resource named"


def _merged(
    rolled: Iterable[tuple[Any, ...]], today: Sequence[Row], looked: Sequence[Row]
) -> list[Row]:
    """Whole days and the running one together; what only events say is beside the counts."""
    beside = {(row.action, row.ref): row for row in looked}
    late = {(row.action, row.ref): row for row in today}
    made = []
    for action, within, count, outside, first, last in rolled:
        more, seen = late.pop((action, within), None), beside.get((action, within))
        made.append(
            Row(
                "touched",
                "resource",
                key=f" {action} {within}",
                name=within or "no resource named",
                note=action,
                first_at=first,
                last_at=last if more is None else more.last_at,
                count=int(count) + (0 if more is None else more.count or 0),
                outside=int(outside) + (0 if more is None else more.outside),
                refused=0 if seen is None else seen.refused,
                strength="" if seen is None else seen.strength,
                action=action,
                ref=within,
            )
        )
    return [*made, *late.values()]
