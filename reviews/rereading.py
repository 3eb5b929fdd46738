"""What follows when events are read again: what cases hold as evidence (docs/decisions/0009).

Owns what of reviews names an event by its key. Capsules stay as they were sealed: they say what
was known then.
"""

from collections.abc import Sequence
from datetime import datetime

from django.db import connection

from evidence.rereading import Replaced

PINNED = """
WITH moved AS (
    SELECT * FROM unnest(%s::timestamptz[], %s::bigint[], %s::timestamptz[], %s::bigint[])
        AS s(at, id, now_at, now_id)
), twice AS (
    DELETE FROM reviews_pinned p USING moved m
    WHERE p.at = m.at AND p.event_id = m.id AND EXISTS (
        SELECT 1 FROM reviews_pinned o WHERE o.case_id = p.case_id
        AND o.at = m.now_at AND o.event_id = m.now_id)
    RETURNING p.id
)
UPDATE reviews_pinned p SET at = m.now_at, event_id = m.now_id FROM moved m
WHERE p.at = m.at AND p.event_id = m.id AND p.id NOT IN (SELECT id FROM twice)
"""


def follow(replaced: Sequence[Replaced], now: datetime) -> None:  # noqa: ARG001 - every follower is told the time
    """Let pinned events follow those that moved."""
    moved = [one for one in replaced if (one.old_at, one.old_id) != (one.at, one.id)]
    if moved:
        with connection.cursor() as cursor:
            cursor.execute(
                PINNED,
                [
                    [one.old_at for one in moved],
                    [one.old_id for one in moved],
                    [one.at for one in moved],
                    [one.id for one in moved],
                ],
            )
