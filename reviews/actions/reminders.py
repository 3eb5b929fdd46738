"""Who is told what about a case, and when: notices as rows, once per occasion.

Owns the occasions. Sending is reviews/notices; a notice carries a link and no evidence, because
mail is read by more people than a case is.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q

from evidence import nudge
from identities.models import Party, Person
from reviews.models import Case, Notice
from reviews.permissions import SIGNING, persons_of

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
    """Write one notice for each person, unless the occasion was written for them before.

    A sealed case is absent for everybody but its members, so nobody else is told of it.
    """
    wanted = {one.pk: one for one in persons if one.left_at is None or one.left_at > now}
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
    Notice.objects.bulk_create(rows, ignore_conflicts=True)
    nudge.after_commit("notice.written")
    return len(rows)


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
        if seat.person is not None:
            found.append(seat.person)
        else:
            found += stand_for(case, seat.party, seat.backup, now=now)
    return found


def stand_for(
    case: Case, party: Party | None, backup: Party | None, *, now: datetime
) -> list[Person]:
    """A party's persons who may sign at all; the backup's when the party has none."""
    taken = set(case.seats.filter(person__isnull=False).values_list("person_id", flat=True)) | {
        case.requester_id
    }
    for one in (party, backup):
        if one is None:
            continue
        free = [person for person in persons_of(one, now=now) if person.pk not in taken]
        if free:
            return free
    return []


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


def remind_due(*, now: datetime, most: int = 500) -> int:
    """Write the reminders and escalations whose time has come; for how many it was.

    Only the newest reminder that has passed is written, so that a sweep that was away for a day
    does not send three at once.
    """
    cases = (
        Case.objects.filter(state="open", deadline_at__gt=now, policy__isnull=False)
        .filter(Q(deadline_at__lte=now + timedelta(days=31)))
        .select_related("policy", "identity")
        .order_by("deadline_at")[:most]
    )
    known = set(
        Notice.objects.filter(case__in=[case.pk for case in cases]).values_list(
            "occasion", flat=True
        )
    )
    done = 0
    for case in cases:
        if case.policy is None:
            continue
        left = case.deadline_at - now
        passed = [
            hours
            for hours in case.policy.remind_before_hours
            if left <= timedelta(hours=hours)
            and case.deadline_at - timedelta(hours=hours) > case.opened_at
        ]
        if passed and f"{case.key} reminder {min(passed)} h" not in known:
            hours = min(passed)
            tell(
                case,
                waiting_for(case, now=now),
                occasion=f"reminder {hours} h",
                subject="decide soon",
                body=f"Your answers are due on {case.deadline_at:%Y-%m-%d %H:%M} UTC.",
                now=now,
            )
            done += 1
        hours = case.policy.escalate_before_hours
        if (
            left <= timedelta(hours=hours)
            and case.deadline_at - timedelta(hours=hours) > case.opened_at
            and f"{case.key} escalation" not in known
        ):
            tell(
                case,
                above(case, now=now),
                occasion="escalation",
                subject="nobody has decided yet",
                body=f"It is due on {case.deadline_at:%Y-%m-%d %H:%M} UTC and answers are missing.",
                now=now,
            )
            done += 1
    return done


def above(case: Case, *, now: datetime) -> list[Person]:
    """Who a case goes to when its seats are silent: the tie-breaker and the backups."""
    found: list[Person] = []
    for seat in case.seats.select_related("party", "backup"):
        party = seat.party if seat.kind == "tie_breaker" else seat.backup
        if party is not None:
            found += persons_of(party, now=now)
    return found
