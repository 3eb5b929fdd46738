"""What the pages of packs show: those that were taken out, how far one is, and whom it went to."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.http import Http404

from evidence.models import Pack
from identities.models import User
from identities.visible import sees_all
from reviews.packs import handing, ordering, subjects
from reviews.packs.subjects import Subject

PAGE = 50
STATES = {
    "asked": ("running", "being made"),
    "ready": ("done", "made"),
    "failed": ("failed", "not made"),
    "gone": ("ended", "no longer kept"),
}


def pack_of(user: User, key: str) -> Pack:
    """A pack this user may see; anything else is absent."""
    number = key.removeprefix("PACK-")
    if not key.startswith("PACK-") or not number.isdecimal() or len(number) > 15:
        raise Http404("no pack of this key")
    found = ordering.seen(user).filter(number=int(number)).first()
    if found is None:
        raise Http404("no pack of this key")
    return found


def acts(subject: Subject, user: User) -> list[dict[str, Any]]:
    """The buttons on the page of what a pack can be of, with deposits for who may read those; none
    for who may not take one. Asks nothing of the database: it is judged again when it is taken."""
    if subject.kind != "capsule" and subject.sealed_case is None and not sees_all(user):
        return []
    taken = {"words": "Take the pack out", "url": f"/packs/take/{subject.key}/", "icon": "archive"}
    if not sees_all(user):
        return [taken]
    hidden = [{"name": "deposits", "value": "1"}]
    return [taken, taken | {"words": "Pack with deposits", "hidden": hidden}]


def listed(user: User, asked: Mapping[str, str], *, now: datetime) -> dict[str, Any]:
    """For templates/packs.html."""
    rows = ordering.seen(user)
    wanted = asked.get("subject", "")
    if wanted:
        rows = rows.filter(subject=wanted)
    before = asked.get("before", "")
    if before.isdecimal() and len(before) < 16:
        rows = rows.filter(number__lt=int(before))
    found = list(rows.order_by("-number")[: PAGE + 1])
    shown, more = found[:PAGE], len(found) > PAGE
    older = f"/packs/?before={shown[-1].number}" if more else ""
    if older and wanted:
        older += f"&subject={wanted}"
    return {
        "section": "ledger",
        "title": "Packs",
        "subject": wanted,
        "rows": [_row(one, user) for one in shown],
        "page": {"prev_url": "/packs/" if before else "", "prev_words": "Newest",
                 "next_url": older, "next_words": "Older"},
        "now": now,
    }  # fmt: skip


def one(pack: Pack, user: User, *, now: datetime) -> dict[str, Any]:
    """For templates/pack_one.html."""
    subject = subjects.find(pack.subject, user, now=now)
    far = ordering.progress(pack) if pack.state == "asked" else None
    why_fetch = handing.why_not_fetch(user, pack, now=now)
    why_hand = handing.why_not_hand_over(user, pack)
    return {
        "section": "ledger",
        "crumbs": [{"words": "Packs", "url": "/packs/"}],
        "pack": _row(pack, user),
        "row": pack,
        "about": None if subject is None else {"words": subject.title, "url": subject.url},
        "far": None if far is None else {"done": far[0], "of": far[1]},
        "working": pack.state == "asked",
        "fetch": {"url": f"/packs/{pack.key}/file/", "why_not": why_fetch or ""},
        "hand": {"url": f"/packs/{pack.key}/transfers/", "why_not": why_hand or ""},
        "transfers": list(pack.transfers.order_by("-pk")),
        "now": now,
    }


def _row(pack: Pack, user: User) -> dict[str, Any]:
    badge, words = STATES[pack.state]
    return {
        "key": pack.key,
        "url": f"/packs/{pack.key}/",
        "subject": pack.subject,
        "by": pack.by_name,
        "mine": pack.by == user.ref,
        "asked_at": pack.asked_at,
        "made_at": pack.made_at,
        "size": pack.size,
        "signed": pack.signed,
        "digest": None if pack.digest is None else bytes(pack.digest),
        "with_deposits": pack.with_deposits,
        "badge": badge,
        "state": words,
        "why": pack.why,
        "given": pack.transfers.count(),
    }
