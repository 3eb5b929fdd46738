"""Sources that contradict each other say so on their pages, and whoever added them is mailed."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from evidence import actions
from evidence.models import Source
from evidence.permissions import reader
from identities import source_conflicts
from identities.acting import COMMAND
from identities.actions import bindings, changes
from identities.models import Finding, Identity, Person, ProposedChange, User
from reviews.actions import conflict_notices
from reviews.models import Notice
from tests.identities.test_claimed_links import (
    actor,
    arrive,
    calls,
    key_of,
    run,
    source,
    traces,
    trail,
)
from tests.identities.test_conflicting_traces import forger
from tests.identities.test_following import Make
from tests.identities.test_key_users import LATER, judge

__all__ = ["forger", "traces", "trail"]
pytestmark = pytest.mark.django_db


@pytest.fixture
def forged(trail: Source, forger: Source, active: Make) -> Finding:
    """A trace of another identity's agent states the ids of two calls."""
    reporter, delta = active("reporter"), active("delta")
    arrive(trail, calls(1, "R1", "R2", "R3"))
    key_of(reporter)
    arrive(forger, run(1, "delta", "R1", "R2", of="forger"))
    bindings.bind(identity=delta, actor=actor("agent", "delta"), by=COMMAND, now=LATER)
    judge()
    return Finding.objects.get(rule="conflicting_trace")


def client(user: User) -> Client:
    made = Client()
    made.force_login(user)
    return made


def mails() -> list[tuple[str, str]]:
    rows = Notice.objects.filter(occasion__startswith="sources ").order_by("person__name")
    return [(row.person.name if row.person else "", row.subject) for row in rows]


def test_both_sources_are_marked_in_the_list_and_on_their_pages(
    forged: Finding, user: Make, traces: Source
) -> None:
    browser = client(user("ines", "reviewer"))
    listed = browser.get("/sources/")
    marked = {row["name"]: row["contradictions"] for row in listed.context["rows"]}
    said = 2, forged.first_at, f"/findings/{forged.key}/"
    assert marked == {
        "forger": [("contradicts the log trail", *said)],
        "trail": [("is contradicted by the traces of forger", *said)],
        "traces": [],
    }
    assert [row["name"] for row in listed.context["rows"]][-1] == "traces"
    for page in (listed, browser.get("/sources/forger/")):
        text = page.content.decode()
        assert "contradicts the log trail" in text
        assert f'<a href="/findings/{forged.key}/">2 calls</a>' in text
    assert b"contradict" not in browser.get("/sources/traces/").content


def test_findings_of_several_identities_are_one_mark_that_lists_them(
    forged: Finding, user: Make, active: Make
) -> None:
    other: Identity = active("other")
    Finding.objects.create(
        identity=other, rule="conflicting_trace", family=forged.family, strength=1, words="w",
        count=3, first_at=forged.first_at - timedelta(hours=1), last_at=forged.last_at,
        opened_at=LATER, state_at=LATER,
    )  # fmt: skip
    (one,) = source_conflicts.by_source()["trail"]
    assert (one.calls, one.since) == (5, forged.first_at - timedelta(hours=1))
    shown = client(user("ines", "reviewer")).get(one.url)
    assert {row["key"] for row in shown.context["rows"]} == {
        row.key for row in Finding.objects.filter(rule="conflicting_trace")
    }


def test_finding_that_is_settled_marks_nothing(forged: Finding) -> None:
    Finding.objects.filter(pk=forged.pk).update(state="withdrawn")
    assert source_conflicts.by_source() == {}


def test_source_that_contradicts_itself_is_marked_once(forged: Finding) -> None:
    Finding.objects.filter(pk=forged.pk).update(family="forger beside forger 2026-11-24")
    assert {name: [one.words for one in said] for name, said in source_conflicts.by_source().items()} == {
        "forger": ["states several traces of one call"]
    }  # fmt: skip


def test_who_sees_some_identities_only_sees_no_mark(forged: Finding, user: Make) -> None:
    page = client(user("olga", "owner")).get("/sources/")
    assert b"contradict" not in page.content


def test_list_asks_as_often_for_many_pairs(forged: Finding, user: Make) -> None:
    browser = client(user("ines", "reviewer"))
    browser.get("/sources/")
    with CaptureQueriesContext(
        connection,
    ) as few:
        browser.get("/sources/")
    for number in range(30):
        source(f"log-{number}")
        Finding.objects.create(
            identity=forged.identity, rule="conflicting_trace", strength=1, words="w", count=1,
            family=f"forger against log-{number} 2026-11-24", first_at=LATER, last_at=LATER,
            opened_at=LATER, state_at=LATER,
        )  # fmt: skip
    with CaptureQueriesContext(connection) as many:
        browser.get("/sources/")
    assert len(many) == len(few)


def test_who_added_a_source_and_who_signed_it_are_mailed_once(forged: Finding, user: Make) -> None:
    jonas, ada = user("jonas", "administrator"), user("ada", "administrator")
    user("zoe", "administrator")
    now = timezone.now()
    actions.propose_source(
        name="late", title="", plane="ai", format="", realms="", by=reader(jonas, now=now), now=now,
        reason="new",
    )  # fmt: skip
    changes.sign(change=ProposedChange.objects.get(), by=ada, now=now)
    Source.objects.filter(name="trail").update(created_by=f"user:{user('mia', 'reviewer').pk}")
    Finding.objects.filter(pk=forged.pk).update(family="late against trail 2026-11-24")
    opened = Finding.objects.get(pk=forged.pk).opened_at
    assert conflict_notices.tell(now=opened) == 1
    subject = "Source late contradicts the log trail"
    assert mails() == [("Ada", subject), ("Jonas", subject), ("Mia", subject)]
    assert conflict_notices.tell(now=opened + timedelta(minutes=1)) == 1
    assert len(mails()) == 3
    body = Notice.objects.filter(occasion__startswith="sources ")[0].body
    assert f"/findings/{forged.key}/" in body
    assert conflict_notices.tell(now=opened + timedelta(days=2)) == 0


def test_administrators_are_mailed_where_nobody_who_added_it_is_there(
    forged: Finding, user: Make
) -> None:
    gone = user("gone", "administrator")
    Person.objects.filter(pk=gone.person_id).update(left_at=forged.opened_at - timedelta(days=1))
    Source.objects.filter(name="forger").update(created_by=f"user:{gone.pk}")
    user("zoe", "administrator")
    conflict_notices.tell(now=forged.opened_at)
    assert mails() == [("Zoe", "Source forger contradicts the log trail")]
