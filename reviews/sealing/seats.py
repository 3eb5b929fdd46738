"""The seats of a sealed case: only its members sit, and whoever it is about is out at once.

Owns who takes a seat that becomes empty so. What was answered in one stays until its next holder
answers otherwise; what a person said whom the case is about does not.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from uuid import UUID

from identities.models import Party, Person, User
from identities.permissions import NotPossible
from reviews import permissions
from reviews.actions import settling
from reviews.models import Case, Decision, Seat
from reviews.permissions import SEAT_WORDS


def empty(
    case: Case,
    *,
    members: Collection[UUID],
    subjects: Collection[UUID],
    instead: Mapping[str, Person],
    by: User,
    now: datetime,
) -> list[dict[str, str | None]]:
    """Take everybody but members out of the seats of this locked, sealed case; what changed. Who
    does it (`by`) takes no seat that becomes empty so: else one person would seal a case, and decide.

    `instead`: who sits from now on, by the id or the kind of a seat; each is a member. A seat of somebody whom the case is
    about needs one, and of the others those without stay open to any member who is a reviewer.
    """
    seats = list(
        case.seats.select_for_update(of=("self",)).select_related("party__person", "party__team")
    )
    unknown = set(instead) - {name for seat in seats for name in (str(seat.pk), seat.kind)}
    if unknown:
        raise NotPossible("A seat that is to be taken is not one of this case.")
    sits = {
        seat.pk: [one.pk for one in permissions.persons_of(seat.party, now=now)]
        for seat in seats
        if seat.party is not None
    }
    changes: list[dict[str, str | None]] = []
    for seat in seats:
        theirs = set(sits.get(seat.pk, ())) | ({seat.person_id} - {None})
        suspect = bool(theirs & set(subjects)) and not theirs & set(members)
        to = instead.get(str(seat.pk))
        if to is None and not theirs & set(members):
            to = instead.get(seat.kind)
        if to is None and suspect:
            raise NotPossible(
                f"The seat of the {SEAT_WORDS[seat.kind]} is {seat.party or 'a subject'}'s, whom the"
                " case is about: name a member who sits there instead."
            )
        if to is not None and to.pk not in members:
            raise NotPossible(f"{to.name} is no member: only members sit in a sealed case.")
        if to is not None and to.pk == by.person_id and to.pk not in theirs:
            raise NotPossible("Nobody takes a seat that they empty: name another member.")
        before = str(seat.party or "nobody")
        if _change(seat, to, members=members, theirs=theirs, case=case, by=by):
            if suspect:
                _take_back(case, seat, now=now)
            changes.append(
                {
                    "seat": str(seat.pk),
                    "kind": seat.kind,
                    "from": before,
                    "to": None if to is None else to.name,
                }
            )
    return changes


def _change(
    seat: Seat,
    to: Person | None,
    *,
    members: Collection[UUID],
    theirs: set[UUID | None],
    case: Case,
    by: User,
) -> bool:
    """Whether anybody else sits there, or stands in, than before."""
    party, backup, person = seat.party_id, seat.backup_id, seat.person_id
    if to is not None:
        subjects = permissions.subjects_of(case)
        why = permissions.why_not_person(to.pk, case, seat, subjects=subjects, name=to.name)
        if why is not None:
            raise NotPossible(why)
        seat.party = Party.objects.get_or_create(person=to)[0]
    elif not theirs & set(members):
        seat.party = None
    if seat.backup is not None and seat.backup.person_id not in members:
        seat.backup = None
    stays = seat.person_id == to.pk if to is not None else seat.person_id in members
    if seat.person_id is not None and not stays:
        seat.signed_before = sorted({*seat.signed_before, seat.person_id})
        seat.person = None
    if (party, backup, person) == (seat.party_id, seat.backup_id, seat.person_id):
        return False
    if (
        seat.party_id != party
        and by.person_id is not None
        and (to is None or to.pk != by.person_id)
    ):
        seat.given_up = sorted({*seat.given_up, by.person_id})
    seat.save(update_fields=["party", "backup", "person", "signed_before", "given_up"])
    return True


def _take_back(case: Case, seat: Seat, *, now: datetime) -> None:
    """What a subject answered counts no more, while the case can still be answered."""
    if case.state != "open":
        return
    given = Decision.objects.filter(
        seat=seat, superseded_at__isnull=True, item__carried_out_at__isnull=True
    )
    items = list(given.values_list("item", flat=True))
    given.update(superseded_at=now)
    for item in case.items.select_for_update().filter(pk__in=items).order_by("position"):
        settling.settle(case, item, now=now)
