"""What became of what people left: the lists, and one list with its items and what they could read.

Owns the contexts of templates/successions.html and succession.html. Constant queries.
"""

from datetime import datetime
from typing import Any

from django.db.models import Count, F, Q, QuerySet

from evidence.parameters import Known, understood
from identities.models import User
from reviews import owner_permissions
from reviews.models import Case, Succession, SuccessionItem
from reviews.pages.lists import PAGES, choice, page_of, taken_out
from reviews.succession import noticing, passing

PATH = "/successions/"
OF_LISTS: Known = {"q": (), "state": ("open", "done"), **PAGES}
STATES = {
    "asked": "waits",
    "accepted": "confirmed",
    "stands": "confirmed",
    "unowned": "overdue",
    "noted": "neutral",
    "over": "neutral",
}
WORDS = {
    "asked": "asked to accept",
    "accepted": "accepted",
    "stands": "stands behind it",
    "unowned": "nobody answers",
    "noted": "noted",
    "over": "settled otherwise",
}
ROLES = {
    "owner": "owner",
    "ai_owner": "AI-system owner",
    "backup": "backup",
    "sponsor": "sponsor",
    "grantor": "grantor",
}


def listed(user: User, asked: dict[str, str], *, now: datetime) -> dict[str, Any]:
    """templates/successions.html: what is open first, the newest first."""
    asked, left_out = understood(asked, OF_LISTS)
    why_not = owner_permissions.why_not_see_successions(user)
    shown, page = page_of(narrowed(user, asked), asked, PATH)
    q, state = asked.get("q", "").strip()[:200], asked.get("state", "")
    return {
        "section": "successions",
        "title": "Succession",
        "left_out": left_out,
        "now": now,
        "why_not": why_not or "",
        "q": q,
        "filters": [choice("state", "State", ("open", "done"), state)],
        "rows": [head(one) for one in shown],
        "out_query": taken_out(asked),
        "page": page,
    }


def narrowed(user: User, asked: dict[str, str]) -> QuerySet[Succession]:
    """The lists that the address asks for; none of them for whoever may not see them."""
    rows = Succession.objects.select_related("person", "team").annotate(
        asked=Count("items", filter=Q(items__state="asked")),
        unowned=Count("items", filter=Q(items__state="unowned")),
        total=Count("items"),
    )
    state = asked.get("state", "")
    if state:
        rows = rows.filter(done_at__isnull=state == "open")
    q = asked.get("q", "").strip()[:200]
    if q:
        rows = rows.filter(Q(person__name__icontains=q) | Q(team__name__icontains=q))
    rows = rows.order_by(F("done_at").desc(nulls_first=True), "-number")
    return rows if owner_permissions.why_not_see_successions(user) is None else rows.none()


def head(one: Any) -> dict[str, Any]:
    """A list as `narrowed` finds it, with how much of it waits for whom."""
    return _head(one) | {"asked": one.asked, "unowned": one.unowned, "total": one.total}


def _head(one: Succession) -> dict[str, Any]:
    return {
        "key": one.key,
        "url": f"{PATH}{one.key}/",
        "words": noticing.WHY[one.why].format(name=one.person or "", team=one.team or ""),
        "at": one.at,
        "noticed_at": one.noticed_at,
        "deadline_at": one.deadline_at,
        "done_at": one.done_at,
    }


def one(succession: Succession, asked: dict[str, str], *, now: datetime) -> dict[str, Any]:
    """templates/succession.html."""
    asked, left_out = understood(asked, PAGES)
    rows = succession.items.select_related(
        "identity",
        "service",
        "delegation__grantee",
        "was__person",
        "was__team",
        "heir__person",
        "heir__team",
    ).order_by("role", "pk")
    path = f"{PATH}{succession.key}/"
    shown, page = page_of(rows, asked, path)
    cases = Case.objects.in_bulk([row.case for row in shown if row.case is not None])
    return {
        "section": "successions",
        "title": succession.key,
        "left_out": left_out,
        "now": now,
        "succession": _head(succession) | {"could_read": succession.could_read},
        "items": [_item(row, cases) for row in shown],
        "page": page,
        "ledger_url": f"/ledger/?subject={succession.key}",
    }


def _item(row: SuccessionItem, cases: dict[Any, Case]) -> dict[str, Any]:
    about = row.identity or (row.delegation.grantee if row.delegation is not None else None)
    case = None if row.case is None else cases.get(row.case)
    return {
        "what": passing.about(row),
        "url": f"/identities/{about.key}/" if about is not None else "/ai-systems/",
        "role": ROLES[row.role],
        "heir": str(row.heir or ""),
        "kind": STATES[row.state],
        "state": WORDS[row.state],
        "words": row.words,
        "reason": row.settled_reason,
        "deadline_at": row.deadline_at if row.state == "asked" else None,
        "case_key": "" if case is None or case.sealed else case.key,
    }
