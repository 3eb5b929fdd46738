"""What only one door of a case has: a break-glass, an incident's room.

Members are added, never renamed or removed.
"""

from datetime import datetime
from typing import Any

from evidence import ledger
from evidence.vocabulary import STRENGTHS
from reviews.models import BreakGlass, Case, Conclusion, Mark, Question, Room, Task


def of_door(case: Case) -> dict[str, Any]:
    """The member that this case has beside what every case has; empty: none."""
    if case.door == "break_glass":
        row = BreakGlass.objects.select_related(
            "bundle", "person", "vouched_person", "reviewed_person", "incident", "capsule"
        ).filter(case=case)
        glass = row.first()
        return {} if glass is None else {"break_glass": _glass(glass)}
    if case.door == "incident":
        room = Room.objects.select_related("capsule").filter(case=case).first()
        return {} if room is None else {"incident": _room(room)}
    return {}


def _glass(row: BreakGlass) -> dict[str, Any]:
    incident = row.incident
    return {
        "bundle": str(row.bundle),
        "asked_by": row.person.name,
        "on_behalf": row.on_behalf,
        # A sealed incident is absent, also here.
        "incident": None if incident is None or incident.sealed else incident.key,
        "drill": row.drill,
        "minutes": row.minutes,
        "ticket": row.ticket,
        "opened_at": at(row.opened_at),
        "ends_at": at(row.ends_at),
        "opened_alone_at": at(row.bypassed_at),
        "factor": row.factor,
        "vouched_by": None if row.vouched_person is None else row.vouched_person.name,
        "acknowledged": row.acknowledged,
        "looked_back_at": at(row.reviewed_at),
        "looked_back_by": None if row.reviewed_person is None else row.reviewed_person.name,
        "look_back": row.review,
        "look_back_words": row.review_words,
        "follow_ups": row.follow_ups,
        "comparison": row.comparison,
        "capsule": None if row.capsule is None else row.capsule.key,
    }


def _room(row: Room) -> dict[str, Any]:
    return {
        "severity": row.severity,
        "detected_at": at(row.detected_at),
        "attributed_at": at(row.attributed_at),
        "outcome": row.outcome,
        "outcome_by": row.outcome_by_name or row.outcome_by,
        "lessons": row.lessons,
        "capsule": None if row.capsule is None else row.capsule.key,
        "roles": [
            {"role": one.role, "person": one.person.name, "since": at(one.since)}
            for one in row.roles.select_related("person").order_by("since", "pk")
        ],
        "questions": [_question(one) for one in row.questions.order_by("number")],
        "tasks": [_task(one) for one in row.tasks.select_related("owner").order_by("number")],
        "marks": [
            {
                "event": {"at": at(one.at), "id": str(one.event_id)},
                "kind": one.kind,
                "label": one.label,
                "since": at(one.since),
                "by": one.by_name or one.by,
                "until": at(one.until),
            }
            for one in Mark.objects.filter(case=row.case_id).order_by("since", "pk")
        ],
    }


def _question(row: Question) -> dict[str, Any]:
    return {
        "number": row.number,
        "words": row.words,
        "asked_at": at(row.asked_at),
        "dropped_at": at(row.dropped_at),
        "dropped_why": row.dropped_why,
        "conclusions": [_conclusion(one) for one in row.conclusions.order_by("at", "pk")],
    }


def _conclusion(row: Conclusion) -> dict[str, Any]:
    return {
        "words": row.words,
        "certainty": row.certainty,
        "missing": row.missing,
        "strength": STRENGTHS.get(row.strength, ""),
        "by": row.by_name or row.by,
        "at": at(row.at),
        "changed_at": at(row.superseded_at),
        "events": [
            {"at": at(one.at), "id": str(one.event_id)}
            for one in row.events.order_by("at", "event_id")
        ],
    }


def _task(row: Task) -> dict[str, Any]:
    return {
        "number": row.number,
        "words": row.words,
        "owner": str(row.owner),
        "due_at": at(row.due_at),
        "state": row.state,
        "ended_at": at(row.ended_at),
        "ended_by": row.ended_by_name or row.ended_by,
        "said": row.said,
    }


def at(moment: datetime | None) -> str | None:
    """A moment as every document writes it."""
    return None if moment is None else ledger.moment(moment)
