"""Lists beside the queue as files and for scripts: every row of the page, of what its reader sees."""

import csv
import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.utils.html import escape

from identities.models import Identity, Person
from reviews.campaigns import steering
from reviews.models import Case, Freeze, ModeRule, Quarantine, Rung, Succession
from reviews.pages import owned
from reviews.pages.lists import paging
from reviews.pages.lists_out import LISTS

from .conftest import DAY, HOUR, NOW, Told, item_of, make_user, party, person_of
from .test_api import token
from .test_owned_pages import many
from .test_pages import answered, as_user
from .test_policy_versions import proposed, put_in_force

__all__ = ["answered", "as_user"]
pytestmark = pytest.mark.django_db
Sign = Callable[..., Client]
HOSTILE = "=HYPERLINK(0)"


@pytest.fixture
def full(story: Told, case: Case) -> Case:
    """Something in each of the lists."""
    put_in_force(story, silence="suspend")
    proposed(story.rita, silence="revoke")
    policy = case.policy
    assert policy is not None
    steering.make(
        name=HOSTILE, policy=policy, scope={}, by=story.rita, now=NOW, reason="a new year"
    )
    ModeRule.objects.create(
        scope={"kinds": ["agent"]}, mode="ask", reason="a first step", proposed_at=NOW,
        proposed_by=story.rita.ref, proposed_by_name="Rita", proposed_person=person_of(story.rita),
    )  # fmt: skip
    Freeze.objects.create(
        scope={}, since=NOW, until=NOW + DAY, asked=person_of(story.rita), reason="year end",
        proposed_at=NOW, proposed_by=story.rita.ref, proposed_by_name="Rita",
        proposed_person=person_of(story.rita),
    )  # fmt: skip
    Rung.objects.filter(case=case).delete()
    Rung.objects.create(case=case, at=NOW, after=HOUR, does="suspend", state="held", held_at=NOW, held_why=HOSTILE)  # fmt: skip
    item = item_of(case, "credential")
    Quarantine.objects.create(
        case=case, item=item, identity=story.identity, since=NOW, until=NOW + DAY, state="held"
    )
    Person.objects.filter(pk=person_of(story.rita).pk).update(email=HOSTILE)
    Identity.objects.filter(pk=story.identity.pk).update(owner=party(story.rita), purpose=HOSTILE)
    Succession.objects.create(
        why="left", person=person_of(story.ines), at=NOW, noticed_at=NOW, deadline_at=NOW + DAY
    )
    return case


def body(answer: Any) -> str:
    return b"".join(answer.streaming_content).decode()


def rows(client: Client, name: str, query: str = "") -> list[dict[str, Any]]:
    """The JSON, and that the CSV has the same rows under the columns of the list."""
    answer = client.get(f"/{name}.json{query}")
    assert (answer.status_code, answer["Cache-Control"]) == (200, "no-store, private")
    found = json.loads(body(answer))
    text = body(client.get(f"/{name}.csv{query}"))
    said = list(csv.DictReader(text.splitlines()))
    assert text.splitlines()[0] == ",".join(LISTS[name].columns.split())
    assert len(said) == len(found)
    for row in found:
        assert list(row) == LISTS[name].columns.split()
    return list(found)


SAYS = {
    "policies": [("policy", "access request"), ("policy", "access review")],
    "modes": [("state", "proposed")],
    "freezes": [("asked", "Rita")],
    "campaigns": [("name", HOSTILE)],
    "releases": [("step", "suspend")],
    "quarantine": [("identity_name", "svc-report")],
    "owned": [("as", "owner")],
    "successions": [("words", "Ines has left")],
    "people": [("person", "Ines")],
}
ASKS = {"people": "?q=ines"}


@pytest.mark.parametrize("name", LISTS)
def test_each_list_has_its_rows_and_links_to_them(
    full: Case, story: Told, as_user: Sign, name: str
) -> None:
    client = as_user(story.rita)
    found = rows(client, name, ASKS.get(name, ""))
    assert [(key, row[key]) for row, (key, _) in zip(found, SAYS[name], strict=True)] == SAYS[name]
    page = "releases" if name == "quarantine" else name
    text = client.get(f"/{page}/").content.decode()
    assert (f'href="/{name}.csv"' in text, f'href="/{name}.json"' in text) == (True, True)
    wrong = client.get(f"/{name}.csv?surely=1")
    assert (wrong.status_code, "surely" in wrong.content.decode()) == (409, True)


