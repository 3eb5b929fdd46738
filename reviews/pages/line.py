"""The page of one identity: three answers, the chain, the lanes, findings, granted and used.

Owns the context of templates/line.html. Reads one dossier and a bounded number of rows more; the
number of queries does not depend on how much an identity did.
"""

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.db.models import Prefetch

from evidence.vocabulary import mixed_strengths
from evidence.words import counted
from identities import at_moment
from identities import permissions as identity_permissions
from identities.actions import inheriting
from identities.findings import RULES
from identities.models import Credential, DelegationVersion, Finding, User
from reviews import owner_permissions, permissions, visible
from reviews.actions import activating, retiring
from reviews.models import Case, Seat
from reviews.packs import subjects
from reviews.pages import (
    answers,
    chain,
    lineage,
    manifests,
    modes,
    newest_runs,
    packs,
    possible,
    room_acts,
    rows,
    suspended,
    triggers,
    vendor,
)
from reviews.pages.dossier import Dossier, Permission, dossier
from reviews.pages.emergency import Given
from reviews.pages.lists import key_row

# Without scripts the newest events stand in a table; the events page has them all.
NEWEST = 20
SHOWN = 24


def context(identity: Any, user: User, *, now: datetime, at: datetime | None) -> dict[str, Any]:
    """Everything templates/line.html shows (see its head for the names)."""
    d = dossier(identity, now=now, at=at)
    cases = _cases(d, user)
    asked_in = {finding.pk: case for case in cases for finding in case.findings.all()}
    table = rows.of_identity(identity.number, until=d.at, limit=NEWEST)
    runs = newest_runs.of(d)
    query = urlencode({"identity": identity.key})
    return {
        "section": "identities",
        "title": f"{identity.name} {identity.key}",
        "crumbs": _crumbs(d),
        "identity": _identity(d),
        "answers": answers.of(d),
        "chain": chain.layout(lineage.of(d, runs)),
        "lanes": {
            "url": f"/identities/{identity.key}/lanes.json",
            "note": " · ".join(one.name for one in d.sources),
            "count": d.api.calls + d.ai.calls,
            "events_url": f"/events/?{query}",
            "table": table,
            "waiting": d.waiting.words,
            "freeze": {"asked": _freezes(d)},
        },
        "as_of": _as_of(d),
        "vendor": vendor.facts(d.identity, now=d.live_now) if d.live else None,
        "suspended": _stopped(d, user) if d.live else None,
        "acts": [] if not d.live else _acts(d, user),
        "findings": [_finding(one, asked_in.get(one.pk)) for one in d.findings],
        "findings_url": f"/findings/?{query}",
        "findings_closed": d.closed_count,
        "permissions": [_permission(one, d) for one in d.permissions[:SHOWN]],
        "permissions_url": f"/events/?{query}",
        "possible_words": possible.beyond(d.entitlements, d.delegations),
        "delegations": [
            *(_delegation(row, d) for row in [*d.without_emergency, *d.proposed]),
            *(_emergency(one, d) for one in d.emergency),
        ],
        "credentials": [_credential(one, d) for one in d.credentials],
        "cases": [_case(one, d) for one in cases],
        "runs": runs,
        "triggers": triggers.of_identity(d.identity, now=d.live_now) if d.live else None,
        "manifests": manifests.of_identity(d.identity) if d.live else [],
        "gaps": [],
        "fresh": [{"name": one.name, "at": one.last_received} for one in d.sources],
    }


def _freezes(d: Dossier) -> list[dict[str, str]]:
    """What the list of its events is asked for: all until the moment shown."""
    asked = [{"name": "identity", "value": d.identity.key}]
    return asked if d.live else [*asked, {"name": "to", "value": d.at.isoformat()}]


def _stopped(d: Dossier, user: User) -> dict[str, Any] | None:
    if d.identity.state == "retired":
        return suspended.retired(d.identity, now=d.live_now)
    return suspended.facts(d.identity, user, now=d.live_now)


def _crumbs(d: Dossier) -> list[dict[str, str]]:
    crumbs = [{"words": "Identities", "url": "/identities/"}]
    if d.identity.service is not None:
        crumbs.append({"words": d.identity.service.name, "url": "/ai-systems/"})
    crumbs.append({"words": d.identity.key, "url": ""})
    return crumbs


