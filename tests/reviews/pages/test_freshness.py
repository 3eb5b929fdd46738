"""How fresh the evidence behind a case is, in the queue and on the front page."""

import json
from datetime import datetime, timedelta

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from evidence.models import Source
from identities.models import Identity, User
from reviews.models import Case
from reviews.pages import freshness
from tests.planted import Planted

pytestmark = pytest.mark.django_db


@pytest.fixture
def now(planted: Planted) -> datetime:
    """Now, with every source complete up to it but for one, which is a minute behind."""
    cache.clear()
    moment = timezone.now()
    Source.objects.update(watermark=moment, completeness="heartbeat")
    Source.objects.filter(name="agent-traces").update(
        watermark=moment - timedelta(minutes=1), lag_seconds=120
    )
    return moment


def case() -> Case:
    return Case.objects.select_related("identity").get(
        identity__name="report-agent", state="open", trigger=""
    )


def test_case_is_as_fresh_as_its_slowest_source(now: datetime) -> None:
    one = case()
    assert freshness.of_cases([one], now=now) == {
        one.pk: {
            "at": now - timedelta(minutes=1),
            "why": "",
            "url": "/sources/agent-traces/",
            "late": False,
        }
    }


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"watermark": None, "completeness": ""}, "is complete is not known"),
        ({"sampling": 0.5}, "is sampled"),
        ({"watermark": datetime.fromisoformat("2026-01-02T03:04:00+00:00")}, "2 Jan 2026 03:04"),
    ],
)
@pytest.mark.parametrize("path", ["/", "/queue/", "/cases/"])
def test_doubt_about_evidence_stands_beside_the_case(
    now: datetime, said: dict[str, object], why: str, path: str
) -> None:
    Source.objects.filter(name="finance-prod").update(**said)
    client = Client()
    client.force_login(
        User.objects.get(username="ines"), backend="django.contrib.auth.backends.ModelBackend"
    )
    page = client.get(path)
    (row,) = [one for one in page.context["waits"] if one["key"] == case().key]
    assert why in row["fresh"]["why"]
    assert row["fresh"]["why"].replace("'", "&#x27;") in page.content.decode()
    assert 'href="/sources/finance-prod/"' in page.content.decode()


@pytest.mark.parametrize(
    ("path", "member"),
    [
        ("/", "silence"),
        ("/queue/", "silence"),
        ("/queue/?show=items", "silence"),
        ("/cases/", "silence"),
        ("/queue.json", "if_nobody_decides"),
        ("/queue.json?show=items", "if_nobody_decides"),
    ],
)
def test_row_says_what_silence_would_do_as_its_case_does(
    now: datetime, path: str, member: str
) -> None:
    Identity.objects.filter(name="report-agent").update(mode="enforce", criticality="normal")
    Case.objects.filter(pk=case().pk).update(silence="suspend")
    client = Client()
    client.force_login(
        User.objects.get(username="ines"), backend="django.contrib.auth.backends.ModelBackend"
    )
    said = []
    # What is late now may have come by then.
    for seen in (
        {"watermark": now},
        {"watermark": now - timedelta(days=30)},
        {"watermark": None, "completeness": ""},
    ):
        Source.objects.filter(name="finance-prod").update(**seen)
        page = client.get(path)
        rows = json.loads(page.getvalue()) if page.streaming else page.context["waits"]
        said.append(
            {one[member] for one in rows if case().key in (one.get("key"), one.get("case"))}
        )
    assert said == [
        {"report-agent is suspended"},
        {"report-agent is suspended"},
        {"it goes to the backups and the tie-breaker"},
    ]


def test_identity_of_which_nothing_was_seen_is_said(now: datetime) -> None:
    one = case()
    one.identity = Identity.objects.create(
        name="unseen", kind="workload", created_at=now, state="draft"
    )
    one.identity.refresh_from_db()
    assert freshness.of_cases([one], now=now)[one.pk]["why"] == "no evidence of it is known"


def test_many_cases_ask_as_much_as_one(now: datetime) -> None:
    asked = []
    for cases in ([case()], list(Case.objects.select_related("identity"))):
        with CaptureQueriesContext(connection) as seen:
            freshness.of_cases(cases, now=now)
        asked.append(len(seen))
    assert asked == [2, 2]
