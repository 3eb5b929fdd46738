"""What a campaign decided and the brake holds, as pages: the list that somebody looks at first.

Owns the context of templates/outcomes.html and the sentences that other pages say of it.
"""

from datetime import datetime
from typing import Any

from evidence.parameters import understood
from identities import as_read, visible
from identities.models import User
from reviews import outcome_brakes
from reviews import visible as visible_above
from reviews.actions.answers import WORDS
from reviews.campaigns import letting_out
from reviews.models import Campaign, Case, OutcomeBrake
from reviews.models.outcome_brakes import HELD
from reviews.pages.lists import PAGES, page_of


def context(one: Campaign, user: User, asked: dict[str, str], *, now: datetime) -> dict[str, Any]:
    """templates/outcomes.html."""
    asked, left_out = understood(asked, PAGES)
    path = f"/campaigns/{one.key}/outcomes/"
    rows = outcome_brakes.cutting(one).filter(
        case__in=visible_above.cases(user, now=now).order_by().values("pk")
    )
    shown, page = page_of(
        rows.select_related("case__identity").order_by("case__number", "position"), asked, path
    )
    why = letting_out.sentence(one)
    return {
        "section": "held",
        "now": now,
        "title": f"What {one.key} would cut",
        "left_out": left_out,
        "crumbs": [
            {"words": "Campaigns", "url": "/campaigns/"},
            {"words": one.key, "url": f"/campaigns/{one.key}/"},
        ],
        "why": why,
        "released": list(one.brakes.filter(released_at__isnull=False).order_by("-released_at")),
        "rows": [
            {
                "case": {"key": item.case.key, "url": f"/cases/{item.case.key}/?item={item.pk}"},
                "identity": None
                if item.case.identity is None
                else {
                    "name": item.case.identity.name,
                    "url": f"/identities/{item.case.identity.key}/",
                },
                "title": item.title,
                "outcome": {"kind": item.outcome, "words": WORDS[item.outcome].lower()},
            }
            for item in shown
        ],
        "page": page,
        "acts": [
            {
                "words": "Release all of it",
                "url": f"{path}release/",
                "icon": "player-play",
                "danger": True,
                "ask": "What did you look at, and why may it go out?",
                "hidden": [{"name": "read", "value": as_read.mark(letting_out.stands(one))}],
                "why_not": letting_out.why_not_let_out(user, one, now=now) or "",
            }
        ]
        if why
        else [],
    }


def waiting(user: User) -> list[dict[str, str]]:
    """Campaigns whose outcomes are held, for the release list."""
    if not visible.sees_all(user):
        return []
    found = {
        one.campaign_id: one
        for one in OutcomeBrake.objects.filter(HELD)
        .select_related("campaign__policy")
        .order_by("ended_at")[:50]
    }
    return [
        {
            "name": str(one.campaign),
            "words": letting_out.said_of(one.campaign, one),
            "url": f"/campaigns/{one.campaign.key}/outcomes/",
        }
        for one in found.values()
    ]


def kept_back(case: Case) -> str:
    """Why a decided case is not carried out yet, if its campaign keeps outcomes for its end."""
    one = case.campaign if case.state == "decided" else None
    if one is None or one.applies == "at_once":
        return ""
    if why := letting_out.sentence(one):
        return why
    if one.state == "closed":
        return ""
    return f"What is decided goes out when {one.key} {one.name} ends: when it is closed, or due."
