"""The documents Countersign puts, judged by the demo account's rules, which are written apart."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.demo.aws_judge import judge
from identities.enforcers import aws_policies as policies
from identities.enforcers.contract import Permission

T = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)
ALLOW = {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


def left(document: str, action: str, resource: str, **context: str) -> bool:
    both: list[dict[str, Any]] = [ALLOW, json.loads(document)]
    return judge(both, action=action, resource=resource, context=context) == "allowed"


def test_hold_remembers_the_keys_it_will_wake() -> None:
    document = policies.hold(["AKIAB", "AKIAA", "AKIAB"])
    assert policies.held_keys(document) == ("AKIAA", "AKIAB")
    assert policies.holds(document)
    assert not left(document, "s3:GetObject", "arn:aws:s3:::a/b")
    assert len(document) < 2048 // 4


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (policies.hold(), True),
        ("not json", False),
        ("[]", False),
        ('{"Statement":{"Effect":"Deny","Action":["*"],"Resource":"*"}}', True),
        ('{"Statement":{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"Bool":{}}}}',
         False),
        ('{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}', False),
        (policies.older_sessions(T), False),
    ],
)  # fmt: skip
def test_document_that_holds(document: str, expected: bool) -> None:
    assert policies.holds(document) is expected


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (T, T + timedelta(hours=1), T + timedelta(hours=1)),
        (T, T - timedelta(hours=1), T),
        (T, T, T),
    ],
)
def test_later_moment_wins(first: datetime, second: datetime, expected: datetime) -> None:
    document = policies.older_sessions(second, policies.older_sessions(first))
    assert policies.sessions_denied_before(document) == expected


@pytest.mark.parametrize(
    "existing",
    [
        "{}",
        (
            '{"Statement":[{"Effect":"Deny","Action":"s3:*","Resource":"*","Condition":'
            '{"DateLessThan":{"aws:TokenIssueTime":"2030-01-01T00:00:00Z"}}}]}'
        ),
        (
            '{"Statement":[{"Effect":"Deny","Action":"*","Resource":"*","Condition":'
            '{"DateLessThan":{"aws:TokenIssueTime":"2030-01-01T00:00:00Z"},"Bool":{"a":"b"}}}]}'
        ),
        (
            '{"Statement":[{"Effect":"Deny","Action":"*","Resource":"*","Condition":'
            '{"DateLessThan":{"aws:TokenIssueTime":"soon"}}}]}'
        ),
    ],
)
def test_document_that_proves_no_denial_counts_for_nothing(existing: str) -> None:
    assert policies.sessions_denied_before(existing) is None
    assert policies.sessions_denied_before(policies.older_sessions(T, existing)) == T


def test_moment_between_milliseconds_is_rounded_up() -> None:
    document = policies.older_sessions(T + timedelta(microseconds=1))
    assert policies.sessions_denied_before(document) == T + timedelta(milliseconds=1)


READS = Permission(("s3:GetObject",), ("arn:aws:s3:::invoices/*",))
WRITES = Permission(("s3:PutObject",), ("arn:aws:s3:::reports/*",))


@pytest.mark.parametrize(
    ("permissions", "action", "resource", "expected"),
    [
        ([READS, WRITES], "s3:GetObject", "arn:aws:s3:::invoices/a", True),
        ([READS, WRITES], "s3:GetObject", "arn:aws:s3:::reports/a", False),
        ([READS, WRITES], "s3:PutObject", "arn:aws:s3:::reports/a", True),
        ([READS, WRITES], "s3:PutObject", "arn:aws:s3:::invoices/a", False),
        ([READS, WRITES], "secretsmanager:GetSecretValue", "*", False),
        ([], "s3:GetObject", "arn:aws:s3:::invoices/a", False),
        ([Permission(("s3:*",), ())], "s3:GetObject", "arn:aws:s3:::invoices/a", False),
        ([Permission(("*",), ("*",))], "iam:CreateUser", "*", True),
        ([Permission(("s3:Get*",), ("*",))], "s3:GetObject", "arn:aws:s3:::x/a", True),
        ([Permission(("s3:Get*",), ("*",))], "s3:PutObject", "arn:aws:s3:::x/a", False),
    ],
)
def test_narrowing_leaves_the_permissions(
    permissions: list[Permission], action: str, resource: str, expected: bool
) -> None:
    assert left(policies.narrow(permissions), action, resource) is expected


ACTION = st.sampled_from(["s3:Get*", "s3:GetObject", "s3:*", "s3:PutObject", "iam:*", "*"])
RESOURCE = st.sampled_from(["*", "arn:aws:s3:::a/*", "arn:aws:s3:::b/*", "arn:aws:s3:::a/x"])
PERMISSION = st.builds(
    Permission,
    st.lists(ACTION, min_size=1, max_size=3).map(tuple),
    st.lists(RESOURCE, min_size=1, max_size=2).map(tuple),
)


@given(
    st.lists(PERMISSION, max_size=3),
    st.sampled_from(["s3:GetObject", "s3:PutObject", "s3:GetBucketAcl", "iam:CreateUser"]),
    st.sampled_from(["arn:aws:s3:::a/x", "arn:aws:s3:::a/y", "arn:aws:s3:::b/x", "arn:x"]),
)
def test_narrowing_cuts_nothing_that_is_left_on_purpose(
    permissions: list[Permission], action: str, resource: str
) -> None:
    def wanted(pattern: str, value: str) -> bool:
        statement = {"Effect": "Allow", "Action": pattern, "Resource": "*"}
        return judge([{"Statement": [statement]}], action=value, resource="", context={}) == (
            "allowed"
        )

    inside = any(
        any(wanted(a, action) for a in p.actions) and any(wanted(r, resource) for r in p.resources)
        for p in permissions
    )
    kept = left(policies.narrow(permissions), action, resource)
    if inside:
        assert kept
    elif kept:
        # What stays wider is said, and by an action pattern that is about this action.
        assert any(wanted(a, action) for a in policies.wider_than(permissions))


def test_narrowing_says_where_resources_are_joined() -> None:
    wide = Permission(("s3:Get*",), ("arn:aws:s3:::a/*",))
    assert policies.wider_than([wide, Permission(("s3:GetObject",), ("arn:aws:s3:::b/*",))]) == [
        "s3:Get*"
    ]
    assert policies.wider_than([READS, WRITES]) == []


def test_documents_are_the_same_however_they_are_spelt() -> None:
    one = {"Statement": {"Action": ["b", "a"], "Effect": "Deny", "Resource": ["*"]}}
    other = '{"Statement":[{"Effect":"Deny","Resource":"*","Action":["a","b"]}]}'
    assert policies.same(one, other)
    assert not policies.same(one, policies.hold())
