"""Sealing a case, now or from its first moment: from then on it is absent but for its members.

Owns the order in which that happens: the case is locked, so whoever signs in it is before or after;
then it is sealed, and everything that follows from it is written as a commitment. What was told and
written before cannot be taken back; what was not sent yet is not sent.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from identities.acting import acting
from identities.models import Identity, Party, Person, User
from identities.permissions import NotPossible, require
from identities.reasons import reason_given
from reviews.actions import entries, reminders
from reviews.actions.opening import locked
from reviews.incidents import opening, rooms
from reviews.models import Case, CaseMember, CaseSubject, Notice, Room, RoomRole, Sealing, Task
from reviews.permissions import subjects_of

from . import naming, rights, seats, withheld

WHY = "why only some may know of it"


class Named(NamedTuple):
    """Who may know of a case, whom it is about, and who sits instead of whom, by the id of a
    seat or its kind."""

    members: Sequence[Person]
    subjects: Sequence[Person] = ()
    instead: Mapping[str, Person] = {}


def seal(*, case: Case, named: Named, reason: str, by: User, now: datetime) -> Sealing:
    """Seal a case to these members, of whom whoever seals it is one."""
    with transaction.atomic():
        case = entries.locked(case.pk)
        require(rights.why_not_seal(by, case, now=now))
        reason = reason_given(reason, what=WHY)
        row = _enclose(case, named, reason, by=by, now=now)
        tell(case, [one for one in named.members if one.pk != by.person_id], by=by, now=now)
    return row


def open_sealed(
    *,
    identity: Identity,
    new: opening.New,
    named: Named,
    reason: str,
    by: User,
    now: datetime,
) -> Case:
    """Open an incident of an identity that is sealed from its first moment. It joins none, and none
    joins it. `reason`: why only some may know of it."""
    with transaction.atomic():
        identity = locked([identity.pk])[0]
        require(rights.why_not_open_sealed(by, identity, now=now))
        reason = reason_given(reason, what=WHY)
        what = reason_given(new.reason, what="what happened")
        new = _checked(new._replace(identity=identity, reason=what))
        # What is open of the same identity goes on taking what comes.
        taking = Room.objects.filter(takes=identity).values_list("pk", flat=True).first()
        case = opening.make_all([new], by=by, now=now)[0]
        case = entries.locked(case.pk)
        _enclose(case, named, reason, by=by, now=now)
        if taking is not None:
            Room.objects.filter(pk=taking).update(takes=identity)
        opening.send_all([(case, new)], by=by, now=now)
        if by.person is not None:
            rooms.give(rooms.room_of(case), "lead", by.person, by=by, now=now)
        tell(case, [one for one in named.members if one.pk != by.person_id], by=by, now=now)
    return case


def _checked(new: opening.New) -> opening.New:
    title = " ".join(new.title.replace("\0", "").split())
    if not title or len(title) > opening.LONGEST_TITLE:
        raise NotPossible(
            f"Give it a title of at most {opening.LONGEST_TITLE} characters: what happened."
        )
    return new._replace(title=title, severity=rooms.severity_of(new.severity))


def _enclose(case: Case, named: Named, reason: str, *, by: User, now: datetime) -> Sealing:
    """Everything that makes a locked case a sealed one."""
    own = [] if by.person is None else [by.person]
    members = {one.pk: one for one in (*named.members, *own)}
    subjects = {one.pk: one for one in named.subjects}
    about = {*subjects_of(case), *subjects}
    naming.check_members(list(members.values()), case=case, subjects=about, now=now)
    naming.check_enough(members)
    rows = withheld.earlier_rows(case)
    CaseMember.objects.filter(case=case).exclude(person__in=members).delete()
    known = set(case.members.values_list("person", flat=True))
    CaseMember.objects.bulk_create(
        CaseMember(case=case, person=one, since=now)
        for one in members.values()
        if one.pk not in known
    )
    CaseSubject.objects.bulk_create(
        [CaseSubject(case=case, person=one, since=now) for one in subjects.values()],
        ignore_conflicts=True,
    )
    row = Sealing.objects.create(
        case=case,
        reason=reason,
        sealed_at=now,
        sealed_by=by.ref,
        sealed_by_name=by.called,
        rows=rows,
    )
    # Sealed before anything follows from it, so that nothing of that says why.
    entries.changed(case, sealed=True)
    row.words = withheld.neutral(case)
    row.save(update_fields=["words"])
    changes = seats.empty(
        case, members=members, subjects=about, instead=named.instead, by=by, now=now
    )
    _room(case, members, by=by, now=now)
    unsent(case, members)
    entries.note(
        case,
        act="case.sealed",
        words=f"{by.called} sealed {case.key} to {_names(members.values())}: {reason}"[:1_000],
        by=by,
        now=now,
        data={
            "reason": reason,
            "members": sorted(map(str, members)),
            "subjects": sorted(map(str, subjects)),
            "seats": changes,
            "earlier_rows": len(rows),
        },
    )
    return row


def _names(persons: Iterable[Person]) -> str:
    return ", ".join(sorted(one.name for one in persons))


def _room(case: Case, members: Mapping[UUID, Person], *, by: User, now: datetime) -> None:
    """In its room only members have a role or something to do, and nothing joins it."""
    Room.objects.filter(case=case).update(takes=None)
    RoomRole.objects.filter(room__case=case, until__isnull=True).exclude(person__in=members).update(
        until=now
    )
    theirs = Q(owner__person__in=members) | Q(
        owner__team__memberships__person__in=members,
        owner__team__memberships__during__contains=now,
        owner__team__memberships__superseded_at__isnull=True,
    )
    open_ = Task.objects.filter(room__case=case, state="open")
    if by.person is not None and (left := open_.exclude(pk__in=open_.filter(theirs).values("pk"))):
        party = Party.objects.get_or_create(person=by.person)[0]
        Task.objects.filter(pk__in=[one.pk for one in left]).update(owner=party)


def unsent(case: Case, members: Collection[UUID]) -> None:
    """What waits to be sent of it to anybody else, or to an address, is not sent."""
    waiting = Notice.objects.filter(case=case.pk, sent_at__isnull=True)
    waiting.exclude(person__in=list(members), person__isnull=False).delete()


def tell(case: Case, members: Sequence[Person], *, by: User, now: datetime) -> None:
    """Who is named to a sealed case learns of it."""
    reminders.tell(
        case,
        members,
        occasion=f"member since {now.isoformat()}",
        subject="you are named to a sealed case",
        body=f"{acting(by).name} named you to a sealed case. Nobody else sees that it exists: talk"
        " about it with its members only, and inside it.",
        now=now,
    )
