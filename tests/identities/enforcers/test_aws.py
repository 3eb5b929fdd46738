"""Access keys and failures of the AWS enforcer, against moto's real server, behind the proxy that knows what AWS refuses."""

from datetime import timedelta

import pytest

from identities.enforcers.aws import Attempt, AwsEnforcer
from identities.enforcers.aws_clients import Credentials
from identities.enforcers.contract import (
    PermanentFailure,
    Target,
    TemporaryFailure,
    confirms,
)
from tests.awslab.lab import ANY_S3, Lab, Person
from tests.identities.enforcers.moments import NOW

LIST_BUCKETS = Attempt("s3", "list_buckets")


def key_of(lab: Lab, person: Person) -> Target:
    return lab.target("access_key", person.credentials.access_key_id, user=person.name)


def used(enforcer: AwsEnforcer, credentials: Credentials, attempt: Attempt | None = None) -> str:
    return enforcer.probe(credentials, now=NOW, attempt=attempt).state


def test_whole_life_of_a_key(lab: Lab) -> None:
    person = lab.user(ANY_S3)
    enforcer, target = lab.enforcer(), key_of(lab, person)
    assert enforcer.verify(target, step="hold", now=NOW).state == "active"
    assert used(enforcer, person.credentials) == "active"
    assert used(enforcer, person.credentials, LIST_BUCKETS) == "active"

    sent = enforcer.hold(target, key="REV-1", now=NOW)
    assert sent.reference
    seen = enforcer.verify(target, step="hold", now=NOW)
    assert (seen.state, seen.seen_at, confirms(seen, step="hold")) == ("held", NOW, True)
    assert used(enforcer, person.credentials) == "denied"
    assert used(enforcer, person.credentials, LIST_BUCKETS) == "denied"

    enforcer.release(target, key="REV-2", now=NOW)
    assert enforcer.verify(target, step="release", now=NOW).state == "active"
    assert used(enforcer, person.credentials, LIST_BUCKETS) == "active"

    enforcer.revoke(target, key="REV-3", now=NOW)
    assert enforcer.verify(target, step="revoke", now=NOW).state == "gone"
    assert used(enforcer, person.credentials) == "denied"
    shown = lab.admin.iam.list_access_keys(UserName=person.name)["AccessKeyMetadata"]
    assert shown == []


def test_deleting_twice_is_success(lab: Lab) -> None:
    person = lab.user()
    enforcer, target = lab.enforcer(), key_of(lab, person)
    enforcer.revoke(target, key="REV-1", now=NOW)
    again = enforcer.revoke(target, key="REV-1", now=NOW)
    assert again.detail == f"{target.name} is already gone."
    assert enforcer.hold(target, key="REV-1", now=NOW).detail == again.detail
    assert enforcer.verify(target, step="revoke", now=NOW).state == "gone"
    with pytest.raises(PermanentFailure, match="is not there"):
        enforcer.release(target, key="REV-2", now=NOW)


def test_revoking_without_deletion_keeps_the_key_held(lab: Lab) -> None:
    person = lab.user()
    enforcer, target = lab.enforcer(), key_of(lab, person)
    enforcer.revoke(target, key="REV-1", now=NOW, delete=False)
    seen = enforcer.verify(target, step="revoke", now=NOW)
    assert seen.state == "held"
    assert confirms(seen, step="revoke", delete=False)
    assert not confirms(seen, step="revoke")
    assert lab.proxy.calls("iam:DeleteAccessKey") == []


def test_key_is_found_where_it_is_and_not_where_a_record_says(lab: Lab) -> None:
    person, other = lab.user(), lab.user()
    enforcer = lab.enforcer()
    wrong = lab.target("access_key", person.credentials.access_key_id, user=other.name)
    enforcer.revoke(wrong, key="REV-1", now=NOW)
    assert lab.admin.iam.list_access_keys(UserName=person.name)["AccessKeyMetadata"] == []
    third = lab.user()
    unsaid = lab.target("access_key", third.credentials.access_key_id)
    enforcer.hold(unsaid, key="REV-2", now=NOW)
    assert enforcer.verify(unsaid, step="hold", now=NOW).state == "held"


def test_key_marks_its_call_with_the_idempotency_key(lab: Lab) -> None:
    person = lab.user()
    lab.enforcer().hold(key_of(lab, person), key="REV-7\r\nX: y", now=NOW)
    (call,) = lab.proxy.calls("iam:UpdateAccessKey")
    assert call.user_agent.endswith(" countersign-key/REV-7--X--y")
    lab.enforcer().verify(key_of(lab, person), step="hold", now=NOW)
    assert "countersign-key" not in lab.proxy.calls("iam:ListAccessKeys")[-1].user_agent


def test_hold_is_called_exactly_once(lab: Lab) -> None:
    person = lab.user()
    lab.enforcer().hold(key_of(lab, person), key="REV-1", now=NOW)
    assert len(lab.proxy.calls("iam:UpdateAccessKey")) == 1


def test_target_that_lies_is_caught_by_looking(lab: Lab) -> None:
    person = lab.user()
    enforcer, target = lab.enforcer(), key_of(lab, person)
    lab.proxy.lie("iam:UpdateAccessKey")
    sent = enforcer.hold(target, key="REV-1", now=NOW)
    assert "held" in sent.detail
    assert [call.passed_on for call in lab.proxy.calls("iam:UpdateAccessKey")] == [False]
    seen = enforcer.verify(target, step="hold", now=NOW)
    assert seen.state == "active"
    assert not confirms(seen, step="hold")
    assert used(enforcer, person.credentials) == "active"


