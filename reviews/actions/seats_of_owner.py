"""Open cases follow a change of owner: the seat that waits for the old one waits for the new one.

Owns only that. A seat somebody has signed in stays theirs. Where the new owner may not sit
(reviews/independence.py), it stays with the old one while they are there; then it is the next
one's who may, else nobody's: a reviewer signs in it, and the ledger says why.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet

from identities import presence
from identities.acting import COUNTERSIGN, By
from identities.models import Identity, Party, Service
from reviews import persons
from reviews.independence import why_not_asked_twice
from reviews.models import Case, Seat
from reviews.permissions import SEAT_WORDS, SIGNING, subjects_of, why_not_person

from . import entries, policy_versions, reminders, seats, sitting, staging


def follow(
    identity: Identity, *, was: Party | None, to: Party, by: By, now: datetime
) -> list[Case]:
    """The owner of an identity has changed: the cases whose seat has changed hands."""
    rows = Seat.objects.filter(case__identity=identity, kind="identity_owner")
    return _follow(rows, was, to, by=by, now=now)


def follow_system(
    service: Service, *, was: Party | None, to: Party, by: By, now: datetime
) -> list[Case]:
    """The same of an AI system's owner, in every case that it is concerned in."""
    rows = Seat.objects.filter(service=service, kind="ai_owner")
    return _follow(rows, was, to, by=by, now=now)


def _follow(
    rows: QuerySet[Seat], was: Party | None, to: Party, *, by: By, now: datetime
) -> list[Case]:
    waiting = rows.filter(party=was, person__isnull=True, case__state__in=["draft", "open"])
    changed = []
    for pk in waiting.order_by("case__number").values_list("case", flat=True):
        case = entries.locked(pk)
        seat = waiting.filter(case=case).select_for_update(of=("self",)).first()
        if seat is None:
            continue
        seat.case = case
        if _follow_one(case, seat, to, by=by, now=now):
            changed.append(case)
    return changed


def back_up(
    identity: Identity, *, was: Party, to: Party | None, by: By, now: datetime
) -> list[Case]:
    """Another stands behind the owner: in the open cases that wait for a signature they stand in,
    unless they sit in another seat there already. Nobody: nobody stands in."""
    rows = Seat.objects.filter(
        case__identity=identity,
        case__state__in=["draft", "open"],
        kind="identity_owner",
        backup=was,
        person__isnull=True,
    )
    changed = []
    for pk in rows.order_by("case__number").values_list("case", flat=True).distinct():
        case = entries.locked(pk)
        for seat in rows.filter(case=case).select_for_update(of=("self",)):
            seat.case = case
            why = None if to is None else _why_not(case, seat, to, now=now)
            seat.backup = to if why is None else None
            seat.save(update_fields=["backup"])
            said = (
                f"In {case.key}, {seat.backup or 'nobody'} stands in for {seat.party or 'nobody'}"
            )
            entries.note(
                case,
                act="seat.backup",
                words=f"{said} now: {was} is no longer there" + (f"; {why}" if why else ""),
                by=by,
                now=now,
                data={"seat": str(seat.pk), "to": None if to is None else str(to.pk)},
            )
        entries.changed(case)
        changed.append(case)
    return changed


def refill(case: Case, seat: Seat, *, now: datetime) -> Party | None:
    """Whoever sat in this seat of a locked case is gone: the next who may sits there, else nobody.

    What was answered in it stands until the next one answers otherwise.
    """
    was, sits = seat.party, _next(case, seat, now=now)
    if seat.person_id is not None:
        seat.signed_before = sorted({*seat.signed_before, seat.person_id})
        seat.person = None
        seat.save(update_fields=["person", "signed_before"])
    _sit(case, seat, sits, now=now)
    entries.note(
        case,
        act="seat.refilled",
        words=f"The seat of the {SEAT_WORDS[seat.kind]} in {case.key} is {sits}'s now: {was} is no"
        " longer there"
        if sits is not None
        else f"The seat of the {SEAT_WORDS[seat.kind]} in {case.key} is open to any reviewer: {was}"
        " is no longer there, and nobody stands in",
        by=COUNTERSIGN,
        now=now,
        data={"seat": str(seat.pk), "was": None if was is None else str(was.pk)},
    )
    seats.never_alone(case, now=now)
    entries.changed(case)
    return sits


def take(case: Case, seat: Seat, *, now: datetime) -> Party | None:
    """This seat of a locked case was nobody's, and somebody owns what it is about since: they sit
    there. None where its policy does not ask owners there, or they may not sit."""
    owner, named = _owner(case, seat)
    asks = [owner]
    rules: Mapping[str, Sequence[str]] = {}
    if case.policy is not None:
        rules = policy_versions.document_of(case.policy).seats
    if seat.stage is not None and case.policy is not None:
        staged = staging.of_policy(case.policy, now=now)
        rules = {} if staged is None else staged.orders[seat.stage.position].rules
    if seat.kind in rules:
        asks = [*sitting.Order(rules, now=now).ordered(seat.kind, named)]
    may = [one for one in asks if one is not None and _why_not(case, seat, one, now=now) is None]
    seat.considered, seat.since = owner, now
    if not may:
        seat.save(update_fields=["considered"])
        return None
    seat.save(update_fields=["considered", "since"])
    _sit(case, seat, may[0], now=now)
    entries.note(
        case,
        act="seat.taken",
        words=f"The seat of the {SEAT_WORDS[seat.kind]} in {case.key} was nobody's and is {may[0]}'s"
        f" now: {owner} answers for it",
        by=COUNTERSIGN,
        now=now,
        data={"seat": str(seat.pk), "sits": str(may[0].pk)},
    )
    seats.never_alone(case, now=now)
    entries.changed(case)
    return may[0]


