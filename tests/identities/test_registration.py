"""Registration files: read, compared, applied as a whole, and the same a second time."""

import json
from collections.abc import Callable
from datetime import datetime
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from evidence.models import Actor, LedgerEntry
from identities.acting import COMMAND, By
from identities.actions import registration
from identities.models import (
    Binding,
    Delegation,
    DelegationVersion,
    Identity,
    Membership,
    Person,
    Service,
    User,
)
from identities.permissions import NotAllowed
from identities.register import RegisterError, read
from tests.identities.conftest import DAY, NOW

pytestmark = pytest.mark.django_db

FILE = """
people:
  - {name: Aisha Bello, email: aisha@example.org}
  - {name: Ben Ochieng, email: ben@example.org}
  - {name: Chen Li, email: chen@example.org}
teams:
  - {name: Finance AI, members: [aisha@example.org, Ben Ochieng]}
services:
  - {slug: reporting, name: Reporting, owner: aisha@example.org, ai_owner: "team:Finance AI",
     backup: Chen Li, purpose: monthly reports, criticality: high}
identities:
  - name: svc-report-agent
    kind: service_account
    service: reporting
    sponsor: ben@example.org
    expires: 2027-06-30
    actors:
      - {arn: "arn:aws:iam::123456789012:user/svc-report-agent"}
      - {agent: report-agent, source: lab}
delegations:
  - grantee: svc-report-agent
    slug: read-invoices
    actions: ["s3:GetObject"]
    resources: ["invoices/*"]
    purpose: reports
    ends: 90d
  - grantee: "arn:aws:iam::123456789012:role/support-agent-role"
    actions: ["s3:GetObject", "s3:ListObjects"]
    resources: ["invoices/*"]
"""


def load(
    text: str = FILE,
    name: str = "house.yaml",
    *,
    by: By = COMMAND,
    now: datetime = NOW,
    imported: bool = False,
    dry_run: bool = False,
) -> registration.Registered:
    return registration.register(
        entries=read(name, text), by=by, now=now, imported=imported, dry_run=dry_run
    )


def rows() -> dict[str, int]:
    return {
        model.__name__: model.objects.count()
        for model in (
            Person,
            Service,
            Identity,
            Binding,
            Delegation,
            DelegationVersion,
            Membership,
            LedgerEntry,
            Actor,
        )
    }


def test_file_is_applied_as_written() -> None:
    done = load()
    identity = Identity.objects.get(name="svc-report-agent")
    assert (done.count("added"), done.count("changed"), done.notes) == (12, 0, [])
    assert {
        "owner": str(identity.owner),
        "sponsor": str(identity.sponsor),
        "backup": str(identity.backup),
        "purpose": identity.purpose,
        "criticality": identity.criticality,
        "inherited": sorted(identity.inherited),
        "state": identity.state,
        "expires": identity.expires_at.isoformat() if identity.expires_at else "",
    } == {
        "owner": "Aisha Bello",
        "sponsor": "Ben Ochieng",
        "backup": "Chen Li",
        "purpose": "monthly reports",
        "criticality": "high",
        "inherited": ["backup", "criticality", "owner", "purpose"],
        "state": "draft",
        "expires": "2027-06-30T00:00:00+00:00",
    }
    assert sorted(
        Binding.objects.values_list("actor__realm", "actor__kind", "actor__value", "basis", "state")
    ) == [
        (
            "aws:123456789012",
            "arn",
            "arn:aws:iam::123456789012:role/support-agent-role",
            "declared",
            "confirmed",
        ),
        (
            "aws:123456789012",
            "arn",
            "arn:aws:iam::123456789012:user/svc-report-agent",
            "declared",
            "confirmed",
        ),
        ("otel:lab", "agent", "report-agent", "declared", "confirmed"),
    ]
    role = Identity.objects.get(name="support-agent-role")
    assert (role.kind, role.state) == ("workload", "draft")
    version = DelegationVersion.objects.get(delegation__slug="read-invoices")
    assert (
        version.state,
        version.imported,
        version.signed,
        version.during.lower,
        version.during.upper,
    ) == ("proposed", False, False, None, NOW + 90 * DAY)
    assert LedgerEntry.objects.count() == 12


def test_second_run_changes_nothing_and_says_so() -> None:
    load()
    before = rows()
    later = load(now=NOW + 5 * DAY)
    assert (later.count("added"), later.count("changed")) == (0, 0)
    assert rows() == before


