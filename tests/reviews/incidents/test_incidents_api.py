"""The API of incidents: opened or joined, read, worked in; closed by a person's own hand alone."""

from typing import Any

import pytest
from django.test import Client

from evidence.queries.events import ref_of
from identities.models import ApiToken, User
from reviews.models import Case, Conclusion
from tests.reviews.conftest import Told, make_user
from tests.reviews.test_api import token
from tests.signed_in import by_hand

from .conftest import finish, fresh, refs
from .test_opening import found

pytestmark = pytest.mark.django_db


def headers(user: User) -> dict[str, str]:
    """Of the one token that this person has here."""
    known = ApiToken.objects.filter(user=user).exists()
    secret = {"Authorization": f"Bearer cst_{user.username}_act_read"}
    return secret if known else token(user, "act", "read")


def post(
    user: User, path: str, body: Any, *, signed_in: bool = False
) -> tuple[int, dict[str, Any]]:
    said = by_hand(user) if signed_in else headers(user)
    answer = Client().post(f"/api/incidents/{path}", body, "application/json", headers=said)
    return answer.status_code, answer.json()


def get(user: User, path: str) -> tuple[int, dict[str, Any]]:
    answer = Client().get(f"/api/incidents/{path}", headers=headers(user))
    return answer.status_code, answer.json()


def test_incident_is_opened_once_and_joined_after(story: Told) -> None:
    row = found(story)
    body = {
        "identity": story.identity.key,
        "title": "leaked",
        "reason": "seen in a paste",
        "severity": "high",
        "findings": [row.key],
    }
    status, said = post(story.ines, "", body)
    assert (status, said["severity"], said["findings"]) == (201, "high", [row.key])
    again, joined = post(story.samuel, "", body | {"severity": "low"})
    assert (again, joined["case"], joined["severity"]) == (200, said["case"], "high")
    status, listed = get(story.rita, "")
    assert (status, [one["case"] for one in listed["rows"]]) == (200, [said["case"]])
    assert Case.objects.filter(door="incident").count() == 1


def test_room_is_read_with_its_gate_and_worked_in(story: Told, incident: Case) -> None:
    status, said = get(story.otto, f"{incident.key}/")
    assert status == 200
    assert said["questions"][0]["words"] == "Which key was misused?"
    assert [one["kind"] for one in said["gate"] if not one["done"]] == [
        "sealed",
        "review",
        "questions",
        "outcome",
        "lessons",
        "closer",
    ]
    assert (
        said["may_not_work"] == "You are an auditor: auditors read everything and change nothing."
    )
    body = {
        "number": 1,
        "words": "the key",
        "certainty": "answered",
        "events": [ref_of(one) for one in refs(2)],
    }
    status, said = post(story.ines, f"{incident.key}/conclude/", body, signed_in=True)
    assert (status, said["questions"][0]["conclusion"]["strength"]) == (200, "key")
    status, said = post(story.ines, f"{incident.key}/conclude/", body, signed_in=True)
    assert (status, "read that first" in said["detail"]) == (409, True)
    assert Conclusion.objects.count() == 1


@pytest.mark.parametrize(
    ("act", "body", "status", "why"),
    [
        (
            "conclude",
            {"number": 1, "words": "x", "certainty": "answered", "events": []},
            409,
            "Name",
        ),
        ("conclude", {"number": 1, "words": "x", "certainty": "yes", "events": ["x"]}, 400, "yes"),
        (
            "conclude",
            {"number": 1, "words": "x", "certainty": "answered", "events": ["x"]},
            409,
            "'x'",
        ),
        ("role", {"role": "lead", "to": "nobody"}, 409, "There is nobody called"),
        ("task", {"words": "x", "owner": "Samuel", "due_at": "soon"}, 400, "due_at"),
        ("end-task", {"number": 7, "state": "done", "said": "x"}, 409, "has no task T-7"),
        ("severity", {"severity": "huge", "reason": "x"}, 400, "severity"),
    ],
)
def test_bad_body_is_told_where(
    story: Told, incident: Case, act: str, body: Any, status: int, why: str
) -> None:
    answered, said = post(story.ines, f"{incident.key}/{act}/", body, signed_in=True)
    assert (answered, why in str(said)) == (status, True), said


def test_token_closes_nothing(story: Told, incident: Case) -> None:
    rex = make_user("rex", "responder")
    finish(incident, story, rex)
    body = {"words": "x", "version": fresh(incident).version}
    status, said = post(rex, f"{incident.key}/close/", body)
    assert (status, said["detail"]) == (
        403,
        "A token decides nothing: a person does this, signed in.",
    )
    assert fresh(incident).state == "open"


def test_sealed_incident_is_as_absent_as_one_that_never_was(story: Told, incident: Case) -> None:
    Case.objects.filter(pk=incident.pk).update(sealed=True)
    for path in (f"{incident.key}/", "CS-999999/"):
        assert get(story.otto, path) == (404, get(story.otto, "CS-999998/")[1])
    assert post(story.ines, f"{incident.key}/ask/", {"words": "x"})[0] == 404
    assert get(story.rita, "")[1]["rows"] == []
