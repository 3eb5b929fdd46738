"""The stages of a case as its page and its JSON show them: what is asked now, and what follows."""

from typing import TYPE_CHECKING, Any

from evidence.words import counted
from reviews.actions import stages
from reviews.models import Stage
from reviews.outcomes import WORDS
from reviews.permissions import SIGNING

if TYPE_CHECKING:
    from reviews.pages.case import Parts

KINDS = {"waiting": "waits", "running": "open", "done": "decided"}
STATE_WORDS = {"waiting": "to come", "running": "asked now", "done": "over"}


def of(parts: "Parts") -> list[dict[str, Any]]:
    """One row for each stage, in their order; none of a case that asks every seat at once."""
    plan = stages.plan_of(parts.case)
    if plan is None:
        return []
    return [_row(one, plan, parts) for one in _stages(parts)]


def as_data(parts: "Parts") -> list[dict[str, Any]]:
    """The same for programs."""
    plan = stages.plan_of(parts.case)
    if plan is None:
        return []
    return [
        {
            "name": one.name,
            "state": one.state,
            "order": plan.rules[one.position].order,
            "sight": plan.rules[one.position].sight,
            "strategy": plan.rules[one.position].strategy,
            "hours": plan.rules[one.position].hours,
            "begun_at": one.begun_at,
            # One that is asked again was due before.
            "deadline_at": one.due_at
            or (parts.case.deadline_at if one.state == "running" else None),
            "ended_at": one.ended_at,
        }
        for one in _stages(parts)
    ]


def _stages(parts: "Parts") -> list[Stage]:
    found = {seat.stage_id: seat.stage for seat in parts.seats if seat.stage is not None}
    return sorted(found.values(), key=lambda one: one.position)


def _row(one: Stage, plan: stages.Plan, parts: "Parts") -> dict[str, Any]:
    case = parts.case
    who = " and ".join(
        dict.fromkeys(
            seat.person.name if seat.person is not None else str(seat.party or "a reviewer")
            for seat in parts.seats
            if seat.stage_id == one.pk and seat.kind in SIGNING
        )
    )
    rules = plan.rules[one.position]
    asked = f"{who} {'are' if ' and ' in who else 'is'} asked"
    if one.state == "done":
        said = f"{who} {'were' if ' and ' in who else 'was'} asked{_came_to(one, parts)}"
    elif case.state not in ("draft", "open"):
        said = "not needed"
    elif one.state == "running" and one.due_at is not None:
        said = f"{who}: asked again for what was missing on {one.due_at:%-d %b %Y %H:%M} UTC"
    elif one.state == "running":
        said = f"{asked} until {case.deadline_at:%-d %b %Y %H:%M} UTC"
    else:
        said = f"then {asked}, for {rules.hours:,} h"
        if rules.sight == "blind":
            said += ", without seeing earlier answers"
    return {
        "name": one.name,
        "state": one.state,
        "kind": KINDS[one.state],
        "state_words": STATE_WORDS[one.state],
        "on": one.state == "running" and case.state == "open",
        "words": said,
    }


def _came_to(one: Stage, parts: "Parts") -> str:
    counts: dict[str, int] = {}
    hidden = frozenset() if parts.blind is None else parts.blind.items
    for item in parts.items:
        said = item.stage_outcomes.get(str(one.position))
        if said and item.pk not in hidden:
            counts[said] = counts.get(said, 0) + 1
    listed = ", ".join(f"{WORDS[said]} on {counted(many, 'item')}" for said, many in counts.items())
    return f": {listed}" if listed else ""
