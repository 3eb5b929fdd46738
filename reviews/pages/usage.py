"""How often an identity did what, up to a moment: from the daily roll-ups, never by scanning.

Owns the reading. Of a moment in the past, its own day is read from the attributions, counted as the
roll-up counts them.
"""

from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection

from evidence.vocabulary import PLANE_AI, PLANE_IDENTITY
from identities.judging.rows import Usage, usage_of

MOST_PERMISSIONS, MOST_DAYS = 50, 400
# One row for each plane, and one for the newest day of each.
USAGE = """
WITH days AS MATERIALIZED (
    SELECT plane, day, sum(count) AS count, sum(inside) AS inside, sum(outside) AS outside,
        sum(linked) AS linked, min(first_at) AS first_at, max(last_at) AS last_at
    FROM identities_usageday WHERE identity_no = %s AND day < %s GROUP BY plane, day)
SELECT plane, false, sum(count), sum(inside), sum(outside), sum(linked), min(first_at),
    max(last_at) FROM days GROUP BY plane
UNION ALL
(SELECT DISTINCT ON (plane) plane, true, count, inside, outside, linked, first_at, last_at
 FROM days ORDER BY plane, day DESC)
"""
PERMISSIONS = """
SELECT t.value, u.family, sum(u.count)::bigint, sum(u.inside)::bigint, sum(u.outside)::bigint,
    sum(u.linked)::bigint, min(u.first_at), max(u.last_at)
FROM (SELECT action_id, family, count, inside, outside, linked, first_at, last_at
      FROM identities_usageday WHERE identity_no = %s AND plane = %s AND day < %s
      UNION ALL SELECT * FROM unnest(%s::bigint[], %s::text[], %s::bigint[], %s::bigint[],
        %s::bigint[], %s::bigint[], %s::timestamptz[], %s::timestamptz[])) u
JOIN evidence_term t ON t.id = u.action_id
GROUP BY t.value, u.family ORDER BY sum(u.outside) DESC, sum(u.count) DESC, 1, 2 LIMIT %s
"""


class Totals(NamedTuple):
    """Counts of one plane's events up to a moment."""

    calls: int = 0
    inside: int = 0
    outside: int = 0
    linked: int = 0
    first: datetime | None = None
    last: datetime | None = None


class Permission(NamedTuple):
    """How often one thing was done: action × resource family."""

    action: str
    family: str
    calls: int
    inside: int
    outside: int
    linked: int
    first: datetime
    last: datetime


def that_day(number: int, moment: datetime) -> Usage:
    """What it did on the day of the moment, up to the moment: the roll-up has whole days."""
    return usage_of([number], [moment.astimezone(UTC).date()], until=moment)


def totals(number: int, moment: datetime, of_day: Usage | None) -> tuple[Totals, Totals, Totals]:
    """Totals of the identity plane and of the AI plane, up to `moment`; and of the newest day
    on which the identity plane saw something. `of_day`: None is live."""
    today = moment.astimezone(UTC).date()
    with connection.cursor() as cursor:
        cursor.execute(USAGE, [number, today + timedelta(days=2 if of_day is None else 0)])
        rows: dict[int, list[Totals]] = {}
        last_day = Totals()
        for plane, newest, *sums in cursor.fetchall():
            if not newest:
                rows[plane] = [Totals(*sums)]
            elif plane == PLANE_IDENTITY:
                last_day = Totals(*sums)
    parts: dict[int, list[Totals]] = {}
    for (*_, plane), sums in (of_day or {}).items():
        parts.setdefault(plane, []).append(Totals(*sums))
    for plane, of_plane in parts.items():
        rows.setdefault(plane, []).extend(of_plane)
        if plane == PLANE_IDENTITY:
            last_day = _sum(of_plane)
    return _sum(rows.get(PLANE_IDENTITY, [])), _sum(rows.get(PLANE_AI, [])), last_day


def _sum(parts: list[Totals]) -> Totals:
    if not parts:
        return Totals()
    firsts = [part.first for part in parts if part.first is not None]
    lasts = [part.last for part in parts if part.last is not None]
    return Totals(
        calls=int(sum(part.calls for part in parts)),
        inside=int(sum(part.inside for part in parts)),
        outside=int(sum(part.outside for part in parts)),
        linked=int(sum(part.linked for part in parts)),
        first=min(firsts) if firsts else None,
        last=max(lasts) if lasts else None,
    )


def permissions(number: int, moment: datetime, of_day: Usage | None) -> list[Permission]:
    today = moment.astimezone(UTC).date()
    before = today + timedelta(days=2 if of_day is None else 0)
    added = [
        (action, family, *sums)
        for (_, _, action, family, plane), sums in (of_day or {}).items()
        if plane == PLANE_IDENTITY
    ]
    columns: list[list[Any]] = [list(one) for one in zip(*added, strict=True)] or [[]] * 8
    with connection.cursor() as cursor:
        cursor.execute(PERMISSIONS, [number, PLANE_IDENTITY, before, *columns, MOST_PERMISSIONS])
        return [Permission(*row) for row in cursor.fetchall()]


def days(number: int, moment: datetime, *, live: bool) -> list[tuple[date, int, int]]:
    """(day, calls, outside), oldest first, of the newest MOST_DAYS days up to the moment."""
    today = moment.astimezone(UTC).date()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT day, sum(count)::bigint, sum(outside)::bigint FROM identities_usageday"
            " WHERE identity_no = %s AND day <= %s GROUP BY day ORDER BY day DESC LIMIT %s",
            [number, today, MOST_DAYS],
        )
        found: dict[date, tuple[int, int]] = {day: (n, out) for day, n, out in cursor.fetchall()}
    if not live and today in found:
        by_then = list(that_day(number, moment).values())
        found[today] = (sum(row[0] for row in by_then), sum(row[2] for row in by_then))
    return [(day, *found[day]) for day in sorted(found)]
