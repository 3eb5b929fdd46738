"""The numbers of the menu: each is how many rows its link lists for whoever reads it."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from evidence.models import Deposit, Source
from identities.models import Finding, User
from reviews.models import Case, CaseMember, Rung
from reviews.pages import frame

from .conftest import Told, party, person_of
from .queues import fill

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def counted_anew() -> None:
    cache.clear()


NAMES = {
    "Access reviews": "access_reviews",
    "Access requests": "access_requests",
    "Break-glass": "break_glass",
    "Incidents": "incidents",
    "Findings": "findings",
    "Release list": "held",
}


def menu(client: Client) -> dict[str, tuple[str, str]]:
    """What stands in the menu: words -> (address, number)."""
    side = client.get("/profile/").content.decode().partition("</aside>")[0]
    found = re.findall(
        r'<li><a href="([^"]+)"[^>]*>.*?<span>([^<]+)</span>(?:<span class="cs-count[^>]*>([^<]*)<)?',
        side,
    )
    return {words: (url.replace("&amp;", "&"), n) for url, words, n in found}


def listed(client: Client, address: str) -> int:
    context = client.get(address).context
    for name in ("waits", "rows", "cases"):
        if name in context:
            return len(context[name])
    raise AssertionError(address)


def world(story: Told) -> None:
    now = timezone.now()
    fill(3, owners=[party(story.ines)], now=now)
    doors = ("access_review", "access_request", "break_glass", "incident")
    states = ("draft", "open", "decided", "carrying_out", "closed", "cancelled")
    for at, (door, state) in enumerate((door, state) for door in doors for state in states):
        (case,) = fill(1, owners=[party(story.ines), party(story.leila)], now=now, first=10 + at)
        Case.objects.filter(pk=case.pk).update(door=door, state=state)
    # One of nobody's, one that is sealed, and one that is sealed to them.
    other, sealed, known = fill(3, owners=[party(story.samuel)], now=now, first=90)
    Case.objects.filter(pk__in=[sealed.pk, known.pk]).update(sealed=True)
    CaseMember.objects.create(case=known, person=person_of(story.ines), since=now)
    for case in (other, sealed):
        Rung.objects.create(
            case=case,
            after=timedelta(),
            does="suspend",
            state="held",
            at=now,
            held_at=now,
            held_why="tests",
        )
    for state in ("open", "confirmed", "expected"):
        Finding.objects.create(
            identity=story.identity, rule="no_authority", family=state, state=state, strength=3,
            words=state, first_at=now, last_at=now, opened_at=now, state_at=now,
        )  # fmt: skip


@pytest.mark.parametrize("who", ["ines", "samuel", "leila", "rita", "otto"])
def test_each_number_is_what_its_link_lists(story: Told, client: Client, who: str) -> None:
    world(story)
    client.force_login(getattr(story, who))
    found = menu(client)
    assert set(NAMES) - {"Break-glass", "Incidents", "Release list"} <= set(found)
    for words in NAMES:
        if words in found:
            url, n = found[words]
            assert (words, int(n or 0)) == (words, listed(client, url))


def test_numbers_stop_at_a_bound_and_ask_the_same(
    story: Told, rf: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def counts(user: User) -> tuple[dict[str, Any], int]:
        request = rf.get("/")
        request.user = User.objects.get(pk=user.pk)
        cache.clear()
        with CaptureQueriesContext(connection) as queries:
            found: dict[str, Any] = frame.frame(request)["frame"]["counts"]
        return found, len(queries)

    fill(1, owners=[party(story.ines)], now=timezone.now())
    before, few = counts(story.rita)
    monkeypatch.setattr(frame, "MOST_COUNTED", 5)
    fill(30, owners=[party(story.ines)], now=timezone.now(), first=10)
    after, many = counts(story.rita)
    assert (before["access_reviews"], after["access_reviews"], few) == (1, "4+", many)


def test_numbers_are_remembered_for_some_seconds(story: Told, rf: Any) -> None:
    request = rf.get("/")
    request.user = User.objects.get(pk=story.rita.pk)
    with CaptureQueriesContext(connection) as first:
        found = frame.frame(request)["frame"]["counts"]
    with CaptureQueriesContext(connection) as again:
        assert frame.frame(request)["frame"]["counts"] == found
    # Of cases and findings nothing is asked any more.
    assert len(first) - len(again) >= 2


def test_what_burns_leads_to_its_rows(story: Told, client: Client) -> None:
    now = timezone.now()
    cases = fill(12, owners=[party(story.ines)], now=now)
    Case.objects.filter(pk__in=[one.pk for one in cases[:9]]).update(deadline_at=now)
    Case.objects.filter(pk=cases[0].pk).update(state="decided")
    for name, ago in (("heard", 1), ("late", 90), ("gone", 4_000), ("never", None)):
        source = Source.objects.create(
            name=name, created_at=now, created_by="command", expected_every_seconds=60,
            lag_seconds=120,
        )  # fmt: skip
        if ago is not None:
            Deposit.objects.create(
                source=source, received_at=now - timedelta(seconds=ago), received_by="command",
                format="otlp", received_digest=b"r" * 32, received_bytes=1, kept_bytes=1,
                kept_digest=name.encode().ljust(32), rule_version=1, records=0, events=0,
                duplicates=0, rejects=0,
            )  # fmt: skip
    client.force_login(story.rita)
    burning = {one["title"]: one for one in client.get("/").context["burning"]}
    for title, many in (("Deadlines passed", 8), ("Silent sources", 1)):
        assert (burning[title]["n"], listed(client, burning[title]["url"])) == (many, many)
    url, n = menu(client)["Sources"]
    assert (int(n), listed(client, url)) == (1, 1)
