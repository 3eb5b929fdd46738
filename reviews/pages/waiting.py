"""What waits for a person: the seats that are theirs to fill, as rows. Constant queries.

Owns which open cases are in a queue; whether somebody may really sign is judged again when they
do (reviews/permissions.py).
"""

from collections import Counter
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Q

from evidence.words import counted
from identities.models import Membership, Party, User
from identities.permissions import groups
from reviews import visible
from reviews.actions import deadlines
from reviews.models import Case, Decision, Item, Seat
from reviews.pages import freshness
from reviews.permissions import SEAT_WORDS, SIGNING, mine

DOOR_WORDS = {
    "access_review": "access review",
    "access_request": "access request",
    "break_glass": "break-glass",
    "incident": "incident",
}


class Waiting(NamedTuple):
    """One seat of a case that waits for this person."""

    case: Case
    seat: Seat
    left: int  # items without an answer from this seat
    of: int
    conflicts: int


def for_user(user: User, *, now: datetime) -> list[Waiting]:
    """The open cases that wait for this user, overdue first, then by deadline."""
    if user.person_id is None or "auditor" in groups(user):
        return []
    parties = mine(user, now=now)
    named = Q(party__in=parties) | Q(backup__in=parties) | Q(person=user.person_id)
    if "reviewer" in groups(user):
        named |= Q(party__isnull=True, backup__isnull=True)
    seats = list(
        Seat.objects.filter(named, case__state="open", case__in=visible.cases(user, now=now))
        .select_related("case__identity", "party__person", "party__team")
        .order_by("case__deadline_at", "case__number", "position")
    )
    return _left(_mine(user, seats, parties, now=now), now=now)


def _mine(user: User, seats: list[Seat], parties: frozenset[UUID], *, now: datetime) -> list[Seat]:
    """Of the seats named, those that are this person's turn: one for each case."""
    cases = {seat.case_id for seat in seats}
    taken: dict[UUID, set[UUID]] = {}
    for number, person in Seat.objects.filter(case__in=cases, person__isnull=False).values_list(
        "case", "person"
    ):
        taken.setdefault(number, set()).add(person)
    persons = _persons({seat.party_id for seat in seats if seat.party_id}, now=now)
    found: dict[UUID, Seat] = {}
    for seat in seats:
        case = seat.case
        others = taken.get(case.pk, set()) | {case.requester_id}
        if seat.person_id != user.person_id and user.person_id in others:
            continue
        if seat.person_id not in (None, user.person_id) and case.silence_done_at is None:
            continue
        if seat.party_id is not None and seat.party_id not in parties:
            free = [one for one in persons.get(seat.party_id, ()) if one not in others]
            if free and case.silence_done_at is None and seat.person_id != user.person_id:
                continue
        if seat.kind in SIGNING or (seat.kind == "tie_breaker" and case.deadline_at <= now):
            found.setdefault(case.pk, seat)
    return list(found.values())


def _persons(parties: set[UUID], *, now: datetime) -> dict[UUID, list[UUID]]:
    """The persons of each party who have not left, two queries for all."""
    rows = list(Party.objects.filter(pk__in=parties).select_related("person"))
    teams = {row.team_id: row.pk for row in rows if row.team_id is not None}
    found: dict[UUID, list[UUID]] = {
        row.pk: [row.person.pk]
        for row in rows
        if row.person is not None and (row.person.left_at is None or row.person.left_at > now)
    }
    for team, person in (
        Membership.objects.filter(team__in=teams, during__contains=now, superseded_at__isnull=True)
        .filter(Q(person__left_at__isnull=True) | Q(person__left_at__gt=now))
        .values_list("team", "person")
    ):
        found.setdefault(teams[team], []).append(person)
    return found


def _left(seats: list[Seat], *, now: datetime) -> list[Waiting]:
    by_case: dict[UUID, list[tuple[UUID, str]]] = {}
    for case, pk, outcome in Item.objects.filter(
        case__in=[seat.case_id for seat in seats]
    ).values_list("case", "pk", "outcome"):
        by_case.setdefault(case, []).append((pk, outcome))
    answered = set(
        Decision.objects.filter(
            seat__in=[seat.pk for seat in seats], superseded_at__isnull=True
        ).values_list("seat", "item")
    )
    found = []
    for seat in seats:
        items = by_case.get(seat.case_id, [])
        conflicts = sum(outcome == "conflict" for _, outcome in items)
        if seat.kind == "tie_breaker":
            left = conflicts
        else:
            left = sum((seat.pk, pk) not in answered and outcome == "" for pk, outcome in items)
            left += sum(outcome == "conflict" for _, outcome in items)
        if left:
            found.append(Waiting(seat.case, seat, left, len(items), conflicts))
    return sorted(found, key=lambda one: (one.case.deadline_at > now, one.case.deadline_at))


def rows(found: list[Waiting], *, now: datetime) -> list[dict[str, Any]]:
    """Queue rows as templates/queue.html and front.html draw them."""
    fresh = freshness.of_cases([one.case for one in found], now=now)
    return [_row(one, now=now) | {"fresh": fresh.get(one.case.pk)} for one in found]


def _row(one: Waiting, *, now: datetime) -> dict[str, Any]:
    case = one.case
    signals: list[dict[str, Any]] = []
    if case.deadline_at <= now:
        signals.append({"kind": "overdue", "words": "", "url": ""})
    if one.conflicts:
        signals.append({"kind": "conflict", "words": "", "url": f"/cases/{case.key}/"})
    return {
        "key": case.key,
        "due_at": case.deadline_at,
        "what": case.title,
        "url": f"/cases/{case.key}/",
        "sub": f"{case.key} · {DOOR_WORDS[case.door]}, {counted(one.left, 'item')} left for you",
        "seat": SEAT_WORDS[one.seat.kind],
        "silence": deadlines.sentence(case),
        "signals": signals,
        "items_left": one.left,
        "of": one.of,
        "opened_at": case.opened_at,
    }


def tabs(found: list[Waiting], chosen: str) -> list[dict[str, Any]]:
    """All, and one tab for each kind of seat that waits."""
    counts = Counter(one.seat.kind for one in found)
    return [{"words": "All", "n": len(found), "url": "?", "on": not chosen}] + [
        {
            "words": f"As {SEAT_WORDS[kind]}",
            "n": count,
            "url": f"?seat={kind}",
            "on": chosen == kind,
        }
        for kind, count in sorted(counts.items())
    ]
