"""The proxy in front of moto's real server: what it refuses, and in whose words."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from config.demo import aws
from config.demo.aws_requests import Asked, refusal
from identities.enforcers.aws_clients import Credentials
from tests.awslab.lab import ANY_S3, Lab
from tests.awslab.server import running

INACTIVE = [
    # service, operation, code and status of AWS for a key that is not in use
    ("sts", "get_caller_identity", "InvalidClientTokenId", 403),
    ("iam", "list_users", "InvalidClientTokenId", 403),
    ("s3", "list_buckets", "InvalidAccessKeyId", 403),
    ("secretsmanager", "list_secrets", "UnrecognizedClientException", 400),
    ("ec2", "describe_instances", "AuthFailure", 401),
]


def error(call: Any, **arguments: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    answer = caught.value.response
    return str(answer["Error"]["Code"]), int(answer["ResponseMetadata"]["HTTPStatusCode"])


@pytest.mark.parametrize(("service", "operation", "code", "status"), INACTIVE)
def test_inactive_key_is_refused(
    lab: Lab, service: str, operation: str, code: str, status: int
) -> None:
    person = lab.user({"Action": "*", "Resource": "*"})
    used = lab.demo.clients(person.credentials).client(service)
    getattr(used, operation)()
    lab.admin.iam.update_access_key(
        UserName=person.name, AccessKeyId=person.credentials.access_key_id, Status="Inactive"
    )
    assert error(getattr(used, operation)) == (code, status)


def test_key_of_nobody_is_refused_by_the_server(lab: Lab) -> None:
    stranger = Credentials("AKIAIOSFODNN7EXAMPLE", "x" * 40)
    used = lab.demo.clients(stranger)
    assert error(used.sts.get_caller_identity) == ("InvalidClientTokenId", 403)


def test_wrong_secret_is_refused_by_the_server(lab: Lab) -> None:
    person = lab.user({"Action": "iam:*", "Resource": "*"})
    forged = Credentials(person.credentials.access_key_id, "x" * 40)
    used = lab.demo.clients(forged)
    assert error(used.iam.list_users) == ("SignatureDoesNotMatch", 403)


def test_authorisation_cannot_be_switched_off_through_the_endpoint(lab: Lab) -> None:
    person = lab.user()
    assert lab.proxy.answer("POST", "/moto-api/reset-auth", [], b"inf").status == 404  # type: ignore[union-attr]  # it hangs up only when asked to
    assert error(lab.demo.clients(person.credentials).iam.list_users) == ("AccessDenied", 403)


def test_resource_outside_s3_is_judged(lab: Lab) -> None:
    lab.admin.client("secretsmanager").create_secret(Name=lab.name("a"), SecretString="s")
    mine, other = lab.name("mine"), lab.name("other")
    for name in (mine, other):
        lab.admin.client("secretsmanager").create_secret(Name=name, SecretString=name)
    person = lab.user(
        {
            "Action": "secretsmanager:GetSecretValue",
            "Resource": f"arn:aws:secretsmanager:*:*:secret:{mine}-*",
        }
    )
    used = lab.demo.clients(person.credentials).client("secretsmanager")
    assert used.get_secret_value(SecretId=mine)["SecretString"] == mine
    assert error(used.get_secret_value, SecretId=other) == ("AccessDeniedException", 400)


def test_session_expires_by_the_accounts_clock(lab: Lab) -> None:
    person = lab.user({"Action": "sts:AssumeRole", "Resource": "*"})
    role = lab.role(ANY_S3, trusts=person)
    used = lab.demo.clients(lab.assume(person, role, DurationSeconds=900))
    used.client("s3").list_buckets()
    lab.proxy.pass_time(timedelta(seconds=901))
    assert error(used.sts.get_caller_identity) == ("ExpiredToken", 403)
    # Whoever shares the account afterwards does not start in that time.
    lab.proxy.behave()
    assert abs(lab.proxy.now() - datetime.now(UTC)) < timedelta(seconds=60)


def test_session_policy_limits_the_session(lab: Lab) -> None:
    person = lab.user({"Action": "sts:AssumeRole", "Resource": "*"})
    role = lab.role(ANY_S3, trusts=person)
    policy = aws.policy({"Action": "s3:ListAllMyBuckets", "Resource": "*"})
    used = lab.demo.clients(lab.assume(person, role, Policy=policy)).client("s3")
    used.list_buckets()
    assert error(used.create_bucket, Bucket=lab.name("b")) == ("AccessDenied", 403)


def test_role_is_not_assumed_by_whom_it_does_not_trust(lab: Lab) -> None:
    trusted = lab.user({"Action": "sts:AssumeRole", "Resource": "*"})
    other = lab.user({"Action": "sts:AssumeRole", "Resource": "*"})
    role = lab.role(ANY_S3, trusts=trusted)
    arn = f"arn:aws:iam::{lab.demo.account}:role/{role}"
    used = lab.demo.clients(other.credentials)
    assert error(used.sts.assume_role, RoleArn=arn, RoleSessionName="run")[0] == "AccessDenied"


def test_late_change_is_shown_before_it_is_judged_by(lab: Lab) -> None:
    person = lab.user(ANY_S3)
    used = lab.demo.clients(person.credentials).client("s3")
    lab.proxy.spread_late(timedelta(minutes=1))
    lab.admin.iam.update_access_key(
        UserName=person.name, AccessKeyId=person.credentials.access_key_id, Status="Inactive"
    )
    shown = lab.admin.iam.list_access_keys(UserName=person.name)["AccessKeyMetadata"]
    assert [key["Status"] for key in shown] == ["Inactive"]
    used.list_buckets()
    lab.proxy.pass_time(timedelta(minutes=1))
    assert error(used.list_buckets) == ("InvalidAccessKeyId", 403)


def test_calls_are_counted_with_their_key_and_outcome(lab: Lab) -> None:
    person = lab.user(ANY_S3)
    used = lab.demo.clients(person.credentials)
    used.client("s3").list_buckets()
    error(used.iam.list_users)
    seen = lab.proxy.calls(access_key_id=person.credentials.access_key_id)
    assert [(call.action, call.status, call.passed_on) for call in seen] == [
        ("s3:ListAllMyBuckets", 200, True),
        ("iam:ListUsers", 403, False),
    ]


@pytest.mark.parametrize(("method", "body"), [("GET", b"<Code>AccessDenied</Code>"), ("HEAD", b"")])
def test_refusal_of_s3_has_a_body_only_where_one_is_read(method: str, body: bytes) -> None:
    request = Asked(
        method=method, path="/b", protocol="s3", service="s3", region="us-east-1",
        access_key_id="A", action="s3:ListBucket",
    )  # fmt: skip
    answer = refusal(request, why="denied", message="<not &markup>")
    assert (answer.status, body in answer.body, bool(answer.body)) == (403, True, bool(body))
    assert b"<not" not in answer.body


def test_account_starts_quickly_and_ends_its_process() -> None:
    started = time.monotonic()
    with running() as demo:
        took = time.monotonic() - started
        found = aws.populate(demo)
        agent = found.keys[aws.AGENT]
        assert len({key.access_key_id for key in agent}) == 2
        used = demo.clients(agent[0].credentials)
        secret = used.client("secretsmanager").get_secret_value(SecretId="prod/db")
        assert secret["ARN"] == found.secret_arn
        buckets = used.client("s3").list_buckets()["Buckets"]
        assert sorted(bucket["Name"] for bucket in buckets) == sorted(aws.BUCKETS)
        rights = demo.clients(found.enforcer.credentials)
        assert error(rights.iam.list_users) == ("AccessDenied", 403)
    assert demo.process.returncode is not None
    assert took < 6  # 1.4 s on two idle cores; the machine is shared
