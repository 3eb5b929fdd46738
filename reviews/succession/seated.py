"""Seats of open cases that were nobody's, and whose owner is known by now: they sit there.

Owns finding them, whatever made somebody the owner (a claim, a registration file, an inventory),
and telling them; one mail to each of a campaign, however many seats it is. An owner who may not
sit is looked at once. Who may is reviews/actions/seats_of_owner.py.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Case as Either
from django.db.models import F, Q, QuerySet, When

from evidence.words import counted
from identities import presence
from identities.models import Party, Person
from reviews import persons
from reviews.actions import entries, reminders, seats_of_owner
from reviews.models import Case, Notice, Seat

AT_ONCE = 50


def sit_next(*, now: datetime) -> bool:
    """A batch of such seats; False when there is none."""
    pks = list(_waiting(now).order_by("case__number", "pk").values_list("pk", flat=True)[:AT_ONCE])
    with transaction.atomic():
        taken: list[tuple[Case, Party]] = []
        for pk in pks:
            taken += _sit(pk, now=now)
        _tell(taken, now=now)
    return bool(pks)


def _waiting(now: datetime) -> QuerySet[Seat]:
    """Seats nobody sits in or has signed in, of things that somebody who is there owns."""
    owner = Either(
        When(kind="ai_owner", then=F("service__ai_owner")), default=F("case__identity__owner")
    )
    rows = Seat.objects.filter(
        kind__in=["identity_owner", "ai_owner"],
        turn__in=["now", "later"],
        party__isnull=True,
        person__isnull=True,
        case__state__in=["draft", "open"],
    ).annotate(owner=owner)
    new = Q(considered__isnull=True) | ~Q(considered=F("owner"))
    return rows.filter(new, owner__in=presence.there(now=now).values("pk"))


def _sit(pk: UUID, *, now: datetime) -> list[tuple[Case, Party]]:
    """The case and who sits in this seat of it now; nothing where somebody else was first, or where
    the owner may not."""
    case = entries.locked(Seat.objects.values_list("case", flat=True).get(pk=pk))
    seat = (
        _waiting(now)
        .select_for_update(of=("self",))
        .select_related("service", "stage", "backup")
        .filter(pk=pk)
        .first()
    )
    if seat is None:
        return []
    seat.case = case
    sits = seats_of_owner.take(case, seat, now=now)
    waits = sits is not None and case.state == "open" and seat.turn == "now"
    return [(case, sits)] if sits is not None and waits else []


def _tell(taken: Sequence[tuple[Case, Party]], *, now: datetime) -> None:
    of = persons.of_parties({party.pk for _, party in taken}, now=now)
    rows: list[Notice] = []
    many: dict[tuple[UUID, Person], int] = {}
    for case, party in taken:
        if case.campaign_id is not None:
            for person in of[party.pk]:
                key = case.campaign_id, person
                many[key] = many.get(key, 0) + 1
            continue
        rows += reminders.notices(
            case,
            of[party.pk],
            occasion=f"is theirs now {now.isoformat()}",
            subject="its review waits for you now",
            body="You answer for it now, and its case waits for your answers until"
            f" {case.deadline_at:%Y-%m-%d %H:%M} UTC.",
            now=now,
        )
    rows += [
        Notice(
            person=person,
            channel="mail",
            subject=f"{counted(number, 'review')} of what you answer for now",
            body="What they are about was nobody's, and is yours now. Your answers are asked for."
            f"\n\n{settings.BASE_URL}/queue/\n",
            campaign=campaign,
            occasion=f"{campaign} seats are theirs now {now.isoformat()}",
            created_at=now,
            not_before=now,
        )
        for (campaign, person), number in many.items()
    ]
    reminders.send(rows)
