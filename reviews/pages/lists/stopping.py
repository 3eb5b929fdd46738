"""The list of revocations: what was to stop where, and how far each is."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet

from evidence.parameters import Known, understood, whole
from identities import visible
from identities.actions.revocations import not_answering
from identities.models import Revocation, User
from identities.models.enforcement import STATES
from reviews import shares

from .found import named
from .paging import PAGES, choice, page_of

# Requested, and what it stops may still work.
WAITING = ("requested", "sending", "sent", "confirmed")
NOT_EFFECTIVE = (*WAITING, "failed")
WAITS = "not_effective"
PROVED = {
    "any": "all but what was taken back",
    "in_time": "effective within 15 min",
    "late": "later or not yet",
}
OF_REVOCATIONS: Known = {
    "q": (),
    "identity": (),
    "service": (),
    "state": (WAITS, *STATES),
    "proved": tuple(PROVED),
    **PAGES,
}


def not_effective(rows: QuerySet[Revocation]) -> QuerySet[Revocation]:
    """What was asked to stop and is not seen to have stopped."""
    return rows.filter(state__in=NOT_EFFECTIVE)


def revocations(user: User, asked: dict[str, str], *, now: datetime) -> dict[str, Any]:
    """templates/revocations.html: the newest first; of what is not effective the oldest."""
    asked, left_out = understood(asked, OF_REVOCATIONS)
    rows = visible.revocations(user, now=now)
    state, proved = asked.get("state", ""), asked.get("proved", "")
    if state == WAITS:
        rows = not_effective(rows)
    elif state:
        rows = rows.filter(state=state)
    if proved:
        rows = shares.stopping(rows)
    if proved == "in_time":
        rows = rows.filter(shares.PROVED)
    elif proved == "late":
        rows = rows.exclude(shares.PROVED)
    if asked.get("identity"):
        identity = named(user, asked["identity"], now=now)
        rows = rows.filter(identity=identity) if identity else rows.none()
    if asked.get("service"):
        rows = rows.filter(identity__service__slug=asked["service"])
    q = asked.get("q", "").strip()[:200]
    if q:
        number = whole(q.upper().removeprefix("REV-"), longest=15)
        by_key = Q(pk__in=[]) if number is None else Q(number=number)
        rows = rows.filter(Q(words__icontains=q) | Q(identity__name__icontains=q) | by_key)
    total = rows.count()
    silent = not_answering()
    shown, page = page_of(
        rows.select_related("identity")
        .prefetch_related("statements")
        .order_by("number" if state == WAITS else "-number"),
        asked,
        "/revocations/",
    )
    return {
        "section": "identities",
        "title": "Revocations",
        "crumbs": [{"words": "Identities", "url": "/identities/"}],
        "left_out": left_out,
        "now": now,
        "q": q,
        "filters": [
            choice(
                "state",
                "State",
                {WAITS: "not effective yet", **{one: one for one in STATES}},
                state,
            ),
            choice("proved", "How soon", {k: v for k, v in PROVED.items() if k != "any"}, proved),
        ],
        "narrowed": bool(q or state or proved in ("in_time", "late") or asked.get("identity")),
        "rows": [_row(one, silent) for one in shown],
        "page": page | {"total": total},
    }


def _row(one: Revocation, silent: Mapping[tuple[str, str], str]) -> dict[str, Any]:
    lives = [
        f"{left.get('what', '')} lives" + (f" until {left['until']}" if left.get("until") else "")
        for left in one.residual
    ]
    waits = silent.get((one.system, one.target.get("account", "")), "")
    why = (waits if one.state in WAITING else "") or one.failed_why
    must = f" {one.who_must_act} must act." if one.who_must_act else ""
    return {
        "key": one.key,
        "url": f"/revocations/{one.key}/",
        "stated": one.stated,
        "words": one.words,
        "identity": {"words": one.identity.name, "url": f"/identities/{one.identity.key}/"},
        "system": one.system,
        "state": one.state,
        "requested_at": one.requested_at,
        "by": one.requested_by_name or one.requested_by,
        "effective_at": one.effective_at,
        "note": f"{why}{must}" if why else "; ".join(lives),
        "failed": bool(why),
        "case": {"key": one.case_key, "url": f"/cases/{one.case_key}/"} if one.case_key else None,
    }
