"""Who is told what about a case: notices as rows, once per occasion.

Owns who that is; when is deadlines.py. Sending is reviews/notices; a notice carries a link and no
evidence, because mail is read by more people than a case is.
"""

from collections.abc import Iterable
from datetime import datetime

from django.conf import settings

from evidence import nudge
from identities.models import Person
from reviews.models import Case, Notice, Seat
from reviews.permissions import SIGNING, persons_of, subject_persons

DOOR_WORDS = {
    "access_review": "access review",
    "access_request": "access request",
    "break_glass": "break-glass access",
    "incident": "incident",
}


def tell(
    case: Case,
    persons: Iterable[Person],
    *,
    occasion: str,
    subject: str,
    body: str,
    now: datetime,
) -> int:
    """Write one notice for each person, unless the occasion was written for them before; and one
    webhook for the occasion, where the installation has an address for them.

    A sealed case is absent for everybody but its members, so nobody else is told of it.
    """
    wanted = {one.pk: one for one in _present(persons, now)}
    if case.sealed:
        members = set(case.members.values_list("person", flat=True))
        wanted = {pk: one for pk, one in wanted.items() if pk in members}
    link = f"{settings.BASE_URL}/cases/{case.key}/"
    rows = [
        Notice(
            person=person,
            channel="mail",
            subject=f"{case.key}: {subject}",
            body=f"{body}\n\n{link}\n",
            case=case.pk,
            occasion=f"{case.key} {occasion}",
            created_at=now,
            not_before=now,
        )
        for person in wanted.values()
    ]
    if not rows:
        return 0
    if settings.WEBHOOK_URL and not case.sealed:
        # One for the occasion, whoever it concerns.
        rows.append(
            Notice(
                channel="webhook",
                address=settings.WEBHOOK_URL,
                subject=rows[0].subject,
                body=rows[0].body,
                case=case.pk,
                occasion=rows[0].occasion,
                created_at=now,
                not_before=now,
            )
        )
    Notice.objects.bulk_create(rows, ignore_conflicts=True)
    nudge.after_commit("notice.written")
    return len(wanted)


def waiting_for(case: Case, *, now: datetime) -> list[Person]:
    """The persons of seats that have not answered every item."""
    total = case.items.filter(outcome__in=["", "conflict"]).count()
    if total == 0:
        return []
    found: list[Person] = []
    for seat in case.seats.select_related("party", "backup", "person").order_by("position"):
        if seat.kind not in SIGNING:
            continue
        answered = seat.decisions.filter(
            superseded_at__isnull=True, item__outcome__in=["", "conflict"]
        ).count()
        if answered >= total:
            continue
        found += asked(case, seat, now=now)
    return found


def asked(case: Case, seat: Seat, *, now: datetime) -> list[Person]:
    """Whose answer a seat waits for: who signs in it, else its party's persons who may sign at
    all, else the backup's."""
    if seat.person is not None:
        return [seat.person]
    taken = {
        case.requester_id,
        *case.seats.filter(person__isnull=False).values_list("person_id", flat=True),
        *subject_persons(case.identity),
    }
    for one in (seat.party, seat.backup):
        free = [] if one is None else _present(persons_of(one, now=now), now)
        free = [person for person in free if person.pk not in taken]
        if free:
            return free
    return []


def _present(persons: Iterable[Person], now: datetime) -> list[Person]:
    return [one for one in persons if one.left_at is None or one.left_at > now]


def ask(case: Case, *, now: datetime) -> None:
    """The first word to those whose signature is needed."""
    tell(
        case,
        waiting_for(case, now=now),
        occasion="asked",
        subject="your signature is needed",
        body=(
            f"An {DOOR_WORDS[case.door]} waits for your answers until"
            f" {case.deadline_at:%Y-%m-%d %H:%M} UTC."
        ),
        now=now,
    )


def ask_again(case: Case, person: Person, *, why: str, occasion: str, now: datetime) -> None:
    """Somebody's answer is no longer alone: it conflicts, or evidence came after it."""
    tell(
        case,
        [person],
        occasion=occasion,
        subject="your answer is asked for again",
        body=why,
        now=now,
    )


def above(case: Case, *, now: datetime) -> list[Person]:
    """Who a case goes to when its seats are silent: the tie-breaker and the backups.

    Where nobody is named, the reviewers, else the administrators: somebody is told by name.
    """
    found: list[Person] = []
    for seat in case.seats.select_related("party", "backup"):
        party = seat.party if seat.kind == "tie_breaker" else seat.backup
        if party is not None:
            found += _present(persons_of(party, now=now), now)
    for group in ("reviewer", "administrator"):
        if not found:
            members = Person.objects.filter(users__groups__name=group, users__is_active=True)
            found = _present(members.distinct().order_by("name", "pk"), now)
    return list({one.pk: one for one in found}.values())
