"""The proxy's rules against what AWS documents.

Rows follow "Policy evaluation logic", "IAM JSON policy elements: Condition operators", "AWS
global condition context keys" and "Revoking IAM role temporary security credentials" of the IAM
User Guide.
"""

from typing import Any

import pytest

from config.demo.aws_judge import UnknownCondition, judge

NOW = "2026-11-24T15:00:00Z"
TOKEN = {"aws:TokenIssueTime": "2026-11-24T14:00:00Z", "aws:CurrentTime": NOW}
LONG_LIVED = {"aws:CurrentTime": NOW, "aws:username": "bob"}
ALLOW = {"Effect": "Allow", "Action": "*", "Resource": "*"}


def verdict(statements: list[dict[str, Any]], context: dict[str, str], **asked: str) -> str:
    return judge(
        [{"Statement": statements}],
        action=asked.get("action", "s3:GetObject"),
        resource=asked.get("resource", "arn:aws:s3:::invoices/a"),
        context=context,
    )


def deny(condition: dict[str, Any]) -> list[dict[str, Any]]:
    return [ALLOW, {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": condition}]


@pytest.mark.parametrize(
    ("condition", "context", "expected"),
    [
        # Sessions issued before the moment are denied, later ones and the moment itself are not.
        ({"DateLessThan": {"aws:TokenIssueTime": "2026-11-24T14:30:00Z"}}, TOKEN, "explicitDeny"),
        ({"DateLessThan": {"aws:TokenIssueTime": "2026-11-24T14:00:00Z"}}, TOKEN, "allowed"),
        ({"DateLessThan": {"aws:TokenIssueTime": "2026-11-24T13:30:00Z"}}, TOKEN, "allowed"),
        ({"DateLessThanEquals": {"aws:TokenIssueTime": "2026-11-24T14:00:00Z"}}, TOKEN,
         "explicitDeny"),
        # Moments are compared, not texts.
        ({"DateLessThan": {"aws:TokenIssueTime": "2026-11-24T16:30:00+02:00"}}, TOKEN,
         "explicitDeny"),
        ({"DateLessThan": {"aws:TokenIssueTime": "1795528800"}}, TOKEN, "allowed"),
        ({"DateLessThan": {"aws:TokenIssueTime": "1795528801"}}, TOKEN, "explicitDeny"),
        # A long-lived key carries no issue time: the condition is false.
        ({"DateLessThan": {"aws:TokenIssueTime": "2026-11-24T14:30:00Z"}}, LONG_LIVED, "allowed"),
        ({"DateLessThanIfExists": {"aws:TokenIssueTime": "2026-11-24T14:30:00Z"}}, LONG_LIVED,
         "explicitDeny"),
        # A negated operator is true where the key is absent.
        ({"DateNotEquals": {"aws:TokenIssueTime": "2026-11-24T14:00:00Z"}}, LONG_LIVED,
         "explicitDeny"),
        ({"DateNotEquals": {"aws:TokenIssueTime": "2026-11-24T14:00:00Z"}}, TOKEN, "allowed"),
        ({"Null": {"aws:TokenIssueTime": "true"}}, LONG_LIVED, "explicitDeny"),
        ({"Null": {"aws:TokenIssueTime": True}}, TOKEN, "allowed"),
        ({"Null": {"aws:TokenIssueTime": "false"}}, TOKEN, "explicitDeny"),
        # Names of keys are not case-sensitive.
        ({"DateLessThan": {"AWS:tokenissuetime": "2026-11-24T14:30:00Z"}}, TOKEN, "explicitDeny"),
        # The present time.
        ({"DateGreaterThan": {"aws:CurrentTime": "2026-11-24T14:59:59Z"}}, TOKEN, "explicitDeny"),
        ({"DateGreaterThan": {"aws:CurrentTime": NOW}}, TOKEN, "allowed"),
        ({"DateGreaterThanEquals": {"aws:CurrentTime": NOW}}, TOKEN, "explicitDeny"),
        # Values of one key are "or", keys and operators are "and".
        ({"StringEquals": {"aws:username": ["eve", "bob"]}}, LONG_LIVED, "explicitDeny"),
        ({"StringEquals": {"aws:username": "bob"},
          "DateLessThan": {"aws:CurrentTime": "2026-01-01T00:00:00Z"}}, LONG_LIVED, "allowed"),
        ({"StringLike": {"aws:username": "b?b"}}, LONG_LIVED, "explicitDeny"),
        ({"StringNotLike": {"aws:username": "b*"}}, LONG_LIVED, "allowed"),
    ],
)  # fmt: skip
def test_condition_of_a_deny(
    condition: dict[str, Any], context: dict[str, str], expected: str
) -> None:
    assert verdict(deny(condition), context) == expected


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        ([], "implicitDeny"),
        ([ALLOW], "allowed"),
        ([{"Effect": "Deny", "Action": "s3:*", "Resource": "*"}, ALLOW], "explicitDeny"),
        # Actions are not case-sensitive, resources are.
        ([{"Effect": "Allow", "Action": "S3:getobject", "Resource": "*"}], "allowed"),
        ([{"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::Invoices/*"}],
         "implicitDeny"),
        ([{"Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::invoices/?"}],
         "allowed"),
        ([{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}], "allowed"),
        ([{"Effect": "Allow", "NotAction": ["s3:*", "iam:*"], "Resource": "*"}], "implicitDeny"),
        ([ALLOW, {"Effect": "Deny", "Action": "s3:*", "NotResource": "arn:aws:s3:::reports/*"}],
         "explicitDeny"),
        ([ALLOW, {"Effect": "Deny", "Action": "s3:*", "NotResource": "arn:aws:s3:::invoices/*"}],
         "allowed"),
        ([{"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::${aws:username}/*"}],
         "implicitDeny"),
        # An allow whose time has passed allows nothing.
        ([{**ALLOW, "Condition": {"DateLessThan": {"aws:CurrentTime": "2026-11-24T14:00:00Z"}}}],
         "implicitDeny"),
    ],
)  # fmt: skip
def test_statements_add_up(statements: list[dict[str, Any]], expected: str) -> None:
    assert verdict(statements, LONG_LIVED) == expected


def test_policy_variable_is_filled() -> None:
    statement = {"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::${aws:username}/*"}
    assert verdict([statement], LONG_LIVED, resource="arn:aws:s3:::bob/a") == "allowed"


def test_condition_that_is_not_known_is_said() -> None:
    with pytest.raises(UnknownCondition, match="BinaryEquals"):
        verdict(deny({"BinaryEquals": {"aws:username": "x"}}), LONG_LIVED)
