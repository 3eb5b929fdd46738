"""Seats of open cases whose holder is no longer there: the next who may sits in them, else anybody
who reviews. Seats that were nobody's are seated.py.

Owns finding them, whatever told us that somebody is gone, and telling who sits there now; one word
to each, however many seats it is. Who may sit is reviews/independence.py.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from evidence.words import counted
from identities import presence
from identities.models import Party, Person
from reviews import persons
from reviews.actions import entries, seats_of_owner
from reviews.models import Decision, Item, Seat
from reviews.permissions import SIGNING

from . import mailing, noticing, seated

AT_ONCE = 50


def refill_next(*, now: datetime) -> bool:
    """A batch of such seats, or of those that somebody owns by now; False when there is none."""
    pks = list(_vacant(now).order_by("case__number", "pk").values_list("pk", flat=True)[:AT_ONCE])
    with transaction.atomic():
        told: list[Party | None] = []
        for pk in pks:
            told += _refill(pk, now=now)
        _tell(told, now=now)
    return bool(pks) or seated.sit_next(now=now)


def _vacant(now: datetime) -> QuerySet[Seat]:
    """Seats that wait for a party nobody stands for. What such a party answers for is given to
    others first (noticing.py), and their seat follows."""
    gone = Party.objects.exclude(pk__in=presence.there(now=now).values("pk"))
    given = Decision.objects.filter(
        item=OuterRef("pk"), seat=OuterRef(OuterRef("pk")), superseded_at__isnull=True
    )
    waits = Item.objects.filter(~Exists(given), case=OuterRef("case"), outcome__in=["", "conflict"])
    return Seat.objects.filter(
        Exists(waits),
        kind__in=[*SIGNING, "tie_breaker"],
        turn="now",
        case__state="open",
        party__in=gone.exclude(noticing.holders()).values("pk"),
    )


def _refill(pk: UUID, *, now: datetime) -> list[Party | None]:
    """Who sits in this seat now, in a list of one; nothing where somebody else was first."""
    case = entries.locked(Seat.objects.values_list("case", flat=True).get(pk=pk))
    seat = (
        _vacant(now)
        .select_for_update(of=("self",))
        .select_related("party__person", "party__team", "backup", "service")
        .filter(pk=pk)
        .first()
    )
    if seat is None:
        return []
    seat.case = case
    return [seats_of_owner.refill(case, seat, now=now)]


def _tell(sits: Sequence[Party | None], *, now: datetime) -> None:
    """Whoever sits there now; of what nobody sits in, every reviewer, else every administrator."""
    of = persons.of_parties([one.pk for one in sits if one is not None], now=now)
    reviewers = persons.above(now=now) if None in sits else []
    waits: Counter[Person] = Counter()
    for one in sits:
        waits.update(of.get(one.pk, []) if one is not None else reviewers)
    mailing.write(
        [
            mailing.Mail(
                person,
                f"{counted(many, 'review')} whose signer is no longer there",
                f"Whoever sat in {counted(many, 'seat')} that you may sign in is no longer there,"
                " and the answers are missing.",
            )
            for person, many in waits.items()
        ],
        page="/queue/",
        occasion=f"seats refilled {now.isoformat()}",
        now=now,
    )
