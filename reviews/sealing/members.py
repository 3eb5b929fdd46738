"""Who may know of a sealed case: people are named to it and taken off it again, never the last two.

Owns changes of CaseMember and CaseSubject while a case is sealed. Its row is locked first, so two
removals at once are one after the other; the database holds the same (migration 0037).
"""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from django.db import transaction

from identities.models import Person, User
from identities.permissions import NotPossible, require
from identities.reasons import reason_given
from reviews.actions import entries
from reviews.models import Case, CaseMember, CaseSubject, RoomRole
from reviews.permissions import subjects_of

from . import enclosing, naming, rights, seats


def add(*, case: Case, person: Person, reason: str, by: User, now: datetime) -> CaseMember:
    """Name somebody to a sealed case; they see all of it from now on, and are told."""
    with transaction.atomic():
        case = entries.locked(case.pk)
        require(rights.why_not_change_members(by, case, now=now))
        reason = reason_given(reason, what="why they have to know")
        naming.check_members([person], case=case, subjects=subjects_of(case), now=now)
        known = _members(case)
        if person.pk in known:
            raise NotPossible(f"{person.name} is a member already.")
        if len(known) >= naming.MOST:
            raise NotPossible(f"At most {naming.MOST} people: more is no secret.")
        row = CaseMember.objects.create(case=case, person=person, since=now)
        _note(case, "named", f"named {person.name} to {case.key}", person, reason, by, now)
        enclosing.tell(case, [person], by=by, now=now)
        entries.changed(case)
    return row


def remove(*, case: Case, person: Person, reason: str, by: User, now: datetime) -> None:
    """Take somebody off a sealed case: it is absent for them from this moment on."""
    with transaction.atomic():
        case = entries.locked(case.pk)
        require(rights.why_not_change_members(by, case, now=now))
        reason = reason_given(reason, what="why they do not have to know any more")
        known = _members(case)
        if person.pk not in known:
            raise NotPossible(f"{person.name} is no member.")
        left = known - {person.pk}
        naming.check_enough(left)
        CaseMember.objects.filter(case=case, person=person).delete()
        RoomRole.objects.filter(room__case=case, person=person, until__isnull=True).update(
            until=now
        )
        changes = seats.empty(
            case, members=left, subjects=subjects_of(case), instead={}, by=by, now=now
        )
        enclosing.unsent(case, left)
        _note(
            case,
            "removed",
            f"took {person.name} off {case.key}",
            person,
            reason,
            by,
            now,
            seats=changes,
        )
        entries.changed(case)


def name_subject(
    *,
    case: Case,
    person: Person,
    instead: Mapping[str, Person],
    reason: str,
    by: User,
    now: datetime,
) -> CaseSubject:
    """Say that the case is about somebody: they are out of its seats at once, and never a member.

    `instead`: who sits in their seats, by the id or the kind of a seat.
    """
    with transaction.atomic():
        case = entries.locked(case.pk)
        require(rights.why_not_change_members(by, case, now=now))
        reason = reason_given(reason, what="why the case is about them")
        members = _members(case)
        if person.pk in members:
            raise NotPossible(f"{person.name} is a member: take them off the case first.")
        if case.subjects.filter(person=person).exists():
            raise NotPossible(f"The case is about {person.name} already.")
        row = CaseSubject.objects.create(case=case, person=person, since=now)
        changes = seats.empty(
            case, members=members, subjects=subjects_of(case), instead=instead, by=by, now=now
        )
        words = f"said that {case.key} is about {person.name}"
        _note(case, "subject", words, person, reason, by, now, seats=changes)
        entries.changed(case)
    return row


def _members(case: Case) -> set[UUID]:
    return set(case.members.values_list("person", flat=True))


def _note(
    case: Case,
    what: str,
    words: str,
    person: Person,
    reason: str,
    by: User,
    now: datetime,
    **more: object,
) -> None:
    entries.note(
        case,
        act=f"case.member_{what}",
        words=f"{by.called} {words}: {reason}"[:1_000],
        by=by,
        now=now,
        data={"person": str(person.pk), "reason": reason, **more},
    )
