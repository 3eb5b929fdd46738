"""Actors that nobody has claimed, with the proposal beside each: templates/unclaimed.html."""

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from identities import permissions, visible
from identities.actions.bindings import Rule, preview, unclaimed
from identities.models import User

BULK_CALLS = 20


def context(user: User, asked: dict[str, str], *, now: datetime) -> dict[str, Any]:
    """One page of actors, newest first."""
    q = asked.get("q", "").strip()[:200]
    before = int(asked["before"]) if asked.get("before", "").isdigit() else None
    found = unclaimed(now=now, search=q, before=before)
    rest = {"q": q} if q else {}
    rule = Rule(least_calls=BULK_CALLS)
    ready = preview(rule=rule, now=now).count()
    return {
        "section": "unclaimed",
        "title": "Unclaimed actors",
        "q": q,
        "rows": [_row(one, user, now) for one in found],
        "page": {
            "first": 1 if found else 0,
            "last": len(found),
            "total": None,
            "prev_url": f"?{urlencode(rest)}" if before else "",
            "next_url": f"?{urlencode({**rest, 'before': found[-1].cursor})}"
            if len(found) == 50
            else "",
        },
        "confirm_url": "/unclaimed/confirm/",
        "reject_url": "/unclaimed/reject/",
        "bulk_url": "/unclaimed/bulk/",
        "bind_url": "/unclaimed/bind/",
        "bulk": {"at_least": BULK_CALLS, "n": ready} if ready else None,
        "identities": [
            {"key": one.key, "name": one.name}
            for one in visible.identities(user, now=now).order_by("name")[:500]
        ],
    }


def _row(one: Any, user: User, now: datetime) -> dict[str, Any]:
    return {
        "id": one.actor.pk,
        "value": one.actor.value,
        "kind": one.actor.kind.replace("_", " "),
        "realm": one.actor.realm,
        "first_at": one.first_at,
        "last_at": one.last_at,
        "count": one.count,
        "count_url": f"/events/?{urlencode({'actor': one.actor.pk})}",
        "proposals": [
            {
                "id": row.pk,
                "identity": row.identity.name,
                "identity_url": f"/identities/{row.identity.key}/",
                "identity_key": row.identity.key,
                "reason": row.reason,
                "strength": "exact" if row.basis in ("observed", "issued") else "inferred",
                "seen": row.seen,
                "shared": row.shared,
                "why_not": permissions.why_not_confirm_binding(user, row, now=now) or "",
            }
            for row in one.proposals
        ],
    }
