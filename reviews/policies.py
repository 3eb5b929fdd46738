"""What the numbers of a policy mean: from when silence counts, and when it is over. Pure.

Silence counts only time in which the request had reached whoever is silent and Countersign was
at work (product.md, rule 8). Knows no rows: reviews/actions/clock.py reads them.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

# The schedule is heard of every minute; a shorter silence of it is a busy worker, not an outage.
MOST_UNHEARD = timedelta(minutes=5)
# Evidence that is late when something is due is looked at again after so long.
LOOKED_AGAIN = timedelta(hours=1)

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


def together(stretches: Iterable[Stretch]) -> list[Stretch]:
    """These stretches in order, each that overlaps another as one with it."""
    found: list[Stretch] = []
    for begins, ends in sorted(stretches):
        if found and begins <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], ends)
        else:
            found.append((begins, ends))
    return found


def without(at_work: Sequence[Stretch], others: Iterable[Stretch]) -> list[Stretch]:
    """What of these stretches lies in none of those, in order."""
    out = together(others)
    if not out:
        return list(at_work)
    found, first = [], 0
    for since, until in at_work:
        left = since
        while first < len(out) and out[first][1] <= since:
            first += 1
        for begins, ends in out[first:]:
            if begins >= until:
                break
            if left < begins:
                found.append((left, begins))
            left = max(left, ends)
        if left < until:
            found.append((left, until))
    return found


class Late(NamedTuple):
    """How much of the time to decide did not count because evidence was late.

    `over`: in the stretches that have ended; `so_far`: with those that go on; at most `most`, which
    is as long again as there was to decide. `goes_on`: why it does not count now either; "" when
    it does.
    """

    over: timedelta = timedelta()
    so_far: timedelta = timedelta()
    most: timedelta = timedelta()
    goes_on: str = ""

    @property
    def waiting(self) -> bool:
        """Whether it is waited for at this moment: after that nothing is cut because of it."""
        return bool(self.goes_on) and self.so_far < self.most

    def waits(self, moved: timedelta) -> timedelta:
        """By how much a deadline that has come is moved for it, having moved by so much for it.

        While evidence is late nobody can say how long it will be: it is looked at again in an hour,
        then in twice as long each time, so that few deadlines are told.
        """
        if not self.goes_on:
            return self.over
        return min(self.most, max(LOOKED_AGAIN, self.so_far, 2 * moved))


def late(
    found: Clock,
    *,
    opened_at: datetime,
    within: timedelta,
    at_work: Sequence[Stretch],
    over: Sequence[Stretch],
    going_on: Sequence[Stretch],
    why: str,
    now: datetime,
) -> Late:
    """What of a clock that runs was lost to these stretches of late evidence, in which Countersign
    was at work."""
    if found.since is None:
        return Late()
    lost = [
        clock(
            opened_at=opened_at,
            within=within,
            reached=[found.since],
            at_work=without(at_work, those),
            now=now,
        ).due
        - found.due
        if those
        else timedelta()
        for those in (over, [*over, *going_on])
    ]
    return Late(min(lost[0], within), min(lost[1], within), within, why)


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
