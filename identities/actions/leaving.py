"""Saying that somebody has left, is back or has moved; ending what they could sign in with.

What they answered for is settled above, at once: it looks by itself who is gone. Logins of who
is back stay off until an administrator makes them work again (`manage.py login`); a token is made
anew.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from evidence import ledger, nudge
from evidence.words import counted
from identities.acting import By, acting
from identities.actions import changes
from identities.actions.changes import Line
from identities.models import ApiToken, Membership, Person, ProposedChange, Team, User
from identities.permissions import NotPossible, require, why_not_say_who_left
from identities.reasons import reason_given

# What is said of longer ago was known to the house by other means, or is a slip of the pen.
LONGEST_AGO = timedelta(days=3_660)
LONGEST_AHEAD = timedelta(days=366)

KIND = "leaving"

type Waits = Callable[[Collection[Person]], Mapping[UUID, str]]
# Whose word waits, as whoever knows it says (reviews/apps.py): this layer knows no cases.
_WAITS: list[Waits] = []


def waits_for(those: Waits) -> None:
    """Whose word it waits for, said once when the applications are ready."""
    if those not in _WAITS:
        _WAITS.append(those)


def waited_for(people: Collection[Person]) -> dict[UUID, str]:
    """Of these people, those whose signature something waits for, and what that is."""
    found: dict[UUID, str] = {}
    for one in _WAITS if people else ():
        found |= one(people)
    return found


def say(
    *, person: Person, at: datetime | None, reason: str, by: User, now: datetime
) -> ProposedChange | None:
    """One person says that somebody leaves, or has left, at this moment; None: that they are here.
    A second person signs it. None where it is so already."""
    require(why_not_say_who_left(by, person, now=now))
    if at is not None:
        _near(at, now=now)
    if person.left_at == at:
        return None
    return changes.propose(
        kind=KIND,
        subject=f"person:{person.pk}",
        title=f"person {person.name}",
        document={"person": str(person.pk), "left": None if at is None else at.isoformat()},
        lines=lines(person, at),
        reason=reason,
        by=by,
        now=now,
    )


def lines(person: Person, at: datetime | None) -> list[Line]:
    """What is said of them, as two people sign it."""
    was, then = (
        "here" if one is None else f"left on {one:%Y-%m-%d %H:%M} UTC"
        for one in (person.left_at, at)
    )
    return [Line(f"person {person.name}", f"{was} → {then}")]


def proposed(**of: Any) -> QuerySet[ProposedChange]:
    """What is said of people and waits for a second person."""
    return ProposedChange.objects.filter(kind=KIND, state="proposed", **of)


def leave(*, person: Person, at: datetime, reason: str, by: By, now: datetime) -> Person:
    """They leave, or have left, at this moment. The same twice is once."""
    with transaction.atomic():
        person = Person.objects.select_for_update().get(pk=person.pk)
        require(why_not_say_who_left(by, person, now=now))
        _near(at, now=now)
        if person.left_at == at:
            return person
        reason = reason_given(reason, what="who said so, or where it stands")
        was, person.left_at = person.left_at, at
        person.save(update_fields=["left_at"])
        verb = "left" if at <= now else "leaves"
        words = f"{person.name} {verb} on {at:%Y-%m-%d %H:%M} UTC: {reason}"
        data: dict[str, Any] = {
            "left_at": at.isoformat(),
            "was": None if was is None else was.isoformat(),
        }
        _note(person, "person.left", words, data, by=by, now=now)
    return person


def come_back(*, person: Person, reason: str, by: By, now: datetime) -> Person:
    """They have not left, or are back. What went to others meanwhile stays theirs."""
    with transaction.atomic():
        person = Person.objects.select_for_update().get(pk=person.pk)
        require(why_not_say_who_left(by, person, now=now))
        if person.left_at is None:
            return person
        reason = reason_given(reason, what="who said so, or where it stands")
        was, person.left_at = person.left_at, None
        person.save(update_fields=["left_at"])
        words = f"{person.name} is here, and has not left on {was:%Y-%m-%d}: {reason}"
        _note(person, "person.back", words, {"was": was.isoformat()}, by=by, now=now)
    return person


def move(
    *, person: Person, to: Team | None, at: datetime, reason: str, by: By, now: datetime
) -> str:
    """From this moment they are in `to`, and no longer in the teams they were in before; what that
    changes, "" for nothing. A team that they joined later stays theirs."""
    with transaction.atomic():
        person = Person.objects.select_for_update().get(pk=person.pk)
        require(why_not_say_who_left(by, person, now=now))
        _near(at, now=now)
        rows = list(
            Membership.objects.select_for_update(of=("self",))
            .select_related("team")
            .filter(person=person, superseded_at__isnull=True)
            .order_by("team__name")
        )
        left, joins = elsewhere(rows, to, at=at)
        if not left and not joins:
            return ""
        reason = reason_given(reason, what="who said so, or where it stands")
        _end(left, at=at, now=now)
        if to is not None and joins:
            Membership.objects.create(team=to, person=person, during=(at, None), recorded_at=now)
        names = [one.team.name for one in left]
        said = (
            f"moves on {at:%Y-%m-%d %H:%M} UTC from {', '.join(names) or 'no team'} to"
            f" {to or 'no team'}"
        )
        data: dict[str, Any] = {
            "from": names,
            "to": None if to is None else to.name,
            "at": at.isoformat(),
        }
        _note(person, "person.moved", f"{person.name} {said}: {reason}", data, by=by, now=now)
    return said


def elsewhere(
    rows: Iterable[Membership], to: Team | None, *, at: datetime
) -> tuple[list[Membership], bool]:
    """What a move changes: the memberships that end by it, and whether one begins."""
    lasting = [one for one in rows if one.during.upper is None or one.during.upper > at]
    here = None if to is None else to.pk
    left = [
        one
        for one in lasting
        if one.team_id != here and (one.during.lower is None or one.during.lower < at)
    ]
    return left, here is not None and all(one.team_id != here for one in lasting)


def _end(rows: list[Membership], *, at: datetime, now: datetime) -> None:
    """These end at that moment: versions, nothing is changed in place (decisions 7)."""
    Membership.objects.filter(pk__in=[one.pk for one in rows]).update(superseded_at=now)
    Membership.objects.bulk_create(
        [
            Membership(
                team_id=one.team_id,
                person_id=one.person_id,
                during=(one.during.lower, at),
                recorded_at=now,
            )
            for one in rows
        ]
    )


def _near(at: datetime, *, now: datetime) -> None:
    if not now - LONGEST_AGO <= at <= now + LONGEST_AHEAD:
        raise NotPossible(
            f"{at:%Y-%m-%d} is too far away: say a day within the last ten years or the next year."
        )


def _note(
    person: Person, act: str, words: str, data: dict[str, Any], *, by: By, now: datetime
) -> None:
    who = acting(by)
    ledger.append(
        at=now,
        by=who.ref,
        by_name=who.name,
        act=act,
        subject=f"person:{person.pk}",
        words=words[:1_000],
        data=data,
    )
    nudge.after_commit("people.changed")


def end_access(*, person: Person, by: By, now: datetime, because: str) -> list[str]:
    """Nothing of theirs signs in any more; what was ended, in sentences."""
    with transaction.atomic():
        logins = list(
            User.objects.select_for_update(of=("self",))
            .filter(person=person, is_active=True)
            .order_by("username")
        )
        User.objects.filter(pk__in=[one.pk for one in logins]).update(is_active=False)
        tokens = ApiToken.objects.filter(
            user__person=person, revoked_at__isnull=True, expires_at__gt=now
        ).update(revoked_at=now)
        said = [f"The login {one.username} was switched off." for one in logins]
        if tokens:
            said.append(f"{counted(tokens, 'API token was', 'API tokens were')} revoked.")
        if said:
            who = acting(by)
            ledger.append(
                at=now,
                by=who.ref,
                by_name=who.name,
                act="person.access_ended",
                subject=f"person:{person.pk}",
                words=f"{person.name}: {' '.join(said)} {because}"[:1_000],
                data={"logins": [str(one.pk) for one in logins], "tokens": tokens},
            )
    return said
