"""The items of a review: each delegation, entitlement, credential and open binding.

Owns what stands beside an item when it is made: usage, findings, and a recommendation with its
reason. A recommendation is never an answer, and no evidence never makes one (product.md, usage).
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Q

from evidence.words import counted
from identities.models import (
    Binding,
    Credential,
    DelegationVersion,
    Entitlement,
    Finding,
    Identity,
)
from reviews.models import Case, Item
from reviews.shown import covers, matches, used_actions

# Short-lived credentials are reviewed by what issues them; ten thousand sessions are no items.
MOST_CREDENTIALS = 200
# Counting stops here: a reviewer needs to know "many", and the page must not scan.
MOST_COUNTED = 10_000
OLD = timedelta(days=90)
SILENT = timedelta(days=60)
# Findings that say somebody else may hold the key.
COMPROMISING = ("no_run", "left_task", "shared_credential", "after_revocation")
RULE_WORDS = {
    "no_run": "used with no run behind it",
    "left_task": "a run with it left its task",
    "shared_credential": "shared by agents that are not bound to it together",
    "after_revocation": "used after it was revoked or held",
    "no_authority": "used without a delegation",
    "outside_resources": "used on resources outside its delegation",
    "after_expiry": "used after the delegation had ended",
}


class Advice(NamedTuple):
    """A recommendation and what it rests on; no answer when evidence is lacking."""

    answer: str
    reason: str


NONE = Advice("", "")


def build(case: Case, identity: Identity, *, now: datetime) -> list[Item]:
    """Make the items that the case does not have yet; those made now."""
    known = set(case.items.values_list("kind", "ref"))
    settled_bindings = {item.proposal.get("binding") for item in case.items.filter(kind="binding")}
    place = case.items.count()
    made = []
    for item in [
        *_delegations(identity, now),
        *_entitlements(identity, now),
        *_credentials(identity, now),
        *_bindings(identity, now),
    ]:
        if item.ref is not None and (item.kind, item.ref) in known:
            continue
        if item.kind == "binding" and item.proposal["binding"] in settled_bindings:
            continue
        item.case, item.position = case, place
        place += 1
        made.append(item)
    return Item.objects.bulk_create(made)


def look_again(case: Case, identity: Identity, *, now: datetime) -> None:
    """What stands beside the items that wait for answers, from evidence as it is known now."""
    waiting = {(item.kind, item.ref): item for item in case.items.filter(outcome="")}
    for made in [
        *_delegations(identity, now),
        *_entitlements(identity, now),
        *_credentials(identity, now),
    ]:
        item = waiting.get((made.kind, made.ref))
        if item is None:
            continue
        item.snapshot, item.recommendation = made.snapshot, made.recommendation
        item.recommendation_reason = made.recommendation_reason
        item.save(update_fields=["snapshot", "recommendation", "recommendation_reason"])


def _delegations(identity: Identity, now: datetime) -> Iterable[Item]:
    used = list(used_actions(identity).values())
    rows = (
        DelegationVersion.objects.filter(
            delegation__grantee=identity,
            superseded_at__isnull=True,
            state__in=["in_force", "proposed"],
        )
        .filter(Q(during__endswith__isnull=True) | Q(during__endswith__gt=now))
        .select_related("delegation")
        .order_by("delegation__number", "-state", "version")
    )
    seen = set()
    for row in rows:
        # A delegation in force with an open proposal is one item; requests decide proposals.
        if row.delegation_id in seen:
            continue
        seen.add(row.delegation_id)
        hits = [(name, first, last) for name, (first, last) in used if covers(row.actions, name)]
        last = max((one[2] for one in hits), default=None)
        unseen = [
            pattern for pattern in row.actions if not any(matches(pattern, one[0]) for one in hits)
        ]
        advice = _about_delegation(row, unseen, has_evidence=bool(used), last=last, now=now)
        until = row.during.upper
        yield Item(
            kind="delegation",
            ref=row.delegation_id,
            title=f"Delegation {row.delegation.key}",
            note=_delegation_note(row, until),
            proposal={
                "actions": [pattern for pattern in row.actions if pattern not in unseen],
                "resources": list(row.resources),
            },
            recommendation=advice.answer,
            recommendation_reason=advice.reason,
            snapshot={
                "actions": len(row.actions),
                "seen": len(row.actions) - len(unseen),
                "unseen": unseen[:50],
                "last_at": _iso(last),
                "evidence": bool(used),
                "version": row.version,
            },
        )


def _delegation_note(row: DelegationVersion, until: datetime | None) -> str:
    ends = "no end is stated" if until is None else f"ends {until:%-d %b %Y %H:%M} UTC"
    if row.state == "proposed":
        return f"proposed, not in force; {ends}"
    return f"imported, unsigned; {ends}" if not row.signed else ends


def _about_delegation(
    row: DelegationVersion,
    unseen: list[str],
    *,
    has_evidence: bool,
    last: datetime | None,
    now: datetime,
) -> Advice:
    if row.state == "proposed" or not has_evidence:
        return NONE
    if last is None:
        return Advice("revoke", f"none of its {len(row.actions)} actions was seen in evidence")
    if now - last > SILENT:
        return Advice("revoke", f"not seen in {(now - last).days} d")
    if unseen:
        return Advice("narrow", f"{len(unseen)} of {len(row.actions)} actions not seen in evidence")
    return Advice("keep", f"each of its actions was seen, last {last:%-d %b %H:%M} UTC")


def _entitlements(identity: Identity, now: datetime) -> Iterable[Item]:
    delegated = _delegated(identity, now)
    rows = Entitlement.objects.filter(
        identity=identity, superseded_at__isnull=True, during__contains=now
    ).order_by("principal")
    for row in rows:
        allowed = [
            action
            for one in row.possible
            if one.get("effect", "Allow") == "Allow"
            for action in one.get("actions", [])
        ]
        wider = [action for action in allowed if not covers(delegated, action)]
        findings = _open(identity, ["no_authority", "outside_resources"])
        advice = NONE
        if wider and delegated:
            advice = Advice(
                "narrow", f"{row.system} allows {len(wider)} action patterns more than delegated"
            )
        elif delegated and not row.missing:
            advice = Advice("keep", f"{row.system} allows nothing beyond what was delegated")
        yield Item(
            kind="entitlement",
            ref=row.pk,
            title=f"What {row.system.upper()} allows {row.principal.rsplit('/', 1)[-1][:120]}",
            note=row.missing or f"read {row.read_at:%-d %b %Y %H:%M} UTC",
            recommendation=advice.answer,
            recommendation_reason=advice.reason,
            snapshot={
                "allowed": len(allowed),
                "wider": wider[:50],
                "findings": [finding.key for finding in findings],
            },
        )


def _credentials(identity: Identity, now: datetime) -> Iterable[Item]:
    rows = list(
        Credential.objects.filter(identity=identity, standing=True, state__in=["active", "held"])
        .select_related("actor", "issued_by")
        .order_by("number")[:MOST_CREDENTIALS]
    )
    findings = _by_credential([row.actor_id for row in rows])
    for row in rows:
        uses = _uses(row.actor_id)
        found = findings.get(row.actor_id, [])
        advice = _about_credential(row, uses, found, now=now)
        yield Item(
            kind="credential",
            ref=row.pk,
            title=f"Credential {row.short}",
            note=_credential_note(row, now),
            recommendation=advice.answer,
            recommendation_reason=advice.reason,
            snapshot=uses | {"findings": [key for key, _ in found], "state": row.state},
        )


def _credential_note(row: Credential, now: datetime) -> str:
    kind = "standing" if row.expires_at is None else f"ends {row.expires_at:%-d %b %Y %H:%M} UTC"
    if row.issued_at is None:
        return f"{kind}, its issuance is in no evidence we hold"
    by = f", issued by {row.issued_by.value.rsplit('/', 1)[-1][:80]}" if row.issued_by else ""
    return f"{kind}, {(now - row.issued_at).days} d old{by}"


def _about_credential(
    row: Credential, uses: dict[str, Any], found: list[tuple[str, str]], *, now: datetime
) -> Advice:
    bad = [rule for _, rule in found if rule in COMPROMISING]
    if bad:
        return Advice("revoke", "; ".join(RULE_WORDS[rule] for rule in dict.fromkeys(bad)))
    if not uses["count"]:
        return NONE
    if found:
        said = "; ".join(RULE_WORDS[rule] for _, rule in found)
        return Advice("replace", f"{said}: move to a short-lived credential")
    if row.issued_at is not None and row.expires_at is None and now - row.issued_at > OLD:
        return Advice("replace", f"standing for {(now - row.issued_at).days} d, without an end")
    return Advice("keep", f"{uses['words']}, no finding")


def _uses(actor: int) -> dict[str, Any]:
    """How often a credential was used, counted up to a bound through its index."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), min(at), max(at) FROM (SELECT at FROM evidence_event"
            " WHERE credential_id = %s ORDER BY at DESC LIMIT %s) newest",
            [actor, MOST_COUNTED + 1],
        )
        count, first, last = cursor.fetchone()
    words = f"over {MOST_COUNTED:,} calls" if count > MOST_COUNTED else counted(count, "call")
    return {
        "count": count,
        "words": words,
        "first_at": _iso(first if count <= MOST_COUNTED else None),
        "last_at": _iso(last),
    }


