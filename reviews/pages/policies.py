"""Review policies as pages: which are in force, what a version says, what it would do today.

Owns the contexts of templates/policies.html, policy.html, policy_new.html and
policy_identities.html, and the dry run, which only reads and is over after two seconds.
"""

import json
from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.db import OperationalError, connection, transaction
from django.db.models import Count, Q, QuerySet

from evidence.parameters import Known, understood
from evidence.words import counted
from identities import visible
from identities.models import Identity, User
from reviews import micro_reviews, policy_permissions, policy_scope, policy_words
from reviews import visible as visible_above
from reviews.actions import policy_versions
from reviews.models import ReviewPolicy
from reviews.pages.lists import PAGES, page_of
from reviews.policy_document import FIELDS, REQUESTS, Document

MOST_SECONDS = 2
MOST_VERSIONS = 50
HIDDEN = "Which identities it concerns is shown to whoever sees all of them."
# What a number of the dry run leads to.
WHICH: dict[str, str] = {
    "scope": "What it is about",
    "nobody": "Nobody could be asked",
    "exempt": "Left alone",
    "due": "Due now",
}
# What is said, the words of the link, and what is chosen there.
NO_EVENTS = (
    "This policy says nothing of events, so it asks at none of them: no small review is opened.",
    "Choose which events it asks at",
    "all",
)
SERIOUS_LEFT_OUT = (
    (
        "This policy asks at events, but not at a serious finding: when behaviour says that"
        " somebody else may act with an identity, nobody is asked. It is called"
        f" {micro_reviews.SERIOUS}."
    ),
    "Add it",
    "serious",
)
OF_IDENTITIES: Known = {"which": tuple(WHICH), **PAGES}


def all_policies(user: User, *, now: datetime) -> dict[str, Any]:
    """templates/policies.html: what is in force and what waits, in three queries."""
    found, waiting = current(now=now)
    cases = visible_above.cases(user, now=now).values_list("policy__name")
    opened = dict(cases.annotate(cases=Count("pk")).order_by())
    return {
        "section": "policies",
        "now": now,
        "title": "Review policies",
        "rows": [
            {
                "name": name,
                "url": (found.get(name) or waiting[name]).url,
                "version": found[name].version if name in found else None,
                "said": _said(found.get(name) or waiting[name]),
                "waiting": waiting.get(name),
                "cases": opened.get(name, 0),
                "cases_url": _cases_url(name),
            }
            for name in sorted({*found, *waiting})
        ],
        "new": _new_act(user, "Propose a policy", "", now=now),
    }


def current(*, now: datetime) -> tuple[dict[str, ReviewPolicy], dict[str, ReviewPolicy]]:
    """By name: the versions in force, and those that wait for a second signature."""
    found = {row.name: row for row in policy_versions.all_signed()}
    for name in policy_versions.BUILT_IN:
        found.setdefault(name, policy_versions.first(name, now=now))
    return found, {row.name: row for row in ReviewPolicy.objects.filter(state="proposed")}


def _cases_url(name: str, version: int | None = None) -> str:
    asked = {"policy": name} | ({} if version is None else {"version": str(version)})
    return f"/cases/?{urlencode(asked)}"


def _said(policy: ReviewPolicy) -> list[policy_words.Line]:
    wanted = ("Time to decide", "Whoever is silent", "How often")
    return [one for one in _lines(policy) if one.about in wanted]


def _lines(policy: ReviewPolicy, *, with_exempt: bool = False) -> list[policy_words.Line]:
    document = policy_versions.document_of(policy)
    return policy_words.lines(document, name=policy.name, with_exempt=with_exempt)


def _new_act(user: User, words: str, name: str, *, now: datetime) -> dict[str, Any]:
    return {
        "words": words,
        "url": f"/policies/new/?name={name.replace(' ', '+')}",
        "icon": "pencil",
        "get": True,
        "why_not": policy_permissions.why_not_propose_policy(user, now=now) or "",
    }


def found(slug: str, version: int, *, now: datetime) -> ReviewPolicy | None:
    """The version behind an address; the first of a built-in policy is there from the start."""
    name = slug.replace("-", " ")
    row = ReviewPolicy.objects.filter(name=name, version=version).first()
    if row is None and version == 1 and name in policy_versions.BUILT_IN:
        return policy_versions.first(name, now=now)
    return row


