"""The two sweeps of stored deadlines: what is told before one, and what is done at one.

Owns which cases are swept together: many where nothing is cut, one at a time where something is.
What is done in each is climbing.py.
"""

from datetime import datetime

from django.db import transaction
from django.db.models import F, Q

from reviews.ladder import CUTS

from . import rungs
from .climbing import Climb
from .silencing import consequence, sentence

__all__ = ["CUTS", "consequence", "deadlines_next", "remind_due", "sentence"]

# So many cases in one transaction, where nothing is cut; and so many alone, one after the other.
MOST = 250
ALONE = 200


def deadlines_next(*, now: datetime) -> bool:
    """Do what is due in some cases whose deadlines have passed; False when none is due."""
    if _climb(~rungs.BEFORE & ~rungs.HARD, most=MOST, now=now):
        return True
    done = 0
    while done < ALONE and _climb(rungs.HARD, most=1, now=now):
        done += 1
    if not done:
        rungs.end_past(now=now)
    return done > 0


def _climb(which: Q, *, most: int, now: datetime) -> bool:
    with transaction.atomic():
        cases = rungs.take(which, most=most, now=now)
        if cases:
            Climb(cases, now=now).climb()
    return bool(cases)


def remind_due(*, now: datetime, most: int = 500) -> int:
    """Tell what is to be told before deadlines (and after them, where a ladder says so); for how
    many rungs it was. Of several reminders whose time has passed, the newest is sent."""
    # Once the answers are due, what was to be said before is of no use to anybody.
    in_time = Q(case__deadline_at__gt=now) | Q(at__gt=F("case__deadline_at"))
    with transaction.atomic():
        cases = rungs.take(rungs.BEFORE & in_time, most=most, now=now)
        return Climb(cases, now=now).remind() if cases else 0
