"""Who sits where by a policy's own order: the first who is there, the next one stands in."""

from typing import Any

import pytest

from identities.models import Identity, Membership, Party, Person, Team, User
from reviews import actions
from reviews.actions import reminders
from reviews.models import Case

from .conftest import DAY, NOW, Told, party, person_of, seat_of
from .test_policy_versions import put_in_force

pytestmark = pytest.mark.django_db


def team(name: str, *members: User) -> Party:
    row = Team.objects.create(name=name)
    for user in members:
        Membership.objects.create(
            team=row, person=person_of(user), during=(NOW - DAY, None), recorded_at=NOW
        )
    return Party.objects.create(team=row)


def opened(story: Told, **seats: list[str]) -> Case:
    put_in_force(story, seats=seats)
    return actions.open_review(identity=story.identity, by=story.rita, now=NOW, reason="x")


def seated(case: Case, kind: str) -> tuple[Any, Any]:
    seat = seat_of(case, kind)
    return seat.party, seat.backup


def test_order_of_the_policy_decides_who_sits(story: Told) -> None:
    iam = team("Platform IAM", story.rita)
    case = opened(
        story,
        identity_owner=["team:Platform IAM", "owner"],
        ai_owner=["sponsor", "owner"],
        tie_breaker=["backup"],
    )
    assert seated(case, "identity_owner") == (iam, party(story.ines))
    # The AI system names no sponsor.
    assert seated(case, "ai_owner") == (party(story.samuel), None)
    assert seated(case, "tie_breaker")[0] == party(story.marek)


def test_who_has_left_is_passed_over(story: Told) -> None:
    Person.objects.filter(pk=person_of(story.ines).pk).update(left_at=NOW - DAY)
    empty = team("Empty")
    case = opened(story, identity_owner=["owner", "team:Empty", "backup", "sponsor"])
    assert empty.pk not in {one.pk for one in seated(case, "identity_owner")}
    assert seated(case, "identity_owner") == (party(story.marek), party(story.leila))


def test_team_is_asked_where_nobody_is_named(story: Told) -> None:
    Identity.objects.update(state="draft", owner=None, backup=None, sponsor=None)
    iam = team("Platform IAM", story.leila, story.marek)
    case = opened(story, identity_owner=["owner", "backup", "sponsor", "team:Platform IAM"])
    assert seated(case, "identity_owner") == (iam, None)
    seat = seat_of(case, "identity_owner")
    assert {one.name for one in reminders.asked(case, seat, now=NOW)} == {"Leila", "Marek"}


def test_seat_of_which_the_policy_says_nothing_stays_as_it_was(story: Told) -> None:
    case = opened(story, tie_breaker=["backup", "sponsor"])
    assert seated(case, "identity_owner") == (party(story.ines), party(story.marek))
    assert seated(case, "ai_owner") == (party(story.samuel), None)


def test_who_sits_elsewhere_breaks_no_tie(story: Told) -> None:
    case = opened(story, identity_owner=["backup", "owner"], tie_breaker=["backup", "sponsor"])
    assert seated(case, "tie_breaker")[0] == party(story.leila)
