"""A launched campaign with something planted in it, for the tests that ask what becomes of it."""

from datetime import datetime
from typing import Any

import pytest

from identities.models import Entitlement, Party, User
from reviews import actions
from reviews.actions import planted_answers, policy_versions
from reviews.campaigns import launching, steering
from reviews.models import Campaign, Case, Decision, PlantedItem

from . import crowd
from .conftest import NOW, make_user, party


def prepared(by: User, *, now: Any = NOW, share: int = 5, **more: Any) -> Campaign:
    """A campaign as a draft, with so many of a hundred items planted."""
    return steering.make(
        name="Yearly",
        policy=policy_versions.in_force(now=now),
        scope={},
        by=by,
        now=now,
        reason="once a year",
        planted=share,
        **more,
    )


def launched(by: User, *, now: Any = NOW, **more: Any) -> Campaign:
    """The same, with all its reviews open."""
    campaign = prepared(by, now=now, **more)
    launching.launch(campaign=campaign, by=by, now=now, reason="go")
    while launching.launch_next(now=now):
        pass
    return Campaign.objects.select_related("policy", "planting").get(pk=campaign.pk)


def gather(owners: list[Party], count: int = 4, **more: Any) -> None:
    """So many identities for each owner, with five items each: four are enough for a plant. What
    AWS allows could not be read, so that a key or a delegation is planted."""
    crowd.identities(count * len(owners), owners=owners, of=[], **more)
    Entitlement.objects.update(possible=[{"effect": "unknown", "layer": "identity"}])


def only() -> PlantedItem:
    """The one that was planted."""
    return PlantedItem.objects.select_related("case__identity", "planting__campaign").get()


@pytest.fixture
def rita(db: None) -> User:
    """A reviewer, who runs campaigns."""
    return make_user("rita", "reviewer")


@pytest.fixture
def olga(db: None) -> User:
    """An owner, for whom something is planted."""
    return make_user("olga", "owner")


@pytest.fixture
def moment() -> datetime:
    """When it is launched; tests of pages have it at their own time."""
    return NOW


@pytest.fixture
def plant(rita: User, olga: User, moment: datetime) -> PlantedItem:
    """What is planted for Olga, who owns four identities."""
    gather([party(olga)], now=moment)
    launched(rita, now=moment)
    return only()


def answer(row: PlantedItem, user: User, said: str = "revoke", **more: Any) -> Decision:
    """Sign it in the owner's seat, with the case as it is now."""
    case = Case.objects.get(pk=row.case_id)
    return actions.decide(
        case=case,
        item=planted_answers.as_item(row, case),
        seat=case.seats.get(kind="identity_owner"),
        answer=said,
        by=user,
        **{"reason": "because", "now": NOW, "version": case.version, **more},
    )
