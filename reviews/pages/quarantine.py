"""What is held before it is cut for good, with the time that is left and the way back.

Owns the rows of templates/components/quarantine.html, and the same for scripts; who may restore is
reviews/actions/quarantining.py. As many queries for fifty rows as for one.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from identities.models import Revocation, User
from reviews import visible
from reviews.actions import entitled, quarantining
from reviews.models import Case, Quarantine
from reviews.pages.lists import page_of

MOST = 50
STANDS = {
    "requested": "is on its way to the target",
    "sending": "is on its way to the target",
    "sent": "is sent to the target",
    "confirmed": "is seen at the target",
    "effective": "holds at the target",
    "failed": "could not be made",
    "undone": "was taken back",
}


def of_case(
    case: Case, user: User, asked: dict[str, str], *, now: datetime
) -> dict[str, Any] | None:
    """One page of what a case holds, the first to end first; None where it holds nothing."""
    held = Quarantine.objects.filter(case=case)
    return _part(held, user, asked, f"/cases/{case.key}/", now=now)


def as_data(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same for scripts."""
    return [
        {
            "item": row["id"],
            "title": row["title"],
            "case": row["case"]["key"],
            "identity": row["identity"]["name"],
            "since": row["since"].isoformat(),
            "until": row["until"].isoformat(),
            "then": row["cut"],
            "at_target": row["at_target"],
            "why_not_restore": row["act"]["why_not"] or None,
        }
        for row in rows
    ]


def of_all(user: User, asked: dict[str, str], path: str, *, now: datetime) -> dict[str, Any] | None:
    """One page of what all cases that this user sees hold; None where they hold nothing."""
    return _part(_seen(user, now=now), user, asked, path, now=now)


def _part(
    held: QuerySet[Quarantine], user: User, asked: dict[str, str], path: str, *, now: datetime
) -> dict[str, Any] | None:
    """templates/components/quarantine.html, beside whatever else its page has several pages of."""
    those, page = page_of(_listed(held), asked, path, name="held")
    if not those and not page["prev_url"]:
        return None
    for link in ("prev_url", "next_url"):
        page[link] = page[link] and f"{page[link]}#quarantine-title"
    return {"rows": _drawn(those, user, now=now), "page": page}


def page(
    user: User, asked: dict[str, str], path: str, *, now: datetime
) -> tuple[list[dict[str, Any]], str]:
    """One page of what all cases that this user sees hold, by its number; and the address of the
    next one."""
    those, paged = page_of(_listed(_seen(user, now=now)), asked, path)
    return _drawn(those, user, now=now), paged["next_url"]


def _seen(user: User, *, now: datetime) -> QuerySet[Quarantine]:
    return Quarantine.objects.filter(case__in=visible.cases(user, now=now).values("pk"))


def rows(held: QuerySet[Quarantine], user: User, *, now: datetime) -> list[dict[str, Any]]:
    return _drawn(list(_listed(held)[:MOST]), user, now=now)


def _listed(held: QuerySet[Quarantine]) -> QuerySet[Quarantine]:
    return (
        held.filter(state="held")
        .select_related("case", "item", "identity")
        .prefetch_related("case__seats")
        .order_by("until", "pk")
    )


def _drawn(those: list[Quarantine], user: User, *, now: datetime) -> list[dict[str, Any]]:
    at = _at_targets(those)
    return [_row(one, at.get(_hold_of(one), ""), user, now=now) for one in those]


def _hold_of(one: Quarantine) -> int:
    """The number of the hold of what a system allows; 0: it is held otherwise."""
    return int(str(one.stopped.get(entitled.HELD, "REV-0")).removeprefix("REV-"))


def _at_targets(rows: Iterable[Quarantine]) -> dict[int, str]:
    """How far each hold is at its target, in words."""
    numbers = [number for number in map(_hold_of, rows) if number]
    found = Revocation.objects.filter(number__in=numbers) if numbers else ()
    return {
        one.number: f"{one.key} {STANDS[one.state]}{f': {one.failed_why}' if one.failed_why else ''}"
        for one in found
    }


def _row(one: Quarantine, at_target: str, user: User, *, now: datetime) -> dict[str, Any]:
    case = one.case
    return {
        "id": str(one.item_id),
        "cut": quarantining.cut(one),
        "at_target": at_target,
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
