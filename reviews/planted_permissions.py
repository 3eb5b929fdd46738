"""Who may answer a planted item, and take an answer back. In the manner of reviews/permissions.py.

A planted item is answered by whoever may sign in a seat of its case, while the case is open, so
that it is met like every other item. Asking for them belongs to making a campaign
(reviews/campaigns/rows.py), reading figures of teams to reviews/independence.py.
"""

from datetime import datetime

from identities.models import User
from reviews import permissions
from reviews.models import Case, PlantedItem, Seat
from reviews.permissions import SEAT_WORDS, SIGNING


def why_not_answer(
    user: User, case: Case, seat: Seat, item: PlantedItem, *, now: datetime
) -> str | None:
    """Answer a planted item in a seat."""
    if item.disclosed_at is not None:
        return "This item was planted and is disclosed: its answer is known."
    if seat.kind not in SIGNING:
        return f"The {SEAT_WORDS[seat.kind]} answers conflicts only."
    why = permissions.why_not_sit(user, case, seat, now=now)
    if why is not None:
        return why
    if case.state != "open":
        return f"{case.key} is {case.state.replace('_', ' ')}: nothing can be answered in it now."
    others = item.answers.filter(superseded_at__isnull=True, person=user.person_id)
    other = others.exclude(seat=seat).select_related("seat").first()
    if other is not None:
        return (
            f"You sign as {SEAT_WORDS[other.seat.kind]} in this case: one person never signs two"
            " seats."
        )
    if now >= case.silent_at:
        given = item.answers.filter(superseded_at__isnull=True).values_list("seat", "answer")
        if seat.pk in dict(given) and len({answer for _, answer in given}) > 1:
            return "The seats differed when their time was over: the tie-breaker decides now."
    return None


def why_not_undo(user: User, case: Case, item: PlantedItem, *, now: datetime) -> str | None:
    """Take back one's own answer within the seconds that every answer can be taken back."""
    last = item.answers.filter(superseded_at__isnull=True, by=user).order_by("-at").first()
    if last is None:
        return "You have no answer on this item to take back."
    if last.not_before <= now and case.state == "open":
        return "Its 8 seconds to be taken back are over: answer again while the case is open."
    gone = last.not_before <= now or item.disclosed_at is not None
    if gone or case.state not in ("open", "decided"):
        return f"{case.key} is {case.state.replace('_', ' ')}: it has gone out."
    return None
