"""What a pack of an identity or a campaign says beside its cases.

Members are added, never renamed or removed. What is listed here is of what its taker may see.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from evidence.vocabulary import STRENGTHS
from identities import visible as identities_visible
from identities.models import Delegation, Identity, User
from reviews.models import Campaign, CampaignIdentity, Case
from reviews.packs.doors import at


def identity(row: Identity, cases: Iterable[Case], user: User, *, now: datetime) -> dict[str, Any]:
    """The identity: who answers for it, its names and credentials, what it may do, what was found."""
    parties = {"owner": row.owner, "sponsor": row.sponsor, "backup": row.backup}
    findings = identities_visible.findings(user, now=now).filter(identity=row)
    return {
        "identity": row.key,
        "name": row.name,
        "kind": row.kind,
        "state": row.state,
        "mode": row.mode,
        "service": None if row.service is None else row.service.name,
        **{name: None if one is None else str(one) for name, one in parties.items()},
        "purpose": row.purpose,
        "expires_at": at(row.expires_at),
        "criticality": row.criticality,
        "evidence_boundary": row.evidence_boundary,
        "created_at": at(row.created_at),
        "states": [
            {"state": one.state, "at": at(one.recorded_at), "because": one.because}
            for one in row.states.order_by("recorded_at", "pk")
        ],
        "attestations": [
            {
                "purpose": one.purpose,
                "until": at(one.expires_at),
                "at": at(one.attested_at),
                "by": one.attested_by.name,
            }
            for one in row.attestations.select_related("attested_by").order_by("attested_at", "pk")
        ],
        "names": [
            {
                "actor": one.actor.value,
                "basis": one.basis,
                "state": one.state,
                "since": at(one.recorded_at),
                "until": at(one.superseded_at),
            }
            for one in row.bindings.select_related("actor").order_by("recorded_at", "pk")
        ],
        "credentials": [
            {
                "credential": one.key,
                "value": one.actor.value,
                "kind": one.kind,
                "standing": one.standing,
                "state": one.state,
                "issued_at": at(one.issued_at),
                "issued_by": None if one.issued_by is None else one.issued_by.value,
                "expires_at": at(one.expires_at),
                "contradiction": one.contradiction,
            }
            for one in row.credentials.select_related("actor", "issued_by").order_by("number")
        ],
        "delegations": [
            _delegation(one)
            for one in row.delegations.prefetch_related("versions").order_by("number")
        ],
        "entitlements": [
            {
                "system": one.system,
                "principal": one.principal,
                "read_at": at(one.read_at),
                "digest": one.digest,
                "missing": one.missing,
                "until": at(one.superseded_at),
            }
            for one in row.entitlements.order_by("recorded_at", "pk")
        ],
        "findings": [
            {
                "finding": one.key,
                "rule": one.rule,
                "words": one.words,
                "state": one.state,
                "strength": STRENGTHS.get(one.strength, ""),
                "strengths": one.strengths,
                "count": one.count,
                "first_at": at(one.first_at),
                "last_at": at(one.last_at),
            }
            for one in findings.order_by("number")
        ],
        "cases": [_case(one) for one in cases],
    }


def _delegation(row: Delegation) -> dict[str, Any]:
    return {
        "delegation": row.key,
        "grantor": None if row.grantor is None else str(row.grantor),
        "versions": [
            {
                "version": one.version,
                "state": one.state,
                "actions": one.actions,
                "resources": one.resources,
                "conditions": one.conditions,
                "purpose": one.purpose,
                "signed": one.signed,
                "imported": one.imported,
                "recorded_at": at(one.recorded_at),
                "superseded_at": at(one.superseded_at),
            }
            for one in sorted(row.versions.all(), key=lambda one: (one.version, one.pk))
        ],
    }


def campaign(row: Campaign, cases: Iterable[Case]) -> dict[str, Any]:
    """The campaign: what was asked under which policy, of whom, and whom it left out."""
    scope = CampaignIdentity.objects.filter(campaign=row).select_related("identity")
    return {
        "campaign": row.key,
        "name": row.name,
        "policy": str(row.policy),
        "scope": row.scope,
        "state": row.state,
        "applies": row.applies,
        "reason": row.reason,
        "made_at": at(row.made_at),
        "made_by": row.made_by_name or row.made_by,
        "launched_at": at(row.launched_at),
        "launched_by": row.launched_by_name or row.launched_by,
        "deadline_at": at(row.deadline_at),
        "closed_at": at(row.closed_at),
        "closed_by": row.closed_by_name or row.closed_by,
        "pauses": [
            {"since": at(one.since), "until": at(one.until), "reason": one.reason}
            for one in row.pauses.order_by("since", "pk")
        ],
        "not_asked": [
            {"identity": one.identity.key, "name": one.identity.name, "why": one.left_out}
            for one in scope.exclude(left_out="").order_by("identity__number").iterator(500)
        ],
        "cases": [_case(one) for one in cases],
    }


def _case(row: Case) -> dict[str, Any]:
    return {
        "case": row.key,
        "door": row.door,
        "state": row.state,
        "title": row.title,
        "identity": None if row.identity is None else row.identity.key,
        "closed_at": at(row.closed_at),
    }
