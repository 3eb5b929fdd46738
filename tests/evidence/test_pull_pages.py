"""Pages of pulling: connect, test, pull now, cancel; by who may, without JavaScript."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from evidence import connecting, pulls
from evidence.models import Connection, Pull, Source
from evidence.permissions import COMMAND, NotPossible
from evidence.sources.failures import Later
from tests.evidence.conftest import NOW
from tests.evidence.readers import person, signed_in
from tests.evidence.test_pulls import Shelf, shelf

__all__ = ["person", "shelf", "signed_in"]

pytestmark = pytest.mark.django_db


@pytest.fixture
def made(shelf: Shelf, source: Callable[..., Source]) -> Source:
    return source()


def test_connect_shows_the_settings_of_a_system_and_keeps_references_only(
    made: Source, signed_in: Callable[..., Client]
) -> None:
    client = signed_in("jonas", "administrator")
    page = client.get(f"/sources/{made.name}/connect/?connector=shelf")
    assert b"The name of a file in the folder of connector secrets" in page.content
    wrong = client.post(
        f"/sources/{made.name}/connect/",
        {
            "connector": "shelf",
            "set_token": "s3cret/with/slashes",
            "every_seconds": 60,
            "first_days": 1,
        },
    )
    assert wrong.status_code == 400
    assert b"a secret is named, not given" in wrong.content
    assert not Connection.objects.exists()
    right = client.post(
        f"/sources/{made.name}/connect/",
        {
            "connector": "shelf",
            "set_token": "SHELF_TOKEN",
            "every_seconds": 60,
            "first_days": 1,
        },
    )
    assert (right.status_code, right["Location"]) == (302, f"/sources/{made.name}/")
    assert Connection.objects.get().settings == {"token": "SHELF_TOKEN"}


def test_pulling_is_seen_tested_and_ended_on_the_page(
    made: Source, shelf: Shelf, signed_in: Callable[..., Client]
) -> None:
    client = signed_in("jonas", "administrator")
    connecting.connect(
        source=made, connector="shelf", settings={"token": "SHELF_TOKEN"}, by=COMMAND, now=NOW
    )
    tested = client.post(f"/sources/{made.name}/check/")
    assert b"<b>shelf</b>: s" in tested.content
    shelf.fail[2] = Later("answered 429", 90.0)
    client.post(f"/sources/{made.name}/pull/")
    pulls.run_next(clock=lambda: NOW)
    shown = client.get(f"/sources/{made.name}/").content.decode()
    assert "6 of 15 records in 2 pages" in shown
    assert "answered 429" in shown
    assert 'value="40"' in shown
    part = client.get(f"/sources/{made.name}/pulls/", headers={"HX-Request": "true"})
    assert b"6 of 15 records" in part.content
    assert b"<html" not in part.content
    client.post(f"/sources/{made.name}/cancel/")
    assert Pull.objects.get().state == "cancelled"
    connecting.pause(source=made, paused=True, by=COMMAND, now=NOW)
    assert pulls.ask_due(now=NOW) == 0


def test_time_left_is_counted_from_when_the_source_could_be_read(
    made: Source, shelf: Shelf
) -> None:
    connecting.connect(
        source=made, connector="shelf", settings={"token": "SHELF_TOKEN"}, by=COMMAND, now=NOW
    )
    shelf.fail[0] = Later("answered 429", 600.0)
    row = pulls.ask(source=made, by="test", now=NOW)
    pulls.run_next(clock=lambda: NOW)
    shelf.fail.clear()
    again = NOW + timedelta(minutes=11)
    pulls.run_next(clock=lambda: again, enough=lambda: True)
    row.refresh_from_db()
    # It was left to another run after a page of five; that one is at work.
    row.state = Pull.RUNNING
    assert row.started_at == again
    assert pulls.seconds_left(row, now=again + timedelta(seconds=10)) == 40.0
    later = again + timedelta(minutes=5)
    pulls.run_next(clock=lambda: later, enough=lambda: True)
    row.refresh_from_db()
    assert row.started_at == again


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-600.2, "Its clock is 600 s behind ours: a pull goes as far as its time."),
        (600.2, "Its clock is 600 s ahead of ours."),
        (-1.0, ""),
    ],
)
def test_clock_that_is_off_is_said_in_words(
    seconds: float, words: str, made: Source, shelf: Shelf, signed_in: Callable[..., Client]
) -> None:
    connecting.connect(
        source=made, connector="shelf", settings={"token": "SHELF_TOKEN"}, by=COMMAND, now=NOW
    )
    Connection.objects.update(skew_seconds=seconds)
    shown = signed_in("jonas", "administrator").get(f"/sources/{made.name}/").content.decode()
    said = re.search(r"Its clock is [^<]*", shown)
    assert (said[0] if said else "") == words


def test_connection_for_lists_alone_is_never_pulled_and_says_so(
    source: Callable[..., Source], signed_in: Callable[..., Client]
) -> None:
    made = source("prod", format="kubernetes")
    client = signed_in("jonas", "administrator")
    asked = client.get("/sources/prod/connect/?connector=kubernetes").content.decode()
    assert "Name of the cluster" in asked
    assert "Pulled every" not in asked
    said = {"set_url": "https://k.example.org", "set_cluster": "prod", "set_token": "TOKEN"}
    client.post("/sources/prod/connect/", {"connector": "kubernetes", **said})
    link = Connection.objects.get()
    assert (link.next_at, pulls.ask_due(now=NOW)) == (None, 0)
    shown = client.get("/sources/prod/").content.decode()
    assert "No log is pulled: its system sends it" in shown
    assert "Pull now" not in shown
    for paused in ("1", "0"):
        client.post("/sources/prod/pause/", {"paused": paused})
    # One that was connected by an earlier version is due once more, and then no more.
    assert Connection.objects.get().next_at is None
    Connection.objects.update(next_at=NOW)
    assert pulls.ask_due(now=NOW) == 0
    assert Connection.objects.get().next_at is None
    with pytest.raises(NotPossible, match="prod has no log to pull"):
        connecting.pull_now(source=made, by=COMMAND, now=NOW)
    assert not Pull.objects.exists()


@pytest.mark.parametrize("verb", ["connect", "check", "pull", "cancel", "pause"])
def test_only_who_administers_sources_may(
    made: Source, signed_in: Callable[..., Client], verb: str
) -> None:
    connecting.connect(
        source=made, connector="shelf", settings={"token": "SHELF_TOKEN"}, by=COMMAND, now=NOW
    )
    said: dict[str, Any] = {"connector": "shelf", "set_token": "A"}
    answer = signed_in("ines", "auditor").post(f"/sources/{made.name}/{verb}/", said)
    assert answer.status_code == 403
    assert not Pull.objects.exists()
