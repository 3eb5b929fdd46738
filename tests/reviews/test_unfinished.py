"""The wall of what is not finished: who sees what of it, how far each is, and its files."""

import csv
import io
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from identities.models import Circuit, Identity, OutgoingSwitch, Rights
from reviews.pages import unfinished

from .conftest import Told, make_user, person_of
from .failed_rows import waits
from .test_pages import as_user

__all__ = ["as_user"]
pytestmark = pytest.mark.django_db
Sign = Callable[..., Client]
HOSTILE = "<img src=x onerror=alert(1)>"


def rows(client: Client, query: str = "") -> list[str]:
    return [row["key"] for row in client.get(f"/unfinished/{query}").context["rows"]]


def test_oldest_stands_first_and_what_is_effective_or_taken_back_is_not_there(
    story: Told, as_user: Sign
) -> None:
    now = timezone.now()
    young = waits(story.identity, now=now, ago=timedelta(minutes=5))
    old = waits(story.identity, now=now, ago=timedelta(days=8), state="confirmed")
    waits(story.identity, now=now, state="effective", effective_at=now)
    waits(story.identity, now=now, state="undone")
    assert rows(as_user(story.rita)) == [old.key, young.key]


def test_each_says_how_far_it_is_who_must_act_and_when_it_is_tried(
    story: Told, as_user: Sign
) -> None:
    now = timezone.now()
    soon = now + timedelta(minutes=3)
    failed = waits(story.identity, now=now)
    said: dict[str, Any] = {"failed_why": "", "who_must_act": "", "not_before": soon}
    sent = waits(story.identity, now=now, state="sent", **said)
    alive = waits(
        story.identity,
        now=now,
        state="confirmed",
        residual=[{"what": "session ASIA1", "until": "2026-11-25T03:01:00+00:00"}],
        **said,
    )
    there = {row["key"]: row for row in as_user(story.rita).get("/unfinished/").context["rows"]}
    found = {key: (one["how"], one["must_act"], one["next_at"]) for key, one in there.items()}
    assert found == {
        failed.key: (
            "failed: GitHub lets nobody but the App itself suspend its installation.",
            "an owner of acme",
            None,
        ),
        sent.key: (
            "sent; the target does not show it yet",
            "nobody: it is tried by itself",
            soon,
        ),
        alive.key: (
            "the target shows it; session ASIA1 lives until 2026-11-25 03:01 UTC",
            "nobody: it is tried by itself",
            soon,
        ),
    }


def test_what_waits_for_a_silent_system_or_for_the_switch_says_so(
    story: Told, as_user: Sign
) -> None:
    now = timezone.now()
    asked = waits(story.identity, now=now, state="requested", failed_why="")
    client = as_user(story.rita)
    Circuit.objects.create(
        system="github",
        account="acme",
        failures=5,
        since=now,
        why="It answered 503.",
        open_until=now,
    )
    (row,) = client.get("/unfinished/").context["rows"]
    assert (row["key"], "did not answer 5 times" in row["how"]) == (asked.key, True)
    OutgoingSwitch.objects.create(
        to="stopped",
        state="in_force",
        reason="r",
        proposed_at=now,
        proposed_by="a",
        proposed_person=person_of(story.ines),
        settled_at=now,
        settled_by="b",
        settled_person=person_of(story.leila),
    )
    (row,) = client.get("/unfinished/").context["rows"]
    assert (row["how"], row["must_act"]) == (
        "not sent: all outgoing writes are stopped",
        "two people, who let outgoing writes go on",
    )


@pytest.mark.parametrize(
    ("query", "there"),
    [
        ("?system=github", ["github"]),
        ("?state=failed", ["github"]),
        ("?age=day", ["aws"]),
        ("?age=week", []),
        ("?q=deployer", ["github"]),
        ("?q=REV-0", []),
        ("?state=effective", ["aws", "github"]),  # no state of the wall: said, and not narrowed
    ],
)
def test_wall_is_narrowed(story: Told, as_user: Sign, query: str, there: list[str]) -> None:
    now = timezone.now()
    keys = {
        "github": waits(story.identity, now=now).key,
        "aws": waits(
            story.identity,
            now=now,
            ago=timedelta(days=2),
            system="aws",
            state="sent",
            words="Delete key",
        ).key,
    }
    assert rows(as_user(story.rita), query) == [keys[name] for name in there]


