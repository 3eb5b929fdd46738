"""What is held before it is revoked for good, with the time that is left and the way back.

Owns the rows of templates/components/quarantine.html; who may restore is
reviews/actions/quarantining.py. Two queries, however many rows.
"""

from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from identities.models import User
from reviews import visible
from reviews.actions import quarantining
from reviews.models import Case, Quarantine

MOST = 50


def of_case(case: Case, user: User, *, now: datetime) -> list[dict[str, Any]]:
    """What a case holds, the first to end first."""
    return _rows(Quarantine.objects.filter(case=case), user, now=now)


def of_all(user: User, *, now: datetime) -> list[dict[str, Any]]:
    """What all cases that this user sees hold: the 50 that end first."""
    seen = visible.cases(user, now=now).values("pk")
    return _rows(Quarantine.objects.filter(case__in=seen), user, now=now)


def _rows(held: QuerySet[Quarantine], user: User, *, now: datetime) -> list[dict[str, Any]]:
    found = (
        held.filter(state="held")
        .select_related("case", "item", "identity")
        .prefetch_related("case__seats")
        .order_by("until", "pk")[:MOST]
    )
    return [_row(one, user, now=now) for one in found]


def _row(one: Quarantine, user: User, *, now: datetime) -> dict[str, Any]:
    case = one.case
    return {
        "title": one.item.title,
        "url": f"/cases/{case.key}/?item={one.item_id}",
        "case": {"key": case.key, "url": f"/cases/{case.key}/"},
        "identity": {"name": one.identity.name, "url": f"/identities/{one.identity.key}/"},
        "since": one.since,
        "until": one.until,
        "act": {
            "words": "Restore",
            "url": f"/cases/{case.key}/restore/",
            "icon": "arrow-back-up",
            "hidden": [{"name": "item", "value": str(one.item_id)}],
            "why_not": quarantining.why_not_restore(user, case, one, now=now) or "",
        },
    }