def _identity(d: Dossier) -> dict[str, Any]:
    one = d.identity
    badges: list[dict[str, Any]] = []
    if d.finding_count:
        badges.append(
            {
                "kind": "outside",
                "words": counted(d.finding_count, "open finding"),
                "url": f"/findings/?{urlencode({'identity': one.key})}",
            }
        )
    if any(row.imported and not row.signed for row in d.delegations):
        badges.append({"kind": "imported", "words": "imported, unsigned", "url": ""})
    if one.created_at > d.at:
        badges.append({"kind": "waits", "words": "registered later", "url": ""})
    return {
        "key": one.key,
        "name": one.name,
        "kind": one.kind,
        "state": d.was.state,
        # Of the mode there is no history.
        "mode": one.mode if d.live else "",
        "mode_by": modes.given_by(one),
        "purpose": d.was.purpose,
        "service": {"words": one.service.name, "url": "/ai-systems/"} if one.service else None,
        "owner": d.owners.get("owner", ""),
        "sponsor": d.owners.get("sponsor", ""),
        "backup": d.owners.get("backup", ""),
        "expires_at": d.was.ends_at,
        "badges": badges,
    }


def _as_of(d: Dossier) -> dict[str, Any]:
    """The moment shown, and links to the previous and next change of what is shown."""
    before, after = at_moment.changes(d.identity, at=d.at, now=d.live_now)
    return {
        "at": d.at,
        "live": d.live,
        "prev_url": f"?{urlencode({'at': before.isoformat()})}" if before else "",
        "next_url": f"?{urlencode({'at': after.isoformat()})}" if after and not d.live else "",
        "live_url": "?",
    }


def _acts(d: Dossier, user: User) -> list[dict[str, Any]]:
    return [
        {
            "words": "Open a case",
            "url": f"/identities/{d.identity.key}/open-review/",
            "why_not": permissions.why_not_open(user, d.identity, now=d.live_now) or "",
            "icon": "flame",
        },
        *([_activate(d, user)] if d.identity.state == "draft" else []),
        {
            "words": "Renew",
            "url": f"/identities/{d.identity.key}/renew/",
            "why_not": identity_permissions.why_not_attest(user, d.identity, now=d.live_now) or "",
            "icon": "signature",
            "get": True,
        },
        {
            "words": "Hand over",
            "url": f"/identities/{d.identity.key}/hand-over/",
            "why_not": owner_permissions.why_not_offer(user, d.identity, now=d.live_now) or "",
            "icon": "send",
            "get": True,
        },
        {
            "words": "Links",
            "url": f"/links/?identity={d.identity.key}",
            "why_not": "",
            "icon": "link",
            "get": True,
        },
        {
            "words": "Stop all of it",
            "url": f"/identities/{d.identity.key}/cascade/",
            "why_not": identity_permissions.why_not_hold(user, d.identity, now=d.live_now) or "",
            "icon": "ban",
            "get": True,
        },
        *room_acts.opening(d.identity, user, now=d.live_now),
        *packs.acts(subjects.of(d.identity), user),
        *([_follow(d, user)] if inheriting.lags(d.identity) else []),
        # What is suspended may be for good.
        *([_retire(d, user)] if d.identity.state == "suspended" else []),
    ]


def _follow(d: Dossier, user: User) -> dict[str, Any]:
    """Its criticality is not its service's, and nobody has said that it is its own."""
    slug = "" if d.identity.service is None else d.identity.service.slug
    return {
        "words": "Follow its service",
        "url": f"/services/{slug}/criticality/",
        "why_not": inheriting.why_not_follow(user, now=d.live_now) or "",
        "icon": "route",
        "get": True,
    }


def _activate(d: Dossier, user: User) -> dict[str, Any]:
    """Whoever answers for a draft states its purpose and end with it; a reviewer takes what is there."""
    states = identity_permissions.why_not_attest(user, d.identity, now=d.live_now) is None
    why_not = "" if states else activating.why_not(user, d.identity, now=d.live_now)
    return {
        "words": "Make active",
        "url": f"/identities/{d.identity.key}/{'renew' if states else 'activate'}/",
        "why_not": why_not or "",
        "icon": "check",
        "get": states,
    }


def _retire(d: Dossier, user: User) -> dict[str, Any]:
    return {
        "words": "Retire",
        "url": f"/identities/{d.identity.key}/retire/",
        "why_not": retiring.why_not(user, d.identity, now=d.live_now) or "",
        "icon": "archive",
        "ask": "Why it is not needed any more; it cannot be undone, and goes into the ledger",
        "danger": True,
    }


