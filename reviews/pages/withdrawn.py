"""What was withdrawn since somebody signed, beside the item it was shown with, and the undo.

Owns the sentences and the buttons. Each button leads to an act that has its own permission; where
nothing can be undone, the sentence says so.
"""

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode
from uuid import UUID

from identities import permissions as identity_permissions
from identities.models import Credential, Delegation
from reviews.actions import withdrawing
from reviews.models import Item, Withdrawal
from reviews.shown import LIVE

if TYPE_CHECKING:
    from reviews.pages.case import Parts


def of_item(item: Item, parts: "Parts") -> dict[str, Any] | None:
    """{"rows": [{"words", "url"}], "undo": [act or {"words"}]}; None when nothing was withdrawn."""
    rows = [row for row in parts.withdrawals if not row.items or item.pk in row.items]
    if not rows:
        return None
    undo = _of_identity(parts) + _of_kind(item, parts)
    if parts.case.state == "open" and item.outcome != "revoke":
        undo.append({"words": "An answer that was given stands until it is changed here."})
    return {"rows": [_row(row, item, parts) for row in rows], "undo": undo}


def _row(row: Withdrawal, item: Item, parts: "Parts") -> dict[str, Any]:
    before = [
        given for (pk, _), given in parts.decisions.items() if pk == item.pk and given.at <= row.at
    ]
    names = ["you" if one.by_id == parts.user.pk else one.person.name for one in before]
    since = f" since {' and '.join(dict.fromkeys(names))} signed" if names else ""
    words = f"{row.finding.key} was withdrawn{since}, because {row.because}."
    if row.finding.state in LIVE:
        words = f"{words} It has been found again since."
    return {"words": words, "url": f"/findings/{row.finding.key}/", "at": row.at}


def _of_identity(parts: "Parts") -> list[dict[str, Any]]:
    """A suspension or a hold of the whole identity."""
    identity, now = parts.case.identity, parts.now
    if identity is None:
        return []
    if identity.state == "suspended":
        # Its page says by what it is, and who signs that it works again.
        return [
            {
                "words": f"Ask to resume {identity.name}",
                "url": f"/identities/{identity.key}/",
                "icon": "player-track-next",
                "why_not": "",
                "get": True,
            }
        ]
    if withdrawing.is_held(identity, now=now):
        why = identity_permissions.why_not_hold(parts.user, identity, now=now)
        url = f"/cases/{parts.case.key}/release/"
        return [_act(f"Release {identity.name}", url, why, "arrow-back-up")]
    return []


def _of_kind(item: Item, parts: "Parts") -> list[dict[str, Any]]:
    if item.ref is None:
        return []
    if item.kind == "credential":
        return _of_credential(item.ref, parts)
    stopped = item.carried_out_at is not None and item.outcome in ("narrow", "revoke")
    if item.kind in ("delegation", "entitlement") and stopped:
        return [_ask_again(item.kind, item.ref, parts)]
    return []


def _of_credential(ref: UUID, parts: "Parts") -> list[dict[str, Any]]:
    one = Credential.objects.select_related("identity__service").get(pk=ref)
    if one.state in ("revoked", "expired"):
        return [
            {"words": f"{one.key} is {one.state}: that stays. A new one must be issued instead."}
        ]
    if one.state == "held" and one.identity is not None:
        why = identity_permissions.why_not_hold(parts.user, one.identity, now=parts.now)
        return [
            _act(f"Release {one.key}", f"/credentials/{one.key}/release/", why, "arrow-back-up")
        ]
    return []


def _ask_again(kind: str, ref: UUID, parts: "Parts") -> dict[str, Any]:
    """What was narrowed or ended comes back by a new request only."""
    asked = {"identity": parts.case.identity.key if parts.case.identity is not None else ""}
    if kind == "delegation":
        asked["delegation"] = Delegation.objects.get(pk=ref).key
    return {
        "words": "Ask for it again",
        "url": f"/requests/new/?{urlencode(asked)}",
        "icon": "door-enter",
        "why_not": "",
        "get": True,
    }


def _act(words: str, url: str, why_not: str | None, icon: str) -> dict[str, Any]:
    return {
        "words": words,
        "url": url,
        "icon": icon,
        "why_not": why_not or "",
        "ask": "Why it may work again",
    }
