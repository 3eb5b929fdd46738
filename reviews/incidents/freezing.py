"""The evidence of a room, frozen: what is concluded on, what is pinned, what its findings rest on.

Owns which events these are and the digest by which the gate knows whether they changed since.
"""

import json
from datetime import datetime
from hashlib import sha256
from typing import Any

from django.db import transaction

from evidence import capsules
from evidence.models import Capsule
from evidence.queries.events import ref_of
from evidence.vocabulary import STRENGTHS
from identities.models import FindingEvent, User
from identities.permissions import NotPossible, require
from reviews import shown
from reviews.actions import entries
from reviews.incidents import rights, rooms, strengths
from reviews.models import Case, Conclusion, ConclusionEvent


def selection(case: Case) -> list[strengths.Ref]:
    """What is concluded on and what is pinned, then the newest under the findings of the case; no
    more than a capsule takes."""
    concluded = ConclusionEvent.objects.filter(conclusion__question__room=case.pk)
    chosen = {
        *concluded.values_list("at", "event_id"),
        *case.pinned.values_list("at", "event_id"),
    }
    found = FindingEvent.objects.filter(finding__cases=case).order_by("-at", "-event_id")
    for ref in found.values_list("at", "event_id")[: capsules.MOST_EVENTS]:
        if len(chosen) >= capsules.MOST_EVENTS:
            break
        chosen.add(ref)
    return sorted(chosen)


def digest(case: Case, refs: list[strengths.Ref]) -> str:
    """One value of these events and of what is concluded on them now."""
    now = _conclusions(case).order_by("pk").values_list("pk", flat=True)
    said: dict[str, Any] = {
        "events": [ref_of(ref) for ref in refs],
        "conclusions": [str(pk) for pk in now],
    }
    return sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _conclusions(case: Case) -> Any:
    return Conclusion.objects.filter(question__room=case.pk, superseded_at__isnull=True)


def freeze(*, case: Case, by: User, now: datetime) -> Capsule:
    """Freeze it as it is now, with what is concluded and what is missing."""
    with transaction.atomic():
        case, room = rooms.locked(case)
        require(rights.why_not_work(by, case, now=now))
        refs = selection(case)
        if not refs:
            raise NotPossible("There is nothing to freeze: pin an event or conclude on one first.")
        frozen = digest(case, refs)
        if room.capsule is not None and room.frozen == frozen:
            raise NotPossible(f"Nothing has changed since {room.capsule.key} was made.")
        concluded = list(_conclusions(case).select_related("question").order_by("question__number"))
        doubts = list(dict.fromkeys(one for row in concluded for one in row.unproven))
        room.capsule = capsules.freeze(
            subject=case.key,
            events=refs,
            query={
                "title": case.title,
                "identity": None if case.identity is None else case.identity.key,
                "selection": frozen,
            },
            shown={
                "conclusions": [
                    {
                        "question": row.question.words,
                        "words": row.words,
                        "certainty": row.certainty,
                        "missing": row.missing,
                        "strength": STRENGTHS[row.strength],
                        "events": [
                            ref_of(ref)
                            for ref in row.events.order_by("at", "event_id").values_list(
                                "at", "event_id"
                            )
                        ],
                        "at": row.at.isoformat(),
                        "by": row.by_name,
                    }
                    for row in concluded
                ]
            },
            missing=[*shown.gaps(refs), *doubts],
            by=by.ref,
            now=now,
        )
        room.frozen = frozen
        room.save(update_fields=["capsule", "frozen"])
        entries.note(
            case,
            act="incident.frozen",
            words=f"{by.called} froze the evidence of {case.key}: {room.capsule.key}",
            by=by,
            now=now,
            data={
                "capsule": room.capsule.key,
                "capsule_digest": bytes(room.capsule.digest).hex(),
                "events": len(refs),
            },
        )
        entries.changed(case)
    return room.capsule