def _finding(one: Finding, case: Case | None) -> dict[str, Any]:
    return {
        "key": one.key,
        "url": f"/findings/{one.key}/",
        "kind_words": RULES[one.rule],
        "rule": one.rule,
        "what": one.words,
        "at": one.last_at,
        "count": one.count,
        "strength": {3: "exact", 2: "key", 1: "inferred"}[one.strength],
        "strengths": mixed_strengths(one.strengths),
        "state": one.state,
        "case_key": case.key if case else "",
        "case_url": f"/cases/{case.key}/" if case else "",
    }


def _permission(one: Permission, d: Dossier) -> dict[str, Any]:
    delegated = "no"
    if one.outside == 0 and one.inside:
        delegated = "yes" if any(row.signed for row in d.delegations) else "unsigned"
    elif one.outside == 0:
        delegated = "no_evidence"
    if one.calls and one.calls <= sum(
        given.done.get((one.action, one.family), 0) for given in d.emergency
    ):
        delegated = "break_glass"
    query = urlencode({"identity": d.identity.key, "action": one.action, "family": one.family})
    return {
        "action": one.action,
        "resource": one.family,
        "delegated": delegated,
        "possible": possible.answer(d.entitlements, one.action, one.family),
        "first_at": one.first,
        "last_at": one.last,
        "count": one.calls,
        "count_url": f"/events/?{query}",
        "outside": one.outside,
        "evidence_to": d.freshest,
        "gap": False,
    }


def _delegation(row: DelegationVersion, d: Dossier) -> dict[str, Any]:
    state = "imported" if row.imported and not row.signed and row.state == "in_force" else row.state
    return {
        "key": row.delegation.key,
        "url": f"/identities/{d.identity.key}/#{row.delegation.key}",
        "words": f"{', '.join(row.actions)} on {', '.join(row.resources)}",
        "grantor": d.signed[row.pk].words
        if row.pk in d.signed
        else str(row.delegation.grantor or ""),
        "state": state,
        "signed": row.signed,
        "from": row.during.lower,
        "until": row.during.upper,
        "case_key": "",
        "case_url": "",
    }


def _emergency(one: Given, d: Dossier) -> dict[str, Any]:
    """Beside what is in force: what was done under it counts under it."""
    return _delegation(one.row, d) | {
        "grantor": one.signed.words,
        "state": "ended" if one.over else one.row.state,
        "until": one.until,
        "case_key": one.case,
        "case_url": f"/cases/{one.case}/",
        "used": one.words,
    }


def _credential(one: Credential, d: Dossier) -> dict[str, Any]:
    revocation = next((row for row in d.revocations if row.credential_id == one.pk), None)
    return key_row(one) | {"revocation": revocation}


def _cases(d: Dossier, user: User) -> list[Case]:
    return list(
        visible.cases(user, now=d.live_now)
        .filter(identity=d.identity, opened_at__lte=d.at)
        .prefetch_related(
            "findings",
            Prefetch(
                "seats",
                Seat.objects.select_related("party__person", "party__team").order_by(
                    "position", "pk"
                ),
            ),
        )
        .order_by("-opened_at")[:10]
    )


def _case(one: Case, d: Dossier) -> dict[str, Any]:
    who = ", ".join(
        dict.fromkeys(str(seat.party) for seat in one.seats.all() if seat.party is not None)
    )
    state = one.state if d.live else _state_then(one, d.at)
    kind = "stale" if d.live and state == "open" and one.deadline_at <= d.at else "waits"
    return {
        "key": one.key,
        "url": f"/cases/{one.key}/",
        "door": one.door,
        "what": one.title,
        "signals": [
            {
                "kind": kind if state == "open" else "neutral",
                "words": state.replace("_", " "),
                "url": "",
            }
        ],
        "who": who,
        "due_words": "",
        # A deadline moves, and is not kept as it was.
        "due_at": one.deadline_at if d.live and state == "open" else None,
    }


def _state_then(one: Case, at: datetime) -> str:
    """Between its dated steps a case is said to be where the last of them left it."""
    if one.closed_at is not None and one.closed_at <= at:
        return one.state
    if one.decided_at is not None and one.decided_at <= at:
        return "decided"
    return "open"
