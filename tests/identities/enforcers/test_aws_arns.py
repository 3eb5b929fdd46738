"""How a policy writes what a delegation names: each row against AWS's own reference."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identities.enforcers import aws_arns as arns
from identities.enforcers.aws_arns import Place, written
from identities.enforcers.aws_permissions import published
from scripts.aws_permissions import published as reference
from tests.identities.enforcers.grammar import ARN

HERE = Place("123456789012")
TABLE = "arn:aws:dynamodb:eu-central-1:123456789012:table/orders"
SECRET = "arn:aws:secretsmanager:eu-central-1:123456789012:secret"
KEY = "arn:aws:kms:eu-central-1:123456789012:key/1"
ROLE = "arn:aws:iam::123456789012:role/deploy"


def _format(text: str) -> str:
    """The reference's format as a pattern: what it leaves open may be anything."""
    filled = {"${Partition}": "aws", "${Account}": "123456789012", "${Region}": "\\*"}
    for name, value in filled.items():
        text = text.replace(name, value)
    return re.sub(r"\$\{[^}]*\}", ".*", text)


@pytest.mark.parametrize(
    ("service", "types"), [(one, kinds) for one in arns.SHAPES for kinds in arns.SHAPES[one]]
)
def test_a_shape_is_one_that_aws_publishes(service: str, types: str) -> None:
    known = reference()[service]["Resources"]
    formats = [
        _format(one)
        for kind in types.split(",")
        for name, about in known.items()
        if name.replace(" ", "-").lower() == kind.lower()
        for one in about["ARNFormats"]
    ]
    for shape in arns.SHAPES[service][types]:
        arn = shape.replace("{p}", "aws").replace("{a}", "123456789012").replace("{n}", "x")
        assert any(re.fullmatch(one, arn) for one in formats), (arn, formats)
        assert arns.taken(arn)
    asked = {frozenset(types.split(","))}
    assert asked <= {one.types for one in published()[service].values()}


