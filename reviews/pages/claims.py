"""Actors that nobody has claimed, with the proposal beside each: templates/unclaimed.html."""

import re
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from evidence.parameters import Known, is_whole, understood, whole
from identities import permissions, visible
from identities.actions.bindings import Rule, preview, proposals, unclaimed
from identities.inventory.listing import Listed
from identities.models import Binding, User
from identities.permissions import NotPossible
from reviews.pages import claim_wave
from reviews.pages.lists import named

BULK_CALLS = 20
KEY = re.compile(r"NHI-\d+")
# So many identities are offered to whoever types; every other one is found all the same.
MOST_OFFERED = 500
# Which proposals are shown alone.
PROPOSED = {
    "yes": "with a proposal",
    "ready": f"with at least {BULK_CALLS} exact calls, and no other agent",
}
OF_ACTORS: Known = {"q": (), "identity": (), "proposed": tuple(PROPOSED), "before": is_whole}
# A hint is a question to whoever claims, never an answer.
HINTS = {
    "owner": "owner?",
    "team": "team?",
    "creator": "made by?",
    "iac": "code?",
    "codeowners": "code owner?",
    "cmdb": "CMDB?",
}


def context(user: User, asked: dict[str, str], *, now: datetime) -> dict[str, Any]:
    """One page of actors, newest first."""
    asked, left_out = understood(asked, OF_ACTORS)
    q = asked.get("q", "").strip()[:200]
    before = whole(asked.get("before", ""))
    key = asked.get("identity", "")
    one = named(user, key, now=now) if key else None
    nobody = bool(key) and one is None
    ready_ones = preview(rule=Rule(least_calls=BULK_CALLS), now=now)
    ready, proposed = ready_ones.count(), asked.get("proposed", "")
    among = {"yes": proposals(), "ready": ready_ones}.get(proposed)
    found = [] if nobody else unclaimed(now=now, search=q, before=before, identity=one, among=among)
    seen = _seen(user, [row for one in found for row in one.proposals], now=now)
    rest = {name: asked[name] for name in ("q", "identity", "proposed") if asked.get(name)}
    return {
        "section": "unclaimed",
        "title": "Unclaimed actors",
        "left_out": left_out,
        "narrowed": [f"Proposed to be {one.name if one else key[:60]}"] * bool(key)
        + [words[:1].upper() + words[1:] for name, words in PROPOSED.items() if name == proposed],
        "hidden": [{"name": name, "value": rest[name]} for name in rest if name != "q"],
        "q": q,
        "tabs": claim_wave.tabs(user, "actors"),
        "rows": [_row(one, seen, user, now) for one in found],
        "page": {
            "first": 1 if found else 0,
            "last": len(found),
            "total": None,
            "prev_url": f"?{urlencode(rest)}" if before else "",
            "next_url": f"?{urlencode({**rest, 'before': found[-1].cursor})}"
            if len(found) == 50
            else "",
        },
        "link_url": "/links/new/",
        "reject_url": "/unclaimed/reject/",
        "bulk": {"at_least": BULK_CALLS, "n": ready} if ready else None,
        "identities": [
            {"key": one.key, "name": one.name}
            for one in visible.identities(user, now=now).order_by("name")[:MOST_OFFERED]
        ],
    }


def key_of(said: str, user: User, *, now: datetime) -> str:
    """The key of the identity that was typed: it itself, or of the one that is called so."""
    said = said.strip()
    if KEY.fullmatch(said):
        return said
    found = visible.identities(user, now=now).filter(name=said).first()
    if found is None:
        raise NotPossible(f"No identity is called {said[:60]!r}: give its name or its key, NHI-….")
    return found.key


def _seen(user: User, proposed: list[Binding], *, now: datetime) -> set[int]:
    """Those of these proposals whose identity this user may know of."""
    rows = visible.bindings(user, now=now).filter(pk__in=[one.pk for one in proposed])
    return set(rows.values_list("pk", flat=True)) if proposed else set()


def _row(one: Any, seen: set[int], user: User, now: datetime) -> dict[str, Any]:
    return {
        "id": one.actor.pk,
        "value": one.actor.value,
        "kind": one.actor.kind.replace("_", " "),
        "realm": one.actor.realm,
        "first_at": one.first_at,
        "last_at": one.last_at,
        "count": one.count,
        "count_url": f"/events/?{urlencode({'actor': one.actor.pk})}",
        "listed": listed(one.listed),
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
            if row.pk in seen
        ],
    }


def listed(one: Listed | None) -> dict[str, Any] | None:
    """What the system's own list says of an actor: dates, credentials, and who might own it."""
    if one is None:
        return None
    return {
        "kind": one.kind,
        "title": one.title,
        "status": one.status,
        "created_at": one.created_at,
        "expires_at": one.expires_at,
        "last_used_at": one.last_used_at,
        "gone_at": one.gone_at,
        "read_at": one.read_at,
        "source": one.source,
        "source_url": f"/sources/{one.source}/inventory/",
        "hints": [
            {
                "words": HINTS.get(hint.get("kind", ""), "hint"),
                "value": hint.get("value", ""),
                "seen_in": hint.get("seen_in", ""),
            }
            for hint in one.hints
        ],
        "credentials": [
            {**(listed(held) or {}), "short": short(held.value)} for held in one.credentials
        ],
        "more": one.more,
    }


def short(value: str) -> str:
    """An identifier as pages show it: AKIA…QP7D."""
    return f"{value[:4]}…{value[-4:]}" if len(value) > 12 else value
