"""Events are frozen where a responder reads them, and playbooks are in the menu of who may write."""

import re

import pytest
from django.test import Client

from evidence.models import Capsule, LedgerEntry
from identities.models import User
from reviews import selections
from reviews.models import Case, CaseMember
from tests import once
from tests.reviews.conftest import HOUR, NOW, Told, make_user, person_of
from tests.signed_in import sure

from .timelines import client_of, incident_of, responder

pytestmark = pytest.mark.django_db


@pytest.fixture
@once.told
def rex(story: Told) -> User:
    return responder()


@pytest.fixture
@once.told
def room(story: Told, rex: User) -> Case:
    return incident_of(story, rex)


def form(client: Client, path: str) -> dict[str, list[str]]:
    """What the form that freezes holds on this page; empty where there is none."""
    page = client.get(path).content.decode()
    found = re.search(r'<form method="post" action="/events/freeze/".*?</form>', page, re.DOTALL)
    if found is None:
        return {}
    said: dict[str, list[str]] = {}
    for name, value in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', found[0]):
        said.setdefault(name, []).append(value)
    del said["csrfmiddlewaretoken"]
    return said


def test_line_freezes_the_events_of_its_identity(story: Told, client: Client) -> None:
    client.force_login(story.rita, backend="django.contrib.auth.backends.ModelBackend")
    sure(client)
    path = f"/identities/{story.identity.key}/"
    assert form(client, path) == {"identity": [story.identity.key]}
    # As it stood: what came after is no part of it.
    until = (NOW - 2 * HOUR).isoformat()
    before = form(client, f"{path}?at={until.replace('+', '%2B')}")
    assert before in ({}, {"identity": [story.identity.key], "to": [until]})
    until = NOW.isoformat()
    said = form(client, f"{path}?at={until.replace('+', '%2B')}")
    assert said == {"identity": [story.identity.key], "to": [until]}
    assert client.post("/events/freeze/", {**said, "title": "Until noon"}).status_code == 302
    capsule = Capsule.objects.get(subject=selections.SUBJECT)
    assert len(capsule.body["events"]) == 5
    assert capsule.body["query"]["asked"] == {"identity": story.identity.key, "to": until}


@pytest.mark.parametrize("path", ["timeline/", "timeline/?short=1"])
def test_timeline_freezes_the_events_it_shows_for_its_case(
    room: Case, rex: User, path: str
) -> None:
    client = client_of(rex)
    said = form(client, f"/cases/{room.key}/{path}")
    assert (said["case"], len(said["ref"])) == ([room.key], 5)
    answer = client.post("/events/freeze/", said)
    capsule = Capsule.objects.get(subject=room.key)
    assert answer["Location"] == f"/cases/{room.key}/capsules/{capsule.key}/"
    assert len(capsule.body["events"]) == 5
    assert capsule.body["query"]["title"].startswith(f"Timeline of {room.key}, ")
    assert LedgerEntry.objects.get(act="capsule.frozen").subject == room.key


def test_who_only_reads_the_timeline_freezes_nothing_in_it(story: Told, room: Case) -> None:
    assert form(client_of(story.otto), f"/cases/{room.key}/timeline/") == {}


def test_sealed_timeline_takes_nothing_from_who_does_not_see_it(
    story: Told, room: Case, rex: User
) -> None:
    said = form(client_of(rex), f"/cases/{room.key}/timeline/")
    Case.objects.filter(pk=room.pk).update(sealed=True)
    CaseMember.objects.create(case=room, person=person_of(rex), since=NOW)
    assert client_of(story.otto).post("/events/freeze/", said).status_code == 409
    assert client_of(rex).post("/events/freeze/", said).status_code == 302


@pytest.mark.parametrize(
    ("group", "there"),
    [("responder", 1), ("reviewer", 1), ("administrator", 1), ("auditor", 1), ("owner", 0)],
)
def test_playbooks_are_in_the_menu_of_who_reads_all(db: None, group: str, there: int) -> None:
    client = client_of(make_user("someone", group))
    menu = client.get("/profile/").content.decode().partition("</aside>")[0]
    assert menu.count('href="/playbooks/"') == there
    page = client.get("/playbooks/").content.decode().partition("</aside>")[0]
    assert page.count('href="/playbooks/" aria-current="page"') == there
