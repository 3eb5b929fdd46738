"""Questions of a room and what is concluded on them, each conclusion bound to events.

Owns Question and Conclusion rows. A conclusion is as strong as the weakest link under it, and what
rests on an inferred one is a hypothesis. What is not in evidence acquits nobody: that something did
not happen is never more than a hypothesis, and none where a source is not shown to be complete. A
changed conclusion takes the place of the one before, which stays.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Max

from evidence.queries.events import one
from evidence.vocabulary import INFERRED, STRENGTHS
from evidence.words import counted
from identities.models import User
from identities.permissions import NotPossible, require
from identities.reasons import LONGEST_REASON, reason_given
from reviews import readers
from reviews.actions import entries
from reviews.incidents import reading, rights, rooms, strengths
from reviews.models import Case, Conclusion, ConclusionEvent, Question, Room
from reviews.models.incidents import CERTAINTIES

MOST = 100
MOST_EVENTS = 50
NO_EVENTS = "Name the events it stands on: a conclusion without events cannot be written down."


def ask(*, case: Case, words: str, by: User, now: datetime) -> Question:
    """One more question that has to be answered before the incident is closed."""
    with transaction.atomic():
        case, room = rooms.locked(case)
        require(rights.why_not_work(by, case, now=now))
        words = reason_given(words, what="what has to be found out")
        last = room.questions.aggregate(last=Max("number"))["last"] or 0
        if last >= MOST:
            raise NotPossible(f"A room has at most {counted(MOST, 'question')}.")
        row = Question.objects.create(
            room=room,
            number=last + 1,
            words=words,
            asked_at=now,
            asked_by=by.ref,
            asked_by_name=by.called,
        )
        entries.note(
            case,
            act="question.asked",
            words=f"{by.called} asked question {row.number}: {words}"[:1_000],
            by=by,
            now=now,
            data={"question": row.number, "words": words},
        )
        entries.changed(case)
    return row


def question_of(room: Room, number: int) -> Question:
    """The question of this number, or NotPossible."""
    row = room.questions.filter(number=number).first()
    if row is None:
        raise NotPossible(f"{room.case.key} has no question {number}.")
    return row


def current(question: Question) -> Conclusion | None:
    """What is concluded on it now."""
    return question.conclusions.filter(superseded_at__isnull=True).first()


def conclude(
    *,
    case: Case,
    number: int,
    words: str,
    certainty: str,
    events: Sequence[strengths.Ref],
    by: User,
    now: datetime,
    seen: UUID | None,
    missing: str = "",
    denies: bool = False,
) -> Conclusion:
    """Write down what these events show. `seen`: the conclusion that was read before, if there was
    one; `missing`: what "partly" lacks; `denies`: it says that something did not happen."""
    with transaction.atomic():
        case, room = rooms.locked(case)
        require(rights.why_not_work(by, case, now=now))
        question = question_of(room, number)
        words = reason_given(words, what="what is concluded")
        if certainty not in CERTAINTIES:
            raise NotPossible(f"Say how sure it is: {', '.join(CERTAINTIES)}.")
        missing = missing.replace("\0", "").strip() if certainty == "partly" else ""
        if certainty == "partly" and not missing:
            raise NotPossible("Say what is missing: an answer in part names what it lacks.")
        if len(missing) > LONGEST_REASON:
            raise NotPossible(f"What is missing has at most {LONGEST_REASON:,} characters.")
        before = current(question)
        if before is not None and before.pk != seen:
            raise NotPossible(
                f"{before.by_name} concluded on it at {before.at:%H:%M:%S} UTC: read that first."
            )
        if question.dropped_at is not None:
            raise NotPossible(f"Question {number} is dropped: ask it again.")
        known = _events(case, events, by=by, now=now)
        doubts = strengths.unproven(known)
        if denies and doubts and certainty != "partly":
            raise NotPossible(
                f"That something did not happen cannot be concluded: {doubts[0]}. Conclude in part,"
                " and name what is missing."
            )
        # Absence is never stronger than inferred (product.md, Link).
        sure = {one.ref: INFERRED if denies else one.strength for one in known}
        weakest = min(sure.values())
        if weakest == INFERRED and certainty == "answered":
            certainty = "hypothesis"
        if before is not None:
            before.superseded_at = now
            before.save(update_fields=["superseded_at"])
        row = Conclusion.objects.create(
            question=question,
            words=words,
            certainty=certainty,
            missing=missing,
            denies=denies,
            strength=weakest,
            unproven=doubts,
            at=now,
            by=by.ref,
            by_name=by.called,
            person=by.person,
        )
        ConclusionEvent.objects.bulk_create(
            ConclusionEvent(conclusion=row, at=ref[0], event_id=ref[1], strength=strength)
            for ref, strength in sure.items()
        )
        if question.standard == "who" and certainty == "answered" and room.attributed_at is None:
            room.attributed_at = now
            room.save(update_fields=["attributed_at"])
        _note(case, question, row, before, sure, by=by, now=now)
        entries.changed(case)
    return row


def _note(
    case: Case,
    question: Question,
    row: Conclusion,
    before: Conclusion | None,
    sure: dict[strengths.Ref, int],
    *,
    by: User,
    now: datetime,
) -> None:
    on = counted(len(sure), "event")
    how = f"{row.certainty}, {STRENGTHS[row.strength]}, on {on}"
    entries.note(
        case,
        act="question.concluded",
        words=f"{by.called} concluded on question {question.number} ({how}): {row.words}"[:1_000],
        by=by,
        now=now,
        data={
            "question": question.number,
            "conclusion": str(row.pk),
            "before": None if before is None else str(before.pk),
            "words": row.words,
            "certainty": row.certainty,
            "missing": row.missing,
            "denies": row.denies,
            "strength": STRENGTHS[row.strength],
            "unproven": row.unproven,
            "events": [
                {"at": at.isoformat(), "event": str(event), "strength": STRENGTHS[strength]}
                for (at, event), strength in sorted(sure.items())
            ],
        },
    )


def _events(
    case: Case, refs: Sequence[strengths.Ref], *, by: User, now: datetime
) -> list[strengths.Known]:
    """These events, which are there and which this user may see; else NotPossible."""
    wanted = list(dict.fromkeys(refs))
    if not wanted:
        raise NotPossible(NO_EVENTS)
    if len(wanted) > MOST_EVENTS:
        raise NotPossible(
            f"A conclusion stands on at most {MOST_EVENTS} events: name the decisive."
        )
    known = strengths.of(case, wanted)
    there = {one.ref for one in known}
    scope = readers.reader(by, now).scope
    for row in known:
        hidden = scope is not None and not row.belongs and not reading.belongs(case, row.ref)
        if hidden and one(row.ref, scope=scope) is None:
            there.discard(row.ref)
    for at, event in wanted:
        if (at, event) not in there:
            raise NotPossible(f"There is no event {event} at {at:%Y-%m-%d %H:%M:%S} UTC.")
    return known


def drop(*, case: Case, number: int, reason: str, by: User, now: datetime) -> Question:
    """A question that does not arise, or of which more cannot be found out; what was concluded on
    it stays as it is."""
    with transaction.atomic():
        case, room = rooms.locked(case)
        require(rights.why_not_work(by, case, now=now))
        row = question_of(room, number)
        reason = reason_given(reason, what="why it is not answered any further")
        if row.dropped_at is not None:
            raise NotPossible(f"Question {number} was dropped by {row.dropped_by_name} already.")
        row.dropped_at, row.dropped_why = now, reason
        row.dropped_by, row.dropped_by_name = by.ref, by.called
        row.save(update_fields=["dropped_at", "dropped_why", "dropped_by", "dropped_by_name"])
        entries.note(
            case,
            act="question.dropped",
            words=f"{by.called} dropped question {number}: {reason}"[:1_000],
            by=by,
            now=now,
            data={"question": number, "reason": reason},
        )
        entries.changed(case)
    return row


def take_up(*, case: Case, number: int, by: User, now: datetime) -> Question:
    """Ask a dropped question again."""
    with transaction.atomic():
        case, room = rooms.locked(case)
        require(rights.why_not_work(by, case, now=now))
        row = question_of(room, number)
        if row.dropped_at is None:
            raise NotPossible(f"Question {number} is asked already.")
        row.dropped_at, row.dropped_why, row.dropped_by, row.dropped_by_name = None, "", "", ""
        row.save(update_fields=["dropped_at", "dropped_why", "dropped_by", "dropped_by_name"])
        entries.note(
            case,
            act="question.taken_up",
            words=f"{by.called} asked question {number} again",
            by=by,
            now=now,
            data={"question": number},
        )
        entries.changed(case)
    return row