@pytest.mark.parametrize(
    ("permission", "resource", "expected"),
    [
        ("s3:GetObject", "invoices/*", ("arn:aws:s3:::invoices/*",)),
        ("s3:GetObject", "invoices/2026/*", ("arn:aws:s3:::invoices/2026/*",)),
        ("s3:GetObject", "arn:aws-cn:s3:::invoices/*", ("arn:aws:s3:::invoices/*",)),
        # A listing is checked against the bucket; what changes the bucket is not in `bucket/*`.
        # The objects of a deletion are in its body.
        ("s3:DeleteObject", "invoices/", ("arn:aws:s3:::invoices/*",)),
        ("s3:DeleteObjectVersion", "invoices", ("arn:aws:s3:::invoices/*",)),
        ("s3:ListBucket", "invoices/*", ("arn:aws:s3:::invoices",)),
        ("s3:ListBucket", "invoices/2026/*", ("arn:aws:s3:::invoices",)),
        ("s3:GetBucketPolicy", "invoices/*", ("arn:aws:s3:::invoices/*",)),
        ("s3:GetBucketPolicy", "invoices/", ("arn:aws:s3:::invoices",)),
        ("s3:GetBucketPolicy", "inv*", ("arn:aws:s3:::inv*",)),
        # Its ARN ends in six characters that the name has not.
        ("secretsmanager:GetSecretValue", "payroll",
         ("arn:aws:secretsmanager:*:123456789012:secret:payroll-??????",)),
        ("secretsmanager:GetSecretValue", "payroll/*",
         ("arn:aws:secretsmanager:*:123456789012:secret:payroll/*",)),
        ("secretsmanager:GetSecretValue", f"{SECRET}:a", (f"{SECRET}:a", f"{SECRET}:a-??????")),
        ("secretsmanager:GetSecretValue", f"{SECRET}:a-??????", (f"{SECRET}:a-??????",)),
        ("dynamodb:GetItem", "orders", ("arn:aws:dynamodb:*:123456789012:table/orders",)),
        ("dynamodb:Query", TABLE, (TABLE, f"{TABLE}/index/*")),
        ("dynamodb:GetItem", TABLE, (TABLE,)),
        ("kms:Decrypt", KEY, (KEY,)),
        ("kms:Decrypt", "1234-5", ("arn:aws:kms:*:123456789012:key/1234-5",)),
        ("ssm:GetParameter", "/app/db", ("arn:aws:ssm:*:123456789012:parameter/app/db",)),
        ("sqs:SendMessage", "https://sqs.eu-west-1.amazonaws.com/111122223333/q",
         ("arn:aws:sqs:*:111122223333:q",)),
        ("lambda:InvokeFunction", "pay",
         ("arn:aws:lambda:*:123456789012:function:pay",
          "arn:aws:lambda:*:123456789012:function:pay:*")),
        ("logs:PutLogEvents", "/aws/pay",
         ("arn:aws:logs:*:123456789012:log-group:/aws/pay:*",)),
        ("ecr:GetAuthorizationToken", "repo", None),
        ("rds:RebootDBInstance", "Main", ("arn:aws:rds:*:123456789012:db:main",)),
        ("ec2:StopInstances", "i-0a", ("arn:aws:ec2:*:123456789012:instance/i-0a",)),
        ("sts:AssumeRole", ROLE, (ROLE,)),
        ("iam:GetRole", ROLE, (ROLE,)),
        ("bedrock:InvokeModel", "anthropic.claude-3-haiku-20240307-v1:0",
         ("arn:aws:bedrock:*::foundation-model/anthropic.claude-3-haiku-20240307-v1:0",)),
        # Neither signed nor guessed: all resources stay.
        ("s3:GetObject", "*", None),
        ("s3:ListAllMyBuckets", "invoices/*", None),
        ("kms:Decrypt", "alias/app", None),
        ("kms:Decrypt", "arn:aws:kms:eu-central-1:123456789012:alias/app", None),
        ("ec2:DescribeInstances", "i-0a", None),
        ("ec2:RunInstances", "i-0a", None),
        ("ec2:CopySnapshot", "snap-0a", None),
        ("ssm:GetParametersByPath", "/app/", None),
        ("bedrock:InvokeModel", "eu.anthropic.claude-3-haiku-20240307-v1:0", None),
        ("glue:GetTable", "sales", None),
        ("s3:GetObject", "arn:aws:s3:eu-central-1:123456789012:accesspoint/x/key", None),
        ("iam:GetUser", "arn:aws:iam:eu-central-1:123456789012:user/ada", None),
        ("iam:GetUser", "arn:aws:iam::123456789012:ada", None),
        ("iam:GetUser", "arn:aws:iam", None),
        ("nothing:Known", "x", None),
        # Of another service, so nothing of this one is meant.
        ("s3:GetObject", KEY, ()),
        ("kms:Decrypt", TABLE, ()),
        ("dynamodb:GetItem", "invoices/*", ()),
        ("sqs:SendMessage", "invoices/*", ()),
    ],
)  # fmt: skip
def test_a_resource_as_a_policy_writes_it(
    permission: str, resource: str, expected: tuple[str, ...] | None
) -> None:
    assert written(permission, resource, HERE) == expected


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        (Place("123456789012", "aws-cn"), ("arn:aws-cn:sns:*:123456789012:alarms",)),
        (Place("123456789012", "aws-us-gov"), ("arn:aws-us-gov:sns:*:123456789012:alarms",)),
        (Place("123456789012", "x:y"), None),
    ],
)
def test_names_are_of_the_target_s_account(place: Place, expected: tuple[str, ...] | None) -> None:
    assert written("sns:Publish", "alarms", place) == expected


PERMISSION = st.sampled_from(
    sorted(one.name for those in published().values() for one in those.values())
)
RESOURCE = st.one_of(
    st.text(min_size=1, max_size=40),
    st.text(alphabet="a:/*?-.$€{}\n ", min_size=1, max_size=40),
    st.text(alphabet="as3:*/-1", max_size=30).map(lambda one: f"arn:aws:{one}"),
)


@given(PERMISSION, RESOURCE)
def test_whatever_is_written_is_an_arn_that_iam_takes(permission: str, resource: str) -> None:
    for one in written(permission, resource, HERE) or ():
        assert ARN.fullmatch(one)
        assert "${" not in one
