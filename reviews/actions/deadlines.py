"""The two sweeps of stored deadlines: what is told before one, and what is done at one.

Owns which cases are swept; how many together is batches.py, what is done in each climbing.py.
"""

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q

from reviews.ladder import CUTS
from reviews.models import Case, Item

from . import batches, modes_now, rungs, stages
from .climbing import Climb
from .silencing import consequence, sentence

__all__ = ["CUTS", "consequence", "deadlines_next", "remind_due", "sentence"]

# Of open cases, and of their open items.
MOST, MOST_ITEMS = batches.MOST, batches.MOST_ITEMS


def deadlines_next(*, now: datetime) -> bool:
    """Do what is due in some cases whose deadlines have passed; False when none is due."""

    def take(only: UUID | None) -> list[Case]:
        if only is not None:
            return rungs.take(~rungs.BEFORE & Q(case=only), most=1, now=now)
        cases = rungs.take(~rungs.BEFORE, most=MOST, now=now)
        items = Item.objects.filter(outcome__in=stages.OPEN)
        return batches.bounded(cases, items, most=MOST_ITEMS)

    def climb(cases: list[Case], why: str) -> bool:
        modes_now.hold_back([one.identity for one in cases if one.identity], now=now)
        Climb(cases, now=now, refused=why).climb()
        return True

    done = batches.sweep(take, climb)
    if not done:
        rungs.end_past(now=now)
    return done


def remind_due(*, now: datetime, most: int = 500) -> int:
    """Tell what is to be told before deadlines (and after them, where a ladder says so); for how
    many rungs it was. Of several reminders whose time has passed, the newest is sent."""
    # Once the answers are due, what was to be said before is of no use to anybody.
    in_time = Q(case__deadline_at__gt=now) | Q(at__gt=F("case__deadline_at"))
    with transaction.atomic():
        cases = rungs.take(rungs.BEFORE & in_time, most=most, now=now)
        return Climb(cases, now=now).remind() if cases else 0
