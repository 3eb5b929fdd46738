"""The seats of a case: whose signatures it needs, and who stands in for them.

Owns how owners become seats. Who may really sit is judged when deciding
(reviews/permissions.py), because people change teams and leave in between.
"""

from datetime import datetime
from uuid import UUID

from identities.acting import COUNTERSIGN
from identities.models import Binding, Identity, Party, Service
from reviews import permissions
from reviews.models import Case, Seat

from . import entries, reminders


def build(case: Case, identity: Identity, *, now: datetime) -> list[Seat]:
    """One seat of the identity owner, one per AI system concerned, one to break ties."""
    systems = concerned(identity, now=now)
    seats = [
        Seat(
            case=case,
            kind="identity_owner",
            party=identity.owner,
            backup=identity.backup if identity.backup_id is not None else identity.sponsor,
            position=0,
        )
    ]
    for position, service in enumerate(systems, start=1):
        seats.append(
            Seat(
                case=case,
                kind="ai_owner",
                service=service,
                party=service.ai_owner,
                backup=_other_than(service.ai_owner, service.backup, service.sponsor),
                position=position,
            )
        )
    seats.append(
        Seat(
            case=case,
            kind="tie_breaker",
            party=_tie_breaker(identity, seats),
            position=len(seats),
        )
    )
    return Seat.objects.bulk_create(seats)


def never_alone(case: Case, *, now: datetime, signer: UUID | None = None) -> Seat | None:
    """Add a second approver where who granted or issued what is reviewed would sign alone.

    `signer`: the person who signs now; without one, whoever would be asked to.
    """
    signing = list(
        case.seats.filter(kind__in=permissions.SIGNING).select_related("party", "backup", "person")
    )
    if len(signing) != 1:
        return None
    made = permissions.makers(case.items.filter(kind__in=permissions.MADE, outcome=""), now=now)
    if not made:
        return None
    persons = {signer} if signer else {one.pk for one in reminders.asked(case, signing[0], now=now)}
    found = next((what for person, what in made.items() if person in persons), None)
    if found is None:
        return None
    seat = Seat.objects.create(
        case=case, kind="second", party=_second(case), position=case.seats.count()
    )
    entries.note(
        case,
        act="case.second_seat",
        words=f"{case.key} needs a second approver: who would sign alone {found}",
        by=COUNTERSIGN,
        now=now,
        data={"seat": str(seat.pk)},
    )
    return seat


def _second(case: Case) -> Party | None:
    """The backup or sponsor who sits nowhere else in the case; nobody named: a reviewer may sit."""
    identity = case.identity
    if identity is None:
        return None
    service = identity.service
    candidates = [identity.backup, identity.sponsor]
    if service is not None:
        candidates += [service.owner, service.backup, service.sponsor]
    seated = set(case.seats.values_list("party", flat=True))
    return next((one for one in candidates if one is not None and one.pk not in seated), None)


def concerned(identity: Identity, *, now: datetime) -> list[Service]:
    """The AI systems behind an identity: its own, and those that share an actor with it."""
    found: dict[object, Service] = {}
    if identity.service is not None and identity.service.ai_system:
        found[identity.service.pk] = identity.service
    actors = Binding.objects.filter(
        identity=identity,
        shared=True,
        state="confirmed",
        superseded_at__isnull=True,
        during__contains=now,
    ).values("actor")
    others = (
        Service.objects.filter(
            ai_system=True,
            identities__bindings__actor__in=actors,
            identities__bindings__shared=True,
            identities__bindings__state="confirmed",
            identities__bindings__superseded_at__isnull=True,
            identities__bindings__during__contains=now,
        )
        .select_related("ai_owner", "backup", "sponsor")
        .distinct()
        .order_by("name", "pk")
    )
    for service in others:
        found.setdefault(service.pk, service)
    return list(found.values())


def _other_than(party: Party | None, *stand_ins: Party | None) -> Party | None:
    for stand_in in stand_ins:
        if stand_in is not None and (party is None or stand_in.pk != party.pk):
            return stand_in
    return None


def _tie_breaker(identity: Identity, seats: list[Seat]) -> Party | None:
    """Sponsor before backup, of the identity before its service; in no seat of the case."""
    seated = {seat.party_id for seat in seats} | {
        seat.backup_id for seat in seats if identity.backup_id is None
    }
    service = identity.service
    candidates = [identity.sponsor, identity.backup]
    if service is not None:
        candidates = [identity.sponsor, service.sponsor, identity.backup, service.backup]
    for party in candidates:
        if party is not None and party.pk not in seated:
            return party
    return None
