"""What somebody is asked to take over: offers, and what came to them by succession.

Owns the rows above those of owned.py. Constant queries.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import F

from identities.models import User
from reviews import owner_permissions
from reviews.models import OwnerOffer, SuccessionItem
from reviews.permissions import mine
from reviews.succession import passing

MOST_ASKED = 100


def rows(user: User, parties: frozenset[UUID], *, now: datetime) -> list[dict[str, Any]]:
    """Offers and what came by succession, the earliest deadline first."""
    if not parties:
        return []
    offers = (
        OwnerOffer.objects.filter(state="open", to__in=parties)
        .select_related(
            "identity__owner__person", "identity__owner__team", "to__person", "to__team"
        )
        .order_by("deadline_at")[:MOST_ASKED]
    )
    items = (
        SuccessionItem.objects.filter(state="asked", heir__in=parties)
        .select_related(
            "succession__person",
            "succession__team",
            "identity",
            "service",
            "delegation__grantee",
            "was__person",
            "was__team",
            "heir__person",
            "heir__team",
        )
        .order_by(F("deadline_at").asc(nulls_last=True), "pk")[:MOST_ASKED]
    )
    lists = owner_permissions.why_not_see_successions(user) is None
    return [_offer(one, user, now=now) for one in offers] + [
        _item(one, user, lists=lists, now=now) for one in items
    ]


def count(user: User, *, now: datetime) -> int:
    """How much waits for this user's word about owning, for the queue."""
    parties = mine(user, now=now)
    if not parties:
        return 0
    return (
        OwnerOffer.objects.filter(state="open", to__in=parties).count()
        + SuccessionItem.objects.filter(state="asked", heir__in=parties).count()
    )


def _offer(one: OwnerOffer, user: User, *, now: datetime) -> dict[str, Any]:
    identity = one.identity
    return {
        "what": identity.name,
        "key": identity.key,
        "kind": identity.kind,
        "purpose": identity.purpose,
        "words": f"{one.asked_by_name} asks {one.to} to own it. Until then {identity.owner or 'nobody'}"
        " answers for it.",
        "reason": one.reason,
        "due_at": one.deadline_at,
        "why_not": owner_permissions.why_not_answer_offer(user, one, now=now) or "",
        "accept_url": f"/owned/offers/{one.pk}/accept/",
        "decline_url": f"/owned/offers/{one.pk}/decline/",
        "ask_other": True,
    }


def _item(one: SuccessionItem, user: User, *, lists: bool, now: datetime) -> dict[str, Any]:
    about = one.identity or (one.delegation.grantee if one.delegation is not None else None)
    gone = one.succession.gone
    said = f"{gone}, so it came to {one.heir}."
    if one.heir_id == one.was_id:
        said = f"{gone}. Is it still yours?"
    elif one.delegation is not None:
        said = f"{gone}. Do you stand behind it?"
    return {
        "what": passing.about(one),
        "key": about.key if about is not None else "",
        "kind": about.kind if about is not None else "",
        "purpose": about.purpose if about is not None else "",
        "words": said,
        # The words say why; the list itself is not for everybody whom it asks.
        "reason": "",
        "list_key": one.succession.key if lists else "",
        "due_at": one.deadline_at,
        "why_not": owner_permissions.why_not_answer_item(user, one, now=now) or "",
        "accept_url": f"/owned/succession/{one.pk}/accept/",
        "decline_url": f"/owned/succession/{one.pk}/decline/",
        "ask_other": False,
    }
