"""What the address of a list does not know is refused at the API and in files, and said on pages:
nothing is narrowed by it, and nobody takes that for less than it is."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from evidence.parameters import Known, checked, understood
from identities.permissions import NotPossible
from reviews.pages.campaign_rows import KINDS

from .conftest import Told

pytestmark = pytest.mark.django_db
KNOWN: Known = {"q": (), "state": ("open", "done"), "from": str.isdigit}
# What stands in for a part of an address.
PARTS = {"uuid": "01890000-0000-7000-8000-000000000000", "int": "1"}


@pytest.mark.parametrize(
    ("said", "kept", "words"),
    [
        ({}, {}, ""),
        ({"q": "x", "state": "open", "from": "12"}, {"q": "x", "state": "open", "from": "12"}, ""),
        # An empty field of a form narrows nothing.
        ({"state": "", "from": ""}, {"state": "", "from": ""}, ""),
        ({"stat": "open"}, {}, "narrowed by it: 'stat', only by from, q, state."),
        ({"state": "opn", "q": "x"}, {"q": "x"}, "state='opn'; choose one of open, done, only by"),
        ({"from": "soon"}, {}, "from='soon'; it is written otherwise, only by"),
        (
            {f"utm_{n}": "x" for n in range(7)},
            {},
            "'utm_0', 'utm_1', 'utm_2', 'utm_3', 'utm_4' and 2 more, only by",
        ),
    ],
)
def test_what_is_not_understood_is_said_or_refused(
    said: dict[str, str], kept: dict[str, str], words: str
) -> None:
    found = understood(said, KNOWN)
    assert found.asked == kept
    assert words in found.left_out
    assert bool(found.left_out) == bool(words)
    if words:
        with pytest.raises(NotPossible):
            checked(said, KNOWN)
    else:
        checked(said, KNOWN)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"stat": "x"}, "This list is not narrowed by 'stat', only by from, q, state."),
        ({"state": "x"}, "state is 'x'; choose one of open, done."),
        ({"from": "x"}, "from is 'x'; it is written otherwise."),
    ],
)
def test_refusal_says_what_can_be_asked(said: dict[str, str], words: str) -> None:
    with pytest.raises(NotPossible) as refused:
        checked(said, KNOWN)
    assert str(refused.value) == words


def test_where_nothing_can_be_asked_that_is_said() -> None:
    with pytest.raises(NotPossible, match="narrowed by 'x': it takes no parameters"):
        checked({"x": "1"}, {})
    assert understood({"x": "1"}, {}).left_out.endswith("by it: 'x': it takes no parameters.")


def addresses(rows: Any = None, before: str = "/") -> Iterator[tuple[str, Any]]:
    """Every address, with something in each of its places, and its view."""
    for one in get_resolver().url_patterns if rows is None else rows:
        text = str(one.pattern).removeprefix("^").removesuffix("$")
        here = before + re.sub(r"<(?:(\w+):)?\w+>", lambda m: PARTS.get(m[1], "x"), text)
        if isinstance(one, URLResolver):
            yield from addresses(one.url_patterns, here)
        elif isinstance(one, URLPattern):
            yield here, one.callback


def reads(view: Any) -> bool:
    """Whether it is a door of the API that a GET goes through."""
    return "get" in getattr(getattr(view, "cls", None), "http_method_names", ())


def test_every_door_of_the_api_refuses_what_it_does_not_know(story: Told, client: Client) -> None:
    client.force_login(story.rita)
    doors = {here for here, view in addresses() if here.startswith("/api/") and reads(view)}
    # What describes the API, and what each list of a campaign refuses (test_campaign_rows.py).
    doors -= {"/api/docs/", "/api/schema/", *(f"/api/campaigns/x/{one}/" for one in KINDS)}
    assert len(doors) > 20
    for here in sorted(doors):
        found = client.get(here, {"surely_unknown": "1"})
        assert found.status_code == 409, here
        assert "'surely_unknown'" in found.json()["detail"], here


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("/api/identities/?kind=agnt", "choose one of agent"),
        ("/api/identities/?status=active", "is not narrowed by 'status'"),
        ("/api/credentials/?state=old", "choose one of active"),
        ("/api/findings/?state=opn", "choose one of open"),
        ("/api/findings/?rule=x", "choose one of no_authority"),
        ("/api/unclaimed/?q=x", "only by after, limit, search"),
        ("/api/claims/?nobody=yes", "choose one of 1"),
        ("/api/owned/?role=boss", "choose one of owner"),
        ("/api/people/?state=gone", "choose one of here, left"),
        ("/api/export/events/?identity=NHI-1", "it takes no parameters"),
    ],
)
def test_the_api_refuses_what_would_answer_with_more(
    story: Told, client: Client, address: str, words: str
) -> None:
    client.force_login(story.rita)
    found = client.get(address)
    assert (found.status_code, words in found.json()["detail"]) == (409, True), found.content


PAGES = {
    "/": "seat=boss",
    "/queue/": "seat=boss",
    "/cases/": "state=opn",
    "/identities/": "kind=agnt",
    "/findings/": "state=opn",
    "/credentials/": "lives=long",
    "/ai-systems/": "owner=ines",
    "/unclaimed/": "kind=arn",
    "/events/": "verdict=inside",
    "/events/?identity=NHI-1": "q=s3",
    "/events/?finding=F-1": "source=x",
    "/events/?trace=00000000000000000000000000000001": "actor=1",
    "/owned/": "role=boss",
    "/people/": "state=gone",
    "/successions/": "state=opn",
    "/modes/": "mode=ask",
    "/freezes/": "state=x",
    "/automatic-holds/": "state=x",
    "/releases/": "case=x",
    "/sources/": "state=x",
    "/ledger/": "actor=x",
}


@pytest.mark.parametrize("address", PAGES)
def test_pages_say_what_they_left_out(story: Told, client: Client, address: str) -> None:
    client.force_login(story.rita)
    wrong = PAGES[address]
    path, _, query = address.partition("?")
    page = client.get(address)
    assert (page.status_code, page.context["left_out"]) == (200, "")
    said = client.get(f"{path}?{query}&{wrong}" if query else f"{path}?{wrong}")
    assert said.status_code == 200
    assert "Not understood, so this list is not narrowed by it" in said.content.decode()
    # Whatever else the address asks still holds.
    assert said.context["left_out"].count(wrong.partition("=")[0]) >= 1


def test_unclaimed_of_an_identity_that_is_not_there_are_none(story: Told, client: Client) -> None:
    client.force_login(story.rita)
    found = client.get("/unclaimed/", {"identity": "NHI-999999"})
    assert (found.context["left_out"], found.context["rows"]) == ("", [])
    assert "Proposed to be NHI-999999" in found.content.decode()
