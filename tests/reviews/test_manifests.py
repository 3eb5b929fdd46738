"""A release that both owners signed beforehand opens no review; what it leaves out opens one."""

import json
from datetime import datetime
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from evidence.models import LedgerEntry
from identities.judging.uses import Declared, of_release
from identities.models import Identity, Manifest, NewUse, User
from identities.permissions import NotPossible
from reviews import actions, manifest_document
from reviews.actions import deadlines, manifests
from reviews.manifest_document import ManifestError, Release
from reviews.models import Case, Trigger
from tests.signed_in import sure

from .conftest import DAY, HOUR, NOW, Told, everything_counts, ingest, item_of, make_user, record
from .test_api import token
from .test_micro_reviews import LATER, micro, reviewed, sweep, traced

pytestmark = pytest.mark.django_db
JSON = "application/json"
SAID = {
    "version": "2.0",
    "model": "gpt-9",
    "tools": ["read_invoice", "send_email"],
    "permissions": [{"actions": ["s3:GetObject"], "resources": ["invoices/*"]}],
}


def declared(story: Told, *, by: User | None = None, now: datetime = NOW, **said: Any) -> Manifest:
    return manifests.declare(
        identity=story.identity,
        said=SAID | said,
        by=by or story.rita,
        now=now,
        reason="the next release",
        reference="https://example.org/pull/7",
    )


def case_of(row: Manifest) -> Case:
    """The case it is signed in."""
    found = manifests.case_of(row)
    assert found is not None
    return found


def signed(story: Told, sign: Any, *, now: datetime = NOW, **said: Any) -> Manifest:
    """Declared, and approved by both owners; carried out."""
    row = declared(story, now=now, **said)
    case = case_of(row)
    sign(case, "manifest", story.ines, "approve", now=now)
    sign(case, "manifest", story.samuel, "approve", seat="ai_owner", now=now)
    while actions.carry_out_next(now=now + HOUR):
        pass
    row.refresh_from_db()
    assert row.state == "signed"
    return row


def test_run_of_a_signed_release_is_asked_about_by_nobody(story: Told, sign: Any) -> None:
    reviewed(story)
    signed(story, sign)
    traced(story, "read_invoice", "send_email", at=NOW + 2 * HOUR, version="2.0")
    sweep()
    assert not Trigger.objects.exclude(state="known").exists()
    assert NewUse.objects.filter(looked_at=None).count() == 0


def test_tool_that_the_manifest_leaves_out_opens_a_review_that_names_it(
    story: Told, sign: Any
) -> None:
    row = signed(story, sign)
    traced(story, "read_invoice", "delete_invoice", at=NOW + 2 * HOUR, version="2.0")
    sweep()
    case = micro("outside_manifest")
    assert item_of(case, "use").title == "Tool delete_invoice"
    assert f"{row.key} (version 2.0), signed 24 Nov 2026, leaves it out" in case.reason
    assert case.deadline_at == LATER + 48 * HOUR
    assert Trigger.objects.get().links[0] == {"words": row.key, "url": row.url}


def test_version_that_nobody_declared_is_one_question_whatever_it_brings(
    story: Told, sign: Any
) -> None:
    signed(story, sign)
    tools = [f"tool_{number:02}" for number in range(14)]
    traced(story, "read_invoice", *tools, at=NOW + 2 * HOUR, version="3.0-rc1")
    sweep()
    case = micro("new_release")
    assert case.items.count() == 1
    assert "Release 3.0-rc1 runs since 24 Nov 2026 14:00 UTC" in case.reason
    assert "tool_00, tool_01" in case.reason
    assert "and 4 more" in case.reason


def test_release_that_ran_before_its_manifest_was_signed_is_held_against_it(
    story: Told, sign: Any
) -> None:
    traced(story, "delete_invoice", at=NOW - HOUR, version="2.0", now=NOW)
    sweep(NOW)
    assert not Trigger.objects.exists()
    signed(story, sign)
    sweep()
    assert micro("outside_manifest").items.get().title == "Tool delete_invoice"


def run_with_calls(story: Told, *calls: tuple[str, str], at: datetime) -> None:
    """A run of version 2.0 whose tool call made these S3 calls, by request id."""
    from evidence import intake, links
    from evidence.models import Source
    from identities import judging
    from tests.evidence.bodies import export

    traced(story, "read_invoice", at=at, version="2.0", trace=20)
    spans: list[dict[str, Any]] = []
    for number, (name, _) in enumerate(calls):
        attributes = {
            "rpc.system": "aws-api",
            "rpc.service": "S3",
            "rpc.method": name,
            "aws.request_id": f"REQ{900 + number:013d}",
        }
        spans.append(
            {"trace": 20, "span": 30 + number, "parent": 2, "name": f"S3.{name}",
             "attributes": attributes}
        )  # fmt: skip
    body = export(*spans, at=at).SerializeToString()
    intake.take(
        source=Source.objects.get(name="traces"), body=body, by="command", now=LATER, format="otlp"
    )
    ingest(
        [record(900 + number, name, on, at) for number, (name, on) in enumerate(calls)], now=LATER
    )
    while links.link_next(now=LATER):
        pass
    judging.judge_all(now=LATER)


