"""Dangerous together: what is delegated, possible and used of it, never surer than the evidence."""

import json
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from evidence.formats import mapping
from evidence.formats.mapping_text import MappingError
from evidence.models import MappingVersion
from identities.models import DelegationVersion, Entitlement, UsageDay, User
from reviews import actions, combined
from reviews.models import Case, Item
from reviews.pages import combination, weighing

from .conftest import HOUR, NOW, Told, ingest, item_of, party, record
from .queues import fill

pytestmark = pytest.mark.django_db
ALL = ["s3:GetObject", "sqs:ReceiveMessage", "ses:SendEmail"]


def client_of(user: User) -> Client:
    found = Client()
    found.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return found


def reading(*statements: dict[str, Any], missing: str = "") -> Entitlement:
    """A reading that is not stored."""
    return Entitlement(
        possible=[{"layer": "identity", "resources": ["*"]} | one for one in statements],
        missing=missing,
        system="aws",
    )


def allow(*names: str, **more: Any) -> dict[str, Any]:
    return {"effect": "allow", "actions": list(names)} | more


def states(side: str, *args: Any) -> list[str]:
    return [leg.state for leg in combined.of(*args)[side].values()]


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (ALL, ["yes", "yes", "yes"]),
        (["*"], ["yes", "yes", "yes"]),
        (["s3:GetObject"], ["yes", "no", "no"]),
        (["read_email", "ses:SendEmail"], ["maybe", "maybe", "yes"]),
        ([], ["no", "no", "no"]),
    ],
)
def test_delegated(names: list[str], wanted: list[str]) -> None:
    assert states("delegated", names, [], []) == wanted


@pytest.mark.parametrize(
    ("readings", "wanted"),
    [
        # What was not read is not known, whatever is delegated.
        ([], ["not_known"] * 3),
        ([reading(allow("s3:GetObject"))], ["yes", "no", "no"]),
        ([reading(allow("*"))], ["yes", "yes", "yes"]),
        ([reading(allow("s3:GetObject"), missing="one policy")], ["yes", "not_known", "not_known"]),
        (
            [reading(allow("s3:GetObject"), {"effect": "unknown"})],
            ["maybe", "not_known", "not_known"],
        ),
        ([reading(allow("s3:*", conditions={"Bool": {}}))], ["maybe", "no", "maybe"]),
        ([reading(allow("*"), {"effect": "deny", "actions": ["ses:*", "sns:*"]})], ["yes"] * 3),
        (
            [reading(allow("ses:*", "s3:GetObject"), {"effect": "deny", "actions": ["ses:*"]})],
            ["yes", "no", "no"],
        ),
        ([reading(allow("s3:GetObject")), reading(allow("ses:*"))], ["yes", "no", "yes"]),
        (
            [reading({"effect": "allow", "actions": [], "not_actions": ["iam:*"]})],
            ["not_known"] * 3,
        ),
    ],
)
def test_possible(readings: list[Entitlement], wanted: list[str]) -> None:
    assert states("possible", [], readings, []) == wanted


@pytest.mark.parametrize(
    ("seen", "wanted"),
    [
        ([], ["no_evidence"] * 3),
        (["sts:AssumeRole"], ["not_seen"] * 3),
        (["s3:GetObject", "send_email"], ["yes", "not_seen", "maybe"]),
        (["read_email", "Mail.Read", "web_fetch"], ["yes", "yes", "maybe"]),
    ],
)
def test_used(seen: list[str], wanted: list[str]) -> None:
    assert states("used", [], [], seen) == wanted


def test_sentence_says_no_more_than_the_sides() -> None:
    assert combined.sentence({}) == "Nothing shows all three together."
    assert combined.sentence({"delegated": "yes", "used": "maybe"}) == (
        "All three are delegated, perhaps used: an instruction hidden in what it reads could carry"
        " data away."
    )
    assert combined.sentence({"possible": "maybe"}).startswith(
        "All three are perhaps possible at the target:"
    )
    assert combined.complete(combined.of(ALL, [], ["s3:GetObject"])) == {"delegated": "yes"}


def opened(story: Told) -> Case:
    return actions.open_review(identity=story.identity, by=story.rita, now=NOW, reason="yearly")


