"""What a token does without a person: nothing that decides, but for what a signed policy names."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from evidence.models import LedgerEntry
from identities.api import deciding
from identities.models import ApiToken, Batch, Revocation, User
from reviews.models import Case, Decision
from reviews.policy_consequences import API
from reviews.policy_document import DocumentError, parse
from tests.road.insider_routes import routes

from .conftest import Told, make_user
from .incidents.conftest import opened as opened_room
from .owning import put_in_force
from .test_api import answer, live, token
from .test_pages import as_user
from .test_policy_versions import proposed

__all__ = ["as_user", "live"]
pytestmark = pytest.mark.django_db
BY_API = "odd (by API, allowed by the policy access review, version 1)"


@pytest.fixture
def rex(story: Told) -> User:
    return make_user("rex", "responder")


def post(user: User, path: str, **said: Any) -> tuple[int, dict[str, Any]]:
    ApiToken.objects.filter(user=user).delete()
    headers = token(user, "act", "read")
    response = Client().post(f"/api/{path}", said, "application/json", headers=headers)
    return response.status_code, response.json()


def test_a_token_holds_only_where_a_signed_policy_says_so(story: Told, rex: User) -> None:
    path = f"identities/{story.identity.key}/revocations/"
    refused = {"detail": deciding.NOT_BY_POLICY.format(kind="hold"), "code": "person_required"}
    assert post(rex, path, step="hold", because="odd") == (403, refused)
    proposed(story.rita, api=["hold"])
    assert post(rex, path, step="hold", because="odd") == (403, refused)
    assert Revocation.objects.count() == 0


def test_what_a_policy_allows_names_it_in_the_ledger(story: Told, rex: User) -> None:
    put_in_force(api=["hold"])
    path = f"identities/{story.identity.key}/revocations/"
    assert post(rex, path, step="hold", because="odd")[0] == 202
    assert set(Revocation.objects.values_list("step", "because")) == {("hold", BY_API)}
    assert BY_API in " ".join(LedgerEntry.objects.values_list("words", flat=True))
    for step in ("release", "suspend", "resume", "revoke", "HOLD", None, ["hold"]):
        status, said = post(rex, path, step=step, because="odd")
        assert (step, status, said["detail"]) == (step, 403, deciding.NO_TOKEN)


def test_it_counts_for_many_and_in_an_incident(story: Told, rex: User) -> None:
    put_in_force(api=["hold"])
    room = opened_room(story)[0]
    tree = f"identities/{story.identity.key}/cascade/"
    assert post(rex, tree, step="hold", because="odd", request_key="first-key-0001")[0] == 202
    named = {"names": [story.identity.name], "because": "odd"}
    assert post(rex, "batches/", step="hold", request_key="second-key-001", **named)[0] == 202
    assert set(Batch.objects.values_list("because", flat=True)) == {BY_API}
    assert post(rex, tree, step="revoke", because="odd", request_key="third-key-0001")[0] == 403
    stops = f"cases/{room.key}/containment/"
    body = {"targets": [story.credential.key], "reason": "odd"}
    assert post(story.ines, stops, does="revoke", **body)[0] == 403
    tried = post(story.ines, stops, does="hold", dry_run=True, **body)[1]
    status, made = post(story.ines, stops, does="hold", digest=tried["digest"], **body)
    assert (status, made["reason"]) == (201, BY_API)
    undone = post(story.ines, f"{stops}{made['step']}/undo/", reason="x")
    assert (undone[0], undone[1]["detail"]) == (403, deciding.NO_TOKEN)


def test_a_policy_lets_a_token_do_nothing_that_its_person_may_not(story: Told) -> None:
    put_in_force(api=["hold", "cut_off"])
    status, said = post(
        story.rita, f"identities/{story.identity.key}/revocations/", step="hold", because="odd"
    )
    assert (status, "Only a responder" in said["detail"]) == (403, True)


def test_dry_run_is_believed_only_of_what_has_one(story: Told, live: Case, rex: User) -> None:
    said = answer(live, "keep", dry_run=True)
    assert post(story.ines, f"cases/{live.key}/decide/", **said)[1]["code"] == "person_required"
    tree = f"identities/{story.identity.key}/cascade/"
    assert post(rex, tree, step="hold", dry_run=True)[0] == 200
    for dry in ("true", 1, [True], None):
        body = {"step": "revoke", "because": "x", "request_key": "k", "dry_run": dry}
        assert post(rex, tree, **body)[1]["code"] == "person_required"
    assert (Decision.objects.count(), Batch.objects.count()) == (0, 0)


def test_it_is_shown_before_it_is_signed(story: Told, as_user: Callable[..., Client]) -> None:
    row = proposed(story.rita, api=["hold", "cut_off"])
    text = " ".join(as_user(story.marek).get(row.url).content.decode().split())
    assert "may hold an identity or a credential, which can be released and end break" in text
    assert "Everything else that decides, a person does, signed in." in text


@pytest.mark.parametrize(
    ("name", "api", "place"),
    [
        ("access review", ["revoke"], "api[0]"),
        ("access review", "hold", "api"),
        ("access request", ["hold"], "api"),
        ("agents", ["hold"], "api"),
    ],
)
def test_nothing_else_is_allowed_by_a_policy(name: str, api: Any, place: str) -> None:
    with pytest.raises(DocumentError) as refused:
        parse({"api": api}, name=name)
    assert [one[0] for one in refused.value.problems] == [place]


def test_the_tables_name_what_there_is() -> None:
    writes = {one.name.removeprefix("api_") for one in routes() if one.writes}
    by_policy = {act for acts in deciding.BY_POLICY.values() for act in acts}
    assert (deciding.UNDECIDED | {*deciding.TRIED} | by_policy) - writes == set()
    assert deciding.UNDECIDED & ({*deciding.TRIED} | by_policy) == set()
    assert list(API) == list(deciding.BY_POLICY)