def test_call_beside_the_manifest_opens_a_review_and_one_inside_does_not(
    story: Told, sign: Any
) -> None:
    signed(
        story,
        sign,
        permissions=[{"actions": ["S3:Get*"], "resources": ["arn:aws:s3:::invoices/*"]}],
    )
    run_with_calls(
        story,
        ("GetObject", "invoices/7.pdf"),
        ("GetObject", "payroll/2026.csv"),
        ("GetObject", "payroll/2027.csv"),
        at=NOW + 2 * HOUR,
    )
    sweep()
    case = micro("outside_manifest")
    assert [one.title for one in case.items.all()] == ["Call s3:GetObject on payroll/*"]
    refs = [one["url"] for one in Trigger.objects.get().links]
    assert refs[-1].endswith("&action=s3%3AGetObject&family=payroll%2F%2A")


def test_same_content_is_one_manifest_and_one_case(story: Told) -> None:
    rows = {
        declared(story, tools=["send_email", "read_invoice", "read_invoice"]).pk for _ in range(5)
    } | {declared(story).pk}
    assert (len(rows), Case.objects.count()) == (1, 1)


def test_newer_content_of_a_version_takes_the_place_of_what_waits(story: Told) -> None:
    old, new = declared(story), declared(story, tools=["read_invoice"])
    old.refresh_from_db()
    assert manifests.standing(old).state == "refused"
    assert manifests.standing(old).reasons == ["it was taken back, or a newer one took its place"]
    assert Case.objects.filter(state="open").get().pk == new.case
    again = declared(story)
    assert (again.pk, again.case != old.case, manifests.standing(again).state) == (
        old.pk,
        True,
        "pending",
    )


def test_refusal_of_a_person_stands_and_silence_may_be_asked_again(story: Told, sign: Any) -> None:
    row = declared(story)
    case = case_of(row)
    sign(case, "manifest", story.samuel, "deny", seat="ai_owner")
    while actions.carry_out_next(now=NOW + HOUR):
        pass
    row.refresh_from_db()
    assert manifests.standing(row)[:2] == ("refused", ["Samuel: because"])
    assert declared(story).case == case.pk
    late = declared(story, version="2.1")
    waits = case_of(late)
    everything_counts(waits, until=NOW + 9 * DAY)
    while deadlines.deadlines_next(now=NOW + 9 * DAY) or actions.carry_out_next(now=NOW + 9 * DAY):
        pass
    late.refresh_from_db()
    assert manifests.standing(late)[:2] == ("refused", ["not every owner signed by the deadline"])
    assert declared(story, version="2.1", now=NOW + 9 * DAY).case != waits.pk


def test_who_declares_signs_in_no_seat(story: Told, sign: Any) -> None:
    row = declared(story, by=story.samuel)
    case = case_of(row)
    from identities.permissions import NotAllowed

    with pytest.raises(NotAllowed, match="the requester never signs"):
        sign(case, "manifest", story.samuel, "approve", seat="ai_owner")


def test_identity_of_no_ai_system_cannot_be_signed_for_by_two(story: Told) -> None:
    Identity.objects.update(service=None)
    with pytest.raises(NotPossible, match="serves no AI system"):
        declared(story)


@pytest.mark.parametrize(
    ("release", "stands"),
    [
        ("", ["2.0", "2.0 beta", "1.0"]),
        ("2.0", ["2.0"]),
        ("2.0 gpt-9", ["2.0"]),
        ("2.0 gpt-10", []),
        ("2.0 beta", ["2.0 beta"]),
        ("2.0 beta gpt-8", ["2.0 beta"]),
        ("1.0 anything", ["1.0"]),
        ("gpt-9", ["2.0"]),
        ("gpt-10", []),
        ("2.01", []),
    ],
)
def test_release_is_its_version_its_model_or_both(release: str, stands: list[str]) -> None:
    signed_ones = [Declared("2.0", "gpt-9", None), Declared("2.0 beta", "", None)]
    signed_ones.append(Declared("1.0", "", None))
    assert [one.version for one in of_release(signed_ones, release)] == stands


def test_difference_names_what_is_added_wider_and_gone() -> None:
    before = Release("1", "m1", ("a", "b"), ((("s3:GetObject",), ("invoices/*",)),))
    after = Release("2", "m2", ("b", "c"), ((("s3:*",), ("invoices/*",)),))
    assert manifest_document.difference(before, after).words() == [
        "tool added: c",
        "wider: s3:* on invoices/*",
        "model: m2 in place of m1",
        "tool removed: a",
    ]
    assert manifest_document.difference(after, after).words() == []


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("calls", "", ["wider: any call: it says nothing of calls any more"]),
        (
            "",
            "calls",
            ["no longer: calls that it does not name: the release before said nothing of calls"],
        ),
        ("", "", []),
        (None, "calls", ["wider: s3:GetObject on invoices/*"]),
        (None, "", []),
    ],
)
def test_a_release_that_says_nothing_of_calls_is_the_wider_one(
    before: str | None, after: str, said: list[str]
) -> None:
    named = {"calls": ((("s3:GetObject",), ("invoices/*",)),), "": ()}
    was = None if before is None else Release("1", permissions=named[before])
    now = Release("2", permissions=named[after])
    assert manifest_document.difference(was, now).words() == said


