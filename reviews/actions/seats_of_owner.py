"""Open cases follow a change of owner: the seat that waits for the old one waits for the new one.

Owns only that. A seat somebody has signed in stays theirs; where the new owner may not sit
(reviews/independence.py), the seat stays as it is and the ledger says why.
"""

from datetime import datetime

from django.db.models import QuerySet

from identities.acting import By
from identities.models import Identity, Party, Service
from reviews import persons
from reviews.models import Case, Seat
from reviews.permissions import SEAT_WORDS, subject_persons, why_not_person

from . import entries, reminders, seats


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


def _follow_one(case: Case, seat: Seat, to: Party, *, by: By, now: datetime) -> bool:
    why = _why_not(case, seat, to, now=now)
    if why is None:
        # Whoever had handed it over and owns the identity now may sit in it again.
        seat.party = to
        seat.given_up = [one for one in seat.given_up if one != to.person_id]
        seat.backup = None if seat.backup_id == to.pk else seat.backup
        seat.save(update_fields=["party", "backup", "given_up"])
    said = f"The seat of the {SEAT_WORDS[seat.kind]} in {case.key} "
    entries.note(
        case,
        act="seat.follows_owner",
        words=f"{said}is {to}'s now, who answers for it"
        if why is None
        else f"{said}stays as it is, although {to} answers for it now: {why}",
        by=by,
        now=now,
        data={"seat": str(seat.pk), "to": str(to.pk), "why_not": why or ""},
    )
    if why is None:
        seats.never_alone(case, now=now)
        entries.changed(case)
        if case.state == "open":
            reminders.tell(
                case,
                persons.of_parties([to.pk], now=now).get(to.pk, []),
                occasion=f"seat {seat.pk} follows {now.isoformat()}",
                subject="its review waits for you now",
                body=f"You answer for {case.identity.key if case.identity else 'it'} now, so its"
                f" case waits for your answers until {case.deadline_at:%Y-%m-%d %H:%M} UTC.",
                now=now,
            )
    return why is None


def _why_not(case: Case, seat: Seat, to: Party, *, now: datetime) -> str | None:
    """Nobody of the new owner may sit there: they signed elsewhere, asked for it, or are it."""
    subjects = subject_persons(case.identity)
    why: str | None = f"nobody stands for {to} now"
    for person in persons.of_parties([to.pk], now=now).get(to.pk, []):
        why = why_not_person(person.pk, case, seat, subjects=subjects, name=person.name)
        if why is None:
            return None
    return why
