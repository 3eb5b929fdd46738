"""Break-glass beyond one case: what can be asked for, what is open, the request, the bundles.

Owns the contexts of templates/break_glass_all.html, break_glass_new.html, bundles.html, bundle.html,
bundle_new.html and on_call.html. Constant queries.
"""

import json
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from evidence.parameters import understood
from identities.actions import grants
from identities.models import User
from identities.permissions import READERS, groups
from reviews import visible
from reviews.break_glass import asking, bundles, document, factors, on_call, rights
from reviews.models import BreakGlass, Bundle, Case, Notice
from reviews.pages import sealed
from reviews.pages.lists import PAGES, page_of

PATH = "/break-glass/"
CRUMBS = [{"words": "Break-glass", "url": PATH}]
MOST_VERSIONS = 50
BURNING = 8  # rows on the front page
NAMED = 6
EXAMPLE: dict[str, Any] = {
    "words": "Read what an agent wrote",
    "target": {
        "system": "aws",
        "account": "111122223333",
        "kind": "role_sessions",
        "name": "break-glass",
    },
    "actions": ["s3:GetObject"],
    "resources": ["arn:aws:s3:::reports/*"],
    "quorum": {"all_of": [{"team": "Platform", "n": 1}, {"team": "Security", "n": 1}]},
    "patience_minutes": 5,
    "cap_minutes": 60,
    "cap_after_bypass_minutes": 15,
    "reason": {"least": 20},
    "ticket": {"how": "promised", "hours": 24},
}


def rows_of(user: User, *, now: datetime) -> QuerySet[BreakGlass]:
    """The break-glass cases this user sees, the newest first."""
    seen = visible.cases(user, now=now).filter(door="break_glass").order_by()
    rows = BreakGlass.objects.filter(case__in=seen.values("pk"))
    return rows.select_related("case", "bundle").order_by("-case__number")


def overview(user: User, asked: dict[str, str], *, now: datetime) -> dict[str, Any]:
    """templates/break_glass_all.html."""
    asked, left_out = understood(asked, PAGES)
    shown, page = page_of(rows_of(user, now=now), asked, PATH)
    return {
        "section": "break_glass",
        "now": now,
        "title": "Break-glass",
        "left_out": left_out,
        "rows": [row_of(one, now=now) for one in shown],
        "out_of_band": sealed.unlooked(user, now=now),
        "page": page,
        "acts": [
            {"words": "On call", "url": f"{PATH}on-call/", "icon": "clock", "get": True},
            {"words": "Bundles", "url": f"{PATH}bundles/", "icon": "list-details", "get": True},
            {
                "words": "Sealed credentials",
                "url": sealed.PATH,
                "icon": "lock",
                "get": True,
                "why_not": "" if READERS & groups(user) else sealed.NO_READER,
            },
            {
                "words": "Get access now",
                "url": f"{PATH}new/",
                "icon": "bolt",
                "get": True,
                "primary": True,
            },
        ],
    }


def row_of(one: BreakGlass, *, now: datetime) -> dict[str, Any]:
    """One case in a list."""
    case = one.case
    badges: list[dict[str, str]] = [{"kind": case.state}]
    if case.state == "carrying_out":
        over = one.ends_at is not None and one.ends_at <= now
        badges = [{"kind": "carrying_out", "words": "ending"} if over else {"kind": "active"}]
    if one.bypassed_at is not None:
        badges.append({"kind": "bypass"})
    if one.drill:
        badges.append({"kind": "neutral", "words": "drill"})
    when = {
        "open": one.patience_at if now < one.patience_at else case.deadline_at,
        "carrying_out": one.ends_at,
        "in_review": one.review_due_at,
    }
    return {
        "key": case.key,
        "url": f"{PATH}{case.key}/",
        "words": str(one.bundle.document.get("words", one.bundle.slug)),
        "who": case.opened_by_name,
        "reason": case.reason,
        "at": case.opened_at,
        "until": when.get(case.state),
        "badges": badges,
        "review": one.review,
    }


def burning(user: User, *, now: datetime) -> dict[str, Any]:
    """What was given and is not shown to be gone, for the front page; in two queries."""
    seen = visible.cases(user, now=now).filter(door="break_glass").order_by()
    rows = grants.unfinished(now=now).filter(case__in=seen.values("pk"))
    return {
        "title": "Break-glass not proved gone",
        "icon": "bolt",
        "n": rows.count(),
        "url": "/unfinished/",
        "rows": [
            {
                "words": f"{one.grant.case_key}: {one.words}",
                "sub": one.sentence,
                "url": f"{PATH}{one.grant.case_key}/",
                "state": "",
                "when": one.grant.ending_at or one.ends_at,
                "when_words": "",
                "share": None,
                "must_act": one.must_act,
            }
            for one in grants.seen(rows[:BURNING], now=now)
        ],
    }


def choices(user: User, *, now: datetime) -> list[dict[str, Any]]:
    """What can be asked for, each with why this user may not."""
    found = []
    for one in bundles.catalogue():
        says = rights.document_of(one)
        found.append(
            {
                "slug": one.slug,
                "words": says.words,
                "says": says,
                "where": f"{says.target.system}, {says.target.kind} {says.target.name}",
                "quorum": says.quorum.words(),
                "why_not": rights.why_not_ask(user, one, now=now) or "",
            }
        )
    return found


