"""Events whose time is not known are judged by nothing that depends on it, and say so."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client

from evidence import intake, links
from evidence.models import Actor, Event, Source
from evidence.vocabulary import TIME_RECEIVED
from identities import judging
from identities.inventory.contract import when
from identities.models import Binding, Credential, CredentialState, Finding, Identity, User
from tests.reviews.conftest import ARN, KEY, NOW, record

pytestmark = pytest.mark.django_db
NEVER = ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.9999999Z", "", None]


def judge(written: str | None) -> None:
    """One call with a key that is revoked now, and was not always."""
    source = Source.objects.create(name="trail", created_at=NOW, created_by="command")
    body = json.dumps({"Records": [record(1, "GetObject", "hr/1.pdf", NOW, eventTime=written)]})
    assert intake.take(source=source, body=body.encode(), by="command", now=NOW).rejects == 0
    while links.link_next(now=NOW):
        pass
    identity = Identity.objects.create(
        name="a", kind="service_account", purpose="x", state="draft", created_at=NOW
    )
    long_ago = (NOW - timedelta(days=9), None)
    Binding.objects.create(
        identity=identity, actor=Actor.objects.get(value=ARN), basis="declared", state="confirmed",
        during=long_ago, recorded_at=NOW, by="command",
    )  # fmt: skip
    key = Credential.objects.create(
        actor=Actor.objects.get(value=KEY), kind="access_key", standing=True, state_at=NOW
    )
    CredentialState.objects.create(
        credential=key, state="revoked", during=(NOW - timedelta(hours=1), None), recorded_at=NOW
    )
    judging.judge_all(now=NOW)


@pytest.mark.parametrize("written", NEVER)
def test_event_of_unknown_time_is_not_after_a_revocation(written: str | None) -> None:
    judge(written)
    assert Event.objects.get().time_basis == TIME_RECEIVED
    # It was never delegated anything: that holds whenever it was.
    assert list(Finding.objects.values_list("rule", flat=True)) == ["no_authority"]


def test_event_of_a_known_time_is_after_the_revocation() -> None:
    judge(f"{NOW:%Y-%m-%dT%H:%M:%SZ}")
    assert list(Finding.objects.values_list("rule", flat=True)) == ["after_revocation"]


def test_pages_say_that_the_time_is_not_known(client: Client, user: Callable[..., User]) -> None:
    judge(NEVER[0])
    client.force_login(user("ines", "reviewer", "auditor"))
    page = client.get("/events/")
    assert [row["undated"] for row in page.context["rows"]] == [True]
    assert "time not known" in page.content.decode()
    one = client.get(page.context["rows"][0]["url"])
    assert "time not known" in one.content.decode()


@pytest.mark.parametrize("year", [1, 9999])
def test_inventory_takes_no_year_1_or_9999_for_a_time(year: int) -> None:
    assert when(datetime(year, 1, 1, tzinfo=UTC)) is None
    assert when(NOW) == NOW
