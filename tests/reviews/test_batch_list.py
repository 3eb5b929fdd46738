"""The list of signatures on many targets, and choosing rows of other lists for one."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from identities.actions import batches
from identities.models import Batch, BatchRow, Identity, Revocation, User

from .conftest import Told, make_user
from .test_api import token
from .test_pages import as_user

__all__ = ["as_user"]
pytestmark = pytest.mark.django_db
Sign = Callable[..., Client]
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def rex(story: Told) -> User:
    return make_user("rex", "responder")


def signed(by: User, *names: str, number: int = 0, step: str = "hold", why: str = "x") -> Batch:
    return batches.named(
        names=names, step=step, because=why, request_key=f"request-{number:04}", by=by,
        now=timezone.now(),
    )  # fmt: skip


def named(number: int) -> Identity:
    return Identity.objects.create(
        name=f"svc-{number:04}", kind="service_account", state="draft", created_at=timezone.now()
    )


# --- the list of them


def test_each_signature_stands_there_with_how_far_it_is(
    story: Told, rex: User, as_user: Sign
) -> None:
    mine = signed(rex, story.identity.name, "nobody", why=HOSTILE)
    other = signed(story.ines, story.identity.name, number=1, why="another")
    asked = Revocation.objects.filter(pk__in=BatchRow.objects.get(batch=mine, place=0).revocations)
    effective = asked.filter(state="effective").count()
    assert 0 < effective < asked.count()  # what our own door does is effective at once
    page = as_user(rex).get("/batches/")
    rows = page.context["rows"]
    assert [row["key"] for row in rows] == [other.key, mine.key]
    assert rows[1]["far"] == batches.Far(
        targets=2, refused=1, asked=asked.count(), effective=effective
    )
    text = page.content.decode()
    assert (HOSTILE in text, "Hold 2 targets" in text) == (False, True)
    # Who sees not everything sees what they signed.
    ines = as_user(story.ines).get("/batches/").context["rows"]
    assert [row["key"] for row in ines] == [other.key]
    assert as_user(make_user("gus", "owner")).get("/batches/").context["rows"] == []


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("step=revoke", []), ("step=hold", [0, 1]), ("kind=cascade", []), ("signed=mine", [0]),
        ("q=leak", [0]), ("q=Ines", [1]), ("q=bat-{0}", [0]), ("q=zzz", []), ("page=2", []),
    ],
)  # fmt: skip
def test_list_is_narrowed(
    story: Told, rex: User, as_user: Sign, query: str, found: list[int]
) -> None:
    made = [signed(rex, "nobody", why="a leak"), signed(story.ines, "nobody", number=1)]
    page = as_user(rex).get(f"/batches/?{query.format(made[0].number)}")
    assert sorted(row["key"] for row in page.context["rows"]) == sorted(
        made[place].key for place in found
    )
    wrong = as_user(rex).get("/batches/?step=melt&colour=red")
    assert "colour" in wrong.context["left_out"]


def test_list_takes_as_many_queries_for_thirty_as_for_one(
    story: Told, rex: User, as_user: Sign
) -> None:
    client, counts = as_user(rex), []
    client.get("/batches/")  # what every page keeps for a while
    for many in (1, 29):
        for number in range(many):
            signed(rex, story.identity.name, "nobody", number=100 * many + number)
        with CaptureQueriesContext(connection) as counted:
            assert client.get("/batches/").status_code == 200
        counts.append(len(counted))
    assert counts[0] == counts[1]


def test_list_for_scripts_goes_on_from_the_last_number(story: Told, rex: User) -> None:
    made = [signed(rex, story.identity.name, "nobody", number=number) for number in range(3)]
    headers = token(rex, "read")
    first = Client().get("/api/batches/?limit=2", headers=headers).json()
    assert [row["batch"] for row in first["rows"]] == [made[2].key, made[1].key]
    assert (first["rows"][0]["targets"], first["rows"][0]["refused"]) == (2, 1)
    rest = Client().get(f"/api/batches/?after={first['after']}", headers=headers).json()
    assert ([row["batch"] for row in rest["rows"]], rest["after"]) == ([made[0].key], None)
    nobody = token(make_user("gus", "owner"), "read")
    assert Client().get("/api/batches/", headers=nobody).json()["rows"] == []
    assert Client().get("/api/batches/?colour=red", headers=headers).status_code == 409


# --- rows of lists


def test_selected_rows_are_named_and_nothing_is_tried_yet(
    story: Told, rex: User, as_user: Sign
) -> None:
    client = as_user(rex)
    shown = client.get("/identities/").content.decode()
    assert f'name="pick" value="{story.identity.key}" form="batch"' in shown
    picked = {"from": "picked", "pick": [story.identity.key, "CRED-1", HOSTILE], "asked": ""}
    page = client.post("/batches/new/", picked)
    assert page.context["names"] == f"{story.identity.key}\nCRED-1\n{HOSTILE}"
    assert (page.context["rows"], Batch.objects.count(), page.status_code) == (None, 0, 200)
    assert HOSTILE not in page.content.decode()
    # What is named there goes on as what is typed there does.
    form = {"names": page.context["names"], "step": "hold"}
    plan = client.post("/batches/new/", form).context["rows"]
    assert [bool(row["refused"]) for row in plan] == [False, True, True]


def test_all_of_a_list_are_those_that_it_is_narrowed_to(
    story: Told, rex: User, as_user: Sign
) -> None:
    client = as_user(rex)
    keys = [named(number).key for number in range(60)]
    Identity.objects.create(name="other", kind="agent", state="draft", created_at=timezone.now())
    shown = client.get("/identities/?q=svc-00&kind=service_account&page=2")
    asked = shown.context["picks"]["asked"]
    assert asked == "q=svc-00&kind=service_account"
    page = client.post("/batches/new/", {"from": "identities", "asked": asked})
    assert sorted(page.context["names"].split("\n")) == sorted(
        Identity.objects.get(name=f"svc-{n:04}").key for n in range(60)
    )
    assert len(keys) == 60
    shown = client.get(f"/credentials/?identity={story.identity.key}")
    page = client.post(
        "/batches/new/", {"from": "credentials", "asked": shown.context["picks"]["asked"]}
    )
    assert page.context["names"] == story.credential.key


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"from": "picked"}, "Nothing was selected"),
        ({"from": "identities", "asked": "q=zzz"}, "Nothing stands in this list any more"),
        ({"from": "identities", "asked": "colour=red"}, "narrowed by what it does not know"),
        ({"from": "identities", "asked": ""}, "one signature acts on at most 3: narrow it"),
        ({"from": "findings", "asked": ""}, "Nothing was selected"),
        ({"from": "identities", "asked": "q=" + "x" * 9_000}, "Nothing stands in this list"),
    ],
)
def test_what_cannot_be_chosen_says_why(
    story: Told, rex: User, as_user: Sign, monkeypatch: pytest.MonkeyPatch,
    said: dict[str, Any], why: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(batches, "MOST", 3)
    for number in range(5):
        named(number)
    page = as_user(rex).post("/batches/new/", said)
    assert (page.status_code, why in page.context["problem"]) == (409, True)
    assert (page.context["names"], page.context["rows"]) == ("", None)


def test_nobody_chooses_what_they_do_not_see_or_may_not_ask_for(
    story: Told, rex: User, as_user: Sign
) -> None:
    gus = as_user(make_user("gus", "owner"))
    page = gus.post("/batches/new/", {"from": "identities", "asked": ""})
    assert page.context["problem"].startswith("Nothing stands in this list")
    auditor = as_user(story.otto)
    shown = auditor.get("/identities/")
    assert (shown.context["picks"], b'name="pick"' in shown.content) == ({}, False)
    assert auditor.post("/batches/new/", {"from": "identities", "asked": ""}).status_code == 403
    # The credentials of one identity, on its own page, are no list to choose from.
    line = as_user(rex).get(f"/identities/{story.identity.key}/")
    assert b'name="pick"' not in line.content
