"""Beside an item: delegated, possible, used; why it is recommended; when it is to be investigated."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from evidence.models import Source
from identities import judging
from identities.models import DelegationVersion, Entitlement, Finding, UsageDay, User
from reviews import actions
from reviews.actions import advising, items
from reviews.models import Case, Item
from reviews.pages import weighing

from .conftest import DAY, HOUR, NOW, Told, ingest, item_of, record

pytestmark = pytest.mark.django_db


def client_of(user: User) -> Client:
    found = Client()
    found.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return found


def opened(story: Told) -> Case:
    return actions.open_review(identity=story.identity, by=story.rita, now=NOW, reason="yearly")


def allows(story: Told, *permitted: tuple[str, str], missing: str = "") -> Entitlement:
    return Entitlement.objects.create(
        identity=story.identity,
        system="aws",
        principal="arn:aws:iam::111122223333:user/svc-report",
        during=(NOW - DAY, None),
        read_at=NOW - DAY,
        recorded_at=NOW - DAY,
        missing=missing,
        possible=[
            {"effect": "allow", "actions": [action], "resources": [resource], "layer": "identity"}
            for action, resource in permitted
        ],
    )


def rows_of(case: Case, kind: str = "delegation") -> dict[str, tuple[Any, ...]]:
    found = weighing.of_item(item_of(case, kind), weighing.read(case, now=NOW))
    assert found is not None
    return {
        row["action"]: (row["delegated"], row["possible"], row["seen"], row["count"])
        for row in found["rows"]
    }


def test_each_permission_says_three_things(story: Told) -> None:
    ingest([record(90, "DeleteObject", "invoices/9.pdf", NOW - HOUR)])
    case = opened(story)
    # Nothing was read at the target: nothing is said about what is possible.
    assert rows_of(case) == {
        "s3:GetObject": ("unsigned", "unknown", "seen", 5),
        "s3:PutObject": ("unsigned", "unknown", "not_seen", None),
        "s3:DeleteObject": ("no", "unknown", "seen", 1),
    }
    bucket = "arn:aws:s3:::"
    allows(story, ("s3:GetObject", "*"), ("s3:DeleteObject", "*"), ("iam:*", "*"))
    assert rows_of(case) == {
        "s3:GetObject": ("unsigned", "yes", "seen", 5),
        "s3:PutObject": ("unsigned", "no", "not_seen", None),
        "s3:DeleteObject": ("no", "yes", "seen", 1),
        "iam:*": ("no", "yes", "not_seen", None),
    }
    Entitlement.objects.all().delete()
    allows(story, ("s3:*", f"{bucket}invoices/*"))
    # On one of its resources, not on the other.
    assert rows_of(case)["s3:GetObject"] == ("unsigned", "unknown", "seen", 5)


def test_a_delegation_that_is_not_in_force_is_not_shown_as_another(story: Told) -> None:
    DelegationVersion.objects.update(state="proposed", imported=False)
    case = opened(story)
    assert [one[0] for one in rows_of(case).values()] == ["asked", "asked"]
    Item.objects.update(note="ends 3 Dec 2026 12:00 UTC")
    assert [one[0] for one in rows_of(case).values()] == ["no", "no"]


def test_first_last_and_resources_come_from_the_daily_sums(story: Told) -> None:
    ingest([record(91, "GetObject", "reports/1.pdf", NOW - 3 * HOUR)])
    case = opened(story)
    found = weighing.of_item(item_of(case, "delegation"), weighing.read(case, now=NOW))
    assert found is not None
    row = found["rows"][0]
    assert (row["count"], row["resources"]) == (6, 2)
    assert (row["first_at"], row["last_at"]) == (NOW - 3 * HOUR, NOW - HOUR)
    assert row["url"] == f"/events/?identity={story.identity.key}&action=s3%3AGetObject"
    # In the words of their JSON, with how far the evidence reaches.
    Source.objects.update(watermark=NOW - HOUR, completeness="declared")
    data = client_of(story.ines).get(f"/cases/{case.key}.json").json()
    (said,) = [one["weighed"] for one in data["items"] if one["kind"] == "delegation"]
    assert said["evidence_to"] == "2026-11-24T11:00:00Z"
    assert said["rows"][0] == {
        "action": "s3:GetObject",
        "on": "invoices/*, reports/*",
        "delegated": "unsigned",
        "possible": "not known",
        "used": "seen",
        "count": 6,
        "resource_families": 2,
        "first_at": "2026-11-24T09:00:00Z",
        "last_at": "2026-11-24T11:00:00Z",
    }


def test_no_evidence_is_never_unused(story: Told) -> None:
    UsageDay.objects.all().delete()
    case = opened(story)
    assert [one[2] for one in rows_of(case).values()] == ["no_evidence", "no_evidence"]
    item = item_of(case, "delegation")
    assert (item.recommendation, advising.of_item(item)[0]["words"]) == (
        "",
        "There is no evidence of its use: nothing follows from that.",
    )
    page = client_of(story.ines).get(f"/cases/{case.key}/?item={item.pk}").content.decode()
    assert "unused" not in page
    why = "No recommendation: nothing in evidence speaks for or against it"
    assert page.count("No recommendation") == 2
    assert why in page
    queued = client_of(story.ines).get("/queue/?show=items").content.decode()
    assert why in queued


def test_reasons_are_sentences_with_the_way_to_their_rows(story: Told) -> None:
    case = opened(story)
    item = item_of(case, "delegation")
    events = f"/events/?identity={story.identity.key}"
    assert advising.of_item(item) == [
        {"words": "Not seen in evidence: s3:PutObject.", "url": events},
        {"words": "1 of 2 actions seen, last 24 Nov 2026 11:00 UTC.", "url": events},
    ]
    client = client_of(story.ines)
    page = client.get(f"/cases/{case.key}/?item={item.pk}").content.decode()
    assert "Not seen in evidence: s3:PutObject." in page
    # Nothing is chosen for anybody.
    assert 'name="answer" value="narrow" required data-key' in page
    queue = client.get("/queue/?show=items").content.decode()
    assert "Not seen in evidence: s3:PutObject." in queue
    rows = json.loads(b"".join(client.get("/queue.json?show=items").streaming_content))  # type: ignore[attr-defined]  # a streaming response
    assert "Not seen in evidence: s3:PutObject." in rows[0]["reasons"]


def with_finding(story: Told) -> Finding:
    """GetObject outside the delegation's resources, beside what is inside."""
    ingest([record(92, "GetObject", "hr/1.pdf", NOW - HOUR)])
    judging.judge_all(now=NOW)
    return Finding.objects.get(rule="outside_resources")