def version(policy: ReviewPolicy, user: User, *, now: datetime) -> dict[str, Any]:
    """templates/policy.html."""
    everything = visible.sees_all(user)
    rows = list(ReviewPolicy.objects.filter(name=policy.name).order_by("-version")[:MOST_VERSIONS])
    signed = [row for row in rows if row.state == "signed"]
    current = signed[0] if signed else policy
    before = next((row for row in signed if row.version < policy.version), None)
    lines = _lines(policy, with_exempt=everything)
    changes = (
        policy_words.changes(_lines(before, with_exempt=everything), lines)
        if before is not None
        else []
    )
    live = policy.state == "proposed" or policy.version == current.version
    document = policy_versions.document_of(policy)
    reads = everything and live and policy.name != REQUESTS
    return {
        "section": "policies",
        "now": now,
        "title": str(policy),
        "crumbs": [{"words": "Review policies", "url": "/policies/"}],
        "policy": policy,
        "badges": [_badge(policy, current)],
        "lines": lines,
        # An empty list of events is a choice that two people signed.
        "hint": _hint(policy.name, policy.document.get("micro_reviews"))
        if live and policy.document.get("micro_reviews") != {}
        else None,
        "before": before,
        "changes": changes,
        "dry_run": dry_run(document, now=now, url=policy.url) if reads else None,
        "hidden": "" if everything else HIDDEN,
        "document": pretty(policy.document) if everything else "",
        "cases": visible_above.cases(user, now=now).filter(policy=policy.pk).count(),
        "cases_url": _cases_url(policy.name, policy.version),
        "acts": _acts(policy, user, now=now),
        "versions": [{"row": row, "badge": _badge(row, current)} for row in rows],
        "ledger_url": f"/ledger/?subject={policy.subject.replace(' ', '+')}",
    }


def _hint(name: str, events: Collection[str] | None) -> dict[str, str] | None:
    """What a policy leaves out of the events that it asks at, and where that is chosen."""
    if name != micro_reviews.POLICY or (events and micro_reviews.SERIOUS in events):
        return None
    said, link, which = SERIOUS_LEFT_OUT if events else NO_EVENTS
    url = f"/policies/new/?{urlencode({'name': name, 'events': which})}"
    return {"words": said, "link": link, "url": url}


def _badge(policy: ReviewPolicy, current: ReviewPolicy) -> dict[str, str]:
    if policy.state == "proposed":
        return {"kind": "proposed", "words": "waits for a second signature"}
    if policy.state == "refused":
        return {"kind": "refused"}
    if policy.version == current.version:
        return {"kind": "in_force"}
    return {"kind": "neutral", "words": f"replaced by version {current.version}"}


def _acts(policy: ReviewPolicy, user: User, *, now: datetime) -> list[dict[str, Any]]:
    if policy.state != "proposed":
        return [_new_act(user, "Propose a change", policy.name, now=now)]
    return [
        {
            "words": "Sign it",
            "url": f"{policy.url}sign/",
            "icon": "signature",
            "primary": True,
            "why_not": policy_permissions.why_not_sign_policy(user, policy, now=now) or "",
        },
        {
            "words": "Refuse it",
            "url": f"{policy.url}refuse/",
            "icon": "x",
            "ask": "Why does it not come into force? It goes into the ledger",
            "why_not": policy_permissions.why_not_refuse_policy(user, policy, now=now) or "",
        },
    ]


