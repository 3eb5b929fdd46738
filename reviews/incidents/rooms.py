"""The room beside the case of an incident: made with it, found by it, its severity and its roles.

Owns Room and RoomRole rows. Every act here locks the case first, as all acts on a case do.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction

from identities import as_read
from identities.acting import By, acting
from identities.models import Person, User
from identities.permissions import NotPossible, require
from identities.reasons import reason_given
from reviews import incident_hours
from reviews.actions import clock, entries, handing, policy_versions, reminders, rungs
from reviews.actions.asked import Asked
from reviews.incidents import rights
from reviews.models import Case, HandOver, Question, ReviewPolicy, Room, RoomRole
from reviews.models.incidents import ROLES, SEVERITIES

# What every incident asks, in this order (screens.md 4).
STANDARD = {
    "key": "Which key was misused?",
    "who": "Who used it?",
    "how": "How did it get out?",
    "taken": "What was taken?",
    "going_on": "Is it still going on?",
}
ROLE_WORDS = {"lead": "lead", "comms": "comms", "scribe": "scribe", "closer": "closer"}


def room_of(case: Case) -> Room:
    """The room of an incident, or NotPossible where the case has none."""
    found = Room.objects.filter(case=case).first()
    if found is None:
        raise NotPossible(rights.NO_ROOM)
    found.case = case
    return found


def make_all(rooms: Iterable[Room], *, by: By, now: datetime) -> None:
    """Write these rooms of new cases, with the questions that every incident asks."""
    who = acting(by)
    made = Room.objects.bulk_create(rooms)
    Question.objects.bulk_create(
        Question(
            room=room,
            number=number,
            words=words,
            standard=standard,
            asked_at=now,
            asked_by=who.ref,
            asked_by_name=who.name,
        )
        for room in made
        for number, (standard, words) in enumerate(STANDARD.items(), start=1)
    )


def locked(case: Case) -> tuple[Case, Room]:
    """The case and its room, locked until the transaction ends."""
    case = entries.locked(case.pk)
    return case, room_of(case)


def severity_of(said: str) -> str:
    """One of the four severities, or NotPossible."""
    if said not in SEVERITIES:
        raise NotPossible(f"Say how severe it is: {', '.join(SEVERITIES)}.")
    return said


def set_severity(*, case: Case, severity: str, reason: str, by: User, now: datetime) -> Room:
    """Say how severe it is, and why that has changed."""
    with transaction.atomic():
        case, room = locked(case)
        require(rights.why_not_work(by, case, now=now))
        severity = severity_of(severity)
        reason = reason_given(reason, what="why it is more or less severe")
        if severity == room.severity:
            raise NotPossible(f"{case.key} is {severity} already.")
        _severity(room, severity, reason, by=by, now=now)
        entries.changed(case)
    return room


def raise_severity(room: Room, severity: str, reason: str, *, by: By, now: datetime) -> None:
    """What joins an incident makes it more severe, never less. Of a locked case."""
    if SEVERITIES.index(severity) > SEVERITIES.index(room.severity):
        _severity(room, severity, reason, by=by, now=now)


def _severity(room: Room, severity: str, reason: str, *, by: By, now: datetime) -> None:
    before, room.severity = room.severity, severity
    room.save(update_fields=["severity"])
    entries.note(
        room.case,
        act="incident.severity",
        words=f"{acting(by).name} made {room.case.key} {severity}, it was {before}: {reason}",
        by=by,
        now=now,
        data={"severity": severity, "before": before, "reason": reason},
    )
    if SEVERITIES.index(severity) > SEVERITIES.index(before):
        _sooner(room.case, severity, by=by, now=now)


def time_for(severity: str, policy: ReviewPolicy | None) -> timedelta:
    """How long the seats have to answer, by the policy of their case."""
    hours = incident_hours.HOURS
    if policy is not None:
        hours = policy_versions.document_of(policy).incident_hours
    return timedelta(hours=hours[severity])


def _sooner(case: Case, severity: str, *, by: By, now: datetime) -> None:
    """The deadline of a locked case that became more severe: counted from now, if that is earlier.
    It is never over at once, and nothing makes it later."""
    before, due = case.deadline_at, now + time_for(severity, case.policy)
    if case.state != "open" or case.silence_done_at is not None or due >= before:
        return
    case.deadline_at = due
    # What did not count of the time until now; of time that is yet to come, nothing is left over.
    case.not_counted = min(case.not_counted, now - case.counts_from)
    case.save(update_fields=["deadline_at", "not_counted"])
    rungs.move([rungs.Moved(case.pk, due - before)], now=now)
    words = f"{clock.in_words(before)} to {clock.in_words(due)}"
    entries.note(
        case,
        act="case.deadline_moved",
        words=f"The deadline of {case.key} moved from {words}. It is {severity}.",
        by=by,
        now=now,
        data={"from": before.isoformat(), "to": due.isoformat()},
    )
    reminders.tell(
        case,
        Asked([case], now=now).waiting_for(case),
        occasion=f"moved {due.isoformat()}",
        subject="there is less time to decide",
        body=f"It is {severity} now: your answers are due on {clock.in_words(due)}.",
        now=now,
    )


def in_role(room: Room, role: str) -> RoomRole | None:
    """Who has this role now."""
    return room.roles.filter(role=role, until__isnull=True).select_related("person").first()


def name_role(*, case: Case, role: str, to: str, by: User, now: datetime) -> RoomRole:
    """Give somebody a role in the room, in place of who has it; they are told."""
    with transaction.atomic():
        case, room = locked(case)
        require(rights.why_not_work(by, case, now=now))
        person = _person(case, to, now=now)
        if role not in ROLES:
            raise NotPossible(f"Say which role: {', '.join(ROLES)}.")
        if role == "closer":
            if person.pk == by.person_id:
                raise NotPossible("Nobody names themselves: somebody else says who closes it.")
            why = rights.why_not_closer(person, case)
            if why is not None:
                raise NotPossible(why)
        row = give(room, role, person, by=by, now=now)
        entries.changed(case)
    return row


def give(room: Room, role: str, person: Person, *, by: By, now: datetime) -> RoomRole:
    """Whoever has it has it no more. Of a locked case. Who has it by their own word can be named by
    another person, which is what a lead needs who revokes (containment_rights.py)."""
    who, case = acting(by), room.case
    before = in_role(room, role)
    if before is not None and before.person_id == person.pk:
        again = who.user is None or who.user.person_id == person.pk
        if again or not room.roles.filter(rights.own_word(), pk=before.pk).exists():
            raise NotPossible(f"{person.name} is {ROLE_WORDS[role]} of {case.key} already.")
    if role != "closer" and _closes(room, person):
        raise NotPossible(f"{person.name} closes {case.key}, and so has no other role in it.")
    if before is not None:
        before.until = max(now, before.since)
        before.save(update_fields=["until"])
    row = RoomRole.objects.create(
        room=room, role=role, person=person, since=now, by=who.ref, by_name=who.name
    )
    other = before is not None and before.person_id != person.pk
    was = f", in place of {before.person.name}" if before is not None and other else ""
    entries.note(
        case,
        act="incident.role",
        words=f"{who.name} made {person.name} {ROLE_WORDS[role]} of {case.key}{was}",
        by=by,
        now=now,
        data={
            "role": role,
            "person": str(person.pk),
            "before": None if before is None else str(before.person_id),
        },
    )
    if who.user is None or who.user.person_id != person.pk:
        reminders.tell(
            case,
            [person],
            occasion=f"role {row.pk}",
            subject=f"you are its {ROLE_WORDS[role]}",
            body=f"{who.name} named you {ROLE_WORDS[role]} of this incident.",
            now=now,
        )
    return row


def _closes(room: Room, person: Person) -> bool:
    closer = in_role(room, "closer")
    return closer is not None and closer.person_id == person.pk


def _person(case: Case, to: str, *, now: datetime) -> Person:
    """The person of this name who is here and may know of the case, or NotPossible."""
    person = handing.party_called(to).person
    if person is None:
        raise NotPossible(f"{to.strip()[:100]} is a team: name one person of it.")
    if person.left_at is not None and person.left_at <= now:
        raise NotPossible(f"{person.name} has left: name somebody who is here.")
    if case.sealed and not case.members.filter(person=person).exists():
        raise NotPossible(f"{person.name} is not named to this sealed case.")
    return person


def hand_over(
    *, case: Case, to: str, known: str, unknown: str, by: User, now: datetime
) -> HandOver:
    """Give the lead to somebody else, with what they have to know."""
    with transaction.atomic():
        case, room = locked(case)
        require(rights.why_not_work(by, case, now=now))
        known = reason_given(known, what="what is known")
        unknown = reason_given(unknown, what="what is open")
        person = _person(case, to, now=now)
        give(room, "lead", person, by=by, now=now)
        note = HandOver.objects.create(
            room=room,
            known=known,
            unknown=unknown,
            to=person,
            at=now,
            by=by.ref,
            by_name=by.called,
        )
        entries.note(
            case,
            act="incident.handed_over",
            words=f"{by.called} handed {case.key} over to {person.name}. Known: {known} Open:"
            f" {unknown}"[:1_000],
            by=by,
            now=now,
            data={"to": str(person.pk), "known": known, "open": unknown},
        )
        entries.changed(case)
    return note


def _say(
    case: Case, field: str, words: str, what: str, *, read: str | None, by: User, now: datetime
) -> Room:
    with transaction.atomic():
        case, room = locked(case)
        require(rights.why_not_work(by, case, now=now))
        words = reason_given(words, what=what)
        as_read.require_same(read, [getattr(room, field)], what=f"What is written of the {field}")
        said = {
            field: words,
            f"{field}_at": now,
            f"{field}_by": by.ref,
            f"{field}_by_name": by.called,
        }
        for name, value in said.items():
            setattr(room, name, value)
        room.save(update_fields=list(said))
        entries.note(
            case,
            act=f"incident.{field}",
            words=f"{by.called} wrote the {field} of {case.key}: {words}"[:1_000],
            by=by,
            now=now,
            data={field: words},
        )
        entries.changed(case)
    return room


def write_outcome(
    *, case: Case, words: str, by: User, now: datetime, read: str | None = None
) -> Room:
    """What the incident came to. Written again, it replaces; the ledger keeps each. `read`: the mark
    of what stood there when the form was opened (identities/as_read.py)."""
    return _say(case, "outcome", words, "what it came to", read=read, by=by, now=now)


def note_lessons(
    *, case: Case, words: str, by: User, now: datetime, read: str | None = None
) -> Room:
    """What is done differently from now on; as the outcome."""
    what = "what is done differently from now on"
    return _say(case, "lessons", words, what, read=read, by=by, now=now)