def test_what_waits_of_a_policy_is_said_beside_what_is_in_force(
    full: Case, story: Told, as_user: Sign
) -> None:
    review = rows(as_user(story.rita), "policies")[1]
    assert (review["version"], review["waiting_version"], review["cases"]) == (2, 3, 1)
    assert "At the deadline the identity is suspended." in review["says"]


def test_a_formula_stays_text_in_a_file(full: Case, story: Told, as_user: Sign) -> None:
    client = as_user(story.rita)
    for name in ("campaigns", "releases", "owned", "people"):
        text = body(client.get(f"/{name}.csv"))
        assert f"'{HOSTILE}" in text
        assert f",{HOSTILE}" not in text
    assert rows(client, "campaigns", "?q=nothing") == []


def test_whoever_sees_no_case_takes_none_out(full: Case, story: Told, as_user: Sign) -> None:
    other = as_user(make_user("elena", "owner"))
    for name in ("campaigns", "releases", "quarantine", "owned", "successions", "people"):
        assert rows(other, name) == []
    Case.objects.update(sealed=True)
    for name in ("releases", "quarantine"):
        assert rows(as_user(story.rita), name) == []


@pytest.mark.parametrize(
    ("name", "query", "of"),
    [
        ("owned", "?role=owner&state=active&q=report", 1),
        ("owned", "?role=backup", 0),
        ("owned", "?q=nothing", 0),
        ("successions", "?state=open&q=ines", 1),
        ("successions", "?state=done", 0),
        ("people", "?state=here&q=rita", 1),
        ("people", "?state=left", 0),
    ],
)
def test_a_file_is_narrowed_like_its_page(
    full: Case, story: Told, as_user: Sign, name: str, query: str, of: int
) -> None:
    client = as_user(story.rita)
    assert len(rows(client, name, query)) == of
    text = client.get(f"/{name}/{query}&page=1").content.decode()
    link = f'href="/{name}.csv{escape(query)}"'
    assert (link in text) is bool(of), link
    assert client.get(f"/{name}.csv?page=2").status_code == 409


def test_rows_beyond_one_stretch_are_taken_out_as_well(
    full: Case, story: Told, as_user: Sign, monkeypatch: pytest.MonkeyPatch
) -> None:
    many(story, 5, owner=party(story.rita))
    monkeypatch.setattr(owned, "CHUNK", 2)
    assert len(rows(as_user(story.rita), "owned")) == 6


def test_what_is_held_first_has_pages_of_its_own(
    full: Case, story: Told, as_user: Sign, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paging, "PER_PAGE", 2)
    item = item_of(full, "credential")
    for ends in range(2, 5):
        item.pk, item.position, item.ref = None, 90 + ends, uuid4()
        item.title = f"held until day {ends}"
        item.save(force_insert=True)
        Quarantine.objects.create(
            case=full, item=item, identity=story.identity, since=NOW, until=NOW + ends * DAY,
            state="held",
        )  # fmt: skip
    client = as_user(story.rita)
    for path in (f"/cases/{full.key}/", "/releases/"):
        first = client.get(path).content.decode()
        assert ("held until day 2" in first, "held until day 3" in held_of(first)) == (True, False)
        assert f'href="{path}?held=2#quarantine-title"' in first
        second = client.get(f"{path}?held=2").content.decode()
        assert "held until day 2" not in held_of(second)
        assert "held until day 3" in held_of(second)
        assert "held until day 4" in held_of(second)
        assert "No more are held." in client.get(f"{path}?held=9").content.decode()


def held_of(text: str) -> str:
    """The section of a page."""
    return text.partition('id="quarantine-title"')[2].partition("</section>")[0]


@pytest.mark.parametrize("name", ["modes", "releases"])
def test_scripts_get_the_same_rows(full: Case, story: Told, as_user: Sign, name: str) -> None:
    said = Client(headers=token(story.rita, "read")).get(f"/api/{name}/")
    assert (said.status_code, said.json()["rows"]) == (200, rows(as_user(story.rita), name))
    assert Client().get(f"/api/{name}/").status_code == 401
    assert Client(headers=token(story.ines, "declare")).get(f"/api/{name}/").status_code == 403
