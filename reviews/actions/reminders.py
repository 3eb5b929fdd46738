"""Who is told what about a case: notices as rows, once per occasion.

Owns who that is; when is deadlines.py. Sending is reviews/notices; a notice carries a link and no
evidence, because mail is read by more people than a case is.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from django.conf import settings

from evidence import nudge
from identities.models import Person
from reviews.models import GATHERED, Case, Notice, Seat
from reviews.permissions import SEAT_WORDS

from .asked import Asked

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
    return send(notices(case, persons, occasion=occasion, subject=subject, body=body, now=now))


def send(rows: Sequence[Notice]) -> int:
    """Write these notices, unless one was written before; how many are for persons."""
    if rows:
        Notice.objects.bulk_create(rows, ignore_conflicts=True)
        nudge.after_commit("notice.written")
    return sum(row.channel == "mail" for row in rows)


def notices(
    case: Case,
    persons: Iterable[Person],
    *,
    occasion: str,
    subject: str,
    body: str,
    now: datetime,
    gather: bool = False,
) -> list[Notice]:
    """What `tell` writes, unwritten: for a sweep that tells many at once. `gather`: of many cases
    at about the same time, so that the mails wait for each other and go out as one."""
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
            not_before=now + GATHERED if gather else now,
        )
        for person in wanted.values()
    ]
    if rows and settings.WEBHOOK_URL and not case.sealed:
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
    return rows


def waiting_for(case: Case, *, now: datetime) -> list[Person]:
    """The persons of seats that have not answered every item."""
    return Asked([case], now=now).waiting_for(case)


def asked(case: Case, seat: Seat, *, now: datetime) -> list[Person]:
    """Whose answer a seat waits for (actions/asked.py)."""
    return Asked([case], now=now).of(case, seat)


def asked_all(
    cases: Sequence[Case], seats: Iterable[Seat], *, now: datetime
) -> dict[UUID, list[Person]]:
    """The same for seats of many cases, with as many queries as for one; by seat."""
    found, of = Asked(cases, now=now), {case.pk: case for case in cases}
    return {seat.pk: found.of(of[seat.case_id], seat) for seat in seats}


def _present(persons: Iterable[Person], now: datetime) -> list[Person]:
    return [one for one in persons if one.left_at is None or one.left_at > now]


def ask(case: Case, *, now: datetime) -> None:
    """The first word to those whose signature is needed."""
    ask_all([case], now=now)


def ask_all(cases: Sequence[Case], *, now: datetime) -> None:
    """The same of many cases, with as many queries as for one."""
    found = Asked(cases, now=now)
    rows: list[Notice] = []
    for case in cases:
        rows += notices(
            case,
            found.waiting_for(case),
            occasion="asked",
            subject="your signature is needed",
            body=(
                f"An {DOOR_WORDS[case.door]} waits for your answers until"
                f" {case.deadline_at:%Y-%m-%d %H:%M} UTC."
            ),
            now=now,
            gather=case.door == "access_review",
        )
        rows += _empty(case, found, now=now)
    send(rows)


def _empty(case: Case, asked: Asked, *, now: datetime) -> list[Notice]:
    """The word to those who name somebody, where nobody may sit in a seat."""
    words = [SEAT_WORDS[seat.kind] for seat in asked.empty(case)]
    if not words:
        return []
    return notices(
        case,
        asked.namers(case),
        occasion=f"empty {' '.join(words)}",
        subject="nobody may sit in a seat: name somebody",
        body=f"Nobody may sign as {' nor as '.join(words)}. The case says who comes into question and"
        f" why each may not. Name somebody who may; what silence does is due on"
        f" {case.deadline_at:%Y-%m-%d %H:%M} UTC.",
        now=now,
        gather=case.door == "access_review",
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
    """Who a case goes to when its seats are silent, by name (actions/asked.py)."""
    return Asked([case], now=now).above(case)
