"""Sealed credentials as pages: what is declared, what waits for a signature, drills, and each use.

Owns the contexts of templates/sealed.html, sealed_one.html, sealed_new.html and sealed_use.html.
Constant queries.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from evidence.intake.admitting import micros
from evidence.parameters import understood
from evidence.vocabulary import OUTCOMES
from identities import visible as identities_visible
from identities.models import User
from identities.radius.rows import DEAD
from reviews import visible
from reviews.break_glass.forms import REVIEW_WORDS
from reviews.models import Case, SealedCredential, SealedDrill, SealedUse
from reviews.pages.break_glass_looking import capsule_of
from reviews.pages.details import credential_acts
from reviews.pages.lists import PAGES, page_of
from reviews.sealed import looking, made, rights

PATH = "/break-glass/sealed/"
CRUMBS = [{"words": "Break-glass", "url": "/break-glass/"}]
ALL = [*CRUMBS, {"words": "Sealed credentials", "url": PATH}]
MOST_UNLOOKED = 8
MOST_ROWS, MOST_VERSIONS, MOST_DRILLS, SHOWN = 400, 50, 20, 50
MOST_MADE = 100
NO_READER = "Sealed credentials are shown to reviewers, responders, auditors and administrators."
LEAD = (
    "For when this application is down: a credential that lies in an envelope. Two people declare it"
    " here. Its use is recognised from evidence, also from what arrives late, told at once, and"
    " somebody else looks back at it."
)


def uses_of(user: User, *, now: datetime) -> QuerySet[SealedUse]:
    """The uses this user sees, the newest first."""
    seen = visible.cases(user, now=now).filter(door="break_glass").order_by()
    rows = SealedUse.objects.filter(case__in=seen.values("pk"))
    return rows.select_related("case", "credential__actor", "drill").order_by("-case__number")


def overview(user: User, asked: dict[str, str], *, now: datetime) -> dict[str, Any]:
    """templates/sealed.html: what is declared, and every use."""
    asked, left_out = understood(asked, PAGES)
    shown, page = page_of(uses_of(user, now=now), asked, PATH)
    rows = SealedCredential.objects.filter(state__in=["in_force", "proposed"])
    return {
        "section": "break_glass",
        "now": now,
        "title": "Sealed credentials",
        "crumbs": CRUMBS,
        "lead": LEAD,
        "left_out": left_out,
        "rows": [
            {"row": one, "badge": badge(one)}
            for one in rows.select_related("actor").order_by("slug", "-version")[:MOST_ROWS]
        ],
        "uses": [use_row(one) for one in shown],
        "page": page,
        "acts": [_propose("Declare one", f"{PATH}new/", user, now)],
    }


def unlooked(user: User, *, now: datetime) -> list[dict[str, Any]]:
    """What was used out of band and nobody has looked back at yet."""
    rows = uses_of(user, now=now).filter(reviewed_at__isnull=True)
    return [use_row(one) for one in rows[:MOST_UNLOOKED]]


def use_row(one: SealedUse) -> dict[str, Any]:
    """A use in a list."""
    badges: list[dict[str, str]] = [{"kind": one.case.state}]
    if one.drill is not None:
        words = "beyond its drill" if one.beyond_drill else "announced drill"
        badges.append({"kind": "failed" if one.beyond_drill else "neutral", "words": words})
    return {
        "key": one.case.key,
        "url": f"/break-glass/{one.case.key}/",
        "words": one.credential.words,
        "slug": one.slug,
        "first_at": one.first_at,
        "last_at": one.last_at,
        "calls": one.calls,
        "more": one.more,
        "badges": badges,
        "review": one.review,
    }


def badge(one: SealedCredential) -> dict[str, str]:
    """Where a version stands."""
    if one.state == "proposed":
        return {"kind": "proposed", "words": "waits for a second signature"}
    if one.state == "in_force":
        if one.watched:
            return {"kind": "in_force", "words": "watched for"}
        return {"kind": "neutral", "words": "sealed no longer"}
    return {"kind": "neutral", "words": "replaced"} if one.state == "ended" else {"kind": one.state}


def version(row: SealedCredential, user: User, *, now: datetime) -> dict[str, Any]:
    """templates/sealed_one.html."""
    versions = SealedCredential.objects.filter(slug=row.slug).order_by("-version")
    drills = SealedDrill.objects.filter(slug=row.slug).order_by("-starts_at")[:MOST_DRILLS]
    acts = [_propose("Propose a change", f"{PATH}new/?slug={row.slug}", user, now)]
    if row.state == "proposed":
        acts = [
            {
                "words": "Sign it",
                "url": f"{row.url}sign/",
                "icon": "signature",
                "primary": True,
                "why_not": rights.why_not_sign_sealed(user, row, now=now) or "",
            },
            {
                "words": "Refuse it",
                "url": f"{row.url}refuse/",
                "icon": "ban",
                "ask": "Why is it not to be declared?",
                "why_not": rights.why_not_refuse_sealed(user, row, now=now) or "",
            },
        ]
    live = row.state == "in_force" and row.watched
    return {
        "section": "break_glass",
        "now": now,
        "title": str(row),
        "crumbs": ALL,
        "row": row,
        "badges": [badge(row)],
        "facts": [
            {"label": "What it is for", "words": row.words},
            {"label": "Credential", "words": f"{row.actor.value} ({row.actor.kind})"},
            {"label": "It lies", "words": row.kept},
            {"label": "May open it", "words": row.openers},
            {"label": "Looked back at", "words": f"within {row.review_within_hours} h"},
        ],
        "versions": [{"row": one, "badge": badge(one)} for one in versions[:MOST_VERSIONS]],
        "drills": list(drills),
        "drill_url": f"{PATH}{row.slug}/drills/" if live else "",
        "why_not_announce": rights.why_not_announce(user, now=now) or "",
        "acts": acts,
        "ledger_url": f"/ledger/?subject={row.subject}",
    }


def proposal(user: User, *, now: datetime) -> dict[str, Any]:
    """templates/sealed_new.html."""
    return {
        "section": "break_glass",
        "now": now,
        "title": "Declare a sealed credential",
        "crumbs": ALL,
        "why_not": rights.why_not_propose_sealed(user, now=now) or "",
    }


def starting(slug: str) -> dict[str, Any]:
    """What the form begins with: the version that is in force."""
    row = SealedCredential.objects.filter(slug=slug, state="in_force").select_related("actor")
    one = row.first()
    if one is None:
        return {"slug": slug}
    return {
        "slug": one.slug,
        "words": one.words,
        "named": f"{one.actor.realm} {one.actor.kind} {one.actor.value}",
        "kept": one.kept,
        "openers": one.openers,
        "review_within_hours": one.review_within_hours,
        "watched": one.watched,
    }


def use(case: Case, row: SealedUse, user: User, *, now: datetime) -> dict[str, Any]:
    """templates/sealed_use.html."""
    shown = looking.calls(row, most=SHOWN)
    found = made.of_use(row, now=now)
    return {
        "section": "break_glass",
        "now": now,
        "title": case.title,
        "crumbs": ALL,
        "case": case,
        "use": row,
        "badges": use_row(row)["badges"],
        "path": f"{PATH}uses/{case.key}/",
        "declared": {"words": str(row.credential), "url": row.credential.url},
        "identity": case.identity,
        "events": [
            {
                "at": one.at,
                "action": one.action or "not kept any more",
                "resource": one.resource,
                "address": one.address,
                "outcome": "" if one.outcome is None else OUTCOMES[one.outcome],
                "url": f"/events/{micros(one.at)}-{one.event}/",
            }
            for one in shown
        ],
        "events_more": max(0, row.calls - len(shown)),
        "made": _made(found[:MOST_MADE], user, now=now),
        "made_more": max(0, len(found) - MOST_MADE),
        "why_not_harmless": made.why_not_harmless(found) or "",
        "why_not_explain": rights.why_not_explain_use(user, row, now=now) or "",
        "why_not_look": rights.why_not_look_at_use(user, row, now=now) or "",
        "read": looking.digest(row, found),
        "kinds": list(REVIEW_WORDS.items()),
        "capsule": row.capsule and capsule_of(case, row.capsule),
        "ledger_url": f"/ledger/?subject={case.key}",
    }


def _made(found: Sequence[made.Made], user: User, *, now: datetime) -> list[dict[str, Any]]:
    """What a use made, with the way to stop each that this user may see."""
    rows = identities_visible.credentials(user, now=now).select_related("identity__service")
    known = rows.in_bulk([one.credential for one in found if one.credential is not None])
    return [
        {
            "one": one,
            "url": f"/credentials/{key.key}/" if key is not None else "",
            "event_url": f"/events/{micros(one.at)}-{one.event}/",
            "acts": [] if key is None or one.life == DEAD else credential_acts(key, user, now=now),
        }
        for one in found
        for key in [known.get(one.credential) if one.credential is not None else None]
    ]


def _propose(words: str, url: str, user: User, now: datetime) -> dict[str, Any]:
    return {
        "words": words,
        "url": url,
        "icon": "pencil",
        "get": True,
        "why_not": rights.why_not_propose_sealed(user, now=now) or "",
    }
