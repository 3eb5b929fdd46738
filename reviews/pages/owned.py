"""What somebody answers for: what is theirs, with what ends when; what they are asked to take over is
owned_asked.py.

Owns the contexts of templates/owned.html, renew.html and hand_over_identity.html. Constant queries.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import batched
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import Count, F, Q, QuerySet

from evidence.parameters import Known, understood
from evidence.words import counted
from identities import as_read, presence
from identities import permissions as identity_permissions
from identities.actions import identities as identity_actions
from identities.actions.owning import PLACES
from identities.models import Attestation, Identity, Party, User
from reviews import attestation_bounds, owner_permissions
from reviews.actions import activating, attesting, expiring, places
from reviews.models import OwnerOffer
from reviews.pages import owned_asked
from reviews.pages.lists import PAGES, choice, page_of, taken_out
from reviews.permissions import mine

PATH = "/owned/"
ROLES = {"owner": "owner", "sponsor": "sponsor", "backup": "backup"}
STATES = {"draft": "not active yet", "active": "active", "suspended": "suspended"}
OF_OWNED: Known = {"q": (), "role": tuple(ROLES), "state": tuple(STATES), **PAGES}
SOON = timedelta(days=30)
CHUNK = 200


def context(user: User, asked: dict[str, str], *, now: datetime) -> dict[str, Any]:
    """templates/owned.html: what ends first comes first."""
    asked, left_out = understood(asked, OF_OWNED)
    parties = mine(user, now=now)
    role, state, q = asked.get("role", ""), asked.get("state", ""), _sought(asked)
    theirs = _theirs(parties, role)
    drafts = theirs.filter(state="draft").count()
    shown, page = page_of(narrowed(theirs, asked), asked, PATH)
    beside = _beside(theirs, now=now)
    return {
        "section": "owned",
        "title": "What I answer for",
        "left_out": left_out,
        "now": now,
        "q": q,
        "filters": [choice("role", "As", ROLES, role), choice("state", "State", STATES, state)],
        "drafts": drafts,
        "activate_url": "/owned/activate/",
        "some_draft": any(one.state == "draft" for one in shown),
        "some_active": any(one.state != "draft" for one in shown),
        "asks": owned_asked.rows(user, parties, now=now),
        "rows": [
            row | {"vacant": _vacant(one, beside)}
            for one, row in zip(shown, drawn(shown, user, parties, now=now), strict=True)
        ],
        "out_query": taken_out(asked),
        "gone": [
            {"name": str(who), "words": _stands(many), "url": f"{PATH}left/{who.pk}/"}
            for who, many in beside.values()
        ],
        "page": page,
        "most": attesting.MOST,
        "renew_url": "/owned/renew/",
    }


def everything(user: User, asked: dict[str, str], *, now: datetime) -> Iterator[dict[str, Any]]:
    """The rows of all pages."""
    parties = mine(user, now=now)
    rows = narrowed(_theirs(parties, asked.get("role", "")), asked)
    for some in batched(rows.iterator(chunk_size=CHUNK), CHUNK):
        yield from drawn(some, user, parties, now=now)


def _sought(asked: dict[str, str]) -> str:
    return asked.get("q", "").strip()[:200]


def _theirs(parties: frozenset[UUID], role: str) -> QuerySet[Identity]:
    which = Q(pk__in=[])
    for name in [role] if role else ROLES:
        which |= Q(**{f"{name}__in": parties})
    return Identity.objects.exclude(state="retired").filter(which)


def narrowed(rows: QuerySet[Identity], asked: dict[str, str]) -> QuerySet[Identity]:
    """Of these what the address asks for; what ends first comes first."""
    if state := asked.get("state", ""):
        rows = rows.filter(state=state)
    if q := _sought(asked):
        rows = rows.filter(name__icontains=q)
    return rows.select_related("service", "owner__person", "owner__team").order_by(
        F("expires_at").asc(nulls_first=True), "number"
    )


def drawn(
    shown: Sequence[Identity], user: User, parties: frozenset[UUID], *, now: datetime
) -> list[dict[str, Any]]:
    """Rows of these, with what is known of all of them at once."""
    found = attesting.with_findings([one.pk for one in shown])
    last = dict(
        Attestation.objects.filter(identity__in=shown)
        .order_by("attested_at")
        .values_list("identity", "attested_at")
    )
    offered = dict(
        OwnerOffer.objects.filter(identity__in=shown, state="open").values_list(
            "identity", "to__person__name"
        )
    )
    # All of these are theirs, so what bars this login from one bars it from each.
    why_not = identity_permissions.why_not_attest(user, shown[0], now=now) if shown else None
    return [
        _row(one, parties, one.pk in found, last.get(one.pk), offered, why_not, now=now)
        for one in shown
    ]


# Who stands beside them and is there no longer, and of how many identities in each place.
type Beside = Mapping[UUID, tuple[Party, Counter[str]]]


def _beside(rows: QuerySet[Identity], *, now: datetime) -> Beside:
    """Of all these identities, whatever part of them a page shows."""
    many: dict[UUID, Counter[str]] = {}
    for *those, n in rows.order_by().values_list(*PLACES).annotate(n=Count("pk")):
        for place, who in zip(PLACES, those, strict=True):
            if who is not None:
                many.setdefault(who, Counter())[place] += n
    gone = Party.objects.filter(pk__in=many).exclude(pk__in=presence.there(now=now).values("pk"))
    rows_of = gone.select_related("person", "team").order_by("person__name", "team__name")
    return {one.pk: (one, many[one.pk]) for one in rows_of}


def _stands(many: Counter[str]) -> str:
    """ "backup of 12 identities and sponsor of 1 identity"."""
    return " and ".join(
        f"{place} of {counted(many[place], 'identity', 'identities')}"
        for place in PLACES
        if many[place]
    )


def _vacant(one: Identity, beside: Beside) -> list[dict[str, str]]:
    """In which places stands somebody who has left, or a team that nobody is in any more."""
    return [
        {"place": place, "name": str(beside[getattr(one, f"{place}_id")][0])}
        for place in places.left(one, beside.keys())
    ]


def _row(
    one: Identity,
    parties: frozenset[UUID],
    found: bool,
    attested_at: datetime | None,
    offered: Mapping[UUID, str | None],
    why_not: str | None,
    *,
    now: datetime,
) -> dict[str, Any]:
    roles = [name for name in ROLES if getattr(one, f"{name}_id") in parties]
    signals: list[dict[str, str]] = []
    if one.expires_at is None:
        signals.append({"kind": "waits", "words": "no end is stated", "url": ""})
    elif one.expires_at <= now:
        signals.append({"kind": "overdue", "words": "has ended", "url": ""})
    elif one.expires_at <= now + SOON:
        signals.append({"kind": "waits", "words": "ends soon", "url": ""})
    if one.contract_ends_at is not None and one.contract_ends_at <= now + SOON:
        past = one.contract_ends_at <= now
        words = "contract has ended" if past else "contract ends soon"
        signals.append({"kind": "overdue" if past else "waits", "words": words, "url": ""})
    if found:
        query = urlencode({"identity": one.key})
        signals.append({"kind": "outside", "words": "open findings", "url": f"/findings/?{query}"})
    if one.pk in offered:
        words = f"offered to {offered[one.pk] or 'a team'}"
        signals.append({"kind": "waits", "words": words, "url": ""})
    lacks = activating.missing(one, now=now) if one.state == "draft" else []
    # What is said of its end is said above.
    if words := " and ".join(what for what in lacks if "end" not in what):
        signals.append({"kind": "waits", "words": f"lacks {words}", "url": ""})
    # A draft is made active, and nothing about renewing is said of it.
    alone = None if one.state == "draft" else owner_permissions.why_alone(one, found=found)
    why = alone or why_not
    return {
        "id": str(one.pk),
        "key": one.key,
        "name": one.name,
        "url": f"/identities/{one.key}/",
        "kind": one.kind,
        "state": one.state,
        "mode": one.mode,
        "role": " and ".join(roles),
        "through": "" if "owner" not in roles or one.owner is None else str(one.owner),
        "purpose": one.purpose,
        "expires_at": one.expires_at,
        "attested_at": attested_at,
        "signals": signals,
        "why_not": why or "",
        "lacks": lacks,
        "may_pick": not why,
        "renew_url": f"/identities/{one.key}/renew/",
        "hand_over_url": f"/identities/{one.key}/hand-over/",
        "places_url": f"/identities/{one.key}/places/",
    }


def stated(identity: Identity, *, now: datetime) -> dict[str, Any]:
    """What a form for its purpose and end begins with: of a draft, the end that it was given."""
    service = identity.service
    found: dict[str, Any] = {
        "purpose": identity.purpose or ("" if service is None else service.purpose)
    }
    if identity.state == "draft" and identity.expires_at is not None and identity.expires_at > now:
        found["until"] = identity.expires_at.date()
    return found


def renew(identity: Identity, user: User, *, now: datetime) -> dict[str, Any]:
    """templates/renew.html, apart from the form."""
    terms = attesting.terms_of([identity.pk], now=now)[identity.pk]
    standing = identity.pk in attesting.standing([identity.pk])
    bound = attesting.bound_of(identity, terms, standing=standing)
    earlier = Attestation.objects.filter(identity=identity).select_related("attested_by")
    why_told = expiring.why_only_told(identity, terms)
    return {
        "section": "owned",
        "title": f"Renew {identity.name}",
        "now": now,
        "identity": _named(identity),
        "why_not": identity_permissions.why_not_attest(user, identity, now=now) or "",
        "bound": bound
        and {
            "days": bound.days,
            "why": bound.why,
            "last": attestation_bounds.last_moment(bound, now=now),
        },
        "least": terms.says.purpose_at_least,
        "least_words": terms.says.purpose_words,
        "policy": terms.policy,
        "at_end": f"{attestation_bounds.AT_END['escalate']}, {why_told}"
        if why_told
        else attestation_bounds.AT_END["suspend"],
        "earlier": [
            {
                "at": one.attested_at,
                "who": one.attested_by.name,
                "purpose": one.purpose,
                "until": one.expires_at,
            }
            for one in earlier.order_by("-attested_at")[:10]
        ],
        "action_url": f"/identities/{identity.key}/renew/",
        "read": as_read.mark(identity_actions.stands(identity)),
        "draft": identity.state == "draft",
        "lacks": activating.missing(identity, now=now) if identity.state == "draft" else [],
    }


def hand_over(
    identity: Identity, user: User, typed: dict[str, str], *, now: datetime
) -> dict[str, Any]:
    """templates/hand_over_identity.html: the form, what is open, who was asked before."""
    rows = list(
        OwnerOffer.objects.filter(identity=identity)
        .select_related("to__person", "to__team")
        .order_by("-asked_at")[:20]
    )
    waiting = next((one for one in rows if one.state == "open"), None)
    return {
        "section": "owned",
        "title": f"Hand over {identity.name}",
        "now": now,
        "identity": _named(identity),
        "why_not": owner_permissions.why_not_offer(user, identity, now=now) or "",
        "to": typed.get("to", ""),
        "reason": typed.get("reason", ""),
        "how": typed.get("how", ""),
        "open": waiting
        and {
            "to": str(waiting.to),
            "by": waiting.asked_by_name,
            "due_at": waiting.deadline_at,
            "act": {
                "words": "Take the question back",
                "url": f"/owned/offers/{waiting.pk}/withdraw/",
                "icon": "arrow-back-up",
                "why_not": owner_permissions.why_not_withdraw_offer(
                    user, with_identity(waiting, identity), now=now
                )
                or "",
            },
        },
        "earlier": [
            {
                "to": str(one.to),
                "at": one.settled_at,
                "state": one.state,
                "reason": one.settled_reason,
            }
            for one in rows
            if one.state != "open"
        ],
        "action_url": f"/identities/{identity.key}/hand-over/",
    }


def with_identity(offer: OwnerOffer, identity: Identity) -> OwnerOffer:
    """The offer with the identity that is known already, so that nothing is asked again."""
    offer.identity = identity
    return offer


def _named(identity: Identity) -> dict[str, Any]:
    return {
        "key": identity.key,
        "name": identity.name,
        "url": f"/identities/{identity.key}/",
        "kind": identity.kind,
        "state": identity.state,
        "mode": identity.mode,
        "criticality": identity.criticality,
        "purpose": identity.purpose,
        "expires_at": identity.expires_at,
        "owner": str(identity.owner) if identity.owner else "",
    }
