"""The same thing asked about in two open cases, with two recommendations: from when each is.

Owns the reading of the others, one query for any number of items, and what is said beside an item.
What is recommended was made from the evidence of that moment; the newer one knows more.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils.dateparse import parse_datetime

from identities.models import User
from reviews import visible
from reviews.actions import advising
from reviews.models import Item

WAITING = ("", "conflict")


def of(items: Iterable[Item], user: User, *, now: datetime) -> dict[UUID, dict[str, Any]]:
    """By item, when its recommendation was made and the newest other that is not the same."""
    mine = [one for one in items if one.ref is not None and one.outcome in WAITING]
    others: dict[tuple[str, UUID | None], list[Item]] = {}
    for one in (
        Item.objects.filter(
            ref__in={one.ref for one in mine},
            outcome__in=WAITING,
            case__state="open",
            case__in=visible.cases(user, now=now).order_by().values("pk"),
        )
        .select_related("case")
        .order_by("case__number")
        if mine
        else ()
    ):
        others.setdefault((one.kind, one.ref), []).append(one)
    found = {}
    for item in mine:
        differ = [
            one
            for one in others.get((item.kind, item.ref), ())
            if one.case_id != item.case_id and one.recommendation != item.recommendation
        ]
        if differ:
            newest = max(differ, key=_made_at)
            found[item.pk] = {
                "at": _made_at(item),
                "case": newest.case.key,
                "url": f"/cases/{newest.case.key}/?item={newest.pk}",
                "recommendation": newest.recommendation,
                "other_at": _made_at(newest),
            }
    return found


def _made_at(item: Item) -> datetime:
    """Older items do not say it: theirs were made when they were first asked about."""
    said = item.snapshot.get(advising.MADE_AT)
    return (parse_datetime(said) if said else None) or item.case.opened_at