def test_findings_on_what_it_allows_ask_to_investigate(story: Told) -> None:
    found = with_finding(story)
    DelegationVersion.objects.update(actions=["s3:GetObject"])
    item = item_of(opened(story), "delegation")
    assert (item.recommendation, item.recommendation_reason) == (
        "investigate",
        "1 open finding on what it allows: used on resources outside it",
    )
    assert item.snapshot["findings"] == [found.key]
    assert advising.of_item(item)[0] == {
        "words": f"s3:GetObject: used on resources outside it ({found.key}).",
        "url": f"/findings/{found.key}/",
    }


def test_investigate_makes_no_advice_weaker(story: Told) -> None:
    with_finding(story)
    item = item_of(opened(story), "delegation")
    assert item.recommendation == "narrow"
    assert item.recommendation_reason.endswith("used on resources outside it")


def test_use_beyond_it_is_investigated_and_what_was_not_read_is_said(story: Told) -> None:
    allows(story, ("s3:GetObject", "*"), missing="a policy could not be read")
    item = item_of(opened(story), "entitlement")
    assert (item.recommendation, advising.of_item(item)) == (
        "",
        [
            {
                "words": "Not read in full: a policy could not be read.",
                "url": f"/identities/{story.identity.key}/",
            }
        ],
    )
    found = with_finding(story)
    Case.objects.all().update(state="closed")
    item = Item.objects.filter(case=opened(story)).get(kind="entitlement")
    assert (item.recommendation, item.snapshot["findings"]) == ("investigate", [found.key])
    assert item.recommendation_reason == "1 open finding on use beyond its delegations"


def test_reasons_are_looked_at_again_with_the_item(story: Told) -> None:
    case = opened(story)
    DelegationVersion.objects.update(actions=["s3:GetObject"])
    with_finding(story)
    items.look_again(case, story.identity, now=NOW)
    assert item_of(case, "delegation").recommendation == "investigate"


@pytest.fixture
def asked() -> Callable[[Callable[[], Any]], int]:
    def count(run: Callable[[], Any]) -> int:
        with CaptureQueriesContext(connection) as seen:
            run()
        return len(seen)

    return count


def test_json_asks_the_same_for_many_items(
    story: Told, asked: Callable[[Callable[[], Any]], int]
) -> None:
    case = opened(story)
    client = client_of(story.ines)

    def run() -> None:
        assert client.get(f"/cases/{case.key}.json").status_code == 200

    run()
    few = asked(run)
    for at in range(20):
        Item.objects.create(
            case=case, position=40 + at, kind="grant", title="x", proposal={"actions": ["s3:*"]}
        )
    assert asked(run) == few
    assert case.opened_at < timezone.now()


def test_what_has_to_be_activated_first_is_said_apart(story: Told) -> None:
    row = allows(story, ("s3:GetObject", "*"), ("iam:*", "*"))
    eligible = {"effect": "eligible", "actions": ["kms:*"], "resources": ["*"]}
    Entitlement.objects.filter(pk=row.pk).update(possible=[*row.possible, eligible])
    case = opened(story)
    assert {name: said[1] for name, said in rows_of(case, "entitlement").items()} == {
        "s3:GetObject": "yes",
        "s3:PutObject": "no",
        "iam:*": "yes",
        "kms:*": "eligible",
    }
    item = item_of(case, "entitlement")
    found = weighing.of_item(item, weighing.read(case, now=NOW))
    assert found is not None
    assert found["possible"].endswith("2 action families more, 1 more after activation")
    assert (item.recommendation, item.recommendation_reason) == (
        "narrow",
        "aws allows 2 action patterns more than delegated",
    )
    client = client_of(story.ines)
    page = client.get(f"/cases/{case.key}/?item={item.pk}").content.decode()
    assert "after activation" in page
    data = client.get(f"/cases/{case.key}.json").json()
    (said,) = [one["weighed"] for one in data["items"] if one["kind"] == "entitlement"]
    assert {one["action"]: one["possible"] for one in said["rows"]}["kms:*"] == "after activation"


def test_what_may_leave_less_and_is_not_read_stands_beside(story: Told) -> None:
    row = allows(story, ("contents:write", "acme/*"))
    Entitlement.objects.filter(pk=row.pk).update(system="github")
    found = weighing.of_item(
        item_of(opened(story), "entitlement"), weighing.read(Case.objects.get(), now=NOW)
    )
    assert found is not None
    assert found["possible"] == (
        "GitHub allows 1 action family more (not read, and may leave less: rulesets, branch"
        " protection and IP allow lists)"
    )
