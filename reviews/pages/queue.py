"""My queue, and the list of all cases."""

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count, OuterRef, Prefetch, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from evidence.parameters import Known, checked, is_whole, understood, whole
from identities.models import User
from reviews import shares, sight, visible
from reviews.actions import second_looks
from reviews.campaigns.rows import KEY as CAMPAIGN
from reviews.models import Case, Item, Seat
from reviews.models.cases import SEATS
from reviews.pages import (
    foreseen,
    frame,
    freshness,
    looked_again,
    planted,
    queue_groups,
    queue_items,
    waiting,
)
from reviews.pages.lists import UNDER_WAY, choice, page_of
from reviews.permissions import SIGNING
from reviews.states import STATES

PER_PAGE = 50
# Of the seats of a row it is said who they are, and nothing else is read of them.
SEAT_NAMES = ("person__name", "party__person__name", "party__team__name")
# What a view of all cases is narrowed by.
NARROWED = (
    "door",
    "state",
    "q",
    "policy",
    "version",
    "campaign",
    "service",
    "due",
    "decided",
    "joint",
    "again",
)
HEADINGS = {
    "access_review": "Access reviews",
    "access_request": "Access requests",
    "break_glass": "Break-glass",
    "incident": "Incidents",
}
SHOWN = {"": "Cases", "items": "Items"}
TOGETHER = {"all": "dangerous together"}
JOINT = {"any": "decided", "both": "by both", "missing": "by one alone"}
DECIDED = {"any": "or overdue", "in_time": "before the deadline", "late": "late, or overdue"}
# What of an address stays when another page, group or shape of the same queue is asked for.
KEPT = ("q", "seat", "show", "group", "together", "due", *queue_groups.GROUPS)
OF_QUEUE: Known = dict.fromkeys((*KEPT, "page"), ()) | {
    "page": is_whole,
    "seat": SEATS,
    "show": ("items",),
    "group": tuple(queue_groups.GROUPS),
    "together": tuple(TOGETHER),
    "due": ("passed",),
}
OF_CASES: Known = dict.fromkeys((*NARROWED, "page"), ()) | {
    "page": is_whole,
    "version": is_whole,
    "door": tuple(HEADINGS),
    "state": (*STATES, "under_way"),
    "due": ("passed",),
    "decided": tuple(DECIDED),
    "joint": tuple(JOINT),
    "again": ("mine",),
}


def address(asked: dict[str, str], path: str = "/queue/", **other: Any) -> str:
    """This view of the queue, with something else in it; "" leaves a parameter out."""
    said = {key: value for key, value in asked.items() if key in KEPT} | other
    said = {key: value for key, value in said.items() if value}
    return f"{path}?{urlencode(said)}" if said else path


def found_for(
    user: User, asked: dict[str, str], *, now: datetime, most: int | None = waiting.MOST
) -> tuple[list[waiting.Waiting], list[waiting.Waiting]]:
    """What waits in this view by its filters, and of it what its seat leaves."""
    checked(asked, OF_QUEUE)
    narrowed: dict[str, Any] = {"q": asked.get("q", "").strip()[:200]}
    for name in ("together", "due"):
        narrowed[name] = asked.get(name, "")
    for name in queue_groups.GROUPS:
        narrowed[name] = queue_groups.said(name, asked.get(name, ""))
    every = waiting.for_user(user, now=now, most=most, **narrowed)
    seat = asked.get("seat", "")
    if not seat:
        return every, every
    if all(one.kind == seat for one in every):
        return every, every
    if len(every) == most:
        wide = 2 * sum(one.kind == seat for one in every) > len(every) and not any(
            narrowed.values()
        )
        found = waiting.for_user(user, now=now, most=most, wide=wide, **narrowed, seat=seat)
        return every, found
    return every, [one for one in every if one.kind == seat]


