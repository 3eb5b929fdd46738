"""Somebody in a hurry: many answers at once, for the tests of attention."""

from datetime import datetime, timedelta
from typing import Any

from identities.models import User
from reviews import actions
from reviews.models import Case, Decision, Item, Seat

from .conftest import NOW, person_of, seat_of

SECOND = timedelta(seconds=1)


def lines(case: Case, many: int) -> list[Item]:
    """More items in a case, so that there is something to be fast on."""
    return Item.objects.bulk_create(
        [
            Item(case=case, position=100 + number, kind="binding", title=f"line {number}")
            for number in range(many)
        ]
    )


def kept(
    case: Case, user: User, many: int, *, at: datetime = NOW, answer: str = "keep"
) -> list[Decision]:
    """So many answers of one person on lines of their own, given at one moment."""
    seat = seat_of(case, "identity_owner")
    start = 1_000 + case.items.count()
    rows = Item.objects.bulk_create(
        [
            Item(case=case, position=start + number, kind="binding", title=f"kept {number}")
            for number in range(many)
        ]
    )
    Seat.objects.filter(pk=seat.pk).update(person=person_of(user))
    return Decision.objects.bulk_create(
        [
            Decision(
                item=row,
                seat=seat,
                answer=answer,
                reason="because",
                by=user,
                person=person_of(user),
                at=at,
                not_before=at,
            )
            for row in rows
        ]
    )


def answer(
    case: Case, item: Item, user: User, said: str = "keep", *, now: datetime = NOW, **more: Any
) -> Decision:
    """Sign one item with the case as it is now."""
    values: dict[str, Any] = {"seat": seat_of(case, "identity_owner"), "reason": "because"} | more
    return actions.decide(
        case=case,
        item=item,
        answer=said,
        by=user,
        now=now,
        version=Case.objects.values_list("version", flat=True).get(pk=case.pk),
        **values,
    )