def dry_run(document: Document, *, now: datetime, url: str = "") -> list[dict[str, str]]:
    """What a document would do today, for components/dry_run.html. `url`: of a saved version."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = {MOST_SECONDS * 1000}")
            seen = policy_scope.population(document, now=now)
            cursor.execute("SET LOCAL statement_timeout = 0")
    except OperationalError:
        said = (
            f"Counting took longer than {MOST_SECONDS} seconds: how many it concerns is not known."
        )
        return [{"kind": "waits", "words": said}]
    found = [("info", "scope", f"Today it is about {_identities(seen.identities)}.")]
    if seen.due is not None:
        said = f"{counted(seen.due, 'review')} would be opened at once; in observe mode, none."
        found.append(("waits" if seen.due else "info", "due", said))
    if seen.nobody:
        said = f"{_identities(seen.nobody)} would have nobody in a seat: name owners or a team."
        found.append(("outside", "nobody", said))
    else:
        found.append(("inside", "nobody", "In every seat somebody could be asked."))
    if seen.exempt:
        found.append(("info", "exempt", f"{_identities(seen.exempt)} would be left alone."))
    return [
        {"kind": kind, "words": words, "url": f"{url}identities/?which={which}" if url else ""}
        for kind, which, words in found
    ]


def _identities(count: int) -> str:
    return counted(count, "identity", "identities")


def identities(policy: ReviewPolicy, asked: dict[str, str], *, now: datetime) -> dict[str, Any]:
    """templates/policy_identities.html: the rows under a number of the dry run."""
    asked, left_out = understood(asked, OF_IDENTITIES)
    which = asked.get("which") or "scope"
    document = policy_versions.document_of(policy)
    rows = _ROWS[which](document, now).select_related("service", "owner__person", "owner__team")
    path = f"{policy.url}identities/"
    shown, page = page_of(rows.order_by("number"), asked, path)
    return {
        "section": "policies",
        "now": now,
        "title": f"{WHICH[which]}: {policy}",
        "left_out": left_out,
        "crumbs": [
            {"words": "Review policies", "url": "/policies/"},
            {"words": str(policy), "url": policy.url},
        ],
        "policy": policy,
        "heading": WHICH[which],
        "tabs": [
            {"words": words, "url": f"{path}?which={one}", "on": one == which, "n": None}
            for one, words in WHICH.items()
        ],
        "rows": shown,
        "page": page,
    }


def _asked_about(document: Document, now: datetime) -> QuerySet[Identity]:
    alone = policy_scope.exempt_numbers(document, now=now)
    return policy_scope.in_scope(document, now=now).exclude(number__in=alone)


_ROWS: dict[str, Callable[[Document, datetime], QuerySet[Identity]]] = {
    "scope": lambda document, now: policy_scope.in_scope(document, now=now),
    "nobody": lambda document, now: policy_scope.nobody_seated(
        _asked_about(document, now), document, now=now
    ),
    "exempt": lambda document, now: policy_scope.in_scope(document, now=now).filter(
        Q(number__in=policy_scope.exempt_numbers(document, now=now))
    ),
    "due": lambda document, now: policy_scope.due(document, now=now),
}


def proposal(user: User, name: str, *, now: datetime, began: int | None = None) -> dict[str, Any]:
    """templates/policy_new.html, apart from what was typed. `began`: the version that a proposal which
    was sent was begun from, where another one may be in force by now."""
    name = " ".join(name.lower().split())
    stands = policy_versions.began_with(name)
    moved = began is not None and began != stands and stands > 0
    return {
        "began_name": name,
        "began": stands,
        "moved": _moved(name, began or 0, stands, now=now) if moved else None,
        "section": "policies",
        "now": now,
        "title": "Propose a version of a policy",
        "crumbs": [{"words": "Review policies", "url": "/policies/"}],
        "why_not": policy_permissions.why_not_propose_policy(user, now=now) or "",
        "fields": [
            {"name": field, "words": words}
            for field, (_, requests, words) in FIELDS.items()
            if requests or name != REQUESTS
        ],
    }


def _moved(name: str, began: int, stands: int, *, now: datetime) -> dict[str, Any]:
    """What was signed under this name since a proposal was begun."""
    slug = name.replace(" ", "-")
    row, before = found(slug, stands, now=now), found(slug, began, now=now)
    return {
        "row": row,
        "changes": []
        if row is None
        else policy_words.changes([] if before is None else _lines(before), _lines(row)),
    }


def tried(document: Document, name: str, user: User, *, now: datetime) -> dict[str, Any]:
    """What a document that is not proposed yet says and would do."""
    reads = visible.sees_all(user) and name != REQUESTS
    said = "Requests are opened by people: nothing is counted."
    return {
        "lines": policy_words.lines(document, name=name),
        # What is typed stays: the member is written into it by hand.
        "hint": (_hint(name, document.micro_reviews) or {}).get("words", ""),
        "dry_run": dry_run(document, now=now) if reads else [{"kind": "info", "words": said}],
    }


def starting(name: str, *, events: str = "", now: datetime) -> str:
    """The document to start from: what is in force under this name, else the product's own.
    `events`: with all that may open a small review, to choose from, or with serious findings."""
    row = policy_versions.signed(name)
    if row is None:
        row = policy_versions.first(name, now=now)
    every = micro_reviews.EVERY
    more = {
        "all": every,
        "serious": row.document.get("micro_reviews", {})
        | {micro_reviews.SERIOUS: every[micro_reviews.SERIOUS]},
    }
    return pretty(row.document | ({"micro_reviews": more[events]} if events in more else {}))


def pretty(document: object) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False)