def test_dry_run_prints_the_difference_and_writes_nothing() -> None:
    before = rows()
    done = load(dry_run=True)
    assert (done.dry_run, done.count("added"), rows() == before) == (True, 12, True)
    assert [change.subject for change in done.changes if change.kind == "added"][:4] == [
        "person Aisha Bello",
        "person Ben Ochieng",
        "person Chen Li",
        "team Finance AI",
    ]


def test_mistake_in_a_file_leaves_nothing_of_it() -> None:
    before = rows()
    with pytest.raises(RegisterError) as refused:
        load(FILE.replace("service: reporting", "service: reportng"))
    assert [(p.path, p.what) for p in refused.value.problems] == [
        ("identities[0].service", "no service 'reportng': add it to services"),
        (
            "delegations[0].grantee",
            (
                "no identity is called 'svc-report-agent': add it to identities, or write a whole ARN or"
                " access key id"
            ),
        ),
    ]
    assert rows() == before


RECORDING = json.dumps(
    {
        "agents": {"a": {}},
        "delegations": {
            "arn:aws:iam::123456789012:user/svc-a": [
                {"actions": ["s3:GetObject"], "resources": ["invoices/*"]},
                {"actions": ["s3:GetObject"], "resources": ["invoices/*"]},
                {"actions": ["s3:PutObject"], "resources": ["reports/*"]},
            ],
            "arn:aws:iam::123456789012:role/r": [
                {"actions": ["sts:AssumeRole"], "resources": ["arn:aws:iam::123456789012:role/p"]}
            ],
            "AKIAIOSFODNN7EXAMPLE": [{"actions": ["s3:*"], "resources": ["x/*"]}],
        },
    }
)


def test_recording_is_imported_unsigned_with_draft_identities() -> None:
    done = load(RECORDING, "truth.json", imported=True)
    assert sorted(Identity.objects.values_list("name", "kind", "state", "mode")) == [
        ("AKIAIOSFODNN7EXAMPLE", "service_account", "draft", "observe"),
        ("r", "workload", "draft", "observe"),
        ("svc-a", "service_account", "draft", "observe"),
    ]
    assert list(
        DelegationVersion.objects.order_by("delegation__number").values_list(
            "delegation__grantee__name", "actions", "state", "imported", "signed"
        )
    ) == [
        ("svc-a", ["s3:GetObject"], "in_force", True, False),
        ("svc-a", ["s3:PutObject"], "in_force", True, False),
        ("r", ["sts:AssumeRole"], "in_force", True, False),
        ("AKIAIOSFODNN7EXAMPLE", ["s3:*"], "in_force", True, False),
    ]
    assert [note.split(":")[0] for note in done.notes][:1] == ["agents"]
    again = load(RECORDING, "truth.json", imported=True)
    assert (again.count("added"), again.count("changed")) == (0, 0)


def test_sessions_arn_means_its_role() -> None:
    load(
        json.dumps(
            {
                "delegations": {
                    "arn:aws:sts::123456789012:assumed-role/r/conv-1": [
                        {"actions": ["s3:GetObject"], "resources": ["*"]}
                    ]
                }
            }
        ),
        "x.json",
        imported=True,
    )
    assert list(Binding.objects.values_list("actor__value", "identity__name")) == [
        ("arn:aws:iam::123456789012:role/r", "r")
    ]


def test_same_last_part_in_two_accounts_gives_two_identities() -> None:
    said = [{"actions": ["s3:GetObject"], "resources": ["*"]}]
    load(
        json.dumps(
            {
                "delegations": {
                    "arn:aws:iam::111111111111:user/svc": said,
                    "arn:aws:iam::222222222222:user/svc": said,
                }
            }
        ),
        "x.json",
    )
    assert sorted(Identity.objects.values_list("name", flat=True)) == [
        "svc",
        "svc (aws:222222222222)",
    ]


CHANGED = FILE.replace('resources: ["invoices/*"]\n    purpose', 'resources: ["x/*"]\n    purpose')


def test_changed_delegation_is_a_new_proposal_and_the_old_one_is_superseded() -> None:
    load()
    done = load(CHANGED, now=NOW + DAY)
    assert [change.subject for change in done.changes if change.kind == "changed"] == [
        "delegation svc-report-agent/read-invoices"
    ]
    assert list(
        DelegationVersion.objects.filter(delegation__slug="read-invoices")
        .order_by("version")
        .values_list("version", "state", "resources", "superseded_at")
    ) == [
        (1, "proposed", ["invoices/*"], NOW + DAY),
        (2, "proposed", ["x/*"], None),
    ]


