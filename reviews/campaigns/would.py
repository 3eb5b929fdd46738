"""Which identities a launch would do what with: the rows under the numbers of a dry run.

Owns how the identities in scope fall into roads; how many they are is counted by preview.py.
"""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db.models import Q, QuerySet

from identities.models import Identity
from reviews import policy_scope
from reviews.actions import opening, policy_versions, reviewable
from reviews.models import Campaign, Case

from .scope import narrowing, population

ROADS = {
    "scope": "in scope",
    "opened": "a review would be opened",
    "joined": "a review is open already: it joins, unasked",
    "elsewhere": "a review of another campaign is open: it stays there",
    "nothing": "nothing to decide: left out",
    "exempt": "exempt by the policy: left out",
}


class Would(NamedTuple):
    """The identities of a road, and how many items would be asked about each."""

    rows: QuerySet[Identity]
    items: dict[UUID, int]


def identities(campaign: Campaign, road: str, *, now: datetime) -> Would:
    """The identities of one road, by their number. As preview.look counts them."""
    inside = population(campaign.policy, campaign.scope, now=now)
    if road == "exempt":
        return Would(_exempt(campaign, now=now).order_by("number"), {})
    items = reviewable.count(inside, now=now)
    if road != "scope":
        live = Case.objects.filter(
            identity__in=inside, door="access_review", trigger="", state__in=opening.LIVE
        )
        asked = live.filter(state="open").values("identity")
        if road == "joined":
            inside = inside.filter(pk__in=asked)
        elif road == "elsewhere":
            others = live.filter(state="open", campaign__isnull=False)
            inside = inside.filter(
                pk__in=others.exclude(campaign__state="closed").values("identity")
            )
        else:
            something = Q(pk__in=list(items)) | Q(
                pk__in=live.filter(state="draft").values("identity")
            )
            inside = inside.exclude(pk__in=asked)
            inside = inside.filter(something if road == "opened" else ~something)
    return Would(inside.order_by("number"), items)


def _exempt(campaign: Campaign, *, now: datetime) -> QuerySet[Identity]:
    document = policy_versions.document_of(campaign.policy)
    rows = policy_scope.in_scope(document, now=now)
    if campaign.scope:
        inside = policy_scope.in_scope(narrowing(campaign.scope, campaign.policy), now=now)
        rows = rows.filter(pk__in=inside.values("pk"))
    return rows.filter(number__in=policy_scope.exempt_numbers(document, now=now))