def test_owner_sees_theirs_and_a_stranger_none(story: Told, as_user: Sign) -> None:
    row = waits(story.identity, now=timezone.now())
    gus = as_user(make_user("gus", "owner"))
    assert (rows(as_user(story.ines)), rows(gus)) == ([row.key], [])
    assert (gus.get(f"/revocations/{row.key}/").status_code) == 404


def test_files_hold_what_the_page_holds_and_refuse_what_they_do_not_know(
    story: Told, as_user: Sign
) -> None:
    now, client = timezone.now(), as_user(story.rita)
    row = waits(story.identity, now=now, words="=cmd|' /C calc'!A0")
    waits(story.identity, now=now, system="aws", words="Delete key")
    text = b"".join(client.get("/unfinished.csv?system=github").streaming_content).decode()  # type: ignore[attr-defined]  # streamed
    (line,) = csv.DictReader(io.StringIO(text))
    assert (line["revocation"], line["what"]) == (row.key, "'=cmd|' /C calc'!A0")
    assert list(line) == unfinished.COLUMNS
    found = client.get("/unfinished.json")
    assert len(b"".join(found.streaming_content).splitlines()) == 4  # type: ignore[attr-defined]  # streamed
    assert client.get("/unfinished.json?colour=red").status_code == 409


def test_wall_front_and_page_cost_the_same_with_one_and_with_thirty(
    story: Told, as_user: Sign
) -> None:
    now, client = timezone.now(), as_user(story.rita)
    costs = []
    for count in (1, 30):
        for _ in range(count):
            waits(story.identity, now=now, words=f"Revoke {HOSTILE}", failed_why=HOSTILE)
        took = []
        for address in ("/unfinished/", "/", "/revocations/"):
            cache.clear()
            with CaptureQueriesContext(connection) as seen:
                page = client.get(address)
            took.append(len(seen))
            assert (page.status_code, HOSTILE in page.content.decode()) == (200, False)
        costs.append(took)
    assert costs[0] == costs[1]


def test_front_names_who_must_act_and_leads_to_the_wall(story: Told, as_user: Sign) -> None:
    row = waits(story.identity, now=timezone.now())
    cache.clear()
    text = " ".join(as_user(make_user("rex", "responder")).get("/").content.decode().split())
    assert '<a href="/unfinished/"' in text
    assert "Who must act: an owner of acme" in text
    assert f'<a href="/revocations/{row.key}/">Revoke app deployer[bot]</a>' in text


def test_page_says_what_to_do_by_hand_with_the_enforcers_sentences(
    story: Told, as_user: Sign
) -> None:
    now = timezone.now()
    row = waits(story.identity, now=now)
    Rights.objects.create(
        system="github",
        account="acme",
        night=now.date(),
        missing=[{"permission": "Administration", "resource": "acme", "sentence": "Add it there."}],
    )
    page = as_user(story.rita).get(f"/revocations/{row.key}/")
    assert page.context["steps"] == [
        "Why not from here: GitHub lets nobody but the App itself suspend its installation.",
        "So that it goes from here the next time: Add it there.",
        "At GitHub acme, find the app deployer[bot].",
        "Revoke app deployer[bot]. It cannot be taken back.",
        "Look that it is so, and take a picture or the lines of the log that show it.",
        "State it here, with that file: who did it, and when.",
    ]
    for sentence in page.context["steps"]:
        assert sentence in page.content.decode().replace("&#x27;", "'")


def test_what_could_not_be_stopped_stands_on_the_wall_for_who_sees_all(
    story: Told, as_user: Sign
) -> None:
    Rights.objects.create(
        system="okta",
        account="https://example.okta.com",
        night=timezone.now().date(),
        unstoppable=[{"name": "bob@example.com", "identity": "svc-report", "why": "no role"}],
    )
    assert len(as_user(story.rita).get("/unfinished/").context["rights"]) == 1
    assert as_user(story.ines).get("/unfinished/").context["rights"] == []


def test_another_identity_of_the_same_owner_is_there_too(story: Told, as_user: Sign) -> None:
    like = story.identity
    other = Identity.objects.create(
        name="svc-other", kind="agent", owner=like.owner, created_at=like.created_at
    )
    row = waits(other, now=timezone.now())
    assert rows(as_user(story.ines)) == [row.key]
