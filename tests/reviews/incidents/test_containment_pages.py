"""Pages and API of containment: tried out first, signed by who confirms, shown, let go."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from identities.models import Credential, Revocation, User
from reviews.incidents import containing
from reviews.models import Case, ContainmentStep
from reviews.pages import containment
from tests.reviews.conftest import NOW, Told, make_user
from tests.reviews.test_api import token
from tests.reviews.test_pages import PASSWORD, as_user
from tests.signed_in import by_hand, unsure

from .conftest import named, opened
from .stops import come_to, contained, second_key

__all__ = ["as_user"]
pytestmark = pytest.mark.django_db
Sign = Callable[..., Client]
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def led(story: Told) -> Case:
    """An incident of now, led by Ines, as Samuel says."""
    now = timezone.now()
    return named(opened(story, now=now)[0], story.samuel, now=now)


def words(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def confirmed(client: Client, path: str, form: dict[str, Any]) -> Any:
    """Nothing is signed before who it is says so once more, and then it goes on by itself."""
    before = ContainmentStep.objects.count()
    unsure(client)
    asks = client.post(path, form)
    assert asks["Location"].split("?")[0] == "/accounts/reauthenticate/"
    assert ContainmentStep.objects.count() == before
    return client.post(asks["Location"], {"password": PASSWORD})


def form(story: Told, **more: Any) -> dict[str, Any]:
    return {"does": "hold", "pick": [story.credential.key], "reason": HOSTILE} | more


def test_step_is_tried_out_signed_shown_and_let_go(story: Told, led: Case, as_user: Sign) -> None:
    client, path = as_user(story.ines), containment.path_of(led)
    empty = words(client.get(path))
    assert "Nothing is stopped yet" in empty
    # Nothing is chosen beforehand.
    new = words(client.get(f"{path}new/"))
    assert (new.count(" checked"), story.credential.key in new) == (0, True)
    tried = client.post(f"{path}new/", form(story))
    said = words(tried)
    assert (tried.status_code, ContainmentStep.objects.count()) == (200, 0)
    assert f"Make key {story.credential.short} inactive" in said
    assert "It is the last standing key of svc-report." in said
    assert "You sign as incident lead." in said
    assert (HOSTILE in said, "&lt;img src=x" in said) == (False, True)
    signed = form(story, digest=tried.context["would"].digest)
    done = confirmed(client, f"{path}sign/", signed)
    step = ContainmentStep.objects.get()
    assert done["Location"] == f"{path}{step.key}/"
    assert any("last standing key" in one for one in step.foreseen)
    assert step.digest == signed["digest"]
    shown = client.get(done["Location"])
    assert [one["kind"] for one in shown.context["step"]["dots"]] == ["on", "waits", "off", "off"]
    assert shown.context["step"]["green"] is False
    come_to("effective", at=timezone.now())
    Credential.objects.update(state="held")
    here = client.get(path).context["containment"]
    assert (here["steps"][0]["green"], here["state"].effective) == (True, 1)
    undone = client.post(f"{path}{step.key}/undo/", {"reason": "it was ours"})
    assert undone["Location"] == f"{path}{step.key}/"
    assert Revocation.objects.filter(step="release").count() == 1
    assert "let go" in words(client.get(path))


def test_other_dry_run_than_was_shown_is_asked_about_once_more(
    story: Told, led: Case, as_user: Sign
) -> None:
    client, path = as_user(story.ines), containment.path_of(led)
    was = client.post(f"{path}new/", form(story)).context["would"].digest
    second_key(story)  # it is not the last one any more
    # That it has changed is said before who one is is asked.
    again = unsure(client).post(f"{path}sign/", form(story, digest=was))
    assert (again.status_code, ContainmentStep.objects.count()) == (409, 0)
    assert "has changed since you looked" in words(again)
    now = again.context["would"].digest
    assert now not in ("", was)
    done = confirmed(client, f"{path}sign/", form(story, digest=now))
    assert (done.status_code, ContainmentStep.objects.count()) == (302, 1)


def test_row_says_what_failed_how_often_and_who_must_act(
    story: Told, led: Case, as_user: Sign
) -> None:
    contained(led, story.ines, "hold", story.credential.key, now=timezone.now())
    Revocation.objects.update(
        state="failed", failed_why=HOSTILE, who_must_act="the cloud team", attempts=7
    )
    found = as_user(story.ines).get(containment.path_of(led))
    said = words(found)
    (row,) = found.context["containment"]["steps"]
    assert [one["kind"] for one in row["dots"]] == ["on", "failed", "off", "off"]
    assert ("7 attempts" in said, "who must act: the cloud team" in said) == (True, True)
    assert (HOSTILE in said, "failed: &lt;img" in said) == (False, True)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"pick": []}, "Name at least one target"),
        ({"pick": ["CRED-999999"]}, "CRED-999999: Nothing that you see"),
        ({"does": "narrow"}, "takes a delegation"),
        ({"does": "shred"}, "is no step"),
        ({"left_actions": "s3:*"}, "Say which resources are left"),
    ],
)
def test_form_says_what_is_wrong_and_keeps_what_was_typed(
    story: Told, led: Case, as_user: Sign, said: dict[str, Any], why: str
) -> None:
    path = containment.path_of(led)
    found = as_user(story.ines).post(f"{path}new/", form(story, **said))
    assert (found.status_code, why in words(found)) == (409, True)
    assert found.context["reason"] == HOSTILE


def test_who_may_not_reads_why_and_a_stranger_meets_nothing(
    story: Told, led: Case, as_user: Sign
) -> None:
    path = containment.path_of(led)
    page = as_user(story.otto).get(path)
    assert {one["why_not"] for one in page.context["containment"]["acts"]} == {
        "You are an auditor: auditors read everything and change nothing."
    }
    refused = as_user(story.otto).post(f"{path}sign/", form(story))
    assert (refused.status_code, ContainmentStep.objects.count()) == (403, 0)
    gus = make_user("gus", "owner")
    assert [as_user(gus).get(one).status_code for one in (path, f"{path}new/")] == [404, 404]


def test_both_seats_are_asked_and_the_case_page_has_the_item(
    story: Told, led: Case, as_user: Sign
) -> None:
    path, rex = containment.path_of(led), make_user("rex", "responder")
    client = as_user(rex)
    tried = client.post(f"{path}new/", form(story, does="revoke"))
    assert "Only the incident lead revokes alone" in words(tried)
    done = client.post(f"{path}ask/", form(story, does="revoke"))
    step = ContainmentStep.objects.get()
    assert (done["Location"], step.state) == (f"{path}{step.key}/", "proposed")
    assert Revocation.objects.count() == 0
    case_page = words(as_user(story.samuel).get(f"/cases/{led.key}/?item={step.item_id}"))
    assert "done when all seats approve" in case_page


def test_list_asks_as_many_queries_for_many_steps_as_for_few(
    story: Told, led: Case, as_user: Sign
) -> None:
    client = as_user(story.ines)

    def asked() -> int:
        client.get(containment.path_of(led))
        with CaptureQueriesContext(
            connection,
        ) as queries:
            client.get(containment.path_of(led))
        return len(queries)

    contained(led, story.ines, "hold", story.credential.key, now=timezone.now())
    few = asked()
    for number in range(8):
        key = second_key(story, f"AKIAEXAMPLEQP7D1000{number}")
        contained(led, story.ines, "hold", key.key, now=timezone.now())
    assert asked() == few


def test_api_tries_out_and_a_token_signs_nothing(story: Told, led: Case) -> None:
    path = f"/api/cases/{led.key}/containment/"
    head = token(story.ines, "read", "act")
    body = {"does": "hold", "targets": [story.credential.key], "reason": "x", "dry_run": True}

    def post(said: dict[str, Any], user_head: Any = head) -> Any:
        return Client().post(path, said, "application/json", headers=user_head)

    tried = post(body)
    assert (tried.status_code, [one["key"] for one in tried.json()["rows"]]) == (
        200,
        [story.credential.key],
    )
    assert tried.json()["digest"]
    signs = post(body | {"dry_run": False})
    assert (signs.status_code, '"api": ["hold"]' in signs.json()["detail"]) == (403, True)
    seats = post(body | {"dry_run": False, "both_seats": True, "does": "revoke"})
    assert (seats.status_code, seats.json()["state"]) == (201, "proposed")
    step = contained(led, story.ines, "block", story.identity.key, now=timezone.now())
    read = Client().get(path, headers=head).json()
    assert [one["step"] for one in read["steps"]] == [step.key, seats.json()["step"]]
    assert read["steps"][0]["effective_at"] is not None
    undo = f"{path}{step.key}/undo/"
    said = {"reason": "ours"}
    assert Client().post(undo, said, "application/json", headers=head).status_code == 403
    undone = Client().post(undo, said, "application/json", headers=by_hand(story.ines))
    assert (undone.status_code, undone.json()["state"]) == (200, "undone")


@pytest.mark.parametrize(
    ("left", "said"),
    [
        ({"actions": []}, "left: write the actions"),
        ({"actions": ["s3:*"], "resources": "x"}, "left: write the resources"),
        ({"actions": [" "], "resources": ["x"]}, "left: write the actions that are left as texts"),
    ],
)
def test_api_names_what_is_wrong_with_what_is_left(
    story: Told, led: Case, left: dict[str, Any], said: str
) -> None:
    body = {"does": "narrow", "targets": [story.delegation.key], "left": left, "dry_run": True}
    answer = Client().post(
        f"/api/cases/{led.key}/containment/",
        body,
        "application/json",
        headers=token(story.ines, "act"),
    )
    assert (answer.status_code, said in answer.json()["detail"]) == (409, True)


def test_dry_run_writes_nothing_whatever_the_step(story: Told, led: Case, as_user: Sign) -> None:
    client, path = as_user(story.ines), containment.path_of(led)
    steps = {
        "hold": story.credential.key,
        "revoke": story.credential.key,
        "suspend": story.identity.key,
        "block": story.identity.key,
        "sessions": story.identity.key,
        "narrow": story.delegation.key,
    }
    for does, key in steps.items():
        tried = client.post(f"{path}new/", {"does": does, "names": key, "reason": "x"})
        assert (does, tried.status_code) == (does, 200)
    story.identity.refresh_from_db()
    assert (Revocation.objects.count(), story.identity.state) == (0, "active")
    assert story.delegation.versions.count() == 1
    assert containing.state(led, now=NOW)[:2] == (None, None)


def test_user_of_another_incident_sees_no_step_of_it(story: Told, led: Case, as_user: Sign) -> None:
    step = contained(led, story.ines, "block", story.identity.key, now=timezone.now())
    client = as_user(story.ines)
    assert client.get(f"/cases/CS-999999/containment/{step.key}/").status_code == 404
    assert client.get(f"{containment.path_of(led)}STEP-x/").status_code == 404
    assert User.objects.filter(username="ines").exists()