def test_item_line_json_and_queue_say_it(story: Told) -> None:
    DelegationVersion.objects.update(actions=ALL)
    ingest(
        [
            record(80 + at, name, "x/1", NOW - HOUR, eventSource=f"{service}.amazonaws.com")
            for at, (service, name) in enumerate([("sqs", "ReceiveMessage"), ("ses", "SendEmail")])
        ]
    )
    (other,) = fill(1, owners=[party(story.ines)], now=NOW)
    case = opened(story)
    item = item_of(case, "delegation")
    assert item.snapshot["together"] == {"delegated": "yes", "used": "yes"}
    assert item.recommendation == "investigate"
    client = client_of(story.ines)
    page = client.get(f"/cases/{case.key}/?item={item.pk}")
    found = page.context["item"]["together"]
    assert [[side["state"] for side in row["sides"]] for row in found["rows"]] == [
        ["yes", "not_known", "yes"]
    ] * 3
    reason = found["rows"][2]["sides"][2]["reasons"][0]
    assert (reason["what"], reason["url"]) == (
        "ses:SendEmail",
        f"/events/?identity={story.identity.key}&action=ses%3ASendEmail",
    )
    assert found["rows"][0]["sides"][0]["reasons"][0]["url"].endswith(f"#{story.delegation.key}")
    data = client.get(f"/cases/{case.key}.json").json()["combination"]
    assert data["complete"] == {"delegated": "yes", "used": "yes"}
    assert data["legs"]["egress"]["possible"]["state"] == "not known"
    # On the identity's page it is asked for alone, when somebody comes to it.
    url = f"/identities/{story.identity.key}/together/"
    line = client.get(f"/identities/{story.identity.key}/")
    assert f'hx-get="{url}"' in line.content.decode()
    assert client.get(url).context["together"]["whole"]
    part = client.get(url, headers={"HX-Request": "true", "HX-Request-Type": "partial"})
    assert part.content.lstrip().startswith(b'<section class="cs-card cs-tight" id="together"')
    # The queue leaves only what has all three, as cases, as items and outside the page.
    for show in ("", "items"):
        rows = client.get("/queue/", {"together": "all", "show": show}).context["waits"]
        assert {row["key"] for row in rows} == {case.key}
    taken = client.get("/queue.json", {"together": "all", "show": "items"})
    rows = json.loads(b"".join(taken.streaming_content))  # type: ignore[attr-defined]  # streamed
    assert {row["case"] for row in rows} == {case.key}
    assert [row["together"] for row in rows if row["item_kind"] == "delegation"] == [
        "delegated used"
    ]
    everything = client.get("/queue/").context["waits"]
    assert {row["key"] for row in everything} == {case.key, other.key}


def test_an_item_that_is_no_part_of_it_is_not_marked(story: Told) -> None:
    DelegationVersion.objects.update(actions=["*"])
    case = opened(story)
    assert "together" in item_of(case, "delegation").snapshot
    assert "together" not in item_of(case, "credential").snapshot
    DelegationVersion.objects.update(actions=["s3:ListBucket"])
    assert combined.of_many([story.identity], now=NOW) == {}


def test_what_a_request_asks_for_counts_as_delegated(story: Told) -> None:
    case = opened(story)
    item = Item(case=case, kind="grant", proposal={"actions": ALL[1:], "resources": ["*"]})
    found = combination.of_item(item, weighing.read(case, now=NOW))
    assert found is not None
    assert (found["asked"], found["sure"]) == (True, True)


def test_no_evidence_is_not_a_no(story: Told) -> None:
    UsageDay.objects.all().delete()
    case = opened(story)
    page = client_of(story.ines).get(f"/cases/{case.key}/?item={item_of(case, 'delegation').pk}")
    sides = [row["sides"] for row in page.context["item"]["together"]["rows"]]
    assert [[one["state"] for one in row[1:]] for row in sides] == [
        ["not_known", "no_evidence"]
    ] * 3


MAPPING = """
mapping: payroll
realm: payroll
at: time
principal: {kind: user, path: who}
action: what
legs:
  private: ["payroll:Read*"]
  untrusted: ["payroll:ReadNotes"]
"""


def test_a_mapping_file_teaches_its_own_actions(story: Told) -> None:
    MappingVersion.objects.create(
        name="payroll", version=1, title="Payroll", plane="identity", text=MAPPING, made_at=NOW
    )
    own = combined.own_rows()
    assert states("delegated", ["payroll:readsalary"], [], [], own) == ["yes", "no", "no"]
    assert states("delegated", ["payroll:readnotes"], [], [], own) == ["yes", "yes", "no"]
    source = combined.of(["payroll:readnotes"], [], [], own)["delegated"]["private"].reasons[0]
    assert source.source == "mapping payroll, version 1"
    # The newest version counts, and one that cannot be read teaches nothing.
    MappingVersion.objects.create(
        name="payroll", version=2, title="x", plane="identity", text="legs: [", made_at=NOW
    )
    assert combined.own_rows() == ()
    with pytest.raises(MappingError, match="write one of: private, untrusted, egress"):
        mapping.of(MAPPING.replace("untrusted:", "trusted:"))


def test_many_identities_cost_as_many_queries_as_one(story: Told) -> None:
    found = []
    for first, many in ((0, 1), (100, 20)):
        cases = fill(many, owners=[party(story.ines)], now=NOW, first=first)
        with CaptureQueriesContext(connection) as seen:
            combined.of_many([one.identity for one in cases if one.identity], now=NOW)
        found.append(len(seen))
    assert found == [4, 4]
