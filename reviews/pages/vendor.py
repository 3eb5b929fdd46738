"""An external integration as it is stated: shown beside its line and its cases, and written here.

Owns the contexts of templates/components/vendor.html and vendor.html; requests are
vendor_views.py.
"""

from datetime import date, datetime
from typing import Any

from identities import permissions
from identities.models import Identity, User, VendorAttestation

UNKNOWN = "not stated"
OLD_DAYS = 365


def facts(identity: Identity, *, now: datetime) -> dict[str, Any] | None:
    """What is stated of an integration; None for everything else. One query."""
    if identity.kind != "integration":
        return None
    newest = (
        VendorAttestation.objects.filter(identity=identity)
        .order_by("-stated_on", "-recorded_at")
        .first()
    )
    ends = identity.contract_ends_at
    return {
        "url": f"/identities/{identity.key}/vendor/",
        "facts": [
            {"label": "Our evidence ends", "words": identity.evidence_boundary or UNKNOWN},
            {"label": "Contact at the vendor", "words": identity.vendor_contact or UNKNOWN},
            {
                "label": "Contract ends",
                "words": UNKNOWN if ends is None else f"{ends:%-d %b %Y}",
                "kind": "overdue" if ends is not None and ends <= now else "",
            },
            {"label": "Data that leaves", "words": identity.data_leaving or UNKNOWN},
            _newest(newest, today=now.date()),
        ],
    }


def _newest(row: VendorAttestation | None, *, today: date) -> dict[str, Any]:
    if row is None:
        return {"label": "The vendor attested", "words": "nothing that was recorded"}
    over = row.valid_until is not None and row.valid_until < today
    old = row.valid_until is None and (today - row.stated_on).days > OLD_DAYS
    until = f", valid until {row.valid_until:%-d %b %Y}" if row.valid_until else ""
    return {
        "label": "The vendor attested",
        "words": f"{row.what}, on {row.stated_on:%-d %b %Y}{until}",
        "note": "no longer valid" if over else "older than a year" if old else "",
        "note_kind": "stale" if over or old else "",
    }


def context(identity: Identity, user: User, *, now: datetime) -> dict[str, Any]:
    """templates/vendor.html, apart from its forms."""
    rows = VendorAttestation.objects.filter(identity=identity).select_related("recorded_by")
    return {
        "section": "identities",
        "title": f"The vendor of {identity.name}",
        "now": now,
        "identity": {
            "key": identity.key,
            "name": identity.name,
            "url": f"/identities/{identity.key}/",
        },
        "vendor": facts(identity, now=now),
        "why_not": permissions.why_not_describe(user, identity, now=now) or "",
        "rows": [
            {
                "what": one.what,
                "stated_on": one.stated_on,
                "valid_until": one.valid_until,
                "over": one.valid_until is not None and one.valid_until < now.date(),
                "reference": one.reference,
                "who": one.recorded_by.name,
                "at": one.recorded_at,
            }
            for one in rows.order_by("-stated_on", "-recorded_at")[:50]
        ],
        "action_url": f"/identities/{identity.key}/vendor/",
    }
