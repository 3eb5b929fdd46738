"""The list of credentials, and one credential as a row."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.db import connection
from django.db.models import Q, QuerySet

from evidence.parameters import Known, understood
from identities import visible
from identities.models import Credential, User
from identities.models.identity import CREDENTIAL_STATES
from reviews import shares
from reviews.pages import observed

from .found import named
from .paging import PAGES, choice, page_of

ISSUANCE = {"any": "all", "seen": "seen, or who issued it", "missing": "not seen"}
LIVES = {"any": "both", "standing": "standing", "short": "short-lived"}
TIMES = {"contradict": "contradict each other"}
SHARED = {"any": "all", "yes": "several identities together", "no": "one identity"}
OF_CREDENTIALS: Known = {
    "q": (),
    "identity": (),
    "state": CREDENTIAL_STATES,
    "lives": tuple(LIVES),
    "shared": tuple(SHARED),
    "service": (),
    "issuance": tuple(ISSUANCE),
    "times": tuple(TIMES),
    **PAGES,
}


def key_row(one: Credential) -> dict[str, Any]:
    """One credential, whoever's it is."""
    return {
        "key": one.key,
        "url": f"/credentials/{one.key}/",
        "short": one.short,
        "kind": one.kind.replace("_", " "),
        "standing": one.standing,
        "issued_at": one.issued_at,
        "issued_by": one.issued_by.value if one.issued_by else "",
        "observed": observed.of(one),
        "expires_at": one.expires_at,
        "contradiction": one.contradiction,
        "state": one.state,
        "revocation": None,
    }


def credential_row(one: Credential) -> dict[str, Any]:
    """One credential as lists show it, with whose it is."""
    return key_row(one) | {
        "identity": {"words": one.identity.name, "url": f"/identities/{one.identity.key}/"}
        if one.identity
        else None,
        "uses": None,
        "uses_url": f"/events/?{urlencode({'actor': one.actor_id})}",
        "last_at": None,
    }


def matching_credentials(
    user: User, asked: Mapping[str, str], *, now: datetime
) -> QuerySet[Credential]:
    """Those that this user sees and `asked` (understood) narrows the list to."""
    rows = visible.credentials(user, now=now)
    q = asked.get("q", "").strip()[:200]
    if q:
        rows = rows.filter(Q(actor__value__icontains=q) | Q(identity__name__icontains=q))
    if asked.get("identity"):
        identity = named(user, asked["identity"], now=now)
        rows = rows.filter(identity=identity) if identity else rows.none()
    if asked.get("state"):
        rows = rows.filter(state=asked["state"])
    if asked.get("service"):
        rows = rows.filter(identity__service__slug=asked["service"])
    if asked.get("shared") in ("yes", "no"):
        rows = rows.filter(shares.SHARED if asked["shared"] == "yes" else ~shares.SHARED)
    if asked.get("lives") in ("standing", "short"):
        rows = rows.filter(standing=asked["lives"] == "standing")
    if asked.get("times") == "contradict":
        rows = rows.exclude(contradiction="")
    issuance = asked.get("issuance", "")
    if issuance == "seen":
        rows = rows.filter(shares.ISSUED)
    elif issuance == "missing":
        rows = rows.exclude(shares.ISSUED)
    return rows


def credentials(user: User, asked: dict[str, str], *, now: datetime) -> dict[str, Any]:
    """templates/credentials.html."""
    asked, left_out = understood(asked, OF_CREDENTIALS)
    matched = matching_credentials(user, asked, now=now)
    rows = observed.with_times(matched).select_related("identity")
    q, issuance = asked.get("q", "").strip()[:200], asked.get("issuance", "")
    shown, page = page_of(
        rows.order_by("-standing", "-issued_at", "-number"), asked, "/credentials/"
    )
    if any(asked.get(name) for name in ("issuance", "lives", "shared", "times")):
        page["total"] = rows.count()
    last = _last_uses([one.actor_id for one in shown])
    return {
        "section": "credentials",
        "title": "Credentials",
        "left_out": left_out,
        "q": q,
        "filters": [
            choice("state", "State", CREDENTIAL_STATES, asked.get("state", "")),
            choice(
                "lives",
                "Life",
                {k: v for k, v in LIVES.items() if k != "any"},
                asked.get("lives", ""),
            ),
            choice(
                "issuance", "Issuance", {k: v for k, v in ISSUANCE.items() if k != "any"}, issuance
            ),
            choice("times", "Stated times", TIMES, asked.get("times", "")),
        ],
        "narrowed": any(value for name, value in asked.items() if name != "page"),
        "rows": [{**credential_row(one), "last_at": last.get(one.actor_id)} for one in shown],
        "page": page,
    }


def _last_uses(actors: list[int]) -> dict[int, datetime]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT w.id, (SELECT max(e.at) FROM evidence_event e WHERE e.credential_id = w.id)"
            " FROM unnest(%s::bigint[]) AS w(id)",
            [actors],
        )
        return {actor: at for actor, at in cursor.fetchall() if at is not None}
