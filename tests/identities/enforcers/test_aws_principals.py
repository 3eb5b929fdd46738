"""Users, roles, sessions, residuals and rights of the AWS enforcer, against moto's real server, behind the proxy that knows what AWS refuses."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from config.demo import aws as demo_aws
from identities.enforcers import aws_policies as policies
from identities.enforcers.aws import Attempt, AwsEnforcer
from identities.enforcers.aws_clients import Credentials
from identities.enforcers.contract import (
    KnownSession,
    PermanentFailure,
    Permission,
    Residual,
    Target,
    confirms,
)
from tests.awslab.lab import ANY_S3, Lab, Person
from tests.identities.enforcers.moments import NOW

LIST_BUCKETS = Attempt("s3", "list_buckets")


def key_of(lab: Lab, person: Person) -> Target:
    return lab.target("access_key", person.credentials.access_key_id, user=person.name)


def used(enforcer: AwsEnforcer, credentials: Credentials, attempt: Attempt | None = None) -> str:
    return enforcer.probe(credentials, now=NOW, attempt=attempt).state


def test_suspended_user_wakes_with_the_keys_it_had(lab: Lab) -> None:
    person = lab.user(ANY_S3)
    second = lab.key(person.name)
    lab.admin.iam.update_access_key(
        UserName=person.name, AccessKeyId=second.access_key_id, Status="Inactive"
    )
    enforcer, target = lab.enforcer(), lab.target("user", person.name)

    enforcer.suspend(target, key="REV-1", now=NOW)
    enforcer.suspend(target, key="REV-1", now=NOW)
    seen = enforcer.verify(target, step="suspend", now=NOW)
    assert (seen.state, confirms(seen, step="suspend")) == ("denied", True)
    assert used(enforcer, person.credentials, LIST_BUCKETS) == "denied"
    document = lab.document("user", person.name, policies.HOLD)
    assert policies.held_keys(document) == (person.credentials.access_key_id,)

    enforcer.resume(target, key="REV-2", now=NOW)
    enforcer.resume(target, key="REV-2", now=NOW)
    assert enforcer.verify(target, step="resume", now=NOW).state == "active"
    assert used(enforcer, person.credentials, LIST_BUCKETS) == "active"
    assert used(enforcer, second) == "denied"
    assert lab.admin.iam.list_user_policies(UserName=person.name)["PolicyNames"] == ["task"]


def test_suspension_stops_keys_where_the_policy_has_no_room(lab: Lab) -> None:
    person = lab.user(ANY_S3)
    rights = [
        "iam:GetAccessKeyLastUsed", "iam:ListAccessKeys", "iam:GetUserPolicy",
        "iam:UpdateAccessKey",
    ]  # fmt: skip
    weak = lab.user({"Action": rights, "Resource": "*"})
    enforcer = lab.enforcer(weak.credentials)
    with pytest.raises(PermanentFailure, match="iam:PutUserPolicy"):
        enforcer.suspend(lab.target("user", person.name), key="REV-1", now=NOW)
    assert used(enforcer, person.credentials, LIST_BUCKETS) == "denied"


def test_key_woken_behind_a_suspension_is_seen(lab: Lab) -> None:
    person = lab.user(ANY_S3)
    enforcer, target = lab.enforcer(), lab.target("user", person.name)
    enforcer.suspend(target, key="REV-1", now=NOW)
    enforcer.release(key_of(lab, person), key="REV-2", now=NOW)
    seen = enforcer.verify(target, step="suspend", now=NOW)
    assert (seen.state, person.credentials.access_key_id in seen.detail) == ("active", True)
    assert used(enforcer, person.credentials, LIST_BUCKETS) == "denied"


def test_revoked_user_keeps_no_key(lab: Lab) -> None:
    person = lab.user(ANY_S3)
    enforcer, target = lab.enforcer(), lab.target("user", person.name)
    enforcer.revoke(target, key="REV-1", now=NOW)
    assert lab.admin.iam.list_access_keys(UserName=person.name)["AccessKeyMetadata"] == []
    assert enforcer.verify(target, step="revoke", now=NOW).state == "denied"


@pytest.mark.parametrize("kind", ["user", "role", "role_sessions"])
def test_principal_that_is_gone_is_gone(lab: Lab, kind: str) -> None:
    enforcer, target = lab.enforcer(), lab.target(kind, "never-was")
    assert enforcer.revoke(target, key="REV-1", now=NOW).detail.endswith("already gone.")
    assert enforcer.verify(target, step="revoke", now=NOW).state == "gone"


def test_held_role_denies_sessions_old_and_new(lab: Lab) -> None:
    person = lab.user({"Action": "sts:AssumeRole", "Resource": "*"})
    role = lab.role(ANY_S3, trusts=person)
    old = lab.assume(person, role)
    enforcer, target = lab.enforcer(), lab.target("role", role)
    assert used(enforcer, old, LIST_BUCKETS) == "active"
    enforcer.hold(target, key="REV-1", now=NOW)
    assert enforcer.verify(target, step="hold", now=NOW).state == "denied"
    assert used(enforcer, old, LIST_BUCKETS) == "denied"
    assert used(enforcer, lab.assume(person, role), LIST_BUCKETS) == "denied"
    enforcer.release(target, key="REV-2", now=NOW)
    assert used(enforcer, old, LIST_BUCKETS) == "active"


@pytest.mark.real_clock
def test_older_sessions_are_denied_and_later_ones_are_not(lab: Lab) -> None:
    person = lab.user({"Action": "sts:AssumeRole", "Resource": "*"})
    role = lab.role(ANY_S3, trusts=person)
    old = lab.assume(person, role)
    enforcer, target = lab.enforcer(), lab.target("role_sessions", role)
    lab.proxy.pass_time(timedelta(seconds=2))
    now = lab.proxy.now()
    assert used(enforcer, old, LIST_BUCKETS) == "active"

    enforcer.revoke(target, key="REV-1", now=now)
    seen = enforcer.verify(target, step="revoke", now=now, since=now)
    assert (seen.state, confirms(seen, step="revoke")) == ("denied", True)
    assert used(enforcer, old, LIST_BUCKETS) == "denied"
    # GetCallerIdentity is answered all the same, which is why it proves nothing of a session.
    assert used(enforcer, old) == "active"
    lab.proxy.pass_time(timedelta(seconds=2))
    new = lab.assume(person, role)
    assert used(enforcer, new, LIST_BUCKETS) == "active"

    # An earlier moment does not take back a later one.
    enforcer.revoke(target, key="REV-2", now=now - timedelta(days=400))
    document = lab.document("role", role, policies.OLDER_SESSIONS)
    kept = policies.sessions_denied_before(document)
    assert kept is not None
    assert now <= kept < now + timedelta(milliseconds=1)
    later = lab.proxy.now() + timedelta(seconds=2)
    assert enforcer.verify(target, step="revoke", now=now, since=later).state == "active"
    enforcer.revoke(target, key="REV-3", now=later)
    assert used(enforcer, new, LIST_BUCKETS) == "denied"


@pytest.mark.real_clock
def test_sessions_are_revoked_by_the_targets_clock_where_ours_is_behind(lab: Lab) -> None:
    person = lab.user({"Action": "sts:AssumeRole", "Resource": "*"})
    role = lab.role(ANY_S3, trusts=person)
    before = datetime.now(UTC).replace(microsecond=0)
    target = lab.target("role_sessions", role)
    lab.enforcer().revoke(target, key="REV-1", now=before - timedelta(hours=1))
    kept = policies.sessions_denied_before(lab.document("role", role, policies.OLDER_SESSIONS))
    assert kept is not None
    assert kept >= before
    past = before - timedelta(days=300)
    said = {"issued_before": past.isoformat()}
    other = lab.role(ANY_S3, trusts=person)
    lab.enforcer().revoke(lab.target("role_sessions", other, **said), key="REV-2", now=before)
    document = lab.document("role", other, policies.OLDER_SESSIONS)
    assert policies.sessions_denied_before(document) == past


def test_narrowed_user_keeps_what_is_left_of_it(lab: Lab) -> None:
    mine, other = lab.name("mine"), lab.name("other")
    for bucket in (mine, other):
        lab.admin.client("s3").create_bucket(Bucket=bucket)
    person = lab.user(ANY_S3)
    enforcer, target = lab.enforcer(), lab.target("user", person.name)
    left = [Permission(("s3:PutObject",), (f"arn:aws:s3:::{mine}/*",))]

    def put(bucket: str) -> str:
        arguments = {"Bucket": bucket, "Key": "a", "Body": b"x"}
        return used(enforcer, person.credentials, Attempt("s3", "put_object", arguments))

    assert (put(mine), put(other)) == ("active", "active")
    enforcer.narrow(target, permissions=left, key="REV-1", now=NOW)
    assert (put(mine), put(other)) == ("active", "denied")
    assert used(enforcer, person.credentials, LIST_BUCKETS) == "denied"
    seen = enforcer.verify(target, step="narrow", now=NOW, permissions=left)
    assert (seen.state, confirms(seen, step="narrow")) == ("denied", True)
    assert enforcer.verify(target, step="narrow", now=NOW).state == "active"


@pytest.mark.parametrize(
    ("kind", "step"),
    [("access_key", "narrow"), ("role_sessions", "narrow"), ("login_profile", "hold"),
     ("login_profile", "release")],
)  # fmt: skip
def test_step_that_a_kind_does_not_have(lab: Lab, kind: str, step: str) -> None:
    name = "AKIAIOSFODNN7EXAMPLE" if kind == "access_key" else "svc"
    enforcer, target = lab.enforcer(), lab.target(kind, name)
    calls: dict[str, Callable[[], Any]] = {
        "narrow": lambda: enforcer.narrow(target, permissions=[], key="k", now=NOW),
        "hold": lambda: enforcer.hold(target, key="k", now=NOW),
        "release": lambda: enforcer.release(target, key="k", now=NOW),
    }
    with pytest.raises(PermanentFailure, match=f"AWS has no {step} for {kind}"):
        calls[step]()


# What lives on


def test_residual_of_a_key_bounds_what_was_opened_with_it(lab: Lab) -> None:
    person = lab.user()
    enforcer, target = lab.enforcer(), key_of(lab, person)
    since = datetime.now(UTC)
    named = KnownSession("run-7", since - timedelta(hours=1), since + timedelta(hours=2))
    later = KnownSession("run-8", since + timedelta(hours=1))
    lives = enforcer.residual(target, since=since, now=since, sessions=[named, later])
    assert [r.until for r in lives] == [
        since + timedelta(hours=2),
        since + timedelta(hours=36),
        since + timedelta(hours=12),
    ]
    assert lives[0].what == "session run-7"
    after = since + timedelta(hours=13)
    assert [r.until for r in enforcer.residual(target, since=since, now=after)] == [
        since + timedelta(hours=36)
    ]
    assert enforcer.residual(target, since=since, now=since + timedelta(hours=37)) == []


def test_residual_of_role_sessions_ends_with_the_longest_session(lab: Lab) -> None:
    person = lab.user()
    role = lab.role(ANY_S3, trusts=person)
    lab.admin.iam.update_role(RoleName=role, MaxSessionDuration=7200)
    lives = lab.enforcer().residual(lab.target("role_sessions", role), since=NOW, now=NOW)
    assert [r.until for r in lives] == [NOW + timedelta(hours=2), NOW + timedelta(hours=1)]
    held = lab.enforcer().residual(lab.target("role", role), since=NOW, now=NOW)
    assert held == list[Residual]()


# Rights


def test_demo_enforcer_lacks_no_right_on_its_services(lab: Lab) -> None:
    account = lab.demo.account
    targets = [
        Target("aws", account, "access_key", "AKIAIOSFODNN7EXAMPLE", {"user": "svc-a"}),
        Target("aws", account, "user", "svc-a"),
        Target("aws", account, "role_sessions", "svc-b"),
    ]
    own = demo_aws.add_enforcer(lab.admin, account=account, name=lab.name("countersign"))
    enforcer = lab.enforcer(own.credentials)
    assert enforcer.own_rights(targets) == []
    (first, *rest) = enforcer.own_rights([Target("aws", account, "role", "payroll")])
    assert (first.permission, first.resource) == (
        "iam:DeleteRolePolicy",
        f"arn:aws:iam::{account}:role/payroll",
    )
    assert [right.permission for right in rest] == [
        "iam:GetRole", "iam:GetRolePolicy", "iam:PutRolePolicy",
    ]  # fmt: skip


def test_missing_rights_are_tried_where_they_cannot_be_simulated(lab: Lab) -> None:
    person = lab.user()
    rights = ["iam:ListAccessKeys", "iam:GetAccessKeyLastUsed", "iam:DeleteAccessKey"]
    weak = lab.user({"Action": rights, "Resource": "*"})
    missing = lab.enforcer(weak.credentials).own_rights([key_of(lab, person)])
    assert [right.permission for right in missing] == [
        "iam:SimulatePrincipalPolicy",
        "iam:UpdateAccessKey",
    ]
    arn = f"arn:aws:iam::{lab.demo.account}:user/{person.name}"
    assert missing[1].sentence == (
        f"Allow iam:UpdateAccessKey on {arn} for Countersign's own role or user."
    )
    assert lab.enforcer().verify(key_of(lab, person), step="hold", now=NOW).state == "active"
