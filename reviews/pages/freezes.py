"""Change freezes as pages: which hold, what each is about, and what silence would cut in it.

Owns the contexts of templates/freezes.html, freeze.html and freeze_new.html. Constant queries.
"""

from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet

from evidence.parameters import understood
from evidence.words import counted
from identities import visible
from identities.models import User
from reviews import freeze_permissions, freezes
from reviews import visible as visible_above
from reviews.actions import freezing, rungs
from reviews.ladder import CUTS, DUE
from reviews.models import Freeze, Rung
from reviews.pages.lists import PAGES, page_of

PATH = "/freezes/"
# What takes something away; at the deadline of a case it is the case's own silence that may.
CUTTING = Q(does__in=CUTS) | Q(does=DUE, case__silence__in=CUTS, case__next_stage="")
CRUMBS = [{"words": "Change freezes", "url": PATH}]


def overview(user: User, asked: dict[str, str], *, now: datetime) -> dict[str, Any]:
    """templates/freezes.html: all freezes, the newest first."""
    asked, left_out = understood(asked, PAGES)
    rows = Freeze.objects.select_related("asked").order_by("-number")
    shown, page = page_of(rows, asked, PATH)
    return {
        "section": "freezes",
        "now": now,
        "title": "Change freezes",
        "left_out": left_out,
        "rows": [row_of(one, now=now) for one in shown],
        "page": page,
        "acts": [
            {
                "words": "Propose a freeze",
                "url": f"{PATH}new/",
                "icon": "pencil",
                "get": True,
                "primary": True,
                "why_not": freeze_permissions.why_not_propose_freeze(user, now=now) or "",
            }
        ],
    }


def row_of(one: Freeze, *, now: datetime) -> dict[str, Any]:
    """One freeze as the list and the API say it."""
    return {
        "key": one.key,
        "url": one.url,
        "words": freezing.words(one),
        "reason": one.reason,
        "since": one.since,
        "until": one.over_at,
        "asked": one.asked.name,
        "badge": badge(one, now=now),
        "by": one.proposed_by_name,
        "signed_by": one.settled_by_name if one.state in freezes.SIGNED else "",
    }


def badge(one: Freeze, *, now: datetime) -> dict[str, str]:
    """Where it stands now."""
    if one.state == "proposed":
        return {"kind": "proposed", "words": "waits for a second signature"}
    if one.state == "refused":
        return {"kind": "refused"}
    if one.state == "ended":
        return {"kind": "neutral", "words": "ended early"}
    if one.until <= now:
        return {"kind": "neutral", "words": "over"}
    if one.since > now:
        return {"kind": "waits", "words": "signed, begins later"}
    return {"kind": "in_force", "words": "holds"}


def touched(freeze: Freeze, user: User, *, now: datetime) -> QuerySet[Rung]:
    """What silence would cut while it holds, and what it holds, in cases that this user sees."""
    inside = Q(
        CUTTING,
        state="waiting",
        settled_at__isnull=True,
        at__gte=freeze.since,
        at__lt=freeze.over_at,
        case__identity__mode="enforce",
        case__identity__in=freezes.population(freeze, now=now),
    ) & ~Q(case__identity__criticality="critical")
    inside &= ~Q(case__identity__kind="integration")
    rows = Rung.objects.filter(inside | Q(freeze=freeze, state="held"), case__state="open")
    return rows.filter(case__in=visible_above.cases(user, now=now).order_by().values("pk"))


def shown(freeze: Freeze, user: User, asked: dict[str, str], *, now: datetime) -> dict[str, Any]:
    """templates/freeze.html."""
    asked, left_out = understood(asked, PAGES)
    everything = visible.sees_all(user)
    live = freeze.state in ("proposed", *freezes.SIGNED)
    rows = touched(freeze, user, now=now) if live else Rung.objects.none()
    many = rows.order_by().values("case").distinct().count()
    found, page = page_of(
        rows.select_related("case__identity").order_by("at", "pk"), asked, freeze.url
    )
    return {
        "section": "freezes",
        "now": now,
        "title": f"{freeze.key}: {freezing.words(freeze)}",
        "left_out": left_out,
        "crumbs": CRUMBS,
        "freeze": freeze,
        "words": freezing.words(freeze),
        "badges": [badge(freeze, now=now)],
        "identities": freezes.population(freeze, now=now).count() if everything else None,
        "cases": counted(many, "case"),
        "rungs": [_rung(one) for one in found],
        "page": page,
        "acts": _acts(freeze, user, now=now),
        "ledger_url": f"/ledger/?subject={freeze.key}",
    }


def _rung(one: Rung) -> dict[str, Any]:
    case = one.case
    identity = case.identity
    return {
        "case": {"key": case.key, "url": f"/cases/{case.key}/"},
        "identity": None
        if identity is None
        else {"name": identity.name, "url": f"/identities/{identity.key}/"},
        "words": rungs.words(case, case.silence if one.does == DUE else one.does),
        "at": one.at,
        "held": one.state == "held",
    }


def _acts(freeze: Freeze, user: User, *, now: datetime) -> list[dict[str, Any]]:
    if freeze.state == "proposed":
        return [
            {
                "words": "Sign it",
                "url": f"{freeze.url}sign/",
                "icon": "signature",
                "primary": True,
                "why_not": freeze_permissions.why_not_sign_freeze(user, freeze, now=now) or "",
            },
            {
                "words": "Refuse it",
                "url": f"{freeze.url}refuse/",
                "icon": "x",
                "ask": "Why is nothing frozen? It goes into the ledger",
                "why_not": freeze_permissions.why_not_refuse_freeze(user, freeze, now=now) or "",
            },
        ]
    if freeze.state != "in_force" or freeze.until <= now:
        return []
    return [
        {
            "words": "End it now",
            "url": f"{freeze.url}end/",
            "icon": "player-play",
            "danger": True,
            "ask": "Why may silence act again? What is held stays held",
            "why_not": freeze_permissions.why_not_end_freeze(user, freeze, now=now) or "",
        }
    ]


def identities(freeze: Freeze, asked: dict[str, str], *, now: datetime) -> dict[str, Any]:
    """templates/policy_identities.html: whom it is about now."""
    asked, left_out = understood(asked, PAGES)
    path = f"{freeze.url}identities/"
    rows = freezes.population(freeze, now=now).select_related(
        "service", "owner__person", "owner__team"
    )
    listed, page = page_of(rows.order_by("number"), asked, path)
    return {
        "section": "freezes",
        "now": now,
        "title": f"In the scope: {freeze.key}",
        "left_out": left_out,
        "crumbs": [*CRUMBS, {"words": freeze.key, "url": freeze.url}],
        "policy": freeze,
        "heading": "In the scope",
        "tabs": [],
        "rows": listed,
        "page": page,
    }


def choices(*, now: datetime) -> dict[str, Any]:
    """Who may be asked, and for how long at most, for the form."""
    return {
        "persons": [(str(one.pk), one.name) for one in freezing.may_be_asked(now=now)],
        "days": freezing.longest(now=now).days,
    }


def proposal(user: User, *, now: datetime) -> dict[str, Any]:
    """templates/freeze_new.html, apart from what was typed."""
    return {
        "section": "freezes",
        "now": now,
        "title": "Propose a change freeze",
        "crumbs": CRUMBS,
        "why_not": freeze_permissions.why_not_propose_freeze(user, now=now) or "",
    }
