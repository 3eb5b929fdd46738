"""What there is to decide about identities: delegations, entitlements, credentials, bindings; where
nothing of that is known, whether the identity goes on at all.

Owns what stands beside an item when it is made: usage, findings, and a recommendation with its
reason. A recommendation is never an answer, and no evidence never makes one (product.md, usage).
One identity is a batch of one: the number of queries is that of a batch, whatever its size.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import F, QuerySet, Window
from django.db.models.functions import RowNumber

from evidence.words import counted
from identities.models import (
    Credential,
    DelegationVersion,
    Finding,
    Identity,
)
from reviews import shown
from reviews.models import Item
from reviews.shown import covers, matches

from . import reviewable

# Counting stops here: a reviewer needs to know "many", and the page must not scan.
MOST_COUNTED = 10_000
OLD = timedelta(days=90)
SILENT = timedelta(days=60)
# Findings that say somebody else may hold the key.
COMPROMISING = (
    "no_run",
    "left_task",
    "shared_credential",
    "after_revocation",
    "outside_instance",
    "interactive_use",
)
RULE_WORDS = {
    "no_run": "used with no run behind it",
    "left_task": "a run with it left its task",
    "shared_credential": "shared by agents that are not bound to it together",
    "after_revocation": "used after it was revoked or held",
    "no_authority": "used without a delegation",
    "outside_resources": "used on resources outside its delegation",
    "after_expiry": "used after the delegation had ended",
    "no_mfa": "signed in without MFA",
    "outside_instance": "used away from its instance",
    "conflicting_trace": "traces and log contradict each other",
    "interactive_use": "used interactively, as a person does",
}


class Advice(NamedTuple):
    """A recommendation and what it rests on; no answer when evidence is lacking."""

    answer: str
    reason: str


NONE = Advice("", "")
type ByIdentity = dict[UUID, list[Item]]


def propose(identities: Sequence[Identity], *, now: datetime) -> ByIdentity:
    """What there is to decide about each of these identities, without a case yet."""
    found: ByIdentity = {}
    for part in (_delegations, _entitlements, _credentials, _bindings):
        for identity, item in part(identities, now):
            found.setdefault(identity, []).append(item)
    for one in identities:
        if one.pk not in found:
            found[one.pk] = [_itself(one)]
    return found


def _itself(identity: Identity) -> Item:
    """Of nothing else it is known what it may do: its purpose and its end are what is reviewed."""
    ends = identity.expires_at
    until = "no end is stated" if ends is None else f"ends {ends:%-d %b %Y}"
    return Item(
        kind="identity",
        ref=identity.pk,
        title=f"{identity.name} itself"[:500],
        note=f"{identity.purpose[:200] or 'no purpose is stated'}; {until}",
        recommendation_reason="nothing is delegated to it, and nothing that it could use is known",
        snapshot={"state": identity.state},
    )


def some(
    identities: Sequence[Identity], kind: str, refs: Collection[UUID], *, now: datetime
) -> ByIdentity:
    """The items about these delegations, entitlements or credentials alone; none of what is gone."""
    found: ByIdentity = {}
    for identity, item in OF_KIND[kind](identities, now, only=refs):
        found.setdefault(identity, []).append(item)
    return found


def _first(rows: QuerySet[Any], *, by: str) -> QuerySet[Any]:
    """Of each identity the first reviewable.MOST rows."""
    place = Window(RowNumber(), partition_by=F("identity"), order_by=by)
    found: QuerySet[Any] = rows.annotate(place=place).filter(place__lte=reviewable.MOST)
    return found


def _just[Rows: QuerySet[Any]](rows: Rows, only: Collection[UUID] | None, by: str = "pk") -> Rows:
    return rows if only is None else rows.filter(**{f"{by}__in": only})


def _delegations(
    identities: Sequence[Identity], now: datetime, *, only: Collection[UUID] | None = None
) -> Iterable[tuple[UUID, Item]]:
    used_by = shown.used_by(identities)
    known = {one.pk: one for one in identities}
    rows = (
        _just(reviewable.delegations(now), only, "delegation")
        .filter(delegation__grantee__in=known)
        .select_related("delegation")
        .order_by("delegation__number", "-state", "version")
    )
    seen = set()
    for row in rows:
        # A delegation in force with an open proposal is one item; requests decide proposals.
        if row.delegation_id in seen:
            continue
        seen.add(row.delegation_id)
        identity = row.delegation.grantee_id
        used = list(used_by.get(known[identity].number, {}).values())
        hits = [(name, first, last) for name, (first, last) in used if covers(row.actions, name)]
        last = max((one[2] for one in hits), default=None)
        unseen = [
            pattern for pattern in row.actions if not any(matches(pattern, one[0]) for one in hits)
        ]
        advice = _about_delegation(row, unseen, has_evidence=bool(used), last=last, now=now)
        if known[identity].kind == "integration" and advice.answer in ("revoke", "narrow"):
            advice = Advice("", "not all of it is in our logs: what happens at the vendor is not")
        yield (
            identity,
            Item(
                kind="delegation",
                ref=row.delegation_id,
                title=f"Delegation {row.delegation.key}",
                note=_delegation_note(row, row.during.upper),
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
            ),
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


def _entitlements(
    identities: Sequence[Identity], now: datetime, *, only: Collection[UUID] | None = None
) -> Iterable[tuple[UUID, Item]]:
    rows = list(
        _just(reviewable.entitlements(now), only)
        .filter(identity__in=identities)
        .order_by("principal")
    )
    if not rows:
        return
    concerned = {row.identity_id for row in rows}
    delegated_to = _delegated(concerned, now)
    findings = _open(concerned, ["no_authority", "outside_resources"])
    for row in rows:
        delegated = delegated_to.get(row.identity_id, [])
        allowed = [
            action
            for one in row.possible
            if one["effect"] in ("allow", "eligible") and one.get("layer", "identity") == "identity"
            for action in one.get("actions", []) or ["*"] * bool(one.get("not_actions"))
        ]
        wider = [action for action in allowed if not covers(delegated, action)]
        advice = NONE
        if wider and delegated:
            many = counted(len(wider), "action pattern")
            advice = Advice("narrow", f"{row.system} allows {many} more than delegated")
        elif delegated and not row.missing and all(e["effect"] != "unknown" for e in row.possible):
            advice = Advice("keep", f"{row.system} allows nothing beyond what was delegated")
        yield (
            row.identity_id,
            Item(
                kind="entitlement",
                ref=row.pk,
                title=f"What {row.system.upper()} allows {row.principal.rsplit('/', 1)[-1][:120]}",
                note=row.missing or f"read {row.read_at:%-d %b %Y %H:%M} UTC",
                recommendation=advice.answer,
                recommendation_reason=advice.reason,
                snapshot={
                    "allowed": len(allowed),
                    "wider": wider[:50],
                    "findings": findings.get(row.identity_id, []),
                },
            ),
        )


def _credentials(
    identities: Sequence[Identity], now: datetime, *, only: Collection[UUID] | None = None
) -> Iterable[tuple[UUID, Item]]:
    rows = list(
        _first(_just(reviewable.credentials(), only).filter(identity__in=identities), by="number")
        .select_related("actor", "issued_by", "seen_with")
        .order_by("number")
    )
    actors = [row.actor_id for row in rows]
    findings, uses_of = _by_credential(actors), _uses(actors)
    for row in rows:
        uses = uses_of[row.actor_id]
        found = findings.get(row.actor_id, [])
        advice = _about_credential(row, uses, found, now=now)
        yield (
            row.identity_id,
            Item(
                kind="credential",
                ref=row.pk,
                title=f"Credential {row.short}",
                note=_credential_note(row, now),
                recommendation=advice.answer,
                recommendation_reason=advice.reason,
                snapshot=uses | {"findings": [key for key, _ in found], "state": row.state},
            ),
        )


def _credential_note(row: Credential, now: datetime) -> str:
    kind = "standing" if row.expires_at is None else f"ends {row.expires_at:%-d %b %Y %H:%M} UTC"
    if row.issued_at is None:
        who = f", observed with {row.seen_with.value[-80:]} only" if row.seen_with else ""
        return f"{kind}, its issuance is in no evidence we hold{who}"
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


def _uses(actors: list[int]) -> dict[int, dict[str, Any]]:
    """How often each credential was used, counted up to a bound through its index."""
    if not actors:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT a.id, u.n, u.first, u.last FROM unnest(%s::bigint[]) AS a(id)"
            " CROSS JOIN LATERAL (SELECT count(*) AS n, min(at) AS first, max(at) AS last FROM"
            "  (SELECT at FROM evidence_event WHERE credential_id = a.id"
            "   ORDER BY at DESC LIMIT %s) newest) u",
            [actors, MOST_COUNTED + 1],
        )
        return {actor: _used(*said) for actor, *said in cursor.fetchall()}


def _used(count: int, first: datetime | None, last: datetime | None) -> dict[str, Any]:
    many = count > MOST_COUNTED
    return {
        "count": count,
        "words": f"over {MOST_COUNTED:,} calls" if many else counted(count, "call"),
        "first_at": _iso(None if many else first),
        "last_at": _iso(last),
    }


def _bindings(identities: Sequence[Identity], now: datetime) -> Iterable[tuple[UUID, Item]]:
    names = {one.pk: one.name for one in identities}
    rows = (
        _first(reviewable.bindings(now).filter(identity__in=names), by="pk")
        .select_related("actor")
        .order_by("pk")
    )
    for row in rows:
        advice = NONE
        if row.basis in ("observed", "issued") and not row.shared and row.reason:
            advice = Advice("keep", row.reason)
        yield (
            row.identity_id,
            Item(
                kind="binding",
                title=f"Binding, {row.basis}",
                note=f"{row.actor.value[:200]} is {names[row.identity_id]}",
                proposal={"binding": row.pk},
                recommendation=advice.answer,
                recommendation_reason=advice.reason,
                snapshot={"count": row.seen, "words": row.reason},
            ),
        )


# What can be asked about alone (reviews/triggers).
OF_KIND = {"delegation": _delegations, "entitlement": _entitlements, "credential": _credentials}


def _delegated(identities: Iterable[UUID], now: datetime) -> dict[UUID, list[str]]:
    found: dict[UUID, list[str]] = {}
    for identity, actions in DelegationVersion.objects.filter(
        delegation__grantee__in=identities,
        superseded_at__isnull=True,
        state="in_force",
        during__contains=now,
        revoked_at__isnull=True,
    ).values_list("delegation__grantee", "actions"):
        found.setdefault(identity, []).extend(actions)
    return found


def _open(identities: Iterable[UUID], rules: Iterable[str]) -> dict[UUID, list[str]]:
    """The keys of the first fifty open findings of each identity."""
    found: dict[UUID, list[str]] = {}
    place = Window(RowNumber(), partition_by=F("identity"), order_by="number")
    for identity, number in (
        Finding.objects.filter(
            identity__in=identities, state__in=["open", "confirmed"], rule__in=list(rules)
        )
        .annotate(place=place)
        .filter(place__lte=50)
        .order_by("number")
        .values_list("identity", "number")
    ):
        found.setdefault(identity, []).append(f"F-{number}")
    return found


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
