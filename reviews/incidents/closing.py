"""Closing an incident on proof: put before its closer, sent back to work, closed. Four eyes.

Owns the moves of a case with a room after its work; what has to be true is gate.py.
"""

from datetime import datetime

from django.db import transaction

from identities.models import User
from identities.permissions import NotPossible, require
from identities.reasons import reason_given
from reviews import states
from reviews.actions import entries, opening, reminders
from reviews.incidents import gate, rights, rooms
from reviews.models import Case, Seat

# The moves from wherever the work left it. Only what has nothing left to carry out goes this way.
WAY = {"open": "decide", "decided": "carry_out", "carrying_out": "review", "in_review": "close"}


def refuse(case: Case, *, now: datetime) -> None:
    """NotPossible with all that is missing, if anything is."""
    left = gate.missing(case, now=now)
    if left:
        said = "; ".join(one.words for one in left)
        things = "1 thing is" if len(left) == 1 else f"{len(left)} things are"
        raise NotPossible(f"{things} missing before {case.key} can be closed. {said}.")


def _walk(case: Case, until: str) -> str:
    """The state after the moves that lead there, each of them one of the machine's."""
    state = case.state
    while state != until:
        state = states.after(state, WAY.get(state, "close"), door=case.door)
    return state


def put_before(*, case: Case, by: User, now: datetime) -> Case:
    """Everything is done: whoever is named to close it is asked to look back."""
    with transaction.atomic():
        case, room = rooms.locked(case)
        require(rights.why_not_work(by, case, now=now))
        if case.state == "in_review":
            raise NotPossible(f"{case.key} is before its closer already.")
        refuse(case, now=now)
        closer = rooms.in_role(room, "closer")
        to = _walk(case, "in_review")
        name = "nobody" if closer is None else closer.person.name
        entries.note(
            case,
            act="case.in_review",
            words=f"{by.called} put {case.key} before {name} to be closed",
            by=by,
            now=now,
        )
        reminders.tell(
            case,
            [] if closer is None else [closer.person],
            occasion=f"look back {now.isoformat()}",
            subject="an incident waits to be closed",
            body="Nothing is missing any more. Look back at it, and close it or send it back.",
            now=now,
        )
        entries.changed(case, state=to, decided_at=case.decided_at or now)
    return case


def send_back(*, case: Case, reason: str, by: User, now: datetime) -> Case:
    """The look back found it unfinished: it is worked on again."""
    with transaction.atomic():
        case, room = rooms.locked(case)
        require(rights.why_not_send_back(by, case, now=now))
        reason = reason_given(reason, what="what is not finished")
        to = entries.moved(case, "send_back")
        entries.note(
            case,
            act="incident.sent_back",
            words=f"{by.called} sent {case.key} back: {reason}"[:1_000],
            by=by,
            now=now,
            data={"reason": reason},
        )
        lead = rooms.in_role(room, "lead")
        reminders.tell(
            case,
            [] if lead is None else [lead.person],
            occasion=f"sent back {now.isoformat()}",
            subject="it is sent back",
            body=f"{by.called} looked back at the incident and found it unfinished. Its room says why.",
            now=now,
        )
        entries.changed(case, state=to)
    return case


def close(*, case: Case, words: str, by: User, now: datetime, version: int) -> Case:
    """Look back at it and close it: another named person, and nothing is missing."""
    with transaction.atomic():
        case, room = rooms.locked(case)
        require(rights.why_not_close(by, case, now=now))
        words = reason_given(words, what="what you looked at, and what you found")
        refuse(case, now=now)
        if case.version != version:
            raise NotPossible(
                f"{case.key} has changed since you opened it: read it, then close it."
            )
        to = _walk(case, "closed")
        last = case.seats.count()
        Seat.objects.create(case=case, kind="closer", person=by.person, position=last)
        room.takes = None
        room.save(update_fields=["takes"])
        entries.note(
            case,
            act="case.closed",
            words=f"{by.called} closed {case.key}: {words}"[:1_000],
            by=by,
            now=now,
            data={
                "conclusion": words,
                "outcome": room.outcome,
                "lessons": room.lessons,
                "capsule": None if room.capsule is None else room.capsule.key,
            },
        )
        entries.changed(
            case,
            state=to,
            decided_at=case.decided_at or now,
            closed_at=now,
            closed_by=by.ref,
        )
    return case


def open_review(*, case: Case, by: User, now: datetime) -> Case:
    """Ask about all that its identity may do, as everywhere else; the review that is open is given."""
    with transaction.atomic():
        case, _ = rooms.locked(case)
        require(rights.why_not_work(by, case, now=now))
        if case.identity is None:
            raise NotPossible(f"{case.key} names no identity.")
        # Others read the review than a sealed incident.
        why = "" if case.sealed else f"After the incident {case.key}: "
        review = opening.open_review(
            identity=case.identity,
            by=by,
            now=now,
            reason=f"{why}what it may do from now on",
        )
        entries.note(
            case,
            act="incident.review",
            words=f"{by.called} had {case.identity.name} reviewed again: {review.key}",
            by=by,
            now=now,
            data={"review": review.key},
        )
        entries.changed(case)
    return review
