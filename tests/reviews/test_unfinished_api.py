"""The wall and statements for scripts: the same rows, the same refusals."""

import base64
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from identities.models import Rights, User
from tests.signed_in import by_hand

from .conftest import Told, make_user
from .failed_rows import PNG, waits

pytestmark = pytest.mark.django_db


@pytest.fixture
def rex(story: Told) -> User:
    return make_user("rex", "responder")


def fresh(by: User) -> dict[str, str]:
    """A session in which this person has just confirmed who they are."""
    return by_hand(by)


def call(by: User, address: str, body: Any = None) -> tuple[int, Any]:
    headers = fresh(by)
    if body is None:
        answer = Client().get(address, headers=headers)
    else:
        answer = Client().post(address, body, "application/json", headers=headers)
    return answer.status_code, answer.json()


def statement(**said: Any) -> dict[str, Any]:
    return {
        "done_by": "Olga",
        "done_at": (timezone.now() - timedelta(hours=1)).isoformat(),
        "note": "uninstalled",
        "file_name": "shot.png",
        "file": base64.b64encode(PNG).decode(),
    } | said


def test_wall_in_pages_the_oldest_first(story: Told, rex: User) -> None:
    now = timezone.now()
    keys = [waits(story.identity, now=now, ago=timedelta(hours=9 - at)).key for at in range(3)]
    status, first = call(rex, "/api/unfinished/?limit=2&state=failed")
    assert (status, [row["revocation"] for row in first["rows"]], first["after"]) == (
        200,
        keys[:2],
        2,
    )
    _, rest = call(rex, "/api/unfinished/?limit=2&after=2")
    assert ([row["revocation"] for row in rest["rows"]], rest["after"]) == (keys[2:], None)
    assert call(rex, "/api/unfinished/?colour=red")[0] == 409
    assert call(make_user("gus", "owner"), "/api/unfinished/")[1]["rows"] == []


def test_stated_by_one_signed_by_another(story: Told, rex: User) -> None:
    row = waits(story.identity, now=timezone.now())
    path = f"/api/revocations/{row.key}/"
    assert call(rex, path)[1]["by_hand"][0].startswith("Why not from here: GitHub")
    status, stated = call(rex, f"{path}state/", statement())
    assert (status, stated["state"], stated["statements"][0]["state"]) == (
        201,
        "failed",
        "proposed",
    )
    assert call(rex, f"{path}sign/", {})[0] == 403
    status, signed = call(story.ines, f"{path}sign/", {})
    assert (status, signed["state"], signed["stated"]) == (200, "effective", True)
    assert call(make_user("gus", "owner"), path)[0] == 404


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({"file": "no base64!"}, 409),
        ({"file": base64.b64encode(b"<svg/>").decode()}, 409),
        ({"done_at": "soon"}, 400),
        ({"note": ""}, 409),
    ],
)
def test_what_is_wrong_is_said_and_nothing_kept(
    story: Told, rex: User, said: dict[str, str], status: int
) -> None:
    row = waits(story.identity, now=timezone.now())
    assert call(rex, f"/api/revocations/{row.key}/state/", statement(**said))[0] == status
    assert row.statements.count() == 0


def test_refused_and_tried_again(story: Told, rex: User) -> None:
    row = waits(story.identity, now=timezone.now())
    path = f"/api/revocations/{row.key}/"
    call(rex, f"{path}state/", statement())
    status, refused = call(story.ines, f"{path}refuse/", {"reason": "another App"})
    assert (status, refused["statements"][0]["settled_reason"]) == (200, "another App")
    assert call(rex, f"{path}retry/", {})[1]["state"] == "sending"
    assert call(rex, f"{path}retry/", {})[0] == 409


def test_rights_are_shown_to_who_sees_all(story: Told, rex: User) -> None:
    Rights.objects.create(
        system="aws", account="1", night=timezone.now().date(), failed_why="It answered 503."
    )
    assert call(rex, "/api/rights/")[1]["rows"][0]["failed_why"] == "It answered 503."
    assert call(story.ines, "/api/rights/")[0] == 404
