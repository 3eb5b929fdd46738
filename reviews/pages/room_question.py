"""One question of a room, with all that was concluded on it and what it can be concluded on; one task.

Owns the contexts of templates/room_question.html and templates/room_task.html.
"""

from datetime import datetime
from typing import Any

from identities.models import User
from reviews.incidents import freezing, questions, rights
from reviews.models import Case, Question, Task
from reviews.pages import room, rows

# So many events are offered to tick: the newest of those that the room has chosen.
OFFERED = 60
CERTAINTIES = (
    ("answered", "Answered", "these events show it"),
    ("partly", "In part", "something is missing, and you say what"),
    ("hypothesis", "A hypothesis", "it fits these events, which do not prove it"),
)


def _crumbs(case: Case) -> list[dict[str, str]]:
    return [
        {"words": "Incidents", "url": "/cases/?door=incident"},
        {"words": case.key, "url": room.path_of(case)},
    ]


def context(
    case: Case, row: Question, user: User, asked: dict[str, str], *, now: datetime
) -> dict[str, Any]:
    """templates/room_question.html. `asked`: events to tick, from the address (`events`)."""
    number = None if case.identity is None else case.identity.number
    made = list(row.conclusions.order_by("-at", "-pk").prefetch_related("events"))
    current = next((one for one in made if one.superseded_at is None), None)
    wanted = asked.get("events", "")
    ticked = [one["ref"] for one in room.conclusion(current)["events"]] if current else []
    newest = sorted(freezing.selection(case), reverse=True)[:OFFERED]
    return {
        "section": "incident",
        "now": now,
        "title": f"{case.key}: question {row.number}",
        "heading": row.words,
        "crumbs": [*_crumbs(case), {"words": f"Question {row.number}", "url": ""}],
        "case": case,
        "path": room.path_of(case),
        "question": row,
        "current": None if current is None else room.conclusion(current),
        "current_events": []
        if current is None
        else rows.of_keys(current.events.values_list("at", "event_id"), number),
        "earlier": [room.conclusion(one) for one in made if one.superseded_at is not None],
        "offered": rows.of_keys(newest, number),
        "ticked": ticked,
        "typed": {"events": wanted},
        "certainties": CERTAINTIES,
        "most": questions.MOST_EVENTS,
        "why_not": rights.why_not_work(user, case, now=now) or "",
    }


def task(case: Case, row: Task, user: User, *, now: datetime) -> dict[str, Any]:
    """templates/room_task.html."""
    return {
        "section": "incident",
        "now": now,
        "title": f"{case.key}: {row.key}",
        "heading": f"{row.key} of {case.key}",
        "crumbs": [*_crumbs(case), {"words": row.key, "url": ""}],
        "case": case,
        "path": room.path_of(case),
        "task": row,
        "owner": str(row.owner),
        "why_not": rights.why_not_end_task(user, case, row.owner_id, now=now) or "",
    }
