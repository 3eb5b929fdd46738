"""Changes that wait for a second person as pages: the list, and one with what it changes.

Owns the contexts of templates/changes.html and templates/change.html, and the row of the API.
"""

from datetime import datetime
from typing import Any

import orjson

from evidence.parameters import Known, understood
from identities import visible
from identities.actions import changes
from identities.models import ProposedChange, User
from reviews.pages.lists import PAGES, page_of

PATH = "/changes/"
STATES = {
    "proposed": {"kind": "proposed", "words": "waits for a second person"},
    "in_force": {"kind": "in_force", "words": "signed and applied"},
    "refused": {"kind": "refused"},
    "ended": {"kind": "neutral"},
}
ASKS: Known = {"state": ("proposed", "in_force", "refused"), **PAGES}
# So many parts of a file that waits are offered to be read.
MOST_PARTS = 100
TABS = {"": "All", "proposed": "Waiting", "in_force": "Applied", "refused": "Refused"}


def listed(user: User, asked: dict[str, str], *, now: datetime) -> dict[str, Any]:
    """templates/changes.html."""
    asked, left_out = understood(asked, ASKS)
    rows = visible.changes(user, now=now).order_by("-number")
    state = asked.get("state", "")
    found, page = page_of(rows.filter(state=state) if state else rows, asked, PATH)
    return {
        "section": "changes",
        "now": now,
        "left_out": left_out,
        "tabs": [
            {"words": words, "url": f"{PATH}?state={one}" if one else PATH, "on": one == state}
            for one, words in TABS.items()
        ],
        "rows": [row_of(one) for one in found],
        "page": page,
    }


def row_of(one: ProposedChange) -> dict[str, Any]:
    return {
        "key": one.key,
        "url": one.url,
        "title": one.title,
        "lines": one.lines[:3],
        "more": max(0, len(one.lines) - 3),
        "badge": STATES[one.state],
        "by": one.proposed_by_name,
        "settled_by": one.settled_by_name,
        "refused": one.state == "refused",
        "at": one.settled_at or one.proposed_at,
        "reason": one.reason,
    }


def shown(change: ProposedChange, user: User, *, now: datetime) -> dict[str, Any]:
    """templates/change.html."""
    live = change.state == "proposed"
    return {
        "section": "changes",
        "now": now,
        "title": f"{change.key}: {change.title}",
        "crumbs": [{"words": "Changes", "url": PATH}],
        "change": change,
        "document": orjson.dumps(change.document, option=orjson.OPT_INDENT_2).decode(),
        "badges": [STATES[change.state]],
        # What a file holds is read before it is signed.
        "kept": [
            {"words": f"part {part}", "url": f"/sources/{change.document['source']}/uploads/{one}/"}
            for part, one in enumerate(change.document.get("uploads", [])[:MOST_PARTS], 1)
        ]
        if live
        else [],
        "acts": _acts(change, user, now=now) if live else [],
        "about_url": about_url(change),
        "ledger_url": f"/ledger/?subject={change.subject}" if visible.sees_all(user) else "",
    }


ABOUT = {
    "NHI-": "/identities/{}/",
    "F-": "/findings/{}/",
    "AL-": "/alerts/{}/",
    "source:": "/sources/{}/",
    "person:": "/people/{}/",
}


def about_url(change: ProposedChange) -> str:
    """The page of what it is about; "" where it has none."""
    for prefix, url in ABOUT.items():
        if change.subject.startswith(prefix):
            name = change.subject if prefix.endswith("-") else change.subject.removeprefix(prefix)
            return url.format(name)
    return ""


def _acts(change: ProposedChange, user: User, *, now: datetime) -> list[dict[str, Any]]:
    return [
        {
            "words": "Sign and apply it",
            "url": f"{change.url}sign/",
            "icon": "signature",
            "primary": True,
            "why_not": changes.why_not_sign_change(user, change, now=now) or "",
        },
        {
            "words": "Refuse it",
            "url": f"{change.url}refuse/",
            "icon": "x",
            "ask": "Why does it stay as it is? It goes into the ledger",
            "why_not": changes.why_not_refuse_change(user, change, now=now) or "",
        },
    ]


def as_data(change: ProposedChange, user: User, *, now: datetime) -> dict[str, Any]:
    """A change as JSON, with why this user may not sign it."""
    return {
        "change": change.key,
        "url": change.url,
        "about": change.subject,
        "title": change.title,
        "changes": [{"about": about, "words": words} for about, words in change.lines],
        "document": change.document,
        "state": change.state,
        "reason": change.reason,
        "proposed_at": change.proposed_at,
        "proposed_by": change.proposed_by_name,
        "lapses_at": change.lapses_at,
        "settled_at": change.settled_at,
        "settled_by": change.settled_by_name,
        "settled_reason": change.settled_reason,
        "why_not_sign": changes.why_not_sign_change(user, change, now=now),
    }
