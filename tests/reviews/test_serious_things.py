"""Which thing a serious finding is asked about: the smallest that it speaks of, else the identity."""

from datetime import timedelta
from typing import Any

import pytest

from evidence.models import Actor, Event, Term
from identities.models import (
    Credential,
    Delegation,
    DelegationVersion,
    Entitlement,
    Finding,
    FindingEvent,
)
from reviews.micro_reviews import MAY_BE_SERIOUS
from reviews.models import Case, Item, Trigger
from reviews.triggers import serious
from reviews.triggers.uses import Use

from .conftest import ARN, DAY, HOUR, NOW, Told, ingest, record
from .test_micro_reviews import LATER, entitled, sweep
from .test_opening import finding
from .test_policy_versions import put_in_force

pytestmark = pytest.mark.django_db
S3 = {"effect": "allow", "actions": ["s3:*"], "resources": ["*"]}
SECRET = {
    "eventSource": "secretsmanager.amazonaws.com",
    "requestParameters": {"secretId": "prod/db"},
}


def found(story: Told, rule: str, family: str = "x", *, by_key: bool = False) -> Finding:
    """A finding of this rule over all events of the story; `by_key`: of its key's history."""
    row = finding(story.identity, rule, family)
    FindingEvent.objects.bulk_create(
        [
            FindingEvent(finding=row, at=at, event_id=number, strength=3)
            for at, number in Event.objects.values_list("at", "id")
        ]
    )
    if by_key:
        row.actor_id = story.credential.actor_id
        row.save(update_fields=["actor_id"])
    return row


def thing(row: Finding) -> tuple[str, Any]:
    one = serious.things([row], now=NOW)[row.pk]
    return one.kind, one.ref


def only_sessions() -> None:
    """What is short-lived is reviewed by what issues it, and is no item."""
    Credential.objects.update(standing=False)


@pytest.mark.parametrize(
    ("rule", "standing", "kind"),
    [
        ("no_run", True, "credential"),
        ("no_run", False, "identity"),
        ("shared_credential", True, "credential"),
        ("shared_credential", False, "identity"),
        ("after_revocation", True, "credential"),
        ("after_revocation", False, "identity"),
        ("left_task", True, "credential"),
        ("left_task", False, "use"),
        ("no_authority", True, "credential"),
        ("no_authority", False, "identity"),
        ("after_expiry", True, "credential"),
        ("after_expiry", False, "identity"),
        ("outside_resources", True, "delegation"),
        ("outside_resources", False, "delegation"),
    ],
)
def test_each_rule_speaks_of_its_smallest_thing(
    story: Told, rule: str, kind: str, *, standing: bool
) -> None:
    if rule == "left_task":
        ingest([record(90, "GetSecretValue", "", NOW, **SECRET)])
        Finding.objects.all().delete()
    if not standing:
        only_sessions()
    row = found(story, rule, by_key=rule in ("no_run", "shared_credential"))
    refs = {
        "credential": story.credential.pk,
        "delegation": story.delegation.pk,
        "identity": story.identity.pk,
    }
    asked = thing(row)
    assert asked[0] == kind
    if kind != "use":
        assert asked[1] == refs[kind]


def test_every_rule_that_may_be_serious_is_in_that_table() -> None:
    assert set(serious.SPEAKS_OF) == set(MAY_BE_SERIOUS)
    assert {kind for kinds in serious.SPEAKS_OF.values() for kind in kinds} == set(serious.OF)


@pytest.mark.parametrize("rule", ["no_authority", "outside_resources", "after_expiry"])
@pytest.mark.parametrize("above", [False, True])
def test_what_the_target_allows_comes_first_where_it_was_read(
    story: Told, rule: str, *, above: bool
) -> None:
    row = entitled(story, S3, at=NOW - DAY)
    if above:
        # Of a session of a role it is the role that was read.
        role = Actor.objects.get(kind="arn", value=ARN)
        Actor.objects.filter(pk=role.pk).update(value=f"{ARN}/session")
        parent = Actor.objects.create(
            key=story.identity.pk, realm=role.realm, kind="arn", value=ARN, created_at=NOW
        )
        Actor.objects.filter(pk=role.pk).update(parent=parent)
    assert thing(found(story, rule)) == ("entitlement", row.pk)
    Entitlement.objects.update(principal="arn:aws:iam::111122223333:user/other")
    assert thing(found(story, rule, "y"))[0] != "entitlement"


def test_of_two_delegations_of_the_same_actions_it_is_none(story: Told) -> None:
    before = DelegationVersion.objects.get()
    other = Delegation.objects.create(grantee=story.identity, slug="more", created_at=NOW)
    DelegationVersion.objects.create(
        delegation=other,
        version=1,
        state="in_force",
        imported=True,
        actions=["s3:Get*"],
        resources=["hr/*"],
        during=before.during,
        recorded_at=NOW,
        by="command",
    )
    assert thing(found(story, "outside_resources")) == ("credential", story.credential.pk)
    DelegationVersion.objects.filter(delegation=other).update(revoked_at=NOW)
    assert thing(found(story, "outside_resources", "y")) == ("delegation", story.delegation.pk)


