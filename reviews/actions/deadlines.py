"""The two sweeps of stored deadlines: what is told before one, and what is done at one.

Owns which cases are swept together, and that one in which it fails keeps nothing from happening in
the others. What is done in each is climbing.py.
"""

import logging
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import OperationalError, transaction
from django.db.models import Count, F, Q

from reviews.ladder import CUTS
from reviews.models import Case, Item

from . import modes_now, rungs, stages
from .climbing import Climb
from .silencing import consequence, sentence

__all__ = ["CUTS", "consequence", "deadlines_next", "remind_due", "sentence"]

log = logging.getLogger(__name__)

# So many cases in one transaction, and so many open items, unless one case alone has more.
MOST = 250
MOST_ITEMS = 2_500


def deadlines_next(*, now: datetime) -> bool:
    """Do what is due in some cases whose deadlines have passed; False when none is due."""
    cases: list[Case] = []
    try:
        with transaction.atomic():
            cases = _bounded(rungs.take(~rungs.BEFORE, most=MOST, now=now))
            _climb(cases, now=now)
    except Exception:
        if not cases:
            raise
        log.exception("%d cases are swept one after the other", len(cases))
        return _one_by_one([case.pk for case in cases], now=now)
    if not cases:
        rungs.end_past(now=now)
    return bool(cases)


def _bounded(cases: Sequence[Case]) -> list[Case]:
    """The first of these, up to so many items that something may be done to."""
    rows = Item.objects.filter(case__in=cases, outcome__in=stages.OPEN).values("case")
    many: dict[UUID, int] = dict(rows.annotate(many=Count("pk")).values_list("case", "many"))
    found: list[Case] = []
    items = 0
    for case in cases:
        items += many.get(case.pk, 0)
        if found and items > MOST_ITEMS:
            break
        found.append(case)
    return found


def _climb(cases: list[Case], *, now: datetime, refused: str = "") -> None:
    if cases:
        modes_now.hold_back([one.identity for one in cases if one.identity], now=now)
        Climb(cases, now=now, refused=refused).climb()


def _one_by_one(pks: Sequence[UUID], *, now: datetime) -> bool:
    """Do it in each of these by itself; whether anything was done. What fails in one is noted on
    it, and a person has to look; what only met somebody else is left to the next sweep."""
    done = False
    left: Exception | None = None
    for pk in pks:
        try:
            done |= _alone(pk, now=now)
        except OperationalError as problem:
            left = problem
        except Exception as problem:  # noqa: BLE001 - whatever is wrong with one, it is not the others'
            try:
                done |= _alone(pk, now=now, refused=_in_words(problem))
            except Exception as again:  # noqa: BLE001 - the others still have their turn
                left = again
    if left is not None and not done:
        raise left
    return done


def _in_words(problem: Exception) -> str:
    said = (str(problem).splitlines() or [""])[0][:200]
    return f"It could not be done ({type(problem).__name__}: {said}). Look what is wrong."


def _alone(pk: UUID, *, now: datetime, refused: str = "") -> bool:
    with transaction.atomic():
        cases = rungs.take(~rungs.BEFORE & Q(case=pk), most=1, now=now)
        _climb(cases, now=now, refused=refused)
    return bool(cases)


def remind_due(*, now: datetime, most: int = 500) -> int:
    """Tell what is to be told before deadlines (and after them, where a ladder says so); for how
    many rungs it was. Of several reminders whose time has passed, the newest is sent."""
    # Once the answers are due, what was to be said before is of no use to anybody.
    in_time = Q(case__deadline_at__gt=now) | Q(at__gt=F("case__deadline_at"))
    with transaction.atomic():
        cases = rungs.take(rungs.BEFORE & in_time, most=most, now=now)
        return Climb(cases, now=now).remind() if cases else 0
