"""The list of delegations in force: what is delegated to whom, for what, until when."""

from datetime import datetime
from typing import Any

from django.db.models import Q

from evidence.parameters import Known, understood
from identities import visible
from identities.models import DelegationVersion, User
from reviews import shares, signers

from .found import named
from .paging import PAGES, choice, page_of

STATED = {"any": "all in force", "yes": "purpose and end stated", "no": "one is not stated"}
OF_DELEGATIONS: Known = {"q": (), "identity": (), "service": (), "stated": tuple(STATED), **PAGES}


def delegations(user: User, asked: dict[str, str], *, now: datetime) -> dict[str, Any]:
    """templates/delegations.html: what ends first comes first, what never ends last."""
    asked, left_out = understood(asked, OF_DELEGATIONS)
    rows = shares.in_force(visible.delegations(user, now=now), now=now)
    stated = asked.get("stated", "")
    if stated == "yes":
        rows = rows.filter(shares.STATED)
    elif stated == "no":
        rows = rows.exclude(shares.STATED)
    if asked.get("identity"):
        identity = named(user, asked["identity"], now=now)
        rows = rows.filter(delegation__grantee=identity) if identity else rows.none()
    if asked.get("service"):
        rows = rows.filter(delegation__grantee__service__slug=asked["service"])
    q = asked.get("q", "").strip()[:200]
    if q:
        rows = rows.filter(Q(delegation__grantee__name__icontains=q) | Q(purpose__icontains=q))
    total = rows.count()
    shown, page = page_of(
        rows.select_related(
            "delegation__grantee", "delegation__grantor__person", "delegation__grantor__team"
        ).order_by("during__endswith", "delegation__number"),
        asked,
        "/delegations/",
    )
    signed = signers.of(shown)
    return {
        "section": "identities",
        "title": "Delegations",
        "crumbs": [{"words": "Identities", "url": "/identities/"}],
        "left_out": left_out,
        "now": now,
        "q": q,
        "filters": [choice("stated", "Which", {k: STATED[k] for k in ("yes", "no")}, stated)],
        "narrowed": bool(q or stated in ("yes", "no") or asked.get("identity")),
        "rows": [_row(one, signed[one.pk]) for one in shown],
        "page": page | {"total": total},
    }


def _row(one: DelegationVersion, by: signers.Signed) -> dict[str, Any]:
    grantee = one.delegation.grantee
    return {
        "key": one.delegation.key,
        "url": f"/identities/{grantee.key}/#{one.delegation.key}",
        "words": f"{', '.join(one.actions)} on {', '.join(one.resources)}",
        "identity": {"words": grantee.name, "url": f"/identities/{grantee.key}/"},
        "grantor": by.words,
        "purpose": one.purpose,
        "from": one.during.lower,
        "until": one.during.upper,
        "signed": one.signed,
    }