def mine(user: User, asked: dict[str, str], *, now: datetime) -> dict[str, Any]:
    """templates/queue.html: what waits for this user, earliest deadline first."""
    asked, left_out = understood(asked, OF_QUEUE)
    every, shown = found_for(user, asked, now=now)
    # The menu counts what is listed here; where this view leaves some out, it says what it said.
    narrowed = any(asked.get(name) for name in ("q", "together", "due", *queue_groups.GROUPS))
    looks = second_looks.count(user, now=now, most=second_looks.MOST_COUNTED + 1)
    if not narrowed:
        frame.walked(user, len(every), looks, now=now)
    shown = planted.beside(shown)
    group, show = asked.get("group", ""), asked.get("show", "")
    shown, headings = queue_groups.arranged(shown, group)
    number = whole(asked.get("page", "")) or 1
    first = (max(1, min(number, 10_000)) - 1) * PER_PAGE
    if show == "items":
        total = sum(one.left for one in shown)
        rows = queue_items.rows(shown, first, PER_PAGE, user, now=now)
    else:
        total = len(shown)
        rows = waiting.rows(shown[first : first + PER_PAGE], now=now)
    return {
        "section": "queue",
        "now": now,
        "title": "My queue",
        "left_out": left_out,
        "tabs": _tabs(every, asked),
        "ways": _ways(asked),
        "q": asked.get("q", "").strip()[:200],
        "filters": [
            choice(
                "group", "Group by", {k: v.words for k, v in queue_groups.GROUPS.items()}, group
            ),
            choice("together", "Combination", TOGETHER, asked.get("together", "")),
        ],
        "hidden": [
            {"name": name, "value": asked[name]}
            for name in ("seat", "show", "due", *queue_groups.GROUPS)
            if asked.get(name)
        ],
        "narrowed": queue_groups.narrowed(asked, address)
        + ([{"words": "overdue", "url": address(asked, due="")}] if asked.get("due") else []),
        "show": show,
        "waits": rows,
        "groups": queue_groups.groups(rows, headings, group, lambda **more: address(asked, **more)),
        "more": len(every) >= waiting.MOST,
        "most": waiting.MOST,
        "planted": planted.in_queue(every),
        "second_looks": second_looks.in_words(looks),
        "bulk": queue_items.BULK if show == "items" else None,
        "page": {
            "first": first + 1 if rows else 0,
            "last": first + len(rows),
            "total": total,
            "prev_url": address(asked, page=first // PER_PAGE) if first else "",
            "next_url": address(asked, page=first // PER_PAGE + 2)
            if first + PER_PAGE < total
            else "",
        },
    }


def _tabs(every: list[waiting.Waiting], asked: dict[str, str]) -> list[dict[str, Any]]:
    found = waiting.tabs(every, asked.get("seat", ""))
    for tab in found:
        seat = tab["url"].removeprefix("?").removeprefix("seat=")
        tab["url"] = address(asked, seat=seat)
    return found


def _ways(asked: dict[str, str]) -> dict[str, Any]:
    """The same view as items or cases, and taken out of the page."""
    show = asked.get("show", "")
    return {
        "shows": [
            {"words": words, "url": address(asked, show=value), "on": show == value, "n": None}
            for value, words in SHOWN.items()
        ],
        "out": [
            {"words": "CSV", "url": address(asked, "/queue.csv")},
            {"words": "JSON", "url": address(asked, "/queue.json")},
        ],
        "outside_url": "/queue/outside/",
    }


def all_cases(user: User, asked: dict[str, str], *, now: datetime) -> dict[str, Any]:
    """The same template as a list of every case the user may see."""
    asked, left_out = understood(asked, OF_CASES)
    door, state = asked.get("door", ""), asked.get("state", "")
    every = cases_in(user, asked, now=now)
    shown, page = page_of(every, asked, "/cases/")
    if isinstance(every, looked_again.Rows):
        if every.every:
            page |= looked_again.total(every)
    elif any(asked.get(name) for name in ("due", "decided", "joint")):
        page["total"] = every.count()
    hidden = sight.conflicts_hidden(user, [one.pk for one in shown if one.conflicts], now=now)
    for one in shown:
        one.conflicts -= len(hidden.get(one.pk, ()))
    going_on = [one for one in shown if one.state == "open"]
    fresh = freshness.of_cases(going_on, now=now)
    silence = foreseen.of_cases(going_on, fresh, now=now)
    kept = {key: asked[key] for key in NARROWED if asked.get(key)}
    out = f"?{urlencode(kept)}" if kept else ""
    also = [name for name in NARROWED[3:] if asked.get(name)]
    return {
        "section": door if door in HEADINGS else "queue",
        "now": now,
        "title": HEADINGS.get(door, "Cases"),
        "left_out": left_out,
        "heading": HEADINGS.get(door, "Second looks" if asked.get("again") else "All cases"),
        "all_cases": True,
        "q": asked.get("q", "").strip()[:200],
        "filters": [
            choice("door", "Kind", waiting.DOOR_WORDS, door),
            choice("state", "State", [*STATES, "under_way"], state),
        ],
        "hidden": [{"name": name, "value": asked[name]} for name in also],
        "narrowed": [
            {
                "words": _narrowed_by(name, asked[name]),
                "url": f"/cases/?{urlencode({**kept, name: ''})}",
            }
            for name in also
        ],
        "ways": {
            "shows": [],
            "out": [
                {"words": "CSV", "url": f"/cases.csv{out}"},
                {"words": "JSON", "url": f"/cases.json{out}"},
            ],
        },
        "waits": [
            row_of(case, fresh.get(case.pk), silence.get(case.pk, "–"), now=now) for case in shown
        ],
        "page": page,
    }


def _narrowed_by(name: str, value: str) -> str:
    if name == "again":
        return "for my second look"
    return (
        "overdue"
        if name == "due"
        else f"{name} {(JOINT if name == 'joint' else DECIDED).get(value, value)}"[:100]
    )


def _items(which: Q) -> Coalesce:
    """How many of a case, asked of the rows that are shown: joined, all cases are counted first."""
    rows = Item.objects.filter(which, case=OuterRef("pk")).order_by().values("case")
    return Coalesce(Subquery(rows.annotate(n=Count("pk")).values("n")), 0)


def _by_share[Cases: QuerySet[Any]](rows: Cases, asked: dict[str, str], *, now: datetime) -> Cases:
    """What a share counts of them, or its part, or the rest."""
    decided, joint = asked.get("decided", ""), asked.get("joint", "")
    if decided:
        rows = shares.due(rows, now=now)
    if decided in ("in_time", "late"):
        rows = rows.filter(shares.IN_TIME if decided == "in_time" else ~shares.IN_TIME)
    if joint:
        rows = shares.joint(rows)
    if joint in ("both", "missing"):
        rows = rows.filter(shares.BOTH if joint == "both" else ~shares.BOTH)
    return rows


def cases_in(
    user: User, asked: dict[str, str], *, now: datetime
) -> QuerySet[Case] | looked_again.Rows:
    """The cases of a view of the list, newest first, with what its rows count."""
    checked(asked, OF_CASES)
    door, state = asked.get("door", ""), asked.get("state", "")
    q = asked.get("q", "").strip()[:200]
    rows = (
        visible.cases(user, now=now)
        .select_related("identity", "policy")
        .annotate(
            total=_items(Q()),
            left=_items(Q(outcome__in=sight.OPEN)),
            conflicts=_items(Q(outcome="conflict")),
        )
        .prefetch_related(
            Prefetch(
                "seats",
                Seat.objects.filter(kind__in=SIGNING)
                .select_related("party__person", "party__team", "person")
                .only("case", "role", "position", *SEAT_NAMES)
                .order_by("position"),
            )
        )
        .order_by("-number")
    )
    if door:
        rows = rows.filter(door=door)
    if state == "under_way":
        rows = rows.filter(state__in=UNDER_WAY)
    elif state:
        rows = rows.filter(state=state)
    if asked.get("due"):
        rows = rows.filter(state="open", deadline_at__lte=now)
    rows = _by_share(rows, asked, now=now)
    if asked.get("campaign"):
        key = CAMPAIGN.fullmatch(asked["campaign"])
        rows = rows.filter(campaign__number=int(key[1])) if key else rows.none()
    if asked.get("service"):
        rows = rows.filter(identity__service__slug=asked["service"])
    if asked.get("policy"):
        rows = rows.filter(policy__name=asked["policy"])
    version = whole(asked.get("version", ""))
    if version is not None:
        rows = rows.filter(policy__version=version)
    if q:
        number = whole(q.upper().removeprefix("CS-"), longest=15)
        matches = Q(title__icontains=q)
        if number is not None:
            matches |= Q(number=number)
        rows = rows.filter(matches)
    if not asked.get("again"):
        return rows
    narrowed = any(asked.get(name) for name in NARROWED if name != "again")
    return looked_again.Rows(rows, user, every=not narrowed, now=now)


def row_of(
    case: Case, fresh: dict[str, Any] | None = None, silence: str = "–", *, now: datetime
) -> dict[str, Any]:
    """One case of `cases_in`."""
    counts: Any = case  # the annotations of cases_in
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
        # An incident's room leads to its seats' answers.
        "url": f"/cases/{case.key}/{'room/' if case.door == 'incident' else ''}",
        "sub": f"{waiting.DOOR_WORDS[case.door]}{waiting.stage_words(case)}",
        "seat": "",
        "silence": silence,
        "fresh": fresh,
        "signals": signals,
        "items_left": counts.left,
        "of": counts.total,
        "opened_at": case.opened_at,
        "state": case.state,
        "seats": ", ".join(
            seat.person.name
            if seat.person
            else str(seat.party or (seat.role and f"any {seat.role}") or "nobody yet")
            for seat in case.seats.all()
        ),
    }