def _bindings(identity: Identity, now: datetime) -> Iterable[Item]:
    rows = (
        Binding.objects.filter(
            identity=identity, state="proposed", superseded_at__isnull=True, during__contains=now
        )
        .select_related("actor")
        .order_by("pk")[:MOST_CREDENTIALS]
    )
    for row in rows:
        advice = NONE
        if row.basis in ("observed", "issued") and not row.shared and row.reason:
            advice = Advice("keep", row.reason)
        yield Item(
            kind="binding",
            title=f"Binding, {row.basis}",
            note=f"{row.actor.value[:200]} is {identity.name}",
            proposal={"binding": row.pk},
            recommendation=advice.answer,
            recommendation_reason=advice.reason,
            snapshot={"count": row.seen, "words": row.reason},
        )


def _delegated(identity: Identity, now: datetime) -> list[str]:
    rows = DelegationVersion.objects.filter(
        delegation__grantee=identity,
        superseded_at__isnull=True,
        state="in_force",
        during__contains=now,
        revoked_at__isnull=True,
    ).values_list("actions", flat=True)
    return [action for actions in rows for action in actions]


def _open(identity: Identity, rules: Iterable[str]) -> list[Finding]:
    return list(
        Finding.objects.filter(
            identity=identity, state__in=["open", "confirmed"], rule__in=list(rules)
        ).order_by("number")[:50]
    )


def _by_credential(actors: list[int]) -> dict[int, list[tuple[str, str]]]:
    """The open findings with events by each credential: actor id -> [(F-key, rule)]."""
    found: dict[int, list[tuple[str, str]]] = {}
    if not actors:
        return found
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT e.credential_id, f.number, f.rule FROM identities_finding f"
            " JOIN identities_findingevent fe ON fe.finding_id = f.id"
            " JOIN evidence_event e ON e.at = fe.at AND e.id = fe.event_id"
            " WHERE f.state IN ('open', 'confirmed') AND e.credential_id = ANY(%s)"
            " ORDER BY 1, 2",
            [actors],
        )
        for actor, number, rule in cursor.fetchall():
            found.setdefault(actor, []).append((f"F-{number}", rule))
    return found


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
