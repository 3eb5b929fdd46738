"""What AWS checks for what a delegation calls an action: against AWS's own reference."""

import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from identities.authority import names
from identities.enforcers import aws_permissions as permissions
from identities.enforcers.aws_permissions import Needed, needed
from scripts import aws_permissions as writer

DATA = Path(os.environ.get("COUNTERSIGN_DATA") or Path(__file__).parents[4] / "shared" / "data")


def test_the_table_is_what_aws_publishes() -> None:
    ours = permissions.PUBLISHED.read_text(encoding="utf-8")
    # How names are spelt in large and small letters means nothing to AWS.
    assert ours.lower() == writer.text({}).lower(), "run scripts/aws_permissions.py"


@pytest.mark.parametrize("table", [permissions.NEEDS, permissions.ELSEWHERE])
def test_what_operations_need_is_published(table: dict[str, tuple[str, ...]]) -> None:
    known = {one.name for those in permissions.published().values() for one in those.values()}
    assert [one for those in table.values() for one in those if one not in known] == []


def test_the_permissions_of_the_judge_are_published() -> None:
    known = {low for those in permissions.published().values() for low in those}
    assert sorted(set(names.PERMISSIONS.values()) - known) == []


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("s3:GetObject", ("s3:GetObject", "s3:GetObjectVersion")),
        ("s3:getobject", ("s3:GetObject", "s3:GetObjectVersion")),
        ("s3:HeadObject", ("s3:GetObject", "s3:GetObjectVersion")),
        ("s3:ListObjects", ("s3:ListBucket",)),
        ("s3:ListObjectsV2", ("s3:ListBucket",)),
        ("s3:ListBucket", ("s3:ListBucket",)),
        ("s3:ListBuckets", ("s3:ListAllMyBuckets",)),
        ("s3:GetBucketLifecycle", ("s3:GetLifecycleConfiguration",)),
        ("lambda:Invoke", ("lambda:InvokeFunction",)),
        ("lambda:GetFunction20150331v2", ("lambda:GetFunction",)),
        ("bedrock:Converse", ("bedrock:InvokeModel",)),
        ("monitoring:DescribeAlarms", ("cloudwatch:DescribeAlarms",)),
        ("sqs:SendMessageBatch", ("sqs:SendMessage",)),
        ("sts:AssumeRole", ("sts:AssumeRole", "sts:SetSourceIdentity", "sts:TagSession")),
    ],
)
def test_an_operation_needs_permissions(word: str, expected: tuple[str, ...]) -> None:
    assert needed(word) == Needed(expected, expected)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        # A copy reads from what its record does not name; a function is given a role.
        (
            "s3:CopyObject",
            Needed(
                ("s3:PutObject", "s3:GetObject", "s3:GetObjectVersion"),
                ("s3:PutObject",),
                ("s3:GetObject", "s3:GetObjectVersion"),
            ),
        ),
        (
            "lambda:CreateFunction20150331",
            Needed(
                ("lambda:CreateFunction", "iam:PassRole"),
                ("lambda:CreateFunction",),
                ("iam:PassRole",),
            ),
        ),
        # Patterns of operations reach permissions that they do not name.
        (
            "s3:Head*",
            Needed(
                ("s3:Head*", "s3:ListBucket", "s3:GetObject", "s3:GetObjectVersion"),
                ("s3:ListBucket", "s3:GetObject", "s3:GetObjectVersion"),
            ),
        ),
        # What has no permission of its name, or a service nobody told us about, stays whole.
        ("iam:DescribePolicy", Needed(("iam:*",), unplaced=True)),
        ("signin:ConsoleLogin", Needed(("signin:*",), unplaced=True)),
        ("apigateway:Get*", Needed(("apigateway:*",), unplaced=True)),
        ("*", Needed(("*",))),
        ("*:Get*", Needed(("*",))),
        ("s3*", Needed(("*",))),
        # What is no action of AWS needs nothing there; nor does what a service did by itself.
        ("get pods/log", permissions.NOTHING),
        ("crm.read", permissions.NOTHING),
        ("a:b:c", permissions.NOTHING),
        ("secretsmanager:EndSecretVersionDelete", permissions.NOTHING),
    ],
)
def test_an_operation_needs_more_or_cannot_be_placed(word: str, expected: Needed) -> None:
    assert needed(word) == expected


def recorded() -> Iterator[str]:
    """Every operation of the real recordings, as events call it."""

    def inside(found: Any) -> Iterator[str]:
        if isinstance(found, dict):
            if {"eventSource", "eventName"} <= found.keys():
                source = str(found["eventSource"]).removesuffix(".amazonaws.com")
                yield f"{source}:{found['eventName']}"
            found = list(found.values())
        if isinstance(found, list):
            for one in found:
                yield from inside(one)

    for path in sorted(DATA.glob("cloudtrail-*/**/*.json*")):
        raw = path.read_bytes()
        yield from inside(json.loads(gzip.decompress(raw) if path.suffix == ".gz" else raw))
    yield from inside(json.loads((DATA / "lab" / "cloudtrail.json").read_bytes()))
    for path in sorted(DATA.glob("labelled/*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            if '"eventSource"' in line:
                yield from inside(json.loads(line))


# What their service is kept whole for: services that are not in the table, sign-ins, and records
# that were made up.
WHOLE = {
    "account", "autoscaling", "billingconsole", "ce", "devops-guru", "ec2-instance-connect",
    "ec2messages", "elasticloadbalancing", "es", "health", "macie", "macie2", "notifications",
    "ram", "resource-explorer-2", "route53", "route53resolver", "securityhub",
    "servicecatalog-appregistry", "ses", "signin", "sso", "wafv2",
}  # fmt: skip
MADE_UP = {
    "cloudtrail:DescribeTrail", "cloudtrail:EnableRegion", "ec2:DeleteBucketEncryption",
    "ec2:PutBucketLogging", "ec2:PutBucketVersioning", "ec2:RegisterManagedInstance",
    "iam:DescribePolicy", "iam:PutPolicy",
}  # fmt: skip


# tests/house fails in CI when the recordings are missing; elsewhere nothing is collected.
if DATA.is_dir():

    def test_every_recorded_operation_is_placed() -> None:
        words = set(recorded())
        assert len(words) > 250
        unplaced = {word for word in words if needed(word).unplaced}
        assert {one for one in unplaced if one.partition(":")[0] not in WHOLE} <= MADE_UP
        known = permissions.published()
        for word in words - unplaced:
            found = needed(word)
            assert found == permissions.NOTHING or found.permissions
            assert all(one.lower() in known[one.partition(":")[0]] for one in found.permissions)
