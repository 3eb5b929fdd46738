"""Who may open an incident, work in its room and close it; and the sentence why not.

Owns the `why_not_…` of rooms. Independence is judged on persons: whom an incident is about does not
work in it, and whoever has acted in it does not close it.
"""

from datetime import datetime

from django.db.models import Exists, OuterRef, TextField, Value
from django.db.models.functions import Cast, Concat

from evidence.models import LedgerEntry
from identities.models import Identity, Person, User
from identities.permissions import AUDITOR, LEFT, answers_for, cannot_decide, cannot_sign, groups
from reviews import permissions
from reviews.models import Case, Room

OPENING = frozenset({"responder"})
CLOSING = frozenset({"reviewer", "responder", "administrator"})
OVER = ("closed", "cancelled")
NO_ROOM = "This case is no incident with a room."
# What a closer does before it is closed, and what changes nothing in it, is no work in it.
LOOKING_BACK = ("incident.sent_back", "comment.written", "case.pack")


def why_not_open(user: User, identity: Identity, *, now: datetime) -> str | None:
    """Open an incident of an identity, or add to the one that is open."""
    why = _why_not_act(user, now=now)
    if why is not None:
        return why
    if user.person_id in permissions.subject_persons(identity):
        return f"You are the subject: somebody else opens an incident of {identity.name}."
    if not groups(user).isdisjoint(OPENING) or answers_for(user, identity, now=now):
        return None
    return f"Only a responder or who answers for {identity.name} may open an incident of it."


def why_not_work(user: User, case: Case, *, now: datetime) -> str | None:
    """Ask, conclude, give tasks and name roles in the room."""
    why = _why_not_there(user, case, now=now)
    if why is not None:
        return why
    if not groups(user).isdisjoint(OPENING):
        return None
    if case.identity is not None and answers_for(user, case.identity, now=now):
        return None
    if _has_role(user, case) or _sits(user, case, now=now):
        return None
    return (
        f"Only a responder, who answers for the identity, who sits in {case.key} or has a role in"
        " its room works in it."
    )


def own_word() -> Exists:
    """Of a row of RoomRole: whether the person has the role because they said so themselves."""
    ref = Concat(Value("user:"), Cast("pk", TextField()), output_field=TextField())
    logins = User.objects.filter(person=OuterRef("person")).annotate(called_ref=ref)
    return Exists(logins.filter(called_ref=OuterRef("by")))


def why_not_end_task(user: User, case: Case, owner: object, *, now: datetime) -> str | None:
    """Say that a task is done or dropped: its owner, or whoever works in the room. `owner`: the
    key of its party."""
    why = _why_not_there(user, case, now=now)
    if why is None and owner in permissions.mine(user, now=now):
        return None
    return why or why_not_work(user, case, now=now)


def why_not_send_back(user: User, case: Case, *, now: datetime) -> str | None:
    """Send it back to work after a look: whoever may close it."""
    why = why_not_close(user, case, now=now)
    if why is not None:
        return why
    if case.state != "in_review":
        return f"{case.key} is {case.state.replace('_', ' ')}: nobody looks back at it yet."
    return None


def why_not_close(user: User, case: Case, *, now: datetime) -> str | None:
    """Close it: another named person, who has not acted in it."""
    said = "Only a reviewer, a responder or an administrator may close an incident."
    why = cannot_sign(user, CLOSING, said, now=now)
    if why is not None:
        return why
    if not Room.objects.filter(case=case).exists():
        return NO_ROOM
    if case.state in OVER:
        return f"{case.key} is {case.state}: nothing comes after that."
    if user.person is None:
        return permissions.NOBODY
    why = why_not_closer(user.person, case, who="You")
    if why is not None:
        return why
    named = case.room.roles.filter(role="closer", until__isnull=True).first()
    if named is None:
        return "Nobody is named to close it: name somebody who has not acted in it first."
    if named.person_id != user.person_id:
        return f"{named.person.name} is named to close it."
    return None


def why_not_closer(person: Person, case: Case, *, who: str = "") -> str | None:
    """What bars a person from closing it; `who`: "You", or else their name is said."""
    said, have, be = (who, "have", "are") if who else (person.name, "has", "is")
    if person.pk in permissions.subjects_of(case):
        return f"{said} {be} the subject of this incident: somebody else closes it."
    if has_acted(person, case):
        return f"{said} {have} acted in this incident: somebody who has not closes it."
    return None


def has_acted(person: Person, case: Case) -> bool:
    """Whether anything in the case is this person's act: a signature, a role other than the
    closer's, or a row of the ledger about it."""
    seats = case.seats.all()
    if any(person.pk in (one.person_id, *one.signed_before) for one in seats):
        return True
    if case.automatic_holds.filter(settled_person=person.pk).exists():
        return True
    if case.room.roles.filter(person=person).exclude(role="closer").exists():
        return True
    refs = [f"user:{pk}" for pk in person.users.values_list("pk", flat=True)]
    acts = LedgerEntry.objects.filter(subject=case.key, by__in=refs)
    return acts.exclude(act__in=LOOKING_BACK).exists()


def _why_not_act(user: User, *, now: datetime) -> str | None:
    """What bars a login from any act here, whatever group it is in."""
    if why := cannot_decide(user):
        return why
    if "auditor" in groups(user):
        return AUDITOR
    if user.person is None:
        return permissions.NOBODY
    if user.person.left_at is not None and user.person.left_at <= now:
        return LEFT
    return None


def _why_not_there(user: User, case: Case, *, now: datetime) -> str | None:
    """What bars anybody from any act in a room."""
    why = _why_not_act(user, now=now)
    if why is not None:
        return why
    if not Room.objects.filter(case=case).exists():
        return NO_ROOM
    if case.state in OVER:
        return f"{case.key} is {case.state}: nothing is changed in it."
    if case.sealed and not case.members.filter(person=user.person).exists():
        return permissions.ABSENT
    if user.person_id in permissions.subjects_of(case):
        return "You are the subject of this incident: others work in it."
    return None


def _has_role(user: User, case: Case) -> bool:
    roles = case.room.roles.filter(person=user.person, until__isnull=True)
    return roles.exclude(role="closer").exists()


def _sits(user: User, case: Case, *, now: datetime) -> bool:
    mine = permissions.mine(user, now=now)
    return any(
        seat.party_id in mine or seat.backup_id in mine
        for seat in case.seats.all()
        if seat.kind in permissions.SIGNING
    )