@pytest.mark.parametrize(
    ("said", "place"),
    [
        ({"version": ""}, "version"),
        ({"version": "1\n2"}, "version"),
        ({"tools": "send_email"}, "tools"),
        ({"tools": ["ok", 7]}, "tools[1]"),
        ({"permissions": [{"actions": ["s3:*"]}]}, "permissions[0]"),
        ({"permissions": [{"actions": ["s3:*"], "resources": []}]}, "permissions[0].resources"),
        (
            {"permissions": [{"actions": ["s3:?"], "resources": ["*"]}]},
            "permissions[0].actions[0]",
        ),
    ],
)
def test_what_is_wrong_with_a_manifest_names_its_place(said: dict[str, Any], place: str) -> None:
    with pytest.raises(ManifestError) as problem:
        manifest_document.parse(SAID | said)
    assert [where for where, _ in problem.value.problems] == [place]


def test_pipeline_declares_and_checks_with_a_token_that_can_do_nothing_else(
    story: Told, sign: Any
) -> None:
    client = Client(headers=token(story.rita, "declare"))
    body = SAID | {"ai_system": "quarterly", "reason": "PR 7", "reference": "PR 7"}
    first = client.post("/api/manifests/", json.dumps(body), "application/json")
    assert first.status_code == 202, first.content
    said = first.json()
    assert (said["state"], said["manifest"]) == ("pending", Manifest.objects.get().key)
    assert first.headers["Location"] == said["check"]
    assert said["difference"]["tools_added"] == ["read_invoice", "send_email"]
    assert client.get("/api/cases/").status_code == 403
    assert (
        Client(headers=token(story.rita, "act"))
        .get(f"/api/manifests/{said['manifest']}/")
        .status_code
        == 403
    )
    now = timezone.now()
    case = Case.objects.get()
    sign(case, "manifest", story.ines, "approve", now=now)
    sign(case, "manifest", story.samuel, "approve", seat="ai_owner", now=now)
    while actions.carry_out_next(now=now + HOUR):
        pass
    check = client.get(f"/api/manifests/{said['manifest']}/")
    assert (check.status_code, check.json()["state"], check.json()["reasons"]) == (
        200,
        "signed",
        [],
    )
    again = client.post("/api/manifests/", json.dumps(body), "application/json")
    assert (again.status_code, again.json()["state"]) == (200, "signed")
    wrong = client.post("/api/manifests/", json.dumps(body | {"tools": [1]}), "application/json")
    assert (wrong.status_code, wrong.json()["problems"][0]["path"]) == (422, "tools[0]")
    misspelt = client.post("/api/manifests/", json.dumps(body | {"tool": ["x"]}), JSON)
    assert (misspelt.status_code, list(misspelt.json())) == (400, ["tool"])
    assert Manifest.objects.count() == 1


def test_manifest_of_an_identity_one_does_not_see_is_absent(story: Told) -> None:
    row = declared(story)
    stranger = make_user("stranger", "owner")
    client = Client(headers=token(stranger, "declare"))
    assert client.get(f"/api/manifests/{row.key}/").status_code == 404
    body = SAID | {"identity": story.identity.key, "reason": "x"}
    assert client.post("/api/manifests/", json.dumps(body), "application/json").status_code == 404
    client.force_login(stranger, backend="django.contrib.auth.backends.ModelBackend")
    sure(client)
    assert client.get(row.url).status_code == 404


def test_pages_show_the_difference_the_seats_and_why_it_is_asked(story: Told, sign: Any) -> None:
    row = signed(story, sign)
    new = declared(story, version="2.1", tools=["read_invoice", "<b>pay</b>"])
    traced(story, "delete_invoice", at=NOW + 2 * HOUR, version="2.0")
    sweep()
    client = Client()
    client.force_login(story.ines, backend="django.contrib.auth.backends.ModelBackend")
    sure(client)
    page = client.get(new.url).content.decode()
    assert "Tool added: <code>&lt;b&gt;pay&lt;/b&gt;</code>" in page
    assert "Tool removed: <code>send_email</code>" in page
    assert f'against <a href="{row.url}">' in page
    assert page.count("has not answered") == 2
    case = micro("outside_manifest")
    page = client.get(f"/cases/{case.key}/").content.decode()
    assert "Why this is asked" in page
    assert "Tool delete_invoice" in page
    assert (
        client.get(f"/cases/{case.key}.json").json()["triggers"][0]["trigger"] == "outside_manifest"
    )
    page = client.get(f"/identities/{story.identity.key}/").content.decode()
    assert "Since it was reviewed" in page
    assert f"{row.key}, version 2.0" in page
    assert LedgerEntry.objects.filter(act="manifest.declared").count() == 2
