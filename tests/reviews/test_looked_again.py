"""The list of second looks is read a stretch at a time: nothing is left out, and nothing comes twice."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from reviews.actions import second_looks
from reviews.models import Burst, Case, Provisional

from .conftest import NOW, Told, party, person_of
from .queues import fill
from .test_pages import answered, as_user

__all__ = ["answered", "as_user"]
pytestmark = pytest.mark.django_db
PATH = "/cases/?again=mine"


@pytest.fixture
def marked(story: Told, monkeypatch: pytest.MonkeyPatch) -> list[Case]:
    """Sixty cases; all but each seventh wait for a second look. Read two, four, five at a time."""
    monkeypatch.setattr(second_looks, "FIRST", 2)
    monkeypatch.setattr(second_looks, "AT_ONCE", 5)
    cases = fill(60, owners=[party(story.samuel)], now=NOW, items=1)
    found = [case for place, case in enumerate(cases) if place % 7]
    burst = Burst.objects.create(person=person_of(story.ines), since=NOW, until=NOW, answers=60)
    Provisional.objects.bulk_create(
        [Provisional(case=case, burst=burst, marked_at=NOW) for case in found]
    )
    return sorted(found, key=lambda case: -case.number)


def keys(text: str) -> list[str]:
    return [one["case"] for one in json.loads(text)]


def test_pages_and_files_hold_all_of_them_the_newest_first(
    story: Told, marked: list[Case], as_user: Callable[..., Client]
) -> None:
    wanted = [case.key for case in marked]
    for user in (story.rita, story.samuel):
        client = as_user(user)
        first, second = client.get(PATH), client.get(f"{PATH}&page=2")
        shown = [row["key"] for page in (first, second) for row in page.context["waits"]]
        assert shown == wanted
        assert [len(page.context["waits"]) for page in (first, second)] == [50, 1]
        assert f"1–50 of {len(wanted)}" in first.content.decode()
        file: Any = client.get("/cases.json?again=mine")
        assert keys(b"".join(file.streaming_content).decode()) == wanted
        one = client.get(f"{PATH}&q={wanted[7]}").context["waits"]
        assert [row["key"] for row in one] == [wanted[7]]
    ines = as_user(story.ines).get(PATH)
    assert (ines.context["waits"], ines.context["page"]["total"]) == ([], 0)


def test_beyond_the_bound_only_that_there_are_more_is_said(
    story: Told,
    marked: list[Case],
    as_user: Callable[..., Client],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(second_looks, "MOST_COUNTED", 50)
    assert "1–50 of over 50" in as_user(story.rita).get(PATH).content.decode()


def test_last_of_them_is_found_as_fast_as_the_first(
    story: Told, marked: list[Case], as_user: Callable[..., Client]
) -> None:
    client, asked = as_user(story.rita), []
    for case in (marked[0], marked[-1]):
        client.get(f"{PATH}&q={case.key}")
        with CaptureQueriesContext(connection) as queries:
            shown = client.get(f"{PATH}&q={case.key}").context["waits"]
        assert [row["key"] for row in shown] == [case.key]
        asked.append(len(queries))
    assert asked[0] == asked[1]
