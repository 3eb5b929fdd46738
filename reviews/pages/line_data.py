"""The line as data: what `manage.py line NAME --json` and the API say (docs/exports.md).

Owns the shape, which is kept stable. Reads a dossier, and the issuance chain of its credentials.
"""

from typing import Any

from evidence.models import Issuance
from identities.models import Credential, DelegationVersion
from reviews.exports import moment
from reviews.pages.answers import authority, behaviour, identity
from reviews.pages.dossier import Dossier


def as_data(d: Dossier) -> dict[str, Any]:
    """The line as JSON: the shape of `manage.py line NAME --json` (docs/exports.md)."""
    return {
        "identity": {
            "key": d.identity.key,
            "name": d.identity.name,
            "kind": d.identity.kind,
            "state": d.was.state or None,
        },
        "as_of": moment(d.at),
        "what_identity": {
            "answer": identity(d)["headline"],
            "actors": [
                {
                    "realm": one.actor.realm,
                    "kind": one.actor.kind,
                    "value": one.actor.value,
                    "basis": one.basis,
                    "state": one.state,
                    "shared": one.shared,
                }
                for one in d.bindings
            ],
            "chain_heads": [
                {
                    "actor": one.actor,
                    "kind": one.kind,
                    "identity": one.identity or None,
                    "why": one.why,
                    "how": one.how,
                    "count": one.times,
                    "steps": one.steps,
                    "strength": one.strength,
                    "first_at": moment(one.first_at),
                    "last_at": moment(one.last_at),
                    "event": one.event,
                }
                for one in d.heads
            ],
            "credentials": [_credential(one) for one in d.credentials],
            "credential_counts": [
                {"standing": is_standing, "state": state, "count": count}
                for (is_standing, state), count in sorted(d.credential_counts.items())
            ],
        },
        "what_authority": {
            "answer": authority(d)["headline"],
            "delegations": [_delegation(row, d) for row in d.delegations],
            "proposed": [_delegation(row, d) for row in d.proposed],
            "break_glass": [
                _delegation(one.row, d)
                | {
                    "case": one.case,
                    "signed_by": list(one.signed.names),
                    "self_approved": one.signed.alone,
                    "ended_at": moment(one.until) if one.over else None,
                    "calls": sum(one.done.values()),
                    "calls_beside": one.beyond,
                    "missing": one.missing,
                }
                for one in d.emergency
            ],
            "possible": [
                {
                    "read_at": moment(one.read_at),
                    "principal": one.principal,
                    "allows": one.possible,
                    "missing": one.missing,
                }
                for one in d.entitlements
            ]
            or "not known",
        },
        "what_behaviour": {
            "answer": behaviour(d)["headline"],
            "events": d.api.calls,
            "records_not_judged_yet": d.waiting.records,
            "inside": d.api.inside,
            "outside": d.api.outside,
            "linked_exactly": d.api.linked,
            "spans": d.ai.calls,
            "first_at": moment(d.api.first),
            "last_at": moment(d.api.last),
            "used": [
                {
                    "action": one.action,
                    "family": one.family,
                    "count": one.calls,
                    "inside": one.inside,
                    "outside": one.outside,
                    "first_at": moment(one.first),
                    "last_at": moment(one.last),
                }
                for one in d.permissions
            ],
            "findings": [
                {
                    "finding": one.key,
                    "rule": one.rule,
                    "words": one.words,
                    "count": one.count,
                    "state": one.state,
                    "trace_id": one.trace.hex if one.trace else None,
                }
                for one in d.findings
            ],
        },
        "evidence": [
            {
                "source": one.name,
                "plane": one.plane,
                "received_to": moment(one.last_received),
                "complete_to": moment(one.watermark),
                "completeness": one.completeness or "not known",
                "sampling": one.sampling,
            }
            for one in d.sources
        ],
    }


def chain(credential: int) -> list[dict[str, Any]]:
    """The issuance chain of a credential's actor, newest link first, to its root."""
    found: list[dict[str, Any]] = []
    seen: set[int] = set()
    here: int | None = credential
    while here is not None and here not in seen and len(found) < 16:
        seen.add(here)
        row = (
            Issuance.objects.filter(credential_id=here)
            .select_related("credential", "issued_to", "by_principal", "by_credential")
            .order_by("at", "event_id")
            .first()
        )
        if row is None:
            break
        found.append(
            {
                "credential": row.credential.value,
                "at": moment(row.at),
                "event": row.event_id,
                "issued_to": row.issued_to.value if row.issued_to else None,
                "by": row.by_principal.value if row.by_principal else None,
                "with": row.by_credential.value if row.by_credential else None,
                "standing": row.standing,
                "expires_at": moment(row.expires_at),
            }
        )
        here = row.by_credential_id
    return found


def _credential(one: Credential) -> dict[str, Any]:
    return {
        "key": one.key,
        "credential": one.actor.value,
        "kind": one.kind,
        "standing": one.standing,
        "state": one.state,
        "issued_at": moment(one.issued_at),
        "expires_at": moment(one.expires_at),
        "contradiction": one.contradiction,
        "chain": chain(one.actor_id),
    }


def _delegation(row: DelegationVersion, d: Dossier) -> dict[str, Any]:
    return {
        "delegation": row.delegation.key,
        "version": row.version,
        "grantor": str(row.delegation.grantor) if row.delegation.grantor else None,
        "signed_by": list(d.signed[row.pk].names) if row.pk in d.signed else [],
        "self_approved": row.pk in d.signed and d.signed[row.pk].alone,
        "actions": row.actions,
        "resources": row.resources,
        "purpose": row.purpose,
        "task": row.task,
        "on_behalf": row.on_behalf,
        "from": moment(row.during.lower),
        "until": moment(row.during.upper),
        "signed": row.signed,
        "imported": row.imported,
        "case": str(row.case) if row.case else None,
    }
