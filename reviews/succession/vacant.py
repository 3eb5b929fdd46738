"""Seats of open cases whose holder is no longer there: the next who may sits in them, else anybody
who reviews.

Owns finding them, whatever told us that somebody is gone, and telling who sits there now; one word
to each, however many seats it is. Who may sit is reviews/independence.py.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from evidence import nudge
from evidence.words import counted
from identities import presence
from identities.models import Party, Person
from reviews import persons
from reviews.actions import entries, seats_of_owner
from reviews.models import Decision, Item, Notice, Seat
from reviews.permissions import SIGNING

from . import noticing

AT_ONCE = 50


def refill_next(*, now: datetime) -> bool:
    """A batch of such seats; False when there is none."""
    pks = list(_vacant(now).order_by("case__number", "pk").values_list("pk", flat=True)[:AT_ONCE])
    with transaction.atomic():
        told: list[Party | None] = []
        for pk in pks:
            told += _refill(pk, now=now)
        _tell(told, now=now)
    return bool(pks)


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
    """Whoever sits there now; of what nobody sits in, every reviewer."""
    of = persons.of_parties([one.pk for one in sits if one is not None], now=now)
    reviewers = (
        Person.objects.filter(users__groups__name="reviewer", users__is_active=True)
        .filter(Q(left_at__isnull=True) | Q(left_at__gt=now))
        .distinct()
        if None in sits
        else Person.objects.none()
    )
    waits: Counter[Person] = Counter()
    for one in sits:
        waits.update(of.get(one.pk, []) if one is not None else reviewers)
    Notice.objects.bulk_create(
        [
            Notice(
                person=person,
                channel="mail",
                subject=f"{counted(many, 'review')} whose signer is no longer there",
                body=f"Whoever sat in {counted(many, 'seat')} that you may sign in is no longer"
                f" there, and the answers are missing.\n\n{settings.BASE_URL}/queue/\n",
                occasion=f"seats refilled {now.isoformat()}",
                created_at=now,
                not_before=now,
            )
            for person, many in waits.items()
        ],
        ignore_conflicts=True,
    )
    if waits:
        nudge.after_commit("notice.written")