def _owner(case: Case, seat: Seat) -> tuple[Party | None, dict[str, Party | None]]:
    """Who owns what a seat is about, and whom the words of a policy's order name."""
    if seat.kind == "ai_owner" and seat.service is not None:
        return seat.service.ai_owner, sitting.of_service(seat.service)
    if case.identity is None:
        return None, {}
    return case.identity.owner, sitting.of_identity(case.identity)


def replace(case: Case, seat: Seat, *, now: datetime) -> Party | None:
    """Whoever sits in this seat of a locked case is silent: the next who may sits there, and they
    stand in; None where nobody may."""
    was, sits = seat.party, _next(case, seat, now=now, but=seat.party_id)
    if sits is not None:
        _sit(case, seat, sits, now=now)
        seat.backup = was
        seat.save(update_fields=["backup"])
    return sits


def _follow_one(case: Case, seat: Seat, to: Party, *, by: By, now: datetime) -> bool:
    was, why = seat.party, _why_not(case, seat, to, now=now)
    sits: Party | None = to
    if why is not None:
        sits = was if _is_there(was, now=now) else _next(case, seat, now=now)
    said = f"The seat of the {SEAT_WORDS[seat.kind]} in {case.key} "
    if why is None:
        words = f"is {to}'s now, who answers for it"
    elif sits == was:
        words = f"stays as it is, although {to} answers for it now: {why}"
    else:
        words = f"is {sits or 'nobody'}'s now, although {to} answers for it: {why}"
    entries.note(
        case,
        act="seat.follows_owner",
        words=f"{said}{words}",
        by=by,
        now=now,
        data={
            "seat": str(seat.pk),
            "to": str(to.pk),
            "sits": None if sits is None else str(sits.pk),
            "why_not": why or "",
        },
    )
    if sits == was:
        return False
    _sit(case, seat, sits, now=now)
    seats.never_alone(case, now=now)
    entries.changed(case)
    if case.state == "open" and sits is not None:
        answers = "You answer" if why is None else f"{to} answers"
        reminders.tell(
            case,
            persons.of_parties([sits.pk], now=now).get(sits.pk, []),
            occasion=f"seat {seat.pk} follows {now.isoformat()}",
            subject="its review waits for you now",
            body=f"{answers} for {case.identity.key if case.identity else 'it'} now, and its"
            f" case waits for your answers until {case.deadline_at:%Y-%m-%d %H:%M} UTC.",
            now=now,
        )
    return True


def _sit(case: Case, seat: Seat, sits: Party | None, *, now: datetime) -> None:
    """They sit there from now on, and break no ties of the same case."""
    # Whoever had handed it over and owns the identity now may sit in it again.
    seat.party = sits
    seat.given_up = [one for one in seat.given_up if sits is None or one != sits.person_id]
    seat.backup = None if sits is None or seat.backup_id == sits.pk else seat.backup
    seat.save(update_fields=["party", "backup", "given_up"])
    ties = case.seats.filter(kind="tie_breaker", person__isnull=True, party=sits).first()
    if sits is not None and ties is not None and case.identity is not None:
        signing = [one for one in case.seats.all() if one.kind in SIGNING]
        order = sitting.order_of(case.policy, now=now)
        ties.party = seats.breaks_ties(case.identity, signing, order)
        ties.save(update_fields=["party"])


def _next(case: Case, seat: Seat, *, now: datetime, but: UUID | None = None) -> Party | None:
    """Who stands in next and may sign there; nobody: a reviewer may (reviews/permissions.py).

    `but`: a party that is passed over.
    """
    identity, service = case.identity, seat.service
    order: list[Party | None] = []
    if seat.kind == "ai_owner" and service is not None:
        order = [service.ai_owner, seat.backup, service.backup, service.sponsor]
    elif identity is not None:
        owner = [identity.owner] if seat.kind == "identity_owner" else []
        order = [*owner, seat.backup, identity.backup, identity.sponsor]
        if identity.service is not None:
            order += [identity.service.backup, identity.service.sponsor]
    for one in order:
        if one is None or one.pk == but or not _is_there(one, now=now):
            continue
        if _why_not(case, seat, one, now=now) is None:
            return one
    return None


def _is_there(party: Party | None, *, now: datetime) -> bool:
    return party is not None and presence.there(now=now).filter(pk=party.pk).exists()


def _why_not(case: Case, seat: Seat, to: Party, *, now: datetime) -> str | None:
    """Nobody of the new owner may sit there: they sign or are asked elsewhere, asked for it, or
    are it."""
    subjects = subjects_of(case)
    why: str | None = f"nobody stands for {to} now"
    for person in persons.of_parties([to.pk], now=now).get(to.pk, []):
        why = why_not_person(
            person.pk, case, seat, subjects=subjects, name=person.name
        ) or why_not_asked_twice(person, case, seat, kinds=SIGNING)
        if why is None:
            return None
    return why
