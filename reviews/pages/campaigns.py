"""Campaigns in a page's words: templates/campaigns.html, campaign_new.html and campaign.html.

Owns what the three pages say. Reads what was counted (reviews/campaigns/progress.py) and, before
the launch, the dry run; writes nothing.
"""

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from evidence.parameters import checked
from evidence.words import counted
from identities.models import User
from reviews import policy_words, sight, visible
from reviews.actions import attention, policy_versions
from reviews.campaigns import preview, progress, rows, scope
from reviews.models import Campaign, Case
from reviews.packs import subjects
from reviews.pages import campaign_progress, packs, planted
from reviews.pages.campaign_progress import share
from reviews.pages.campaign_rows import path_of
from reviews.pages.lists import page_of
from reviews.permissions import SIGNING
from reviews.policy_document import REQUESTS, Scope

MOST_LOOKS = 20  # reviews that wait for a second look, with a link each
MOST_STEPS = 20
APPLIES = {
    "at_once": "as soon as a review is decided",
    "at_end": "together, when the campaign is closed or due; what is revoked or ends, at once",
}
OF_LIST: dict[str, tuple[str, ...]] = {"q": (), "page": ()}
OF_PAGE: dict[str, tuple[str, ...]] = {"seat": tuple(SIGNING), "page": (), "working": ()}
# What closing does: to one that was launched, and to a draft.
CLOSES = (
    "What is decided goes out. Open reviews keep their deadlines, and what silence does then.",
    "Nobody was asked, and nobody will be.",
)
STATES = {
    "draft": ("draft", "draft"),
    "running": ("running", "running"),
    "paused": ("held", "paused"),
    "closed": ("closed", "closed"),
}


def listed(user: User, asked: dict[str, str], *, now: datetime) -> dict[str, Any]:
    """templates/campaigns.html: the newest first."""
    checked(asked, OF_LIST)
    why_not = rows.why_not_see(user) or ""
    found = Campaign.objects.select_related("policy").order_by("-number")
    if why_not:
        found = found.none()
    q = asked.get("q", "").strip()[:200]
    if q:
        found = found.filter(name__icontains=q)
    shown, page = page_of(found, asked, "/campaigns/")
    blind = sight.blind_campaigns(user, shown, now=now)
    looks = attention.of_campaigns([one.pk for one in shown if one.pk not in blind])
    return {
        "section": "campaigns",
        "title": "Campaigns",
        "q": q,
        "out_query": f"?{urlencode({'q': q})}" if q else "",
        "why_not": why_not,
        "rows": [_row(one, looks.get(one.pk, 0)) for one in shown],
        "page": page,
        "acts": [
            {
                "words": "Prepare a campaign",
                "url": "/campaigns/new/",
                "icon": "plus",
                "get": True,
                "primary": True,
                "why_not": rows.why_not_run(user) or "",
            }
        ],
    }


def _row(one: Campaign, looks: int) -> dict[str, Any]:
    done = progress.read(one)
    return {
        "key": one.key,
        "name": one.name,
        "url": f"/campaigns/{one.key}/",
        "policy": {"words": str(one.policy), "url": one.policy.url},
        "state": _state(one),
        "due_at": one.deadline_at,
        "items": done.items,
        "decided": done.decided,
        "share": share(done.decided, done.items),
        "open": done.open_cases,
        "counted_at": done.at,
        "looks": attention.in_words(looks),
        "to": _to(one),
    }


def _state(one: Campaign) -> dict[str, str]:
    kind, words = STATES[one.state]
    if one.state == "running" and one.asked_at is None:
        words = "being launched"
    return {"kind": kind, "words": words}


def policies(*, now: datetime) -> list[tuple[str, str]]:
    """The policies in force that reviews can be opened under, for the form."""
    policy_versions.in_force(now=now)
    return [(str(one.pk), str(one)) for one in policy_versions.all_signed() if one.name != REQUESTS]


def prepared(user: User) -> dict[str, Any]:
    """templates/campaign_new.html, beside its form."""
    return {
        "section": "campaigns",
        "title": "Prepare a campaign",
        "crumbs": [{"words": "Campaigns", "url": "/campaigns/"}],
        "why_not": rows.why_not_run(user) or "",
    }


