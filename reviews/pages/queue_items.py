"""The queue as items: one row for each answer that is missing, and what may be kept in bulk.

Reads only the cases that a page spans; as many queries for one row as for fifty.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef

from identities.models import User
from reviews import attention
from reviews.actions import advising, bulk
from reviews.models import Decision, Item
from reviews.pages import beside, foreseen, freshness, planted, waiting
from reviews.pages.case_item import unadvised, usage
from reviews.permissions import SEAT_WORDS, SIGNING

SHOWN_REASONS = 3


def rows(
    found: list[waiting.Waiting], first: int, many: int, user: User, *, now: datetime
) -> list[dict[str, Any]]:
    """`many` rows of items from the `first` on, in the order of `found`."""
    start, held = first, 0
    spanned: list[waiting.Waiting] = []
    for one in found:
        if not spanned and start >= one.left:
            start -= one.left
            continue
        spanned.append(one)
        held += one.left
        if held >= start + many:
            break
    shown = picks(spanned)[start : start + many]
    cases = {pick.item.case for pick in shown}
    fresh = freshness.of_cases(cases, now=now)
    silence = foreseen.of_cases(cases, fresh, now=now)
    newest = freshness.newest(cases)
    others = beside.of([pick.item for pick in shown], user, now=now)
    why = bulk.why_not_keep(shown, fresh, now=now)
    return [
        _row(pick, why[pick.item.pk], fresh.get(pick.item.case_id), now=now)
        | {
            "beside": others.get(pick.item.pk),
            "silence": silence[pick.item.case_id],
            "since": _since(pick, newest.get(pick.item.case_id)),
        }
        for pick in shown
    ]


def picks(found: Sequence[waiting.Waiting], items: Sequence[UUID] | None = None) -> list[bulk.Pick]:
    """The items that wait in these seats (of them only `items`), in order; what was planted among
    them like every other, on the page and in every file."""
    cases, seats = waiting.of_cases(found), waiting.seats_of(found)
    given = Decision.objects.filter(
        item=OuterRef("pk"), seat__in=list(seats), superseded_at__isnull=True
    )
    wanted = Item.objects.filter(case__in=list(cases), outcome__in=["", "conflict"])
    if items is not None:
        wanted = wanted.filter(pk__in=items)
    by_case: dict[UUID, list[tuple[Item, bool]]] = {}
    for row in wanted.annotate(answered=Exists(given)).order_by("position"):
        by_case.setdefault(row.case_id, []).append((row, row.answered))
    planted.into(by_case, cases, seats, items)
    made = []
    for one in found:
        case = cases.get(one.case)
        seat = None if one.seat is None else seats.get(one.seat)
        if case is None or seat is None:
            continue
        for item, answered in by_case.get(one.case, ()):
            if item.pk in one.hidden:
                item.outcome = item.held = ""
            # Conflicts wait for every seat; the rest for those that have not answered.
            if item.outcome == "" and (answered or seat.kind not in SIGNING):
                continue
            item.case = seat.case = case
            made.append(bulk.Pick(item, seat, case.version))
    return made


def _since(pick: bulk.Pick, newest: datetime | None) -> dict[str, Any] | None:
    """What evidence has come of the identity since usage and advice were written beside an item;
    they are not written anew while it waits."""
    case = pick.item.case
    if newest is None or newest <= beside.made_at(pick.item) or case.identity is None:
        return None
    return {"at": newest, "url": f"/events/?identity={case.identity.key}"}


def _row(
    pick: bulk.Pick, why: str, fresh: dict[str, Any] | None, *, now: datetime
) -> dict[str, Any]:
    item, case = pick.item, pick.item.case
    whose = case.identity.name if case.identity else case.title
    signals: list[dict[str, Any]] = []
    if case.deadline_at <= now:
        signals.append({"kind": "overdue", "words": "", "url": ""})
    if item.outcome == "conflict":
        signals.append({"kind": "conflict", "words": "", "url": f"/cases/{case.key}/"})
    if item.snapshot.get("together"):
        signals.append(
            {"kind": "together", "words": "", "url": f"/cases/{case.key}/?item={item.pk}"}
        )
    return {
        "case_id": case.pk,
        "key": case.key,
        "due_at": case.deadline_at,
        "what": item.title,
        "url": f"/cases/{case.key}/?item={item.pk}",
        "sub": f"{whose} · {item.note}{waiting.stage_words(case)}",
        "usage": usage(item),
        "advised_at": beside.made_at(item),
        "seat": SEAT_WORDS[pick.seat.kind],
        "fresh": fresh,
        "signals": signals,
        "recommendation": item.recommendation,
        "unadvised": unadvised(item),
        "reasons": advising.of_item(item)[:SHOWN_REASONS],
        "item": str(item.pk),
        # What was read: an answer against anything newer is asked again.
        "pick": f"{item.pk}.{case.version}",
        "why_not": why,
        "opened_at": case.opened_at,
    }


# The form under the rows.
BULK = {"url": "/queue/keep/", "most": bulk.MOST, "hasty": attention.HASTY}
