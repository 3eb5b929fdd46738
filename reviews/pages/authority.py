"""The authority of one identity as it stood at a moment, as its page and scripts show it.

Owns the words and the shape (docs/blast-radius.md). What stood is identities/stood.py; the review
policies in force then are added here, because identities know none.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from identities import stood
from identities.models import Identity
from reviews import signers
from reviews.exports import moment
from reviews.models import ReviewPolicy
from reviews.pages import possible

MOST_ACTIONS = 8
QUESTIONS = {
    "was": "as it was: true of that moment by all that is known now",
    "known": "as was known: what could be known at that moment",
}


def policies(moment_: datetime) -> list[ReviewPolicy]:
    """The newest version of each review policy that was signed by then, by name."""
    rows = ReviewPolicy.objects.filter(state="signed", settled_at__lte=moment_)
    return list(rows.order_by("name", "-version").distinct("name"))


def context(
    identity: Identity, asked: Mapping[str, str], *, at: datetime, known_at: datetime, now: datetime
) -> dict[str, Any]:
    """Everything templates/authority.html shows (see its head for the names)."""
    found = stood.of(identity, at=at, known_at=known_at)
    signed = signers.of(found.delegations)
    path = f"/identities/{identity.key}/authority/"
    return {
        "section": "identities",
        "title": f"Authority of {identity.name}",
        "identity": identity,
        "path": path,
        "at": at,
        "known_at": known_at,
        "live": not asked.get("at"),
        "knows_now": known_at >= now,
        "was_url": f"{path}?{urlencode({'at': at.isoformat()})}",
        "known_url": f"{path}?{urlencode({'at': at.isoformat(), 'known_at': at.isoformat()})}",
        "state": found.state,
        "state_because": found.state_because,
        "delegations": [(one, signed[one.pk].words) for one in found.delegations],
        "entitlements": [
            {
                "system": possible.TITLES.get(one.system, one.system),
                "principal": one.principal,
                "since": one.during.lower,
                "allows": possible.allowed([one], most=MOST_ACTIONS),
                "missing": one.missing,
            }
            for one in found.entitlements
        ],
        "held": found.held,
        "standing": found.credentials.get(True, 0),
        "sessions": found.credentials.get(False, 0),
        "stops": found.stops,
        "policies": policies(min(at, known_at)),
        "more": found.more,
        "data_url": f"/api/identities/{identity.key}/authority/?"
        + urlencode({"at": at.isoformat(), "known_at": known_at.isoformat()}),
    }


def as_data(identity: Identity, *, at: datetime, known_at: datetime) -> dict[str, Any]:
    """The same for scripts."""
    found = stood.of(identity, at=at, known_at=known_at)
    signed = signers.of(found.delegations)
    return {
        "identity": identity.key,
        "at": moment(at),
        "known_at": moment(known_at),
        "state": found.state or None,
        "state_because": found.state_because,
        "delegations": [
            {
                "delegation": one.delegation.key,
                "version": one.version,
                "parent": one.delegation.parent.key if one.delegation.parent else None,
                "grantor": str(one.delegation.grantor) if one.delegation.grantor else None,
                "signed_by": list(signed[one.pk].names),
                "self_approved": signed[one.pk].alone,
                "actions": one.actions,
                "resources": one.resources,
                "conditions": one.conditions,
                "purpose": one.purpose,
                "task": one.task,
                "on_behalf": one.on_behalf,
                "from": moment(one.during.lower),
                "until": moment(one.during.upper),
                "signed": one.signed,
                "imported": one.imported,
            }
            for one in found.delegations
        ],
        "entitlements": [
            {
                "system": one.system,
                "principal": one.principal,
                "since": moment(one.during.lower),
                "allows": one.possible,
                "missing": one.missing,
            }
            for one in found.entitlements
        ],
        "credentials": {
            "standing": found.credentials.get(True, 0),
            "short_lived": found.credentials.get(False, 0),
            "stopped": [
                {
                    "credential": one.credential.key,
                    "state": one.state,
                    "since": moment(one.during.lower),
                    "because": one.because,
                }
                for one in found.held
            ],
        },
        "stops": [
            {
                "revocation": one.revocation.key,
                "step": one.revocation.step,
                "credential": one.revocation.credential.key if one.revocation.credential else None,
                "requested_at": moment(one.revocation.requested_at),
                "had_come_to": one.step,
            }
            for one in found.stops
        ],
        "policies": [
            {"policy": one.name, "version": one.version, "signed_at": moment(one.settled_at)}
            for one in policies(min(at, known_at))
        ],
        "more_than_shown": list(found.more),
    }