def shown(one: Campaign, user: User, asked: dict[str, str], *, now: datetime) -> dict[str, Any]:
    """templates/campaign.html: the dry run of a draft, else how far it is."""
    checked(asked, OF_PAGE)
    found: dict[str, Any] = {
        "section": "campaigns",
        "title": one.name,
        "now": now,
        "crumbs": [{"words": "Campaigns", "url": "/campaigns/"}],
        "campaign": {
            "key": one.key,
            "name": one.name,
            "url": f"/campaigns/{one.key}/",
            "state": one.state,
            "reason": one.reason,
            "due_at": one.deadline_at,
            "launching": one.state == "running" and one.asked_at is None,
        },
        "head_badges": [_state(one)],
        # While the worker is at it nothing can be done with it, and the banner says so once.
        "acts": [*([] if rows.unfinished(one) else _acts(one, user)), *_pack(one, user)],
        "extend": {
            "url": f"/campaigns/{one.key}/extend/",
            "why_not": rows.why_not_extend(user, one),
        },
        "facts": _facts(one),
        "dry": None,
        "planted": planted.sentence_of(one),
        "to": _to(one),
        "progress": None,
        "step": _step(one),
    }
    if one.state == "draft":
        found |= _dry(one, preview.look(one.policy, one.scope, now=now), asked, found["to"])
    elif one.launched_at is not None:
        blind = one.pk in sight.blind_campaigns(user, [one], now=now)
        found |= campaign_progress.of(one, asked, blind=blind)
        found["looks"] = _looks(one, user, blind=blind, now=now)
        if found["looks"]["words"]:
            found["head_badges"].append({"kind": "provisional"})
    return found


def _to(one: Campaign) -> dict[str, str]:
    """Where its numbers lead (campaign_rows.py)."""
    roads = ("scope", "opened", "joined", "elsewhere", "exempt", "reviewed")
    return {road: path_of(one, "identities", road=road) for road in roads} | {
        "identities": path_of(one, "identities"),
        "items": path_of(one, "items"),
        "decided": path_of(one, "items", outcome="decided"),
        "left": path_of(one, "items", outcome="left"),
        "conflicts": path_of(one, "items", outcome="conflict"),
        "open": path_of(one, "reviews", state="open"),
        "looks": path_of(one, "reviews", looks="waiting"),
    }


def _step(one: Campaign) -> dict[str, Any] | None:
    """What the worker is doing with it now."""
    step = rows.unfinished(one)
    if step is None:
        return None
    return {
        "words": f"{one.name} {rows.far(step)}.",
        "share": share(min(step.done, step.reviews), step.reviews),
    }


def _looks(one: Campaign, user: User, *, blind: bool, now: datetime) -> dict[str, Any]:
    """The reviews with answers given too fast, which wait for somebody to look again."""
    many = 0 if blind else attention.of_campaigns([one.pk]).get(one.pk, 0)
    cases: list[Case] = []
    if many:
        shown = visible.cases(user, now=now).filter(pk__in=attention.cases_of(one.pk))
        cases = list(shown.order_by("number")[:MOST_LOOKS])
    return {
        "words": attention.in_words(many),
        "cases": [
            {"key": case.key, "title": case.title, "url": f"/cases/{case.key}/"} for case in cases
        ],
        "more": many - len(cases),
    }


def _pack(one: Campaign, user: User) -> list[dict[str, Any]]:
    return [] if one.state == "draft" else packs.acts(subjects.of(one), user)