def test_confirmed_is_not_yet_effective(lab: Lab) -> None:
    person = lab.user(ANY_S3)
    enforcer, target = lab.enforcer(), key_of(lab, person)
    lab.proxy.spread_late(timedelta(seconds=20))
    enforcer.hold(target, key="REV-1", now=NOW)
    assert enforcer.verify(target, step="hold", now=NOW).state == "held"
    assert used(enforcer, person.credentials, LIST_BUCKETS) == "active"
    lab.proxy.pass_time(timedelta(seconds=21))
    assert used(enforcer, person.credentials, LIST_BUCKETS) == "denied"


def test_lost_answer_is_asked_for_again(lab: Lab) -> None:
    person = lab.user()
    enforcer, target = lab.enforcer(), key_of(lab, person)
    lab.proxy.lose("iam:DeleteAccessKey", times=1)
    # Within one step the SDK asks again, and what it finds is "already gone".
    sent = enforcer.revoke(target, key="REV-1", now=NOW)
    assert sent.detail.endswith("already gone.")
    assert [c.passed_on for c in lab.proxy.calls("iam:DeleteAccessKey")] == [True, True]
    assert enforcer.verify(target, step="revoke", now=NOW).state == "gone"


def test_target_that_never_answers_is_temporary_and_maybe_changed(lab: Lab) -> None:
    person = lab.user()
    enforcer, target = lab.enforcer(), key_of(lab, person)
    lab.proxy.lose("iam:UpdateAccessKey", times=3)
    with pytest.raises(TemporaryFailure, match="could not be reached for iam:UpdateAccessKey"):
        enforcer.hold(target, key="REV-1", now=NOW)
    assert enforcer.verify(target, step="hold", now=NOW).state == "held"


@pytest.mark.parametrize(("asked", "expected"), [(7, 7.0), (0, 15.0)])
def test_throttling_is_temporary(lab: Lab, asked: int, expected: float) -> None:
    person = lab.user()
    enforcer, target = lab.enforcer(), key_of(lab, person)
    lab.proxy.throttle("iam:UpdateAccessKey", times=10, retry_after=asked)
    with pytest.raises(TemporaryFailure, match="Throttling") as caught:
        enforcer.hold(target, key="REV-1", now=NOW)
    assert caught.value.retry_after == expected
    assert len(lab.proxy.calls("iam:UpdateAccessKey")) == 3
    lab.proxy.behave()
    enforcer.hold(target, key="REV-1", now=NOW)
    assert enforcer.verify(target, step="hold", now=NOW).state == "held"


def test_short_throttling_is_not_noticed(lab: Lab) -> None:
    person = lab.user()
    lab.proxy.throttle("iam:UpdateAccessKey", times=1)
    lab.enforcer().hold(key_of(lab, person), key="REV-1", now=NOW)
    assert [c.passed_on for c in lab.proxy.calls("iam:UpdateAccessKey")] == [False, True]


def test_missing_right_names_the_permission(lab: Lab) -> None:
    person = lab.user()
    weak = lab.user({"Action": ["iam:GetAccessKeyLastUsed", "iam:ListAccessKeys"], "Resource": "*"})
    with pytest.raises(PermanentFailure) as caught:
        lab.enforcer(weak.credentials).hold(key_of(lab, person), key="REV-1", now=NOW)
    assert caught.value.who_must_act == "the administrator of the AWS account"
    arn = f"arn:aws:iam::{lab.demo.account}:user/{person.name}"
    assert f"Allow iam:UpdateAccessKey on {arn}" in caught.value.reason
    assert len(lab.proxy.calls("iam:UpdateAccessKey")) == 1


def test_own_credentials_refused_is_permanent(lab: Lab) -> None:
    stranger = Credentials("AKIAIOSFODNN7EXAMPLE", "x" * 40)
    target = lab.target("user", "svc")
    with pytest.raises(PermanentFailure, match="own credentials") as caught:
        lab.enforcer(stranger).hold(target, key="REV-1", now=NOW)
    assert caught.value.who_must_act == "the administrator of Countersign"


def test_credentials_of_another_account_change_nothing(lab: Lab) -> None:
    person = lab.user()
    enforcer = AwsEnforcer(lab.demo.clients(), account="999999999999")
    target = Target("aws", "999999999999", "user", person.name)
    with pytest.raises(PermanentFailure, match="belong to account 123456789012"):
        enforcer.suspend(target, key="REV-1", now=NOW)
    with pytest.raises(PermanentFailure, match="The target is in account 999999999999"):
        lab.enforcer().suspend(target, key="REV-1", now=NOW)
    assert lab.proxy.calls("iam:PutUserPolicy", access_key_id="") == lab.proxy.calls(
        "iam:PutUserPolicy", access_key_id=lab.demo.administrator.access_key_id
    )
    assert lab.enforcer().verify(key_of(lab, person), step="hold", now=NOW).state == "active"


@pytest.mark.parametrize(
    ("kind", "name"),
    [("user", "a/b"), ("user", ""), ("role", "x" * 65), ("access_key", "akia"), ("group", "g")],
)
def test_target_that_cannot_be_is_refused_before_any_call(lab: Lab, kind: str, name: str) -> None:
    with pytest.raises(PermanentFailure):
        lab.enforcer().hold(lab.target(kind, name), key="REV-1", now=NOW)
    assert lab.proxy.calls() == []
