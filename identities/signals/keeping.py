"""What is kept of signals: how many wait on a stream, and for how long what is settled is there.

Owns both bounds. What gives way is counted on its stream, and said to its receiver with the status
(reading.py). May run twice at once, or die half-way: rows say what is left.
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F

from identities.models import SignalSet, SignalStream

from . import reading
from .vocabulary import RISK_LEVEL_CHANGE

# Well beyond the days for which what happened is still told (telling.LATELY): what is forgotten
# here is not told anew.
KEPT = timedelta(days=90)
BATCH = 5_000

# An event that is on no stream any more; the last level of risk of an identity is compared with.
FORGOTTEN = """
DELETE FROM identities_signalevent WHERE id IN (
    SELECT e.id FROM identities_signalevent e
    WHERE e.made_at < %(before)s
      AND NOT EXISTS (SELECT 1 FROM identities_signalset s WHERE s.event_id = e.id)
      AND (e.kind <> %(risk)s OR EXISTS (
        SELECT 1 FROM identities_signalevent n
        WHERE n.identity_id = e.identity_id AND n.kind = %(risk)s AND n.id > e.id))
    ORDER BY e.id LIMIT %(most)s)
"""


def bound(*, now: datetime) -> int:
    """Drop the oldest of what waits beyond reading.MOST_HELD on each stream; how many."""
    streams = SignalStream.objects.filter(deleted_at=None).values_list("pk", flat=True)
    return sum(_bound(stream, now=now) for stream in list(streams))


def _bound(stream: UUID, *, now: datetime) -> int:
    waiting = SignalSet.objects.filter(stream=stream, state="waiting", control=False)
    beyond = waiting.order_by("-id").values_list("id", flat=True)[reading.MOST_HELD :][:1]
    newest = next(iter(beyond), None)
    if newest is None:
        return 0
    with transaction.atomic():
        gone = waiting.filter(id__lte=newest).update(state="dropped", settled_at=now)
        SignalStream.objects.filter(pk=stream).update(
            overflowed=F("overflowed") + gone, overflowed_at=now
        )
    return gone


def prune_next(*, now: datetime) -> bool:
    """Forget a batch of what was settled long ago; False when there is none."""
    before = now - KEPT
    old = SignalSet.objects.exclude(state="waiting").filter(settled_at__lt=before)
    keys = list(old.order_by("id").values_list("pk", flat=True)[:BATCH])
    sets = SignalSet.objects.filter(pk__in=keys).delete()[0] if keys else 0
    with connection.cursor() as cursor:
        said: dict[str, Any] = {"before": before, "risk": RISK_LEVEL_CHANGE, "most": BATCH}
        cursor.execute(FORGOTTEN, said)
        events = cursor.rowcount
    return bool(sets or events)
