"""The list of sources when there are many, and the webhook secret that is shown once."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from evidence import actions, doors
from evidence.models import LedgerEntry, Source
from evidence.permissions import COMMAND
from tests.evidence.readers import person, recent, signed_in, take

__all__ = ["person", "signed_in"]

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nothing_remembered() -> None:
    cache.clear()


def names(page: Any) -> list[str]:
    return [row["name"] for row in page.context["rows"]]


@pytest.fixture
def many(source: Callable[..., Source]) -> None:
    """Sixty sources that are new, one that is well and one that is silent."""
    for number in range(60):
        source(f"new-{number:02}")
    take(source("aaa-well", title="Payroll"), recent(1))
    take(source("zzz-silent", expected_every_seconds=60, lag_seconds=0), recent(1))


def test_what_is_wrong_comes_first_and_the_rest_by_the_page(
    many: None, signed_in: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = timezone.now() + timedelta(hours=1)
    monkeypatch.setattr("evidence.views.timezone.now", lambda: now)
    client = signed_in("ines", "reviewer")
    first = client.get("/sources/")
    second = client.get(first.context["page"]["next_url"])
    shown = names(first) + names(second)
    assert (len(names(first)), len(shown), len(set(shown))) == (50, 62, 62)
    assert (shown[0], shown[-1]) == ("zzz-silent", "aaa-well")
    assert (first.context["page"]["total"], second.context["page"]["next_url"]) == (62, "")
    # A page that is open asks again for what it shows.
    assert 'hx-get="/sources/?page=2"' in second.content.decode()


@pytest.mark.parametrize(
    ("asked", "shown"),
    [("q=PAYROLL", ["aaa-well"]), ("state=ok&q=aaa", ["aaa-well"]), ("q=nobody", [])],
)
def test_sources_are_found_by_name_title_and_state(
    many: None, signed_in: Callable[..., Client], asked: str, shown: list[str]
) -> None:
    page = signed_in("ines", "reviewer").get(f"/sources/?{asked}")
    assert names(page) == shown
    assert (b"No source matches" in page.content) is (not shown)


@pytest.mark.parametrize("number", ["0", "99", "x", "9" * 30])
def test_page_that_is_not_there_shows_one_that_is(
    many: None, signed_in: Callable[..., Client], number: str
) -> None:
    page = signed_in("ines", "reviewer").get(f"/sources/?page={number}")
    assert page.status_code == 200
    assert names(page) != []


@pytest.fixture
def hooks(source: Callable[..., Source]) -> Source:
    return actions.new_token(source=source("hooks"), by=COMMAND, now=timezone.now())[0]


def test_webhook_secret_is_shown_once_for_each_token(
    hooks: Source, signed_in: Callable[..., Client]
) -> None:
    client = signed_in("jonas", "administrator")
    secret = doors.webhook_secret(hooks)
    assert secret not in client.get("/sources/hooks/").content.decode()
    shown = client.post("/sources/hooks/webhook-secret/")
    assert (shown.status_code, shown["Cache-Control"]) == (200, "no-store, private")
    assert secret in shown.content.decode()
    assert client.post("/sources/hooks/webhook-secret/").status_code == 409
    text = client.get("/sources/hooks/").content.decode()
    assert ("Show its secret" in text, "It was shown to Jonas on" in text) == (False, True)
    client.post("/sources/hooks/token/")
    hooks.refresh_from_db()
    again = client.post("/sources/hooks/webhook-secret/").content.decode()
    assert doors.webhook_secret(hooks) in again
    assert secret not in again
    said = (
        LedgerEntry.objects.filter(act="source.secret_shown")
        .order_by("pk")
        .values_list("by_name", flat=True)
    )
    assert list(said) == ["Jonas", "Jonas"]
    assert not re.search(secret, str(list(LedgerEntry.objects.values())))


def test_command_shows_the_secret_whoever_saw_it_before(
    hooks: Source, signed_in: Callable[..., Client], capsys: pytest.CaptureFixture[str]
) -> None:
    signed_in("jonas", "administrator").post("/sources/hooks/webhook-secret/")
    call_command("webhook", "github", "hooks")
    assert doors.webhook_secret(hooks) in capsys.readouterr().out


@pytest.mark.parametrize("group", ["reviewer", "owner", "auditor", "responder"])
def test_webhook_secret_is_for_who_administers_sources(
    hooks: Source, signed_in: Callable[..., Client], group: str
) -> None:
    client = signed_in("ines", group)
    assert b"webhook-secret" not in client.get("/sources/hooks/").content
    assert client.post("/sources/hooks/webhook-secret/").status_code == 403
    assert not LedgerEntry.objects.filter(act="source.secret_shown").exists()


def test_source_of_another_format_offers_no_webhook(
    source: Callable[..., Source], signed_in: Callable[..., Client]
) -> None:
    source("okta", format="okta")
    page = signed_in("jonas", "administrator").get("/sources/okta/")
    assert page.context["hook"] is None
    assert b"GitHub webhook" not in page.content
