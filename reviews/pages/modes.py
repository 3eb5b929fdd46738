"""Modes as pages: how many identities are in which, the rules behind it, and what one would do.

Owns the contexts of templates/modes.html, mode_rule.html and mode_new.html, and the dry run,
which only reads and is over after two seconds.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from django.db import OperationalError, connection, transaction
from django.db.models import Count, QuerySet

from evidence.parameters import Known, understood
from evidence.words import counted
from identities import visible
from identities.models import Identity, User
from identities.models.identity import MODES
from reviews import mode_permissions, mode_rules
from reviews.actions import modes as actions
from reviews.mode_forms import MODE_WORDS
from reviews.models import ModeRule
from reviews.pages.lists import PAGES, page_of

MOST_SECONDS = 2
PATH = "/modes/"
HIDDEN = "Which identities it concerns is shown to whoever sees all of them."
CRUMBS = [{"words": "Modes", "url": PATH}]
STATES = {
    "proposed": {"kind": "proposed", "words": "waits for a second signature"},
    "in_force": {"kind": "in_force"},
    "refused": {"kind": "refused"},
    "ended": {"kind": "neutral", "words": "over: another took its place"},
}
# What a number of the dry run leads to.
WHICH: dict[str, tuple[str, Callable[..., QuerySet[Identity]]]] = {
    "scope": ("In the scope", mode_rules.inside),
    "moving": ("Would change", mode_rules.moving),
    "findings": ("Asked because of findings", mode_rules.by_findings),
    "due": ("Asked because a policy says so", mode_rules.by_policy),
    "nobody": ("Nobody could be asked", mode_rules.nobody),
    "cut": ("Silence would have cut", mode_rules.cut),
}
OF_IDENTITIES: Known = {"which": tuple(WHICH), **PAGES}


def overview(user: User, asked: dict[str, str], *, now: datetime) -> dict[str, Any]:
    """templates/modes.html: counts for each mode, what is in force, and all rules."""
    asked, left_out = understood(asked, PAGES)
    everything = visible.sees_all(user)
    rows = visible.identities(user, now=now).exclude(state="retired").order_by()
    by_mode = dict(rows.values_list("mode").annotate(n=Count("pk", distinct=True)))
    shown, page = page_of(ModeRule.objects.order_by("-number"), asked, PATH)
    return {
        "section": "modes",
        "now": now,
        "title": "Modes",
        "left_out": left_out,
        "counts": [
            {
                "mode": one,
                "words": MODE_WORDS[one].partition(": ")[2],
                "n": by_mode.get(one, 0),
                "url": f"/identities/?mode={one}",
            }
            for one in MODES
        ],
        "whose": "" if everything else "Of the identities that you see.",
        "rows": [_row(one) for one in shown],
        "page": page,
        "acts": [
            {
                "words": "Propose a change",
                "url": f"{PATH}new/",
                "icon": "pencil",
                "get": True,
                "primary": True,
                "why_not": mode_permissions.why_not_propose_mode(user, now=now) or "",
            }
        ],
    }


def _row(rule: ModeRule) -> dict[str, Any]:
    return {
        "key": rule.key,
        "url": rule.url,
        "words": actions.words(rule).rpartition(": ")[0],
        "mode": rule.mode,
        "back": rule.back,
        "badge": _badge(rule),
        "moved": rule.moved,
        "by": rule.proposed_by_name,
        "signed_by": "" if rule.back else rule.settled_by_name,
        "at": rule.settled_at or rule.proposed_at,
        "reason": rule.reason,
    }


def _badge(rule: ModeRule) -> dict[str, str]:
    if rule.state == "in_force" and rule.applied_at is None:
        return {"kind": "waits", "words": "in force, is being applied"}
    return STATES[rule.state]


def shown(rule: ModeRule, user: User, asked: Mapping[str, str], *, now: datetime) -> dict[str, Any]:
    """templates/mode_rule.html."""
    everything = visible.sees_all(user)
    live = rule.state == "proposed"
    has_it = Identity.objects.filter(mode_rule=rule.pk).count() if everything else None
    return {
        "section": "modes",
        "now": now,
        "title": f"{rule.key}: to {rule.mode}",
        "crumbs": CRUMBS,
        "rule": rule,
        "words": actions.words(rule).rpartition(": ")[0],
        "mode_words": MODE_WORDS[rule.mode],
        "badges": [_badge(rule)],
        "dry_run": dry_run(rule.scope, rule.mode, now=now, url=rule.url)
        if live and everything
        else None,
        "hidden": "" if everything else HIDDEN,
        "has_it": has_it,
        "progress": _progress(rule, has_it, now=now),
        "over": "working" in asked and rule.applied_at is not None,
        "seen": _seen(rule),
        "acts": _acts(rule, user, now=now),
        "ledger_url": f"/ledger/?subject={rule.key}",
    }


def _progress(rule: ModeRule, has_it: int | None, *, now: datetime) -> dict[str, Any] | None:
    """How far the rows have followed the signature: done, all, share, and what time is left."""
    if rule.state != "in_force" or rule.applied_at is not None or rule.settled_at is None:
        return None
    holds = (
        f"Nothing is cut beyond {rule.mode} since the signature."
        if rule.mode != "enforce"
        else "Silence cuts where the row is written, not before."
    )
    if has_it is None:
        return {"holds": holds}
    left = mode_rules.left(rule, now=now)
    if not has_it and not left:  # moved between the two counts, or about nobody
        return {"holds": holds}
    when = "The worker begins within a minute."
    if has_it:
        seconds = (now - rule.settled_at).total_seconds() * left / has_it
        when = f"About {_span(seconds)} left." if left else "It is done in a moment."
    return {
        "holds": holds,
        "done": has_it,
        "all": has_it + left,
        "share": 100 * has_it / max(1, has_it + left),
        "when": when,
    }


def _span(seconds: float) -> str:
    if seconds < 90:
        return counted(max(1, round(seconds)), "second")
    return counted(round(seconds / 60), "minute")


def _seen(rule: ModeRule) -> list[str]:
    """What the dry run said when it was signed."""
    if not rule.seen:
        return []
    return [
        f"It was about {_identities(rule.seen['identities'])}.",
        f"{_identities(sum(rule.seen['moved'].values()))} would change.",
        f"{counted(rule.seen['reviews'], 'review')} would be opened at once.",
        f"{_identities(rule.seen['nobody'])} had nobody in a seat.",
        f"Silence would have cut {rule.seen['would_have_been_cut']:,} in 30 days.",
    ]


def _acts(rule: ModeRule, user: User, *, now: datetime) -> list[dict[str, Any]]:
    if rule.state == "proposed":
        return [
            {
                "words": "Sign it",
                "url": f"{rule.url}sign/",
                "icon": "signature",
                "primary": True,
                "why_not": mode_permissions.why_not_sign_mode(user, rule, now=now) or "",
            },
            {
                "words": "Refuse it",
                "url": f"{rule.url}refuse/",
                "icon": "x",
                "ask": "Why does the scope stay as it is? It goes into the ledger",
                "why_not": mode_permissions.why_not_refuse_mode(user, rule, now=now) or "",
            },
        ]
    if rule.state != "in_force":
        return []
    return [
        {
            "words": f"Back to {mode}",
            "url": f"{rule.url}back/",
            "icon": "arrow-back-up",
            "ask": "Why are its consequences taken back? It is true at once",
            "hidden": [{"name": "mode", "value": mode}],
            "why_not": mode_permissions.why_not_step_back(user, rule, mode, now=now) or "",
        }
        for mode in mode_rules.lower(rule.mode)
    ]


def dry_run(
    scope: dict[str, Any], mode: str, *, now: datetime, url: str = ""
) -> list[dict[str, str]]:
    """What a rule would do today, for components/dry_run.html. `url`: of a saved rule."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = {MOST_SECONDS * 1000}")
            seen = mode_rules.look(scope, mode, now=now)
            cursor.execute("SET LOCAL statement_timeout = 0")
    except OperationalError:
        said = f"Counting took longer than {MOST_SECONDS} seconds: what it does is not known."
        return [{"kind": "waits", "words": said}]
    found = [("info", "scope", f"Today it is about {_identities(seen.identities)}.")]
    moved = ", ".join(f"{many:,} from {one}" for one, many in seen.moved.items())
    said = f"{_identities(sum(seen.moved.values()))} would change: {moved}."
    found.append(("info", "moving", said if moved else f"All of them are in {mode} mode already."))
    if mode in mode_rules.ASKING:
        found += _opened(seen)
    if mode == "enforce":
        some = f"silence would have cut {_identities(seen.cut)} at most"
        said = f"Had it been on, {some} in the last 30 days."
        found.append(("outside" if seen.cut else "inside", "cut", said))
    else:
        found.append(("inside", "", "Silence cuts nothing in this mode."))
    if why := mode_rules.why_not_yet(scope, mode, now=now):
        found.insert(0, ("outside", "", why))
    return [
        {
            "kind": kind,
            "words": words,
            "url": f"{url}identities/?which={which}" if url and which else "",
        }
        for kind, which, words in found
    ]


