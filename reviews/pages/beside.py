"""The same thing asked about in two open cases, with two recommendations: from when each is.

Owns the reading of the others, as many queries for any number of items, and what is said of them.
What is recommended was made from the evidence of that moment; the newer one knows more.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.utils.dateparse import parse_datetime

from identities.models import User
from reviews import visible
from reviews.actions import advising
from reviews.models import Item

WAITING = ("", "conflict")


def of(items: Iterable[Item], user: User, *, now: datetime) -> dict[UUID, dict[str, Any]]:
    """By item, when its recommendation was made and the newest other that is not the same."""
    mine = {one.pk: one for one in items if one.ref is not None and one.outcome in WAITING}
    others: dict[tuple[str, UUID | None], list[Item]] = {}
    for one in [*mine.values(), *_others(mine, user, now=now)]:
        if one.case.state == "open":
            others.setdefault((one.kind, one.ref), []).append(one)
    found = {}
    for item in mine.values():
        differ = [
            one
            for one in others.get((item.kind, item.ref), ())
            if one.case_id != item.case_id and one.recommendation != item.recommendation
        ]
        if differ:
            newest = max(differ, key=lambda one: (made_at(one), -one.case.number))
            found[item.pk] = {
                "at": made_at(item),
                "case": newest.case.key,
                "url": f"/cases/{newest.case.key}/?item={newest.pk}",
                "recommendation": newest.recommendation,
                "other_at": made_at(newest),
            }
    return found


def advice(item: Item) -> dict[str, Any]:
    """Why something is recommended, and up to when evidence was known then: it is not looked at
    anew while a case is open, and what was seen since stands in the table beside it."""
    return {"reasons": advising.of_item(item), "advised_at": made_at(item)}


def _others(shown: dict[UUID, Item], user: User, *, now: datetime) -> QuerySet[Item]:
    """What is asked about the same beside what is shown, in cases this user may see.

    Hardly ever anything, so who may see it is asked only when there is.
    """
    if not shown:
        return Item.objects.none()
    found = dict(
        Item.objects.filter(
            ref__in={one.ref for one in shown.values()}, outcome__in=WAITING, case__state="open"
        )
        .exclude(pk__in=shown)
        .values_list("pk", "case")
    )
    return (
        Item.objects.filter(
            pk__in=found, case__in=visible.cases(user, now=now).filter(pk__in=set(found.values()))
        ).select_related("case")
        if found
        else Item.objects.none()
    )


def made_at(item: Item) -> datetime:
    """Older items do not say it: theirs were made when they were first asked about."""
    said = item.snapshot.get(advising.MADE_AT)
    return (parse_datetime(said) if said else None) or item.case.opened_at