def test_changed_file_never_changes_what_a_case_signed() -> None:
    load()
    version = DelegationVersion.objects.get(delegation__slug="read-invoices")
    version.state, version.signed, version.case = "in_force", True, version.delegation_id
    version.save()
    done = load(CHANGED, now=NOW + DAY, imported=True)
    assert list(
        DelegationVersion.objects.filter(delegation__slug="read-invoices")
        .order_by("version")
        .values_list("state", "signed", "resources", "superseded_at")
    ) == [("in_force", True, ["invoices/*"], None), ("proposed", False, ["x/*"], None)]
    assert [note for note in done.notes if "signed" in note] == [
        (
            "delegation svc-report-agent/read-invoices: svc-report-agent has a signed delegation"
            " already, so this one is proposed, not imported"
        )
    ]


def test_child_that_widens_its_parent_is_refused() -> None:
    with pytest.raises(RegisterError) as refused:
        load(
            "identities: [{name: a, kind: agent}, {name: b, kind: agent}]\n"
            "delegations:\n"
            "  - {grantee: b, slug: child, parent: top, actions: ['s3:PutObject'],"
            " resources: ['x/*']}\n"
            "  - {grantee: a, slug: top, actions: ['s3:GetObject'], resources: ['x/*']}\n"
        )
    assert [problem.path for problem in refused.value.problems] == ["delegations[0]"]


def test_actor_of_another_identity_is_refused_unless_both_share_it() -> None:
    arn = "arn:aws:iam::123456789012:user/shared"
    one = "identities: [{name: %s, kind: agent, actors: [{arn: '%s'%s}]}]"
    load(one % ("a", arn, ""))
    with pytest.raises(RegisterError) as refused:
        load(one % ("b", arn, ", shared: true"))
    assert [problem.path for problem in refused.value.problems] == ["identities[0].actors[0]"]
    load(one % ("a", arn, ", shared: true"), now=NOW + DAY)
    load(one % ("b", arn, ", shared: true"), now=NOW + DAY)
    assert sorted(
        Binding.objects.filter(superseded_at__isnull=True).values_list("identity__name", "shared")
    ) == [("a", True), ("b", True)]


def test_owner_who_is_also_sponsor_is_refused() -> None:
    with pytest.raises(RegisterError) as refused:
        load("people: [{name: A}]\nidentities: [{name: a, kind: agent, owner: A, sponsor: A}]")
    assert [(p.path, p.what) for p in refused.value.problems] == [
        ("identities[0].sponsor", "is the same as owner: the three must differ")
    ]


def test_service_owner_change_is_followed_by_who_inherits() -> None:
    load()
    load(
        "people: [{name: Dana Eze}]\nservices: [{slug: reporting, owner: Dana Eze}]", now=NOW + DAY
    )
    assert str(Identity.objects.get(name="svc-report-agent").owner) == "Dana Eze"


def test_member_who_is_left_out_leaves_the_team_dated() -> None:
    load()
    load("teams: [{name: Finance AI, members: [Aisha Bello]}]", now=NOW + DAY)
    assert sorted(
        (row.person.name, row.during.lower, row.during.upper)
        for row in Membership.objects.filter(superseded_at__isnull=True).select_related("person")
    ) == [("Aisha Bello", NOW, None), ("Ben Ochieng", NOW, NOW + DAY)]


@pytest.mark.parametrize(
    ("group", "allowed"),
    [
        ("administrator", True),
        ("reviewer", False),
        ("owner", False),
        ("responder", False),
        ("auditor", False),
    ],
)
def test_only_administrators_register(user: Callable[..., User], group: str, allowed: bool) -> None:
    who = user("who", group)
    if allowed:
        done = load(by=who)
        # A second person signs each link first.
        assert (done.count("added"), done.count("proposed")) == (9, 2)
    else:
        with pytest.raises(NotAllowed):
            load(by=who)


def test_command_prints_json_and_exits_with_an_error(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(FILE)
    bad.write_text("identities: [{name: z}]")
    out = StringIO()
    with pytest.raises(SystemExit) as stopped:
        call_command("register", str(good), str(bad), json=True, stdout=out)
    document = json.loads(out.getvalue())
    assert stopped.value.code == 1
    assert [(row["added"], row["changed"]) for row in document["files"]] == [(12, 0)]
    assert document["refused"] == [
        {
            "file": str(bad),
            "problems": [
                {"path": "identities[0].kind", "problem": "is needed for an identity that is new"}
            ],
        }
    ]
    with pytest.raises(CommandError, match="1 of 1 files not registered"):
        call_command("register", str(bad), stdout=StringIO(), stderr=StringIO())
    out = StringIO()
    call_command("register", str(good), stdout=out)
    assert out.getvalue().strip() == f"{good}: nothing to change, 10 as written."
