"""A team that is registered and owns nothing yet may sit in a policy's seats and stages."""

import json

import pytest
from django.test import Client

from identities.models import Membership, Party, Team
from reviews import actions
from reviews.actions import policy_versions
from reviews.models import ReviewPolicy
from reviews.policy_document import DocumentError
from tests.signed_in import sure

from .conftest import DAY, NOW, Told, make_user, person_of, seat_of

pytestmark = pytest.mark.django_db
SAYS = {"decide_within_hours": 72, "scope": {}, "seats": {"identity_owner": ["team:Platform IAM"]}}


@pytest.fixture
def platform(story: Told) -> Team:
    row = Team.objects.create(name="Platform IAM")
    Membership.objects.create(
        team=row, person=person_of(make_user("nora")), during=(NOW - DAY, None), recorded_at=NOW
    )
    return row


def test_it_is_named_and_sits(story: Told, platform: Team) -> None:
    assert not Party.objects.filter(team=platform).exists()
    row = policy_versions.propose(
        name="teamed", text=json.dumps(SAYS), reason="r", by=story.rita, now=NOW
    )
    policy = policy_versions.sign(policy=row, by=make_user("second", "reviewer"), now=NOW)
    case = actions.open_review(
        identity=story.identity, by=story.rita, now=NOW, reason="yearly", policy=policy
    )
    assert str(seat_of(case, "identity_owner").party) == "Platform IAM"


def test_the_api_takes_it(story: Told, platform: Team, client: Client) -> None:
    client.force_login(story.rita)
    sure(client)
    said = client.post(
        "/api/policies/",
        {"name": "teamed", "document": SAYS, "reason": "r"},
        content_type="application/json",
    )
    assert said.status_code == 201, said.content
    assert ReviewPolicy.objects.get(name="teamed").document == SAYS


def test_a_team_that_there_is_not_is_refused(story: Told) -> None:
    with pytest.raises(DocumentError) as refused:
        policy_versions.propose(
            name="teamed", text=json.dumps(SAYS), reason="r", by=story.rita, now=NOW
        )
    assert [(place, said) for place, said in refused.value.problems] == [
        ("seats", "There is no team 'Platform IAM'.")
    ]
    assert Team.objects.count() == 0
