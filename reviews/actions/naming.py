"""Seats in which nobody may sit: who comes into question, and why each of them may not.

Owns only that reading, of one case, for its page and its data. Who is told of it is asked.py and
reminders.py; naming somebody is handing.py.
"""

from datetime import datetime
from uuid import UUID

from reviews import independence
from reviews.models import Case

from .asked import Asked


def empty_seats(case: Case, *, now: datetime) -> dict[UUID, list[independence.Candidate]]:
    """By seat: nobody may sit in it, and its answers are missing. Nothing of a case that is over."""
    if case.state not in ("draft", "open"):
        return {}
    return {
        seat.pk: independence.candidates(case, seat, now=now)
        for seat in Asked([case], now=now).empty(case)
    }