def _acts(one: Campaign, user: User) -> list[dict[str, Any]]:
    path = f"/campaigns/{one.key}/"

    def act(name: str, words: str, icon: str, ask: str, why_not: str | None, **more: Any) -> Any:
        return {
            "words": words,
            "url": f"{path}{name}/",
            "icon": icon,
            "ask": ask,
            "why_not": why_not or "",
            **more,
        }

    close = act(
        "close",
        "Close",
        "archive",
        # There is no way back, so the form says what it does.
        f"{CLOSES[one.state == 'draft']} Why it ends now; it goes into the ledger",
        rows.why_not_close(user, one),
        danger=True,
    )
    if one.state == "draft":
        launch = act(
            "launch",
            "Launch",
            "send",
            "Why everybody is asked now; it goes into the ledger",
            rows.why_not_launch(user, one),
        )
        return [launch, close]
    if one.state == "closed":
        return []
    paused = one.state == "paused"
    return [
        act(
            "reiterate",
            "Ask those again who have not answered",
            "bell",
            "Why they are asked again; it goes into the ledger",
            rows.why_not_reiterate(user, one),
        ),
        act(
            "resume" if paused else "pause",
            "Go on" if paused else "Pause",
            "player-play" if paused else "player-pause",
            "Why it goes on" if paused else "Why it stands still",
            rows.why_not_resume(user, one) if paused else rows.why_not_pause(user, one),
        ),
        close,
    ]


def _facts(one: Campaign) -> list[dict[str, Any]]:
    said = scope.narrowing(one.scope, one.policy).scope or Scope()
    facts: list[dict[str, Any]] = [
        {"label": "Policy", "words": str(one.policy), "url": one.policy.url},
        {"label": "Of its scope", "words": policy_words.of_scope(said)},
        {"label": "Outcomes go out", "words": APPLIES[one.applies]},
        {"label": "Why", "words": one.reason},
        *planted.facts(one),
        {"label": "Prepared by", "words": one.made_by_name, "at": one.made_at},
    ]
    if one.launched_at is not None:
        facts.append({"label": "Launched by", "words": one.launched_by_name, "at": one.launched_at})
    for stretch in one.pauses.order_by("since"):
        words = "paused" if stretch.until is None else f"until {stretch.until:%-d %b %Y %H:%M} UTC"
        facts.append(
            {"label": "Paused", "words": f"{words}: {stretch.reason}", "at": stretch.since}
        )
    asked = one.steps.filter(kind="reiterate", told__isnull=False).order_by("-asked_at")
    facts += [
        {
            "label": "Asked again",
            "words": counted(step.told, "person", "people")
            if step.told
            else "nobody: all have answered, or were asked that day",
            "at": step.asked_at,
        }
        for step in asked[:MOST_STEPS]
    ]
    if one.closed_at is not None:
        facts.append({"label": "Closed by", "words": one.closed_by_name, "at": one.closed_at})
    facts.append(
        {
            "label": "Ledger",
            "words": "what was done with it",
            "url": f"/ledger/?{urlencode({'subject': one.key})}",
        }
    )
    return facts


def _dry(
    one: Campaign, found: preview.Preview, asked: dict[str, str], to: dict[str, str]
) -> dict[str, Any]:
    """The dry run, and the people of it page by page."""
    left = [
        ("joined", found.joined, "review,reviews", "open already: they join, unasked"),
        ("elsewhere", found.elsewhere, "review,reviews", "of these in another campaign"),
        ("exempt", found.exempt, "identity,identities", "exempt by the policy: left out"),
    ]
    shown, page = page_of(found.asked, asked, f"/campaigns/{one.key}/")
    dry = {
        "identities": found.identities,
        "opened": found.opened,
        "items": found.items,
        "people": len(found.asked),
        "left": [
            {"many": counted(many, *of.split(",")), "words": words, "url": to[road]}
            for road, many, of, words in left
            if many
        ],
        "asked": [
            {
                "name": share.person.name,
                "reviews": share.reviews,
                "items": share.items,
                "reviews_url": path_of(one, "identities", person=str(share.person.pk)),
                "items_url": path_of(one, "items", person=str(share.person.pk)),
            }
            for share in shown
        ],
        "vacant": [
            {
                "seat": seat.seat,
                "count": seat.many,
                "url": path_of(one, "identities", nobody=seat.kind),
                "more": seat.many - len(seat.identities),
                "identities": [
                    {"name": row.name, "url": f"/identities/{row.key}/"} for row in seat.identities
                ],
            }
            for seat in found.vacant
        ],
        "silence": [
            {"words": words, "n": many, "url": path_of(one, "identities", silence=words)}
            for words, many in found.silence
        ],
    }
    return {"dry": dry, "page": page | {"total": len(found.asked)}}
