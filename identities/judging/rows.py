"""Writing attributions and usage, set-based and repeatable.

Attributions are upserted; those that no longer hold are taken back; usage of the touched
(identity, day) pairs is counted again from the rows, so running twice changes nothing.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from django.db import connection

from evidence.vocabulary import TOOL_CALL
from identities.findings import family
from identities.models.behaviour import BY_EXACT, INSIDE, OUTSIDE

# By identity, day, action, resource family and plane: count, inside, outside, linked, first, last.
type Usage = dict[tuple[int, date, int, str, int], list[Any]]

COLUMNS = (
    "at, event_id, binding_id, identity_no, source_id, role, strength, verdict, reason,"
    " rules_version, plane"
)


class Row(NamedTuple):
    """One Attribution."""

    at: datetime
    event_id: int
    binding_id: int
    identity_no: int
    source_id: int
    role: int
    strength: int
    verdict: int
    reason: int
    rules_version: int
    plane: int


def words(terms: Iterable[int]) -> dict[int, str]:
    """These texts. One array: of tens of thousands a list of parameters takes seconds to write."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, value FROM evidence_term WHERE id = ANY(%s)", [list(terms)])
        return dict(cursor.fetchall())


def write(
    rows: list[Row], looked_at: Iterable[tuple[datetime, int, set[int]]]
) -> set[tuple[int, date]]:
    """Store these attributions; returns the (identity, day) pairs whose usage changed.

    `looked_at`: for every event that was judged, the identities that may have had it before.
    """
    touched: set[tuple[int, date]] = set()
    now_held = {(row.identity_no, row.at, row.event_id) for row in rows}
    stale = [
        (identity, at, event)
        for at, event, before in looked_at
        for identity in before
        if (identity, at, event) not in now_held
    ]
    with connection.cursor() as cursor:
        if rows:
            cursor.execute(
                "CREATE TEMP TABLE IF NOT EXISTS staged_attribution"
                " (LIKE identities_attribution) ON COMMIT DELETE ROWS"
            )
            cursor.execute("DELETE FROM staged_attribution")
            with cursor.copy(f"COPY staged_attribution ({COLUMNS}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
            cursor.execute(
                f"INSERT INTO identities_attribution ({COLUMNS})"
                f" SELECT {COLUMNS} FROM staged_attribution"
                " ON CONFLICT (identity_no, at, event_id) DO UPDATE SET"
                " binding_id = excluded.binding_id, role = excluded.role,"
                " strength = excluded.strength, verdict = excluded.verdict,"
                " reason = excluded.reason, rules_version = excluded.rules_version"
                " WHERE (identities_attribution.binding_id, identities_attribution.role,"
                " identities_attribution.strength, identities_attribution.verdict,"
                " identities_attribution.reason)"
                " IS DISTINCT FROM (excluded.binding_id, excluded.role, excluded.strength,"
                " excluded.verdict, excluded.reason)"
                " RETURNING identity_no, (at AT TIME ZONE 'UTC')::date"
            )
            touched |= {(identity, day) for identity, day in cursor.fetchall()}
        if stale:
            cursor.execute(
                "DELETE FROM identities_attribution a USING"
                " unnest(%s::int[], %s::timestamptz[], %s::bigint[]) AS s(identity_no, at, event_id)"
                " WHERE a.identity_no = s.identity_no AND a.at = s.at AND a.event_id = s.event_id"
                " RETURNING a.identity_no, (a.at AT TIME ZONE 'UTC')::date",
                [list(column) for column in zip(*stale, strict=True)],
            )
            touched |= {(identity, day) for identity, day in cursor.fetchall()}
    return touched


def count_usage(touched: set[tuple[int, date]]) -> None:
    """Count these (identity, day) pairs again from their attributions.

    Of months in which retention dropped events, only some attributions are left: there no number
    becomes smaller than it was, and what comes late is added as far as it shows.
    """
    if not touched:
        return
    identities, days = (list(column) for column in zip(*sorted(touched), strict=True))
    usage = usage_of(identities, days)
    with connection.cursor() as cursor:
        _as_it_was(cursor, usage, identities, days)
        cursor.execute(
            "DELETE FROM identities_usageday u USING unnest(%s::int[], %s::date[])"
            " AS d(identity_no, day) WHERE u.identity_no = d.identity_no AND u.day = d.day",
            [identities, days],
        )
        with cursor.copy(
            "COPY identities_usageday (identity_no, day, action_id, family, plane, count, inside,"
            " outside, linked, first_at, last_at) FROM STDIN"
        ) as copy:
            for key, row in usage.items():
                copy.write_row((*key, *row))


def usage_of(
    identities: Sequence[int], days: Sequence[date], *, until: datetime | None = None
) -> Usage:
    """How often each did what on its day, up to `until` (None: the whole day), counted from the
    attributions: {(identity, day, action, resource family, plane): [count, inside, outside, linked,
    first, last]}."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT d.identity_no, d.day, e.action_id, e.resource_id, a.plane, count(*),"
            " count(*) FILTER (WHERE a.verdict = %s), count(*) FILTER (WHERE a.verdict = %s),"
            " count(*) FILTER (WHERE a.strength = %s), min(a.at), max(a.at)"
            " FROM unnest(%s::int[], %s::date[]) AS d(identity_no, day)"
            " JOIN identities_attribution a ON a.identity_no = d.identity_no"
            "  AND a.at >= d.day::timestamp AT TIME ZONE 'UTC'"
            "  AND a.at < (d.day + 1)::timestamp AT TIME ZONE 'UTC'"
            "  AND a.at <= coalesce(%s::timestamptz, 'infinity')"
            " JOIN evidence_event e ON e.at = a.at AND e.id = a.event_id"
            # A tool call that a span above tells already is one, where both are the identity's.
            " WHERE CASE WHEN e.activity = %s THEN (SELECT true FROM evidence_retold r"
            "  JOIN identities_attribution b ON b.identity_no = a.identity_no AND b.at = r.by_at"
            "   AND b.event_id = r.by_id"
            "  WHERE r.at = a.at AND r.id = a.event_id LIMIT 1) END IS NULL"
            " GROUP BY d.identity_no, d.day, e.action_id, e.resource_id, a.plane",
            [INSIDE, OUTSIDE, BY_EXACT, list(identities), list(days), until, TOOL_CALL],
        )
        groups = cursor.fetchall()
    said = words({group[3] for group in groups if group[3] is not None})
    usage: Usage = {}
    for identity, day, action, resource, plane, *counts, first, last in groups:
        key = (identity, day, action, family(said.get(resource, ""))[:2000], plane)
        row = usage.get(key)
        if row is None:
            usage[key] = [*counts, first, last]
        else:
            for place, count in enumerate(counts):
                row[place] += count
            row[-2], row[-1] = min(row[-2], first), max(row[-1], last)
    return usage


def _as_it_was(cursor: Any, usage: Usage, identities: list[int], days: list[date]) -> None:
    """Of days whose events retention has dropped, roll-ups stand: the larger numbers win."""
    cursor.execute(
        "SELECT u.identity_no, u.day, u.action_id, u.family, u.plane, u.count, u.inside,"
        " u.outside, u.linked, u.first_at, u.last_at"
        " FROM unnest(%s::int[], %s::date[]) AS d(identity_no, day)"
        " JOIN identities_usageday u ON u.identity_no = d.identity_no AND u.day = d.day"
        " WHERE EXISTS (SELECT FROM evidence_dropped g WHERE g.events > 0"
        "  AND g.month = date_trunc('month', d.day::timestamp)::date)",
        [identities, days],
    )
    for *key, count, inside, outside, linked, first, last in cursor.fetchall():
        row = usage.get(tuple(key))
        if row is None or row[0] < count:
            usage[tuple(key)] = [
                count,
                inside,
                outside,
                linked,
                first if row is None else min(first, row[-2]),
                last if row is None else max(last, row[-1]),
            ]