def test_of_two_credentials_it_is_none(story: Told) -> None:
    ingest(
        [
            record(
                91,
                "GetObject",
                "invoices/9.pdf",
                NOW,
                userIdentity={
                    "type": "IAMUser",
                    "arn": ARN,
                    "accountId": "111122223333",
                    "accessKeyId": "AKIAEXAMPLEQP7D00002",
                    "userName": "svc-report",
                },
            )
        ]
    )
    assert thing(found(story, "after_revocation")) == ("identity", story.identity.pk)


def test_credential_of_somebody_else_is_none_of_its(story: Told) -> None:
    Credential.objects.update(identity=None)
    assert thing(found(story, "no_run", by_key=True)) == ("identity", story.identity.pk)


def test_call_that_a_run_was_tricked_into_is_the_same_thing_as_in_a_manifest(story: Told) -> None:
    ingest([record(90, "GetSecretValue", "", NOW, **SECRET)])
    Finding.objects.all().delete()
    only_sessions()
    asked = serious.things([row := found(story, "left_task")], now=NOW)[row.pk]
    action = Term.objects.get(value="secretsmanager:GetSecretValue")
    assert (asked.title, dict(asked.facts)) == (
        "Call secretsmanager:GetSecretValue on prod/*",
        {
            "action": action.pk,
            "name": action.value,
            "tool": False,
            "family": "prod/*",
            "first_at": NOW.isoformat(),
        },
    )

    class Row:
        tool, family = False, "prod/*"

    assert asked.ref == Use(Row(), action.value, "").about  # type: ignore[arg-type]  # only what it reads


def test_two_calls_or_one_that_is_refused_leave_the_identity(story: Told) -> None:
    ingest([record(90, "GetSecretValue", "", NOW, **SECRET)])
    Finding.objects.all().delete()
    only_sessions()
    ref = thing(found(story, "left_task"))[1]
    case = Case.objects.create(
        door="access_review",
        state="closed",
        trigger="outside_manifest",
        title="x",
        identity=story.identity,
        opened_at=NOW,
        opened_by="x",
        deadline_at=NOW,
    )
    item = Item.objects.create(
        case=case, position=0, kind="use", ref=ref, title="x", outcome="revoke", outcome_at=NOW
    )
    assert thing(found(story, "left_task", "y")) == ("identity", story.identity.pk)
    item.delete()
    ingest(
        [
            record(
                92,
                "GetSecretValue",
                "",
                NOW,
                **SECRET | {"requestParameters": {"secretId": "board/mail"}},
            )
        ]
    )
    Finding.objects.all().delete()
    assert thing(found(story, "left_task", "z")) == ("identity", story.identity.pk)


def test_refusing_that_call_is_a_refusal_like_any_other(story: Told, sign: Any) -> None:
    ingest([record(90, "GetSecretValue", "", NOW, **SECRET)])
    Finding.objects.all().delete()
    only_sessions()
    found(story, "left_task")
    sweep()
    case = Case.objects.get(trigger="serious_finding")
    assert case.title == (
        "Serious finding: svc-report: Call secretsmanager:GetSecretValue on prod/*"
    )
    sign(case, "use", story.ines, "revoke", now=LATER)
    sign(case, "use", story.samuel, "revoke", seat="ai_owner", now=LATER)
    ingest([record(93, "GetSecretValue", "", LATER + HOUR, **SECRET)], now=LATER + 2 * HOUR)
    sweep(LATER + 3 * HOUR)
    again = Finding.objects.get(rule="after_refusal")
    assert again.words == (
        "used Call secretsmanager:GetSecretValue on prod/* on 1 day after"
        f" {case.key} had refused it"
    )


def test_thing_that_is_gone_when_it_is_asked_leaves_the_identity(story: Told) -> None:
    rows = [found(story, "no_run", f"at {number}", by_key=True) for number in range(2)]
    from reviews.triggers import facts

    facts.find_next(now=NOW)
    assert set(Trigger.objects.values_list("title", flat=True)) == {
        f"Credential {story.credential.short}"
    }
    Credential.objects.update(state="revoked")
    sweep()
    case = Case.objects.get()
    item = case.items.get()
    assert (item.kind, item.ref, item.title) == (
        "identity",
        story.identity.pk,
        "svc-report as it is",
    )
    assert sorted(item.snapshot["findings"]) == sorted(row.key for row in rows)
    assert sorted(Trigger.objects.values_list("state", flat=True)) == ["asked", "joined"]
    assert set(case.findings.all()) == set(rows)


def test_only_the_newest_events_are_looked_at(story: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serious, "MOST_EVENTS", 3)
    row = found(story, "after_revocation")
    assert len(serious._seen([row])[row.pk]) == 3
    newest = [at for (at,) in Event.objects.order_by("-at").values_list("at")[:3]]
    assert min(one.first_at for one in serious._seen([row])[row.pk]) == min(newest)


def test_policy_may_name_any_rule_of_them(story: Told) -> None:
    put_in_force(story, micro_reviews={"serious_finding": {"rules": list(MAY_BE_SERIOUS)}})
    for rule in MAY_BE_SERIOUS:
        found(story, rule)
    sweep(NOW + timedelta(hours=1))
    case = Case.objects.get()
    assert (case.trigger, case.findings.count()) == ("serious_finding", len(MAY_BE_SERIOUS))
    assert sorted(case.items.values_list("kind", flat=True)) == [
        "credential",
        "delegation",
        "identity",
    ]
