"""My queue, and the list of all cases."""

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count, Prefetch, Q

from identities.models import User
from reviews import visible
from reviews.actions import deadlines
from reviews.models import Case, Seat
from reviews.pages import freshness, waiting
from reviews.pages.lists import choice, page_of
from reviews.permissions import SIGNING
from reviews.states import STATES

PER_PAGE = 50
HEADINGS = {
    "access_review": "Access reviews",
    "access_request": "Access requests",
    "break_glass": "Break-glass",
    "incident": "Incidents",
}


def mine(user: User, asked: dict[str, str], *, now: datetime) -> dict[str, Any]:
    """templates/queue.html: what waits for this user, earliest deadline first."""
    found = waiting.for_user(user, now=now)
    chosen, q = asked.get("seat", ""), asked.get("q", "").strip()[:200]
    shown = [one for one in found if not chosen or one.seat.kind == chosen]
    if q:
        shown = [one for one in shown if q.lower() in f"{one.case.key} {one.case.title}".lower()]
    number = int(asked["page"]) if asked.get("page", "").isdigit() else 1
    number = max(1, min(number, 10_000))
    first = (number - 1) * PER_PAGE
    rows = shown[first : first + PER_PAGE]

    def link(page: int) -> str:
        said = {key: value for key, value in asked.items() if key in ("q", "seat") and value}
        return f"/queue/?{urlencode({**said, 'page': page})}"

    return {
        "section": "queue",
        "now": now,
        "title": "My queue",
        "tabs": waiting.tabs(found, chosen),
        "q": q,
        "waits": waiting.rows(rows, now=now),
        "page": {
            "first": first + 1 if rows else 0,
            "last": first + len(rows),
            "total": len(shown),
            "prev_url": link(number - 1) if number > 1 else "",
            "next_url": link(number + 1) if first + PER_PAGE < len(shown) else "",
        },
    }


def all_cases(user: User, asked: dict[str, str], *, now: datetime) -> dict[str, Any]:
    """The same template as a list of every case the user may see."""
    door, state = asked.get("door", ""), asked.get("state", "")
    q = asked.get("q", "").strip()[:200]
    rows = (
        visible.cases(user, now=now)
        .select_related("identity")
        .annotate(
            total=Count("items", distinct=True),
            left=Count("items", filter=Q(items__outcome__in=["", "conflict"]), distinct=True),
            conflicts=Count("items", filter=Q(items__outcome="conflict"), distinct=True),
        )
        .prefetch_related(
            Prefetch(
                "seats",
                Seat.objects.filter(kind__in=SIGNING)
                .select_related("party__person", "party__team", "person")
                .order_by("position"),
            )
        )
        .order_by("-number")
    )
    if door in HEADINGS:
        rows = rows.filter(door=door)
    if state in STATES:
        rows = rows.filter(state=state)
    if q:
        number = q.upper().removeprefix("CS-")
        matches = Q(title__icontains=q)
        if number.isdigit() and len(number) < 16:
            matches |= Q(number=int(number))
        rows = rows.filter(matches)
    shown, page = page_of(rows, asked, "/cases/")
    fresh = freshness.of_cases([one for one in shown if one.state == "open"], now=now)
    return {
        "section": door if door in HEADINGS else "queue",
        "now": now,
        "title": HEADINGS.get(door, "Cases"),
        "heading": HEADINGS.get(door, "All cases"),
        "all_cases": True,
        "q": q,
        "filters": [
            choice("door", "Kind", waiting.DOOR_WORDS, door),
            choice("state", "State", STATES, state),
        ],
        "waits": [_row(case, now=now) | {"fresh": fresh.get(case.pk)} for case in shown],
        "page": page,
    }


def _row(case: Case, *, now: datetime) -> dict[str, Any]:
    counts: Any = case  # the annotations of all_cases
    signals = []
    if case.state == "open" and case.deadline_at <= now:
        signals.append({"kind": "overdue", "words": "", "url": ""})
    if counts.conflicts:
        signals.append({"kind": "conflict", "words": "", "url": ""})
    if case.sealed:
        signals.append({"kind": "sealed", "words": "", "url": ""})
    return {
        "key": case.key,
        "due_at": case.deadline_at,
        "closed": "closed" if case.closed_at else "",
        "what": case.title,
        "url": f"/cases/{case.key}/",
        "sub": waiting.DOOR_WORDS[case.door],
        "seat": "",
        "silence": deadlines.sentence(case) if case.state == "open" else "–",
        "signals": signals,
        "items_left": counts.left,
        "of": counts.total,
        "opened_at": case.opened_at,
        "state": case.state,
        "seats": ", ".join(
            seat.person.name if seat.person else str(seat.party or "nobody yet")
            for seat in case.seats.all()
        ),
    }
