"""A release manifest as a page and as data: what differs from the last one, and who has signed.

Owns the context of templates/manifest.html. Signing happens in its case.
"""

from datetime import datetime
from typing import Any

from evidence.words import counted
from identities.models import Identity, Manifest, User
from reviews import visible
from reviews.actions import manifests
from reviews.models import Case, Decision
from reviews.permissions import SEAT_WORDS, SIGNING

MOST_LISTED = 20


def context(row: Manifest, user: User, *, now: datetime) -> dict[str, Any]:
    """templates/manifest.html."""
    standing = manifests.standing(row)
    before = manifests.last_signed(row)
    case = standing.case
    seen = case is not None and visible.cases(user, now=now).filter(pk=case.pk).exists()
    return {
        "section": "identities",
        "now": now,
        "title": f"{row.key} {row.identity.name} {row.version}",
        "manifest": row,
        "state": standing.state,
        "reasons": standing.reasons,
        "identity": row.identity,
        "before": before,
        "difference": manifests.differs(row),
        "seats": seats(case),
        "case": case if seen else None,
        "reference_url": row.reference if row.reference.startswith("https://") else "",
    }


def seats(case: Case | None) -> list[dict[str, Any]]:
    """The seats whose signatures it needs, and what each has answered."""
    if case is None:
        return []
    given = {
        one.seat_id: one
        for one in Decision.objects.filter(
            item__case=case, superseded_at__isnull=True
        ).select_related("person")
    }
    rows = case.seats.filter(kind__in=SIGNING).select_related(
        "party__person", "party__team", "person"
    )
    return [
        {
            "words": SEAT_WORDS[one.kind],
            "party": str(one.party) if one.party is not None else "",
            "answer": given[one.pk].answer if one.pk in given else "",
            "person": given[one.pk].person.name if one.pk in given else "",
            "at": given[one.pk].at if one.pk in given else None,
            "reason": given[one.pk].reason if one.pk in given else "",
        }
        for one in rows.order_by("position")
    ]


def as_data(row: Manifest) -> dict[str, Any]:
    """The same as JSON, for the check of a pipeline."""
    standing = manifests.standing(row)
    found = manifests.differs(row)
    before = manifests.last_signed(row)
    return {
        "manifest": row.key,
        "identity": row.identity.key,
        "version": row.version,
        "model": row.model,
        "tools": list(row.tools),
        "permissions": row.permissions,
        "digest": row.digest,
        "reference": row.reference,
        "state": standing.state,
        "reasons": standing.reasons,
        "case": None if standing.case is None else standing.case.key,
        "deadline_at": None if standing.case is None else standing.case.deadline_at,
        "seats": [
            {"seat": one["words"], "party": one["party"], "answer": one["answer"] or None}
            for one in seats(standing.case)
        ],
        "difference": {
            "to": None if before is None else before.key,
            "tools_added": found.tools_added,
            "tools_removed": found.tools_removed,
            "wider": found.wider,
            "narrower": found.narrower,
            "model": None if found.model is None else list(found.model),
        },
    }


def of_identity(identity: Identity) -> list[dict[str, Any]]:
    """The newest manifests of an identity, on its page."""
    return [
        {
            "key": one.key,
            "url": one.url,
            "version": one.version,
            "state": {"proposed": "waits"}.get(one.state, one.state),
            "at": one.settled_at or one.proposed_at,
            "words": f"{counted(len(one.tools), 'tool')}{f', {one.model}' if one.model else ''}",
        }
        for one in Manifest.objects.filter(identity=identity).order_by("-number")[:MOST_LISTED]
    ]
