"""Review policies for scripts: two people as on the pages, and a token signs nothing."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from identities.models import User
from reviews.actions import policy_versions
from reviews.models import ReviewPolicy
from tests.signed_in import by_hand

from .conftest import Told, make_user
from .test_api import token
from .test_pages import PASSWORD, answered, as_user
from .test_policy_versions import proposed

__all__ = ["answered", "as_user"]
pytestmark = pytest.mark.django_db
SignIn = Callable[..., Client]
SCOPED = {"scope": {"kinds": ["service_account"]}, "every_days": 365}
SAID = {"name": "agents", "document": SCOPED, "reason": "the audit asks for it"}
JSON: dict[str, Any] = {"content_type": "application/json"}


def get(user: User, address: str = "") -> Any:
    return Client().get(f"/api/policies/{address}", headers=token(user, "read"))


def post(user: User, said: dict[str, Any], address: str = "", scope: str = "act") -> Any:
    headers = by_hand(user) if address.endswith("refuse/") else token(user, scope)
    return Client().post(f"/api/policies/{address}", said, headers=headers, **JSON)


def sure(client: Client) -> Client:
    """The same, who has just said who they are."""
    response = client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    assert response.status_code == 302
    return client


def test_list_shows_what_holds_from_the_start_and_what_waits(story: Told) -> None:
    assert post(story.rita, SAID).status_code == 201
    assert get(story.ines).json()["rows"] == [
        {
            "policy": "access request",
            "in_force": 1,
            "proposed": None,
            "url": "/policies/access-request/1/",
        },
        {
            "policy": "access review",
            "in_force": 1,
            "proposed": None,
            "url": "/policies/access-review/1/",
        },
        {"policy": "agents", "in_force": None, "proposed": 1, "url": "/policies/agents/1/"},
    ]


def test_one_proposes_and_another_signs_signed_in(story: Told, as_user: SignIn) -> None:
    made = post(story.rita, SAID)
    assert (made.status_code, made.json()["state"], made.json()["document"]) == (
        201,
        "proposed",
        SCOPED,
    )
    ada = make_user("ada", "administrator")
    address = "/api/policies/agents/1/sign/"
    own = sure(as_user(story.rita)).post(address, {}, **JSON)
    assert (own.status_code, own.json()["detail"]) == (
        403,
        "You proposed it: a second person signs.",
    )
    unsure = as_user(ada, confirmed=False).post(address, {}, **JSON)
    assert (unsure.status_code, "Confirm who you are" in unsure.json()["detail"]) == (403, True)
    by_token = post(ada, {}, "agents/1/sign/")
    assert by_token.json()["detail"].startswith("A token decides nothing")
    assert ReviewPolicy.objects.get(name="agents").state == "proposed"
    signed = sure(as_user(ada)).post(address, {}, **JSON)
    assert (signed.status_code, signed.json()["state"], signed.json()["settled_by"]) == (
        200,
        "signed",
        "Ada",
    )
    assert get(story.ines).json()["rows"][2]["in_force"] == 1


def test_refused_version_never_comes_into_force(story: Told) -> None:
    proposed(story.rita, name="agents", **SCOPED)
    without = post(story.rita, {"reason": ""}, "agents/1/refuse/")
    assert without.status_code == 409
    by_owner = Client().post(
        "/api/policies/agents/1/refuse/",
        {"reason": "x"},
        headers=by_hand(story.ines),
        **JSON,
    )
    assert "Only a reviewer or an administrator" in by_owner.json()["detail"]
    ada = make_user("ada", "administrator")
    assert post(ada, {"reason": "too often"}, "agents/1/refuse/").json()["state"] == "refused"
    assert policy_versions.signed("agents") is None


def test_version_says_what_it_says_and_names_identities_to_who_sees_all(story: Told) -> None:
    alone = [{"identity": story.identity.key, "until": "2026-12-31", "reason": "is rebuilt"}]
    proposed(story.rita, name="agents", exemptions=alone, **SCOPED)
    full, bare = get(story.otto, "agents/1/").json(), get(story.ines, "agents/1/").json()
    assert full["document"]["exemptions"] == alone
    assert bare["document"] is None
    assert story.identity.key in str(full["says"])
    assert story.identity.key not in str(bare)
    assert get(make_user("uma", "reviewer"), "agents/9/").status_code == 404


def test_dry_run_says_what_would_happen_and_saves_nothing(story: Told) -> None:
    said = {"name": "agents", "document": SCOPED}
    found = post(story.rita, said, "dry-run/", scope="read").json()
    assert found["would"] == [
        "Today it is about 1 identity.",
        "1 review would be opened at once; in observe mode, none.",
        "In every seat somebody could be asked.",
    ]
    assert [one["words"] for one in found["says"] if one["about"] == "Which identities"] == [
        "Those of which all of this is true: kind service account."
    ]
    assert not ReviewPolicy.objects.exists()
    refused = Client().post(
        "/api/policies/dry-run/", said, headers=token(story.ines, "read"), **JSON
    )
    assert (refused.status_code, "Only a reviewer" in refused.json()["detail"]) == (403, True)


def test_dry_run_of_a_version_is_for_who_sees_all_identities(story: Told) -> None:
    proposed(story.rita, name="agents", **SCOPED)
    found = get(story.otto, "agents/1/dry-run/").json()
    assert found["would"][0] == "Today it is about 1 identity."
    refused = get(story.ines, "agents/1/dry-run/")
    assert (refused.status_code, refused.json()["detail"][:27]) == (
        403,
        "What a policy would do is c",
    )


@pytest.mark.parametrize("address", ["", "dry-run/"])
@pytest.mark.parametrize(
    ("document", "place"),
    [
        ({"scope": {"kinds": ["robot"]}}, "scope.kinds[0]"),
        ({"every_days": 5}, "scope"),
        ({"scope": {"services": ["nowhere"]}}, "scope.services"),
    ],
)
def test_problem_names_its_place(
    story: Told, address: str, document: dict[str, Any], place: str
) -> None:
    response = post(story.rita, SAID | {"document": document}, address, scope="act")
    if address:
        headers = token(story.rita, "read")
        response = Client().post(
            "/api/policies/dry-run/", SAID | {"document": document}, headers=headers, **JSON
        )
    assert response.status_code == 422, response.content
    assert any(one["path"].startswith(place) for one in response.json()["problems"])
    assert not ReviewPolicy.objects.filter(name="agents").exists()


@pytest.mark.parametrize("who", ["ines", "otto"])
def test_proposing_is_refused_to_who_may_not_change_policies(story: Told, who: str) -> None:
    response = post(getattr(story, who), SAID)
    assert (response.status_code, ReviewPolicy.objects.count()) == (403, 0)


def test_what_is_said_already_is_refused(story: Told) -> None:
    proposed(story.rita, name="agents", **SCOPED)
    response = post(story.rita, SAID)
    assert (
        response.status_code,
        "waits for its second signature" in response.json()["detail"],
    ) == (
        409,
        True,
    )


def test_token_that_only_reads_proposes_nothing(story: Told) -> None:
    response = post(story.rita, SAID, scope="read")
    assert response.json()["detail"] == "This token lacks the scope act."