def _opened(seen: mode_rules.Seen) -> list[tuple[str, str, str]]:
    found = [
        (
            "waits" if many else "info",
            which,
            f"{counted(many, 'review')} would be opened at once {why}.",
        )
        for which, many, why in (
            ("findings", seen.findings, "because of open findings"),
            ("due", seen.due, "because a policy says they are due"),
        )
    ]
    if seen.asked:
        names = ", ".join(f"{one.party} ({one.reviews:,})" for one in seen.asked)
        more = f" and {seen.more:,} more" if seen.more else ""
        found.append(("info", "", f"They would be asked at once: {names}{more}."))
    if seen.nobody:
        said = f"{_identities(seen.nobody)} would have nobody in a seat: name owners or a team."
        return [*found, ("outside", "nobody", said)]
    return [*found, ("inside", "nobody", "In every seat somebody could be asked.")]


def _identities(count: int) -> str:
    return counted(count, "identity", "identities")


def identities(rule: ModeRule, asked: dict[str, str], *, now: datetime) -> dict[str, Any]:
    """templates/policy_identities.html: the rows under a number of the dry run."""
    asked, left_out = understood(asked, OF_IDENTITIES)
    which = asked.get("which") or "scope"
    heading, found = WHICH[which]
    rows = found(rule.scope, rule.mode, now=now).select_related(
        "service", "owner__person", "owner__team"
    )
    path = f"{rule.url}identities/"
    listed, page = page_of(rows.order_by("number"), asked, path)
    return {
        "section": "modes",
        "now": now,
        "title": f"{heading}: {rule.key}",
        "left_out": left_out,
        "crumbs": [*CRUMBS, {"words": rule.key, "url": rule.url}],
        "policy": rule,
        "heading": heading,
        "tabs": [
            {"words": words, "url": f"{path}?which={one}", "on": one == which, "n": None}
            for one, (words, _) in WHICH.items()
        ],
        "rows": listed,
        "page": page,
    }


def proposal(user: User, *, now: datetime) -> dict[str, Any]:
    """templates/mode_new.html, apart from what was typed."""
    return {
        "section": "modes",
        "now": now,
        "title": "Propose a mode for a scope",
        "crumbs": CRUMBS,
        "why_not": mode_permissions.why_not_propose_mode(user, now=now) or "",
    }


def given_by(identity: Identity) -> dict[str, str]:
    """Which rule gave an identity its mode: {"words", "url"}."""
    if identity.mode_rule is None:
        return {"words": "No rule gave it this mode: it was registered so.", "url": PATH}
    rule = ModeRule.objects.filter(pk=identity.mode_rule).first()
    if rule is None:
        return {"words": "", "url": PATH}
    return {"words": f"By {rule.key}: {actions.words(rule)}", "url": rule.url}
