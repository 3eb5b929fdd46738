"""What somebody who is asked in a blind stage may not see: earlier answers, until they answered.

Owns whose sight that is and on which items. Pages, API and feeds take answers through it; the
ledger carries a commitment meanwhile (reviews/actions/disclosing.py).
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from evidence.models import Capsule
from identities.models import User
from identities.permissions import groups
from reviews.actions import stages
from reviews.models import Case, Decision, Item, Seat
from reviews.permissions import mine

OPEN = ("", "conflict")
WHY = "You are asked in {stage}, which does not see earlier answers: answer first."


class Blind(NamedTuple):
    """Answers of these seats on these items are not to be seen."""

    seats: frozenset[UUID]
    items: frozenset[UUID]
    why: str

    def hides(self, item: UUID, seat: UUID) -> bool:
        return item in self.items and seat in self.seats


def of(
    user: User,
    case: Case,
    seats: Sequence[Seat],
    items: Iterable[Item],
    answered: Collection[tuple[UUID, UUID]],
    *,
    now: datetime,
) -> Blind | None:
    """What this user may not see of a case; None: everything that stands in it.

    `seats` with their stages; `answered`: (item, seat) of every answer that stands.
    """
    plan = stages.plan_of(case)
    if plan is None or case.state not in ("draft", "open"):
        return None
    theirs = [
        seat
        for seat in seats
        if seat.stage is not None
        and seat.turn != "past"
        and plan.rules[seat.stage.position].sight == "blind"
        and _may_sit(user, seat, now=now)
    ]
    signed = {seat.pk for seat in seats if seat.person_id and seat.person_id == user.person_id}
    if not theirs or signed - {seat.pk for seat in theirs}:
        # Who has signed in another seat knows that answer and signs in no blind one any more.
        return None
    first = min(seat.stage.position for seat in theirs if seat.stage is not None)
    own = {seat.pk for seat in theirs} & signed
    hidden = frozenset(
        item.pk
        for item in items
        if item.outcome in OPEN and not any((item.pk, seat) in answered for seat in own)
    )
    before = frozenset(
        seat.pk for seat in seats if seat.stage is not None and seat.stage.position < first
    )
    if not hidden or not before:
        return None
    name = next(seat.stage.name for seat in theirs if seat.stage is not None)
    return Blind(before, hidden, WHY.format(stage=name))


def _may_sit(user: User, seat: Seat, *, now: datetime) -> bool:
    if seat.person_id is not None and seat.person_id == user.person_id:
        return True
    if seat.party_id is None and seat.backup_id is None:
        return "reviewer" in groups(user)
    return not mine(user, now=now).isdisjoint({seat.party_id, seat.backup_id})


def why_not_see_capsule(user: User, case: Case, capsule: Capsule, *, now: datetime) -> str | None:
    """Why somebody may not read yet what was shown to an earlier signer."""
    if not case.stage:
        return None
    rows = list(Decision.objects.filter(item__case=case, superseded_at__isnull=True))
    blind = of(
        user,
        case,
        list(case.seats.select_related("stage")),
        case.items.all(),
        {(row.item_id, row.seat_id) for row in rows},
        now=now,
    )
    if blind is None:
        return None
    under = Decision.objects.filter(capsule=capsule).values_list("item", "seat")
    return blind.why if any(blind.hides(item, seat) for item, seat in under) else None
