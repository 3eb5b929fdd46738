"""How carefully answers are given: what is hasty, and what of it may be shown to whom. Pure.

Owns the numbers and their reasons. Rows are reviews/models/attention.py; measuring a signature,
marking cases and looking again are reviews/actions/attention.py.
"""

from datetime import datetime, timedelta

# The answers that leave things as they are or let them in. Taking away is never held up: it is
# the safe side, and nobody gains by revoking in a hurry.
QUICK = frozenset({"keep", "approve"})
# Fifty in thirty seconds is 0.6 s for each: time to press a key, not to read a line of evidence.
# Whoever knows an item well and reads only its recommendation needs about three seconds (ten in
# thirty), so a practised reviewer stays far below, and a bulk answer over a whole list does not.
HASTY = 50
WITHIN = timedelta(seconds=30)
# How many others were answered beside this one: a minute is what people call "at once".
BATCH = timedelta(minutes=1)
# Whose answers are asked again has at least this long, however near the deadline was.
AGAIN_WITHIN = timedelta(hours=48)
# A team's figures are shown when at least so many of its people decided in that time: of fewer,
# whoever knows the others' could work out one person's.
TEAM = 5
# The figures are of the last quarter: long enough for a median, short enough to have changed.
FIGURES = timedelta(days=90)


def is_hasty(answered: int) -> bool:
    """Whether so many quick answers of one person within WITHIN are a burst."""
    return answered >= HASTY


def goes_on(until: datetime, at: datetime) -> bool:
    """Whether a burst that was last seen at `until` goes on at `at`."""
    return timedelta(0) <= at - until <= WITHIN


def sentence(answers: int, since: datetime, until: datetime) -> str:
    """Why a case is provisional, without a name: figures of one person are nobody else's."""
    seconds = max(1, round((until - since).total_seconds()))
    unit = "second" if seconds == 1 else "seconds"
    return (
        f"One person kept or approved {answers:,} items within {seconds:,} {unit}: that is too"
        " fast to have read them."
    )
