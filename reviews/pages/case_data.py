"""A case as JSON: the shape of /cases/<key>.json and of the API, from what its page reads."""

from datetime import datetime
from typing import Any

from identities.models import User
from reviews import standing
from reviews.actions import advising, deadlines
from reviews.actions import answers as answer_table
from reviews.actions import attention as looking
from reviews.models import Case
from reviews.pages import (
    at_target,
    case_clock,
    case_stages,
    combination,
    comments,
    planted,
    triggers,
    weighing,
)
from reviews.pages.case import Parts


def as_data(case: Case, user: User, *, now: datetime) -> dict[str, Any]:
    """The case as JSON: the shape of /cases/<key>.json and of the API."""
    parts = Parts(case, user, now=now)
    planted.join(parts)
    clock = case_clock.of(case, now=now)
    why_not_keep = standing.why_not_keep_all(case, parts.items, now=now)
    return {
        "case": case.key,
        "door": case.door,
        "state": case.state,
        "title": case.title,
        "identity": case.identity.key if case.identity is not None else None,
        "opened_at": case.opened_at,
        "deadline_at": case.deadline_at,
        "answers_count_until": case.silent_at,
        "stage": case.stage,
        "next_stage": case.next_stage,
        "stages": case_stages.as_data(parts),
        "blind": None if parts.blind is None else parts.blind.why,
        "silence": clock["sentence"] if clock is not None else deadlines.sentence(case),
        "policy": str(case.policy) if case.policy is not None else None,
        "silence_notes": clock["notes"] if clock is not None else [],
        "closed_at": case.closed_at,
        "version": case.version,
        "provisional": looking.sentences(parts.marks),
        "triggers": triggers.as_data(case),
        "combination": combination.as_data(parts.weighed),
        "comments": [] if parts.blind is not None else comments.as_data(case),
        "seats": [
            {
                "id": str(seat.pk),
                "kind": seat.kind,
                "stage": None if seat.stage is None else seat.stage.name,
                "turn": seat.turn,
                "party": str(seat.party) if seat.party is not None else None,
                "person": seat.person.name if seat.person is not None else None,
                "why_not": parts.why[seat.pk],
                # Nobody may sit in it: who comes into question, and why each may not.
                "nobody_may_sit": None
                if seat.pk not in parts.empty
                else [one._asdict() for one in parts.empty[seat.pk]],
            }
            for seat in parts.seats
        ],
        "items": [
            {
                "id": str(item.pk),
                "kind": item.kind,
                "title": item.title,
                "note": item.note,
                "proposal": item.proposal,
                "recommendation": item.recommendation,
                "recommendation_reason": item.recommendation_reason,
                "reasons": advising.of_item(item),
                "weighed": weighing.as_data(item, parts.weighed),
                "snapshot": item.snapshot,
                "possible_answers": [
                    one
                    for one in answer_table.OF_KIND[item.kind]
                    if one != "keep" or item.pk not in why_not_keep
                ],
                "why_not_keep": why_not_keep.get(item.pk),
                "why_not_at_target": at_target.why_not(item, parts.weighed) or None,
                "outcome": item.outcome,
                "held": item.held,
                "carried_out_at": item.carried_out_at,
                "carried_words": item.carried_words,
                "answers": [
                    {
                        "seat": str(seat.pk),
                        "answer": row.answer,
                        "reason": row.reason,
                        "proposal": row.proposal,
                        "by": row.person.name,
                        "at": row.at,
                        "capsule": row.capsule.key if row.capsule is not None else None,
                    }
                    for seat in parts.seats
                    if (row := parts.decisions.get((item.pk, seat.pk))) is not None
                ],
            }
            for item in parts.items
        ],
    }
