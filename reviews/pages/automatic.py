"""Automatic holds as pages: what is held by itself, the rules behind it, and what one would do.

Owns the contexts of templates/automatic.html, automatic_rule.html, automatic_new.html and
automatic_hold.html. Constant queries.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Case as Choose
from django.db.models import IntegerField, QuerySet, Value, When

from evidence.parameters import Known, understood
from evidence.vocabulary import STRENGTHS
from evidence.words import counted
from identities import visible as identities_visible
from identities.actions.findings import DISPOSITIONS
from identities.findings import RULES
from identities.models import Revocation, User
from identities.permissions import NotPossible
from reviews import automatic_permissions, visible
from reviews.actions import freezing
from reviews.automatic import classes, replay, rules, scopes, settling
from reviews.models import AutomaticHold, Case, HoldRule
from reviews.models.automatic import HOLD_STATES
from reviews.pages.lists import PAGES, page_of

PATH = "/automatic-holds/"
CRUMBS = [{"words": "Automatic holds", "url": PATH}]
HOLDS: Known = {"state": HOLD_STATES, **PAGES}
MOST_RULES = 100
RULE_BADGES = {
    "proposed": {"kind": "proposed", "words": "waits for a second signature"},
    "in_force": {"kind": "in_force"},
    "refused": {"kind": "refused"},
    "ended": {"kind": "neutral", "words": "off"},
}
HOLD_BADGES = {
    "asked": {"kind": "neutral", "words": "a person was asked"},
    "held": {"kind": "waits", "words": "held, waits for people"},
    "released": {"kind": "neutral", "words": "released"},
    "final": {"kind": "neutral", "words": "final"},
}
# What waits for people comes first.
FIRST = Choose(When(state="held", then=Value(0)), default=Value(1), output_field=IntegerField())


def seen_by(user: User, *, now: datetime) -> QuerySet[AutomaticHold]:
    """The holds whose cases this user sees."""
    seen = visible.cases(user, now=now).order_by().values("pk")
    rows = AutomaticHold.objects.filter(case__in=seen)
    return rows.select_related("rule", "finding", "identity", "case", "item")


def overview(user: User, asked: dict[str, str], *, now: datetime) -> dict[str, Any]:
    """templates/automatic.html: what is held, what was, and all rules."""
    asked, left_out = understood(asked, HOLDS)
    rows = seen_by(user, now=now)
    if asked.get("state"):
        rows = rows.filter(state=asked["state"])
    shown, page = page_of(rows.order_by(FIRST, "-number"), asked, PATH)
    times = sent([one for one in shown if one.state != "asked"])
    return {
        "section": "automatic",
        "now": now,
        "title": "Automatic holds",
        "left_out": left_out,
        "holds": [hold_row(one, times.get(one.pk)) for one in shown],
        "page": page,
        "rules": [
            rule_row(one)
            for one in HoldRule.objects.select_related("asked").order_by("-number")[:MOST_RULES]
        ],
        "acts": [
            {
                "words": "Propose a rule",
                "url": f"{PATH}new/",
                "icon": "pencil",
                "get": True,
                "primary": True,
                "why_not": automatic_permissions.why_not_propose_hold_rule(user, now=now) or "",
            }
        ],
    }


def rule_row(one: HoldRule) -> dict[str, Any]:
    """One rule as the list and the API say it."""
    return {
        "key": one.key,
        "url": one.url,
        "words": scopes.words(one.scope),
        "classes": classes.words(one.classes),
        "limits": f"{one.per_hour:,} in an hour, {one.per_day:,} in a day",
        "asked": one.asked.name,
        "reason": one.reason,
        "badge": RULE_BADGES[one.state],
        "by": one.proposed_by_name,
        "signed_by": one.settled_by_name if one.state in ("in_force", "ended") else "",
    }


def sent(rows: Sequence[AutomaticHold]) -> dict[Any, datetime | None]:
    """When everything that each of these asked for had gone out; None: not all of it yet."""
    asked: dict[Any, list[Revocation]] = {}
    of_case: dict[tuple[Any, datetime], Any] = {
        (one.case_id, one.decided_at): one.pk for one in rows
    }
    found = Revocation.objects.filter(
        case__in=[one.case_id for one in rows],
        requested_at__in=[one.decided_at for one in rows],
        step__in=["hold", "suspend"],
    )
    for row in found:
        pk = of_case.get((row.case, row.requested_at))
        if pk is not None:
            asked.setdefault(pk, []).append(row)
    return {
        pk: None
        if any(row.sent_at is None for row in those)
        else max(row.sent_at for row in those if row.sent_at is not None)
        for pk, those in asked.items()
    }


def hold_row(one: AutomaticHold, sent_at: datetime | None) -> dict[str, Any]:
    """One hold as the list and the API say it."""
    return {
        "key": one.key,
        "url": one.url,
        "title": one.item.title,
        "identity": {"name": one.identity.name, "url": f"/identities/{one.identity.key}/"},
        "finding": {"key": one.finding.key, "url": f"/findings/{one.finding.key}/"},
        "class": RULES[one.finding.rule],
        "rule": {"key": one.rule.key, "url": one.rule.url},
        "case": {"key": one.case.key, "url": f"/cases/{one.case.key}/?item={one.item_id}"},
        "badge": HOLD_BADGES[one.state],
        "words": one.words,
        "at": one.decided_at,
        "took": "" if sent_at is None else spoken(sent_at - one.found_at),
        "stands": "" if one.told_at is None or one.state != "held" else one.finding.state,
    }


def spoken(span: timedelta) -> str:
    """ "0.8 s", "41 s", "3 min": as short as a reader needs it."""
    seconds = span.total_seconds()
    if seconds < 10:
        return f"{seconds:.1f} s"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def shown(rule: HoldRule, user: User, *, now: datetime) -> dict[str, Any]:
    """templates/automatic_rule.html."""
    everything = identities_visible.sees_all(user)
    live = rule.state == "proposed"
    return {
        "section": "automatic",
        "now": now,
        "title": f"{rule.key}: {classes.words(rule.classes)}",
        "crumbs": CRUMBS,
        "rule": rule,
        "words": scopes.words(rule.scope),
        "classes": classes.words(rule.classes),
        "badges": [RULE_BADGES[rule.state]],
        **(tried(rule, now=now) if live and everything else {"dry_run": None, "would": []}),
        "hidden": "" if everything else "What it would have held is shown to whoever sees all.",
        "seen": [words for _, words in replay.sentences(rule.seen)] if rule.seen else [],
        "held": seen_by(user, now=now).filter(rule=rule).exclude(state="asked").count(),
        "acts": _rule_acts(rule, user, now=now),
        "ledger_url": f"/ledger/?subject={rule.key}",
    }


def tried(rule: HoldRule, *, now: datetime) -> dict[str, Any]:
    """The dry replay of a rule, saved or not: sentences, and the holds it would have made."""
    try:
        found = rules.replayed(rule, now=now)
    except NotPossible as late:
        return {"dry_run": [{"kind": "waits", "words": str(late)}], "would": []}
    said = replay.sentences(found.as_json())
    return {
        "dry_run": [{"kind": kind, "words": words} for kind, words in said],
        "would": [_would(one) for one in found.rows],
    }


def _would(one: replay.Would) -> dict[str, Any]:
    identity = one.finding.identity
    felt = []
    if one.depends.shared:
        felt.append(f"shared with {', '.join(one.depends.shared[:5])}")
    if one.depends.children:
        felt.append(f"{counted(one.depends.children, 'delegation')} passed on from it")
    return {
        "at": one.at,
        "finding": {"key": one.finding.key, "url": f"/findings/{one.finding.key}/"},
        "class": RULES[one.finding.rule],
        "identity": None
        if identity is None
        else {"name": identity.name, "url": f"/identities/{identity.key}/"},
        "title": one.thing.title,
        "state": one.finding.state,
        "felt": "; ".join(felt),
    }


def _rule_acts(rule: HoldRule, user: User, *, now: datetime) -> list[dict[str, Any]]:
    p = automatic_permissions
    if rule.state == "proposed":
        return [
            {
                "words": "Sign it",
                "url": f"{rule.url}sign/",
                "icon": "signature",
                "primary": True,
                "why_not": p.why_not_sign_hold_rule(user, rule, now=now) or "",
            },
            {
                "words": "Refuse it",
                "url": f"{rule.url}refuse/",
                "icon": "x",
                "ask": "Why is nothing held by itself? It goes into the ledger",
                "why_not": p.why_not_refuse_hold_rule(user, rule, now=now) or "",
            },
        ]
    if rule.state != "in_force":
        return []
    return [
        {
            "words": "Switch it off",
            "url": f"{rule.url}end/",
            "icon": "player-pause",
            "danger": True,
            "ask": "Why is it switched off? What it holds stays held until it is released",
            "why_not": p.why_not_end_hold_rule(user, rule, now=now) or "",
        }
    ]


def hold(row: AutomaticHold, user: User, *, now: datetime) -> dict[str, Any]:
    """templates/automatic_hold.html."""
    times = sent([row])
    at_target = Revocation.objects.filter(case=row.case_id, requested_at=row.decided_at).order_by(
        "number"
    )
    said = hold_row(row, times.get(row.pk))
    return {
        "section": "automatic",
        "now": now,
        "title": f"{row.key}: {row.item.title}",
        "crumbs": CRUMBS,
        "hold": row,
        "row": said,
        "badges": [HOLD_BADGES[row.state]],
        "strength": STRENGTHS[row.strength],
        "events_url": f"/events/?finding={row.finding.key}",
        "steps": [
            {"words": words, "at": at, "after": spoken(at - row.found_at)}
            for words, at in _steps(row, times.get(row.pk))
        ],
        "at_target": [
            {"key": one.key, "words": one.words, "state": one.state, "why": one.failed_why}
            for one in at_target
        ],
        "release": _release(row, user, now=now),
        "ledger_url": f"/ledger/?subject={row.case.key}",
    }


def _steps(row: AutomaticHold, sent_at: datetime | None) -> list[tuple[str, datetime]]:
    found = [
        ("It happened", row.event_at),
        ("Its record was received", row.received_at),
        ("The finding was stored", row.found_at),
        ("It was held" if row.stopped else "A person was asked", row.decided_at),
    ]
    if sent_at is not None:
        found.append(("All of it was sent", sent_at))
    if row.settled_at is not None:
        found.append((HOLD_BADGES[row.state]["words"].capitalize(), row.settled_at))
    return found


def _release(row: AutomaticHold, user: User, *, now: datetime) -> dict[str, Any] | None:
    if row.state != "held":
        return None
    return {
        "url": f"{row.url}release/",
        "why_not": automatic_permissions.why_not_release_hold(user, row, now=now) or "",
        "options": DISPOSITIONS if settling.asks_what_it_was(row) else (),
    }


def acts(case: Case) -> list[dict[str, Any]]:
    """On the page of an incident: the way to what it holds by itself."""
    if case.door != "incident":
        return []
    return [
        {
            "words": f"{one.key}: release it",
            "url": one.url,
            "icon": "player-pause",
            "get": True,
        }
        for one in case.automatic_holds.order_by("number")[:10]
        if one.state == "held"
    ]


def choices(*, now: datetime) -> dict[str, Any]:
    """Who may be asked, for the form."""
    return {"persons": [(str(one.pk), one.name) for one in freezing.may_be_asked(now=now)]}


def proposal(user: User, *, now: datetime) -> dict[str, Any]:
    """templates/automatic_new.html, apart from what was typed."""
    return {
        "section": "automatic",
        "now": now,
        "title": "Propose an automatic hold",
        "crumbs": CRUMBS,
        "why_not": automatic_permissions.why_not_propose_hold_rule(user, now=now) or "",
    }
