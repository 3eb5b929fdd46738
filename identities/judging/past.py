"""Deposits that were judged before a rule existed are judged once more, behind all that is new.

Owns `Rejudging`: a migration writes one row, and whoever has nothing else to judge puts the next
deposits back, the newest first. Must not know how they are judged (queue.py).
"""

from datetime import datetime

from django.db import transaction

from evidence import consumers
from evidence.models import Progress
from identities.models import Rejudging

BATCH = 100


def put_back(consumer: str, *, now: datetime) -> bool:
    """Put the next deposits back; False when none is left, or something else waits."""
    with transaction.atomic():
        row = Rejudging.objects.select_for_update(skip_locked=True).order_by("-below").first()
        if row is None:
            return False
        judged = Progress.objects.filter(consumer=consumer, done_at__isnull=False)
        deposits = list(
            judged.filter(deposit_id__lt=row.below)
            .order_by("-deposit_id")
            .values_list("deposit_id", flat=True)[:BATCH]
        )
        if not deposits:
            row.delete()
            return False
        row.below, row.moved_at = deposits[-1], now
        row.save(update_fields=["below", "moved_at"])
        Progress.objects.filter(consumer=consumer, deposit_id__in=deposits).update(
            done_at=None, leased_until=None, attempts=0, **consumers.NOT_FAILED
        )
        return True
