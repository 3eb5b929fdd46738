"""What the numbers of a policy mean: from when silence counts, and when it is over. Pure.

Silence counts only time in which the request had reached whoever is silent and Countersign was
at work (product.md, rule 8). Knows no rows: reviews/actions/clock.py reads them.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

# The schedule is heard of every minute; a shorter silence of it is a busy worker, not an outage.
MOST_UNHEARD = timedelta(minutes=5)

type Stretch = tuple[datetime, datetime]


class Clock(NamedTuple):
    """How far the time to decide has run.

    `since`: the moment from which silence counts; None while the request has not reached
    everybody it waits for. `due`: when all of the time has counted, if nothing more is lost.
    `lost`: how much between the two did not count, because Countersign was not at work.
    """

    since: datetime | None
    due: datetime
    lost: timedelta


def clock(
    *,
    opened_at: datetime,
    within: timedelta,
    reached: Sequence[datetime | None],
    at_work: Sequence[Stretch],
    now: datetime,
) -> Clock:
    """The clock of a case that gives its seats `within` to decide.

    `reached`: for each silent seat the moment the request reached it, None when it has not.
    `at_work`: the stretches in which Countersign was at work, in order, apart from each other.
    """
    if None in reached:
        return Clock(None, now + within, timedelta())
    since = max([opened_at, *(moment for moment in reached if moment is not None)])
    left = within
    for begins, ends in at_work:
        # The stretch that is under way was last heard of a moment ago.
        until = now if timedelta() <= now - ends <= MOST_UNHEARD else min(ends, now)
        counted = until - max(begins, since)
        if counted <= timedelta():
            continue
        if counted >= left:
            due = max(begins, since) + left
            return Clock(since, due, due - since - within)
        left -= counted
    # What is left can begin to count now at the earliest.
    due = max(now, since) + left
    return Clock(since, due, due - since - within)


def without(at_work: Sequence[Stretch], paused: Sequence[Stretch]) -> list[Stretch]:
    """What of these stretches lies in none of those, in order."""
    found = list(at_work)
    for begins, ends in paused:
        found = [
            part
            for since, until in found
            for part in ((since, min(until, begins)), (max(since, ends), until))
            if part[0] < part[1]
        ]
    return found


def away(at: datetime, at_work: Sequence[Stretch]) -> Stretch | None:
    """The outage that this moment fell into: from when to when, as far as it has ended; else None.

    `at_work` as for `clock`. A moment that is heard of a little later was no outage.
    """
    before = max((ends for begins, ends in at_work if begins <= at), default=None)
    if before is None:
        return None if not at_work else (at, at_work[0][0])
    if at - before <= MOST_UNHEARD:
        return None
    after = min((begins for begins, _ in at_work if begins > at), default=at)
    return before, max(after, at)
