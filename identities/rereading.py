"""What follows when events are read again: attributions, usage and findings (docs/decisions/0009).

Owns what of identities names an event by its key. Runs in the transaction that replaces the
events; what is judged of them comes when their deposits are judged again.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connection

from evidence import locks
from evidence.locks import Lock
from evidence.rereading import Replaced
from identities.actions import keyholding
from identities.judging import caller_addresses, found, rows
from identities.models import CredentialWatch, Finding

# Static bounds of the time let the database leave out the months that are not concerned.
ATTRIBUTIONS = """
DELETE FROM identities_attribution a
USING unnest(%(ats)s::timestamptz[], %(ids)s::bigint[]) AS s(at, id)
WHERE a.at BETWEEN %(first)s AND %(last)s AND a.at = s.at AND a.event_id = s.id
RETURNING a.identity_no, (a.at AT TIME ZONE 'UTC')::date
"""
# What they say was made comes again when their deposits are followed again.
MAKINGS = """
DELETE FROM identities_making m USING unnest(%(ats)s::timestamptz[], %(ids)s::bigint[]) AS s(at, id)
WHERE m.at = s.at AND m.event_id = s.id
"""
FINDING_EVENTS = """
WITH moved AS (
    SELECT * FROM unnest(%(ats)s::timestamptz[], %(ids)s::bigint[],
                         %(now_ats)s::timestamptz[], %(now_ids)s::bigint[])
        AS s(at, id, now_at, now_id)
), twice AS (
    DELETE FROM identities_findingevent f USING moved m
    WHERE f.at = m.at AND f.event_id = m.id AND EXISTS (
        SELECT 1 FROM identities_findingevent o WHERE o.finding_id = f.finding_id
        AND o.at = m.now_at AND o.event_id = m.now_id)
    RETURNING f.id, f.finding_id
), went AS (
    UPDATE identities_findingevent f SET at = m.now_at, event_id = m.now_id FROM moved m
    WHERE f.at = m.at AND f.event_id = m.id AND f.id NOT IN (SELECT id FROM twice)
    RETURNING f.finding_id
)
SELECT finding_id FROM twice UNION SELECT finding_id FROM went
"""


def follow(replaced: Sequence[Replaced], now: datetime) -> None:
    """Take back what was concluded from names that changed, and let keys follow events that
    moved."""
    with connection.cursor() as cursor:
        locks.take(cursor, Lock.JUDGE)
        cursor.execute(MAKINGS, _keys(replaced))
        # Of an event whose names stayed, the attributions stand and are judged again in place.
        renamed = [one for one in replaced if not one.same_actors]
        if renamed:
            cursor.execute(ATTRIBUTIONS, _keys(renamed))
            rows.count_usage(set(cursor.fetchall()))
            keyholding.forget(
                {one.credential for one in renamed if one.credential is not None}, now=now
            )
        times = [one.old_at for one in replaced]
        caller_addresses.let_go(min(times), max(times))
        moved = [one for one in replaced if (one.old_at, one.old_id) != (one.at, one.id)]
        if moved:
            cursor.execute(
                FINDING_EVENTS,
                _keys(moved)
                | {"now_ats": [one.at for one in moved], "now_ids": [one.id for one in moved]},
            )
            touched = Finding.objects.filter(pk__in=[row[0] for row in cursor.fetchall()])
            found.total(list(touched), now=now)
    # Sharing and absence are judged by credential: by the one that was named before as well.
    CredentialWatch.objects.filter(
        credential_actor__in={one.credential for one in replaced if one.credential is not None}
    ).update(dirty=True)


def _keys(events: Sequence[Replaced]) -> dict[str, Any]:
    return {
        "ats": [one.old_at for one in events],
        "ids": [one.old_id for one in events],
        "first": min(one.old_at for one in events),
        "last": max(one.old_at for one in events),
    }
