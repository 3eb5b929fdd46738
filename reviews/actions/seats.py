"""The seats of a case: whose signatures it needs, and who stands in for them.

Owns how owners become seats; handing one over is handing.py. Who may really sit is judged when
deciding (reviews/permissions.py), because people change teams and leave in between.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet

from identities.acting import COUNTERSIGN
from identities.models import Binding, Identity, Party, Service
from reviews import permissions, persons
from reviews.models import Case, Item, Seat, Stage

from . import entries, sitting, stages, staging
from .asked import Asked


def build(case: Case, identity: Identity, *, now: datetime, in_stages: bool = True) -> list[Seat]:
    """One seat of the identity owner, one per AI system concerned, one to break ties.

    `in_stages`: as the policy of the case says; False: all are asked at once.
    """
    return build_all([(case, identity)], now=now, in_stages=in_stages)


def build_all(
    cases: Sequence[tuple[Case, Identity]], *, now: datetime, in_stages: bool = True
) -> list[Seat]:
    """The seats of many new cases, with as many queries as for one."""
    systems = concerned_all([identity for _, identity in cases], now=now)
    policies = {case.policy_id: case.policy for case, _ in cases}
    orders = {pk: sitting.order_of(policy, now=now) for pk, policy in policies.items()}
    staged = {
        pk: found
        for pk, policy in policies.items()
        if in_stages and (found := staging.of_policy(policy, now=now)) is not None
    }
    rows = [
        seat
        for case, identity in cases
        for seat in plan(
            case,
            identity,
            systems.get(identity.pk, []),
            orders[case.policy_id],
            # A micro-review asks every seat at once: its time is its own, and short.
            None if case.trigger else staged.get(case.policy_id),
        )
    ]
    those = [case for case, _ in cases if case.policy_id in staged and not case.trigger]
    if those:
        staging.begin(those, rows, staged)
    return Seat.objects.bulk_create(rows)


def build_again(cases: Sequence[Case], *, now: datetime) -> None:
    """The seats of drafts that are sent now, where their policy asks in stages: as many hours as
    it gives, and who is there today."""
    those = [
        case for case in cases if case.identity and (case.stage or stages.of_policy(case.policy))
    ]
    if not those:
        return
    Seat.objects.filter(case__in=those).delete()
    Stage.objects.filter(case__in=those).delete()
    for case in those:
        case.stage = case.next_stage = ""
    build_all([(case, case.identity) for case in those if case.identity], now=now)
    never_alone_all(those, now=now)


def plan(
    case: Case | None,
    identity: Identity,
    systems: Sequence[Service],
    order: sitting.Order | None = None,
    staged: staging.Staged | None = None,
) -> list[Seat]:
    """The seats that an identity's case needs, behind which AI systems, as rows not yet saved.

    `order`: who sits where, as its policy says; None: as written here. `staged`: in which stages.
    """
    if staged is not None:
        seats = staging.seats(case, identity, systems, staged)
        return [*seats, _last(case, identity, seats, order)]
    sits = identity.owner
    backup = identity.backup if identity.backup_id is not None else identity.sponsor
    if order is not None and order.owns("identity_owner"):
        sits, backup = order.sits("identity_owner", sitting.of_identity(identity))
    seats = [Seat(case=case, kind="identity_owner", party=sits, backup=backup, position=0)]
    for position, service in enumerate(systems, start=1):
        sits = service.ai_owner
        backup = _other_than(sits, service.backup, service.sponsor)
        if order is not None and order.owns("ai_owner"):
            sits, backup = order.sits("ai_owner", sitting.of_service(service))
        seats.append(
            Seat(
                case=case,
                kind="ai_owner",
                service=service,
                party=sits,
                backup=backup,
                position=position,
            )
        )
    return [*seats, _last(case, identity, seats, order)]


def _last(
    case: Case | None, identity: Identity, seats: list[Seat], order: sitting.Order | None
) -> Seat:
    breaks = breaks_ties(identity, seats, order)
    return Seat(case=case, kind="tie_breaker", party=breaks, position=len(seats))


def never_alone(case: Case, *, now: datetime, signer: UUID | None = None) -> Seat | None:
    """Add a second approver where who granted or issued what is reviewed would sign alone.

    `signer`: the person who signs now; without one, whoever would be asked to.
    """
    return next(iter(never_alone_all([case], now=now, signer=signer)), None)


def never_alone_all(
    cases: Sequence[Case], *, now: datetime, signer: UUID | None = None
) -> list[Seat]:
    """The same for many cases, with as many queries as for one."""
    seats_of: dict[UUID, list[Seat]] = {}
    for seat in (
        Seat.objects.filter(case__in=cases)
        .select_related("party", "backup", "person", "stage")
        .order_by("position")
    ):
        seats_of.setdefault(seat.case_id, []).append(seat)
    alone: dict[UUID, list[Seat]] = {}
    for case in cases:
        signing = [
            one
            for one in seats_of.get(case.pk, ())
            if one.kind in permissions.SIGNING and one.turn == "now"
        ]
        if len({(one.stage_id, one.kind, one.service_id) for one in signing}) == 1:
            alone[case.pk] = signing
    items = list(
        Item.objects.filter(case__in=alone, kind__in=permissions.MADE, outcome="").values_list(
            "case", "kind", "ref"
        )
    )
    refs = [(case_id, kind, ref) for case_id, kind, ref in items if ref is not None]
    made = persons.makers([(kind, ref) for _, kind, ref in refs], now=now)
    makers: dict[UUID, dict[UUID, str]] = {}
    for case_id, _, ref in refs:
        for person, what in made.get(ref, {}).items():
            makers.setdefault(case_id, {}).setdefault(person, what)
    waiting = [case for case in cases if case.pk in makers]
    if not waiting:
        return []
    asking = Asked(waiting, now=now)
    seconds, acts = [], []
    for case in waiting:
        seated = alone[case.pk]
        those = {signer} if signer else {one.pk for seat in seated for one in asking.of(case, seat)}
        found = next((what for one, what in makers[case.pk].items() if one in those), None)
        if found is None:
            continue
        there = seats_of[case.pk]
        seat = Seat(
            case=case,
            kind="second",
            stage=seated[0].stage,
            party=_second(case, there),
            position=len(there),
        )
        seconds.append(seat)
        acts.append(
            entries.Said(
                case,
                "case.second_seat",
                f"{case.key} needs a second approver: who would sign alone {found}",
                {"seat": str(seat.pk)},
            )
        )
    entries.note_all(acts, by=COUNTERSIGN, now=now)
    return Seat.objects.bulk_create(seconds)


def _second(case: Case, seats: Sequence[Seat]) -> Party | None:
    """The backup or sponsor who sits nowhere else in the case; nobody named: a reviewer may sit."""
    identity = case.identity
    if identity is None:
        return None
    service = identity.service
    candidates = [identity.backup, identity.sponsor]
    if service is not None:
        candidates += [service.owner, service.backup, service.sponsor]
    seated = {seat.party_id for seat in seats}
    return next((one for one in candidates if one is not None and one.pk not in seated), None)


def concerned(identity: Identity, *, now: datetime) -> list[Service]:
    """The AI systems behind an identity: its own, and those that share an actor with it."""
    return concerned_all([identity], now=now).get(identity.pk, [])


def concerned_all(identities: Sequence[Identity], *, now: datetime) -> dict[UUID, list[Service]]:
    """The same of many identities, with as many queries as for one."""
    found: dict[UUID, dict[UUID, Service]] = {}
    for identity in identities:
        if identity.service is not None and identity.service.ai_system:
            found.setdefault(identity.pk, {})[identity.service.pk] = identity.service
    shared = _shared(now)
    actors: dict[int, list[UUID]] = {}
    for identity_id, actor in shared.filter(identity__in=identities).values_list(
        "identity", "actor"
    ):
        actors.setdefault(actor, []).append(identity_id)
    if not actors:
        return {identity: list(systems.values()) for identity, systems in found.items()}
    behind = list(
        shared.filter(actor__in=actors, identity__service__ai_system=True).values_list(
            "actor", "identity__service"
        )
    )
    others = (
        Service.objects.filter(pk__in={service for _, service in behind})
        .select_related("ai_owner", "backup", "sponsor")
        .order_by("name", "pk")
    )
    users: dict[UUID, set[UUID]] = {}
    for actor, service_id in behind:
        users.setdefault(service_id, set()).update(actors[actor])
    for service in others:
        for identity_id in users[service.pk]:
            found.setdefault(identity_id, {}).setdefault(service.pk, service)
    return {identity: list(systems.values()) for identity, systems in found.items()}


def sharing(identities: QuerySet[Identity], *, now: datetime) -> set[UUID]:
    """Those of them that share an actor: other systems than their own may stand behind them."""
    return set(_shared(now).filter(identity__in=identities).values_list("identity", flat=True))


def _shared(now: datetime) -> QuerySet[Binding]:
    return Binding.objects.filter(
        shared=True, state="confirmed", superseded_at__isnull=True, during__contains=now
    )


def _other_than(party: Party | None, *stand_ins: Party | None) -> Party | None:
    for stand_in in stand_ins:
        if stand_in is not None and (party is None or stand_in.pk != party.pk):
            return stand_in
    return None


def breaks_ties(identity: Identity, seats: list[Seat], order: sitting.Order | None) -> Party | None:
    """Sponsor before backup, of the identity before its service; in no seat of the case."""
    seated = {seat.party_id for seat in seats} | {
        seat.backup_id for seat in seats if identity.backup_id is None
    }
    service = identity.service
    candidates = [identity.sponsor, identity.backup]
    if service is not None:
        candidates = [identity.sponsor, service.sponsor, identity.backup, service.backup]
    if order is not None and order.owns("tie_breaker"):
        candidates = [*order.ordered("tie_breaker", sitting.of_identity(identity))]
    for party in candidates:
        if party is not None and party.pk not in seated:
            return party
    return None
