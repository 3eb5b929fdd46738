"""Once all that was planted in a campaign is disclosed, whoever answered some is told their own."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from identities.models import Person, User
from reviews.actions import planting
from reviews.campaigns import steering
from reviews.models import Case, Notice, PlantedItem

from .conftest import DAY, NOW, make_user, party, person_of
from .plants import answer, gather, launched, olga, rita

__all__ = ["olga", "rita"]
pytestmark = pytest.mark.django_db


@pytest.fixture
def owners(rita: User) -> list[User]:
    """Three owners, each with something planted in reviews of their own."""
    found = [make_user(f"owner{number}", "owner") for number in range(3)]
    gather([party(one) for one in found])
    launched(rita)
    return found


def planted_for(user: User) -> PlantedItem:
    return PlantedItem.objects.select_related("case", "planting__campaign").get(
        case__seats__kind="identity_owner", case__seats__party__person=user.person
    )


def close(rita: User) -> None:
    campaign = PlantedItem.objects.earliest("pk").planting.campaign
    steering.close(campaign=campaign, by=rita, now=NOW, reason="over")


def mails() -> dict[str, str]:
    rows = Notice.objects.filter(occasion__endswith="planted items disclosed")
    return {row.person.name if row.person else "": row.body for row in rows}


def test_each_is_told_their_own_figures_and_nobody_elses(owners: list[User], rita: User) -> None:
    right, unsure, _ = owners
    answer(planted_for(right), right, planted_for(right).known)
    answer(planted_for(unsure), unsure, "dont_know")
    close(rita)
    while planting.disclose_next(now=NOW):
        pass
    assert not planting.disclose_next(now=NOW)
    said = mails()
    assert sorted(said) == ["Owner0", "Owner1"]
    assert said["Owner0"].startswith(
        "1 of the items that you answered in Yearly was planted. Its answer was known beforehand,"
        " and nothing was applied or counted.\n\nYou answered 1 of 1 as known. Nobody else is shown"
    )
    assert "You answered 0 of 1 as known; to 1 you answered don't know" in said["Owner1"]
    assert all("/deciding/" in one for one in said.values())
    assert not [one for one in said.values() if "Owner" in one]


def test_nobody_is_told_while_something_planted_can_still_be_met(
    owners: list[User], rita: User
) -> None:
    first = planted_for(owners[0])
    answer(first, owners[0], "keep")
    Case.objects.filter(pk=first.case_id).update(state="cancelled")
    assert planting.disclose_next(now=NOW)
    assert mails() == {}
    close(rita)
    assert planting.disclose_next(now=NOW)
    assert list(mails()) == ["Owner0"]


def test_who_took_the_answer_back_or_has_left_is_not_told(owners: list[User], rita: User) -> None:
    for user in owners[:2]:
        answer(planted_for(user), user, "keep")
    planted_for(owners[0]).answers.update(superseded_at=NOW)
    Person.objects.filter(pk=person_of(owners[1]).pk).update(left_at=NOW - DAY)
    close(rita)
    assert planting.disclose_next(now=NOW)
    assert mails() == {}


@pytest.mark.parametrize("answered", [1, 3])
def test_telling_asks_the_same_of_the_database_for_few_and_many(
    owners: list[User], rita: User, answered: int
) -> None:
    for user in owners[:answered]:
        answer(planted_for(user), user, "keep")
    close(rita)
    with CaptureQueriesContext(connection) as seen:
        planting.disclose_next(now=NOW)
    assert (len(seen), len(mails())) == (8, answered)