def request(
    user: User, slug: str, incident: Case | None, *, now: datetime
) -> tuple[dict[str, Any], document.Document | None]:
    """templates/break_glass_new.html apart from its form, and what the chosen bundle says."""
    found = choices(user, now=now)
    able = [one for one in found if not one["why_not"]]
    chosen = next((one for one in able if one["slug"] == slug), None)
    if chosen is None and len(able) == 1 and not slug:
        chosen = able[0]
    before = rights.unreviewed(user.person_id)
    says = None if chosen is None else chosen["says"]
    return {
        "section": "break_glass",
        "now": now,
        "title": "Get access now",
        "crumbs": CRUMBS,
        "choices": found,
        "chosen": chosen,
        "incident": incident,
        "nobody": "" if says is None else asking.expected(says, user, now=now),
        "who": "" if says is None else can_sign(says, user, now=now),
        "before": before,
        "factorless": not factors.counting(user, now=now).exists(),
    }, says


def can_sign(says: document.Document, user: User, *, now: datetime) -> str:
    """A few names of those who can sign for this user, and how many more there are."""
    able = rights.able(says.quorum, now=now, but=user.person_id)
    those = rights.persons([one for one in able if one.person != user.person_id])
    there = on_call.of_rule(says.quorum, now=now, but=user.person_id)
    return _few(on_call.called({one.pk: one.name for one in those}, there))


def catalogue(user: User, *, now: datetime) -> dict[str, Any]:
    """templates/bundles.html: the newest version of each, and what waits for a signature."""
    rows = list(
        Bundle.objects.filter(state__in=["in_force", "proposed"]).order_by("slug", "-version")[:400]
    )
    return {
        "section": "break_glass",
        "now": now,
        "title": "Bundles",
        "crumbs": CRUMBS,
        "rows": [
            {"row": one, "says": rights.document_of(one), "badge": badge(one)} for one in rows
        ],
        "acts": [
            {
                "words": "Propose a bundle",
                "url": f"{PATH}bundles/new/",
                "icon": "pencil",
                "get": True,
                "why_not": rights.why_not_propose_bundle(user, now=now) or "",
            }
        ],
    }


def badge(one: Bundle) -> dict[str, str]:
    """Where a version stands."""
    if one.state == "proposed":
        return {"kind": "proposed", "words": "waits for a second signature"}
    if one.state == "in_force" and not one.document.get("offered", True):
        return {"kind": "neutral", "words": "not offered"}
    return {"kind": one.state} if one.state != "ended" else {"kind": "neutral", "words": "replaced"}


def version(bundle: Bundle, user: User, *, now: datetime) -> dict[str, Any]:
    """templates/bundle.html."""
    versions = Bundle.objects.filter(slug=bundle.slug).order_by("-version")[:MOST_VERSIONS]
    url = bundle.url
    acts: list[dict[str, Any]] = [
        {
            "words": "Propose a change",
            "url": f"{PATH}bundles/new/?slug={bundle.slug}",
            "icon": "pencil",
            "get": True,
            "why_not": rights.why_not_propose_bundle(user, now=now) or "",
        }
    ]
    if bundle.state == "proposed":
        acts = [
            {
                "words": "Sign it",
                "url": f"{url}sign/",
                "icon": "signature",
                "primary": True,
                "why_not": rights.why_not_sign_bundle(user, bundle, now=now) or "",
            },
            {
                "words": "Refuse it",
                "url": f"{url}refuse/",
                "icon": "x",
                "ask": "Why is it not to be given? It goes into the ledger",
                "why_not": rights.why_not_refuse_bundle(user, bundle, now=now) or "",
            },
        ]
    return {
        "section": "break_glass",
        "now": now,
        "title": str(bundle),
        "crumbs": [*CRUMBS, {"words": "Bundles", "url": f"{PATH}bundles/"}],
        "bundle": bundle,
        "badges": [badge(bundle)],
        "lines": document.lines(rights.document_of(bundle)),
        "document": json.dumps(bundle.document, indent=2, ensure_ascii=False),
        "versions": [{"row": one, "badge": badge(one)} for one in versions],
        "acts": acts,
        "ledger_url": f"/ledger/?subject={bundle.subject}",
    }


def proposal(user: User, *, now: datetime) -> dict[str, Any]:
    """templates/bundle_new.html, apart from what was typed."""
    return {
        "section": "break_glass",
        "now": now,
        "title": "Propose a bundle",
        "crumbs": [*CRUMBS, {"words": "Bundles", "url": f"{PATH}bundles/"}],
        "why_not": rights.why_not_propose_bundle(user, now=now) or "",
        "fields": [
            {"name": name, "words": words} for name, (_, _, words) in document.FIELDS.items()
        ],
    }


def starting(slug: str) -> str:
    """The document that a proposal begins with: what is in force under this name, else an example."""
    row = bundles.in_force(slug) if slug else None
    return json.dumps(EXAMPLE if row is None else row.document, indent=2, ensure_ascii=False)


def told(case: Case) -> str:
    """Who was asked by now, for whoever asked: a few names."""
    rows = Notice.objects.filter(case=case.pk, occasion=f"{case.key} asked", person__isnull=False)
    return _few(list(rows.order_by("person__name").values_list("person__name", flat=True))) or (
        "nobody"
    )


def _few(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def rotas(*, now: datetime) -> dict[str, Any]:
    """templates/on_call.html: each team's rota, who is on call by it, and what is wrong with it."""
    return on_call.overview(now=now) | {
        "section": "break_glass",
        "now": now,
        "title": "On call",
        "crumbs": CRUMBS,
    }
