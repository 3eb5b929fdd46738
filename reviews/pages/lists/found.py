"""The list of findings, one finding as a row, and the case that each is asked in."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count, Prefetch, Q

from evidence.parameters import Known, understood, whole
from evidence.vocabulary import STRENGTHS, mixed_strengths
from identities import visible
from identities.actions.findings import KIND, proposed
from identities.findings import RULES
from identities.models import Finding, Identity, ProposedChange, User
from identities.models.behaviour import FINDING_STATES
from reviews import visible as visible_above
from reviews.models import Case

from .paging import PAGES, choice, page_of

OF_FINDINGS: Known = {
    "q": (),
    "state": ("all", *FINDING_STATES),
    "rule": tuple(RULES),
    "identity": (),
    "service": (),
    **PAGES,
}


def named(user: User, key: str, *, now: datetime) -> Identity | None:
    """The identity that a filter names, if this user may see it."""
    number = whole(key.upper().removeprefix("NHI-"))
    if number is None:
        return None
    return visible.identities(user, now=now).filter(number=number).first()


def finding_row(
    one: Finding, cases: dict[Any, Case], waits: Mapping[str, ProposedChange] | None = None
) -> dict[str, Any]:
    """One finding as lists and the line show it. `waits`: what is proposed, by its key."""
    case, change = cases.get(one.pk), (waits or {}).get(one.key)
    return {
        "key": one.key,
        "url": f"/findings/{one.key}/",
        "kind_words": RULES[one.rule],
        "rule": one.rule,
        "what": one.words,
        "words": one.words,
        "at": one.last_at,
        "first_at": one.first_at,
        "last_at": one.last_at,
        "count": one.count,
        "strength": STRENGTHS[one.strength],
        "strengths": mixed_strengths(one.strengths),
        "state": one.state,
        "proposed": None
        if change is None
        else {
            "words": f"proposed: {change.document['disposition']}",
            "by": change.proposed_by_name,
            "key": change.key,
            "url": change.url,
            "at": change.proposed_at,
            "reason": change.reason,
        },
        "controls": one.controls,
        "assignee": one.assignee.called if one.assignee else "",
        "identity": {"words": one.identity.name, "url": f"/identities/{one.identity.key}/"}
        if one.identity
        else None,
        "case_key": case.key if case else "",
        "case_url": f"/cases/{case.key}/" if case else "",
    }


def settled_by(one: Finding) -> str:
    """Who said what a finding is, as people call them; both, where two signed it."""
    change = ProposedChange.objects.filter(kind=KIND, subject=one.key, state="in_force").last()
    if change is not None and change.settled_by == one.state_by:
        return f"{change.proposed_by_name} and {change.settled_by_name}"
    kind, _, key = one.state_by.partition(":")
    known = kind == "user" and len(key) == 36
    user = User.objects.filter(pk=key).first() if known else None
    return one.state_by if user is None else user.called


def cases_of(findings: list[Finding], user: User, *, now: datetime) -> dict[Any, Case]:
    """The case, if this user may see it, that each finding is asked in."""
    found: dict[Any, Case] = {}
    for case in (
        visible_above.cases(user, now=now)
        .filter(findings__in=findings)
        .prefetch_related(
            Prefetch("findings", Finding.objects.filter(pk__in=[f.pk for f in findings]))
        )
        .order_by("number")
    ):
        for one in case.findings.all():
            found[one.pk] = case
    return found


def findings(user: User, asked: dict[str, str], *, now: datetime) -> dict[str, Any]:
    """templates/findings.html."""
    asked, left_out = understood(asked, OF_FINDINGS)
    rows = visible.findings(user, now=now).select_related("identity", "assignee__person")
    state = asked.get("state", "open")
    counts = dict(visible.findings(user, now=now).values_list("state").annotate(n=Count("pk")))
    if state != "all":
        rows = rows.filter(state__in=["open", "confirmed"] if state == "open" else [state])
    if asked.get("identity"):
        identity = named(user, asked["identity"], now=now)
        rows = rows.filter(identity=identity) if identity else rows.none()
    if asked.get("service"):
        rows = rows.filter(identity__service__slug=asked["service"])
    if asked.get("rule"):
        rows = rows.filter(rule=asked["rule"])
    q = asked.get("q", "").strip()[:200]
    if q:
        rows = rows.filter(
            Q(words__icontains=q) | Q(family__icontains=q) | Q(identity__name__icontains=q)
        )
    shown, page = page_of(rows.order_by("-last_at", "-number"), asked, "/findings/")
    cases = cases_of(shown, user, now=now)
    waits = proposed([one.key for one in shown])
    rest = {k: v for k, v in asked.items() if v and k not in ("state", "page")}

    def tab(words: str, value: str, n: int) -> dict[str, Any]:
        return {
            "words": words,
            "n": n,
            "url": f"?{urlencode({**rest, 'state': value})}",
            "on": state == value,
        }

    return {
        "section": "findings",
        "title": "Findings",
        "left_out": left_out,
        "q": q,
        "tabs": [
            tab("Open", "open", counts.get("open", 0) + counts.get("confirmed", 0)),
            tab("Expected", "expected", counts.get("expected", 0)),
            tab("Withdrawn", "withdrawn", counts.get("withdrawn", 0)),
            tab("All", "all", sum(counts.values())),
        ],
        "filters": [choice("rule", "Rule", RULES, asked.get("rule", ""))],
        "rows": [finding_row(one, cases, waits) for one in shown],
        "page": page,
    }
