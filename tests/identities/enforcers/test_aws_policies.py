"""The documents Countersign puts, judged by the demo account's rules, which are written apart."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.demo.aws_judge import judge
from identities import authority
from identities.authority import Grant
from identities.enforcers import aws_policies as policies
from identities.enforcers.aws_arns import Place
from identities.enforcers.aws_permissions import needed
from identities.enforcers.contract import Permission
from identities.enforcers.patterns import covers
from tests.identities.enforcers import grammar

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


HERE = Place("123456789012")
READS = Permission(("s3:GetObject",), ("arn:aws:s3:::invoices/*",))
WRITES = Permission(("s3:PutObject",), ("arn:aws:s3:::reports/*",))


def narrowed(permissions: Sequence[Permission], kind: str = "role") -> str:
    """The document of a narrowing, which IAM would take."""
    document = policies.narrow(permissions, place=HERE, kind=kind)
    assert grammar.problems(document, kind) == []
    return document


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
        ([Permission(("get pods",), ("*",))], "s3:GetObject", "arn:aws:s3:::invoices/a", False),
        ([Permission(("*",), ("*",))], "iam:CreateUser", "*", True),
        ([Permission(("s3:Get*",), ("*",))], "s3:GetObject", "arn:aws:s3:::x/a", True),
        ([Permission(("s3:Get*",), ("*",))], "s3:PutObject", "arn:aws:s3:::x/a", False),
        ([Permission(("s3:*",), ("b/*",))], "s3:GetObject", "arn:aws:s3:::b/a", True),
        ([Permission(("s3:*",), ("b/*",))], "s3:GetObject", "arn:aws:s3:::c/a", False),
        ([Permission(("s3:*",), ("b/*",))], "s3:ListBucket", "arn:aws:s3:::b", True),
        ([Permission(("s3:*",), ("b/*",))], "s3:ListBucket", "arn:aws:s3:::c", False),
        ([Permission(("s3:*",), ("b/*",))], "s3:DeleteBucket", "arn:aws:s3:::b", False),
    ],
)
def test_narrowing_leaves_the_permissions(
    permissions: list[Permission], action: str, resource: str, expected: bool
) -> None:
    assert left(narrowed(permissions), action, resource) is expected


def test_the_document_of_a_narrowing() -> None:
    document = narrowed([Permission(("s3:GetObject", "s3:ListObjects"), ("invoices/2026/*",))])
    objects = ["s3:GetObject", "s3:GetObjectVersion"]
    assert json.loads(document)["Statement"] == [
        {
            "Sid": "CountersignNarrow",
            "Effect": "Deny",
            "NotAction": [*objects, "s3:ListBucket"],
            "Resource": "*",
            "Condition": {"Null": {"kms:ViaService": "true"}},
        },
        {
            "Sid": "CountersignNarrow1",
            "Effect": "Deny",
            "Action": objects,
            "NotResource": ["arn:aws:s3:::invoices/2026/*"],
        },
        {
            "Sid": "CountersignNarrow2",
            "Effect": "Deny",
            "Action": ["s3:ListBucket"],
            "NotResource": ["arn:aws:s3:::invoices"],
        },
    ]


def test_what_a_call_that_stays_asks_of_kms_stays() -> None:
    document = narrowed([READS, Permission(("kms:Decrypt",), ("1-2",))])
    key, other = (f"arn:aws:kms:eu-central-1:123456789012:key/{one}" for one in ("1-2", "3-4"))
    via = {"kms:ViaService": "s3.eu-central-1.amazonaws.com"}
    assert left(document, "kms:Decrypt", key)
    assert not left(document, "kms:Decrypt", other)
    assert left(document, "kms:Decrypt", other, **via)
    assert left(document, "kms:GenerateDataKey", other, **via)
    assert not left(document, "kms:GenerateDataKey", other)


# A real call: what its record says, and what AWS checks for it (permission, ARN).
BUCKET, QUEUE = "arn:aws:s3:::b", "arn:aws:sqs:eu-central-1:123456789012:jobs"
AT = "eu-central-1:123456789012"
CALLS = [
    ("s3:GetObject", "b/x", [("s3:GetObject", f"{BUCKET}/x")]),
    ("s3:GetObject", "b/y/x", [("s3:GetObjectVersion", f"{BUCKET}/y/x")]),
    ("s3:HeadObject", "b/x", [("s3:GetObject", f"{BUCKET}/x")]),
    ("s3:PutObject", "b/x", [("s3:PutObject", f"{BUCKET}/x")]),
    ("s3:DeleteObjects", "b/", [("s3:DeleteObject", f"{BUCKET}/x")]),
    ("s3:CopyObject", "b/x", [("s3:PutObject", f"{BUCKET}/x")]),
    ("s3:ListObjects", "b/", [("s3:ListBucket", BUCKET)]),
    ("s3:ListObjectsV2", "b/y/", [("s3:ListBucket", BUCKET)]),
    ("s3:HeadBucket", "b/", [("s3:ListBucket", BUCKET)]),
    ("s3:GetBucketPolicy", "b/", [("s3:GetBucketPolicy", BUCKET)]),
    ("s3:GetBucketLifecycle", "b/", [("s3:GetLifecycleConfiguration", BUCKET)]),
    ("s3:ListBuckets", "", [("s3:ListAllMyBuckets", "*")]),
    ("secretsmanager:GetSecretValue", "pay",
     [("secretsmanager:GetSecretValue", f"arn:aws:secretsmanager:{AT}:secret:pay-a1B2c3")]),
    ("dynamodb:Query", "pay", [("dynamodb:Query", f"arn:aws:dynamodb:{AT}:table/pay/index/i")]),
    ("dynamodb:TransactWriteItems", "pay", [("dynamodb:PutItem", f"arn:aws:dynamodb:{AT}:table/pay")]),
    ("sqs:SendMessage", "https://sqs.eu-central-1.amazonaws.com/123456789012/jobs",
     [("sqs:SendMessage", QUEUE)]),
    ("lambda:Invoke", "pay", [("lambda:InvokeFunction", f"arn:aws:lambda:{AT}:function:pay:live")]),
    ("lambda:CreateFunction20150331", "pay",
     [("lambda:CreateFunction", f"arn:aws:lambda:{AT}:function:pay"),
      ("iam:PassRole", "arn:aws:iam::123456789012:role/pay")]),
    ("kms:Decrypt", "alias/pay", [("kms:Decrypt", f"arn:aws:kms:{AT}:key/1-2")]),
    ("kms:Decrypt", f"arn:aws:kms:{AT}:key/1-2", [("kms:Decrypt", f"arn:aws:kms:{AT}:key/1-2")]),
    ("ec2:DescribeInstances", "i-0a", [("ec2:DescribeInstances", "*")]),
    ("ec2:StopInstances", "i-0a", [("ec2:StopInstances", f"arn:aws:ec2:{AT}:instance/i-0a")]),
    ("ssm:GetParameter", "/pay/db", [("ssm:GetParameter", f"arn:aws:ssm:{AT}:parameter/pay/db")]),
    ("iam:GetUser", "arn:aws:iam::123456789012:user/b",
     [("iam:GetUser", "arn:aws:iam::123456789012:user/b")]),
    ("signin:ConsoleLogin", "", []),
    ("monitoring:DescribeAlarms", "", [("cloudwatch:DescribeAlarms", "*")]),
    ("bedrock:Converse", "eu.a.claude",
     [("bedrock:InvokeModel", "arn:aws:bedrock:eu-west-1::foundation-model/a.claude")]),
]  # fmt: skip
WORDS = sorted({action for action, _, _ in CALLS})
NAMED = sorted({resource for _, resource, _ in CALLS if resource})
PATTERNS = ["*", "s3:*", "s3:Get*", "s3:List*", "s3:Head*", "kms:*", "dynamodb:*", "lambda:I*"]
PERMISSION = st.builds(
    Permission,
    st.lists(st.sampled_from([*WORDS, *PATTERNS]), min_size=1, max_size=4).map(tuple),
    st.lists(
        st.sampled_from([*NAMED, "*", "b/*", "b/y/*", "b*", "p*", "arn:aws:s3:::b/*"]),
        min_size=1,
        max_size=3,
    ).map(tuple),
)


@given(st.lists(PERMISSION, min_size=1, max_size=3), st.sampled_from(["user", "role"]))
def test_narrowing_cuts_nothing_that_the_judge_allows(
    permissions: list[Permission], kind: str
) -> None:
    try:
        document = narrowed(permissions, kind)
    except policies.TooLong:
        assert policies.wider_than(permissions, kind=kind)[0].startswith("AWS refuses it")
        return
    grants = [
        Grant(f"DLG-{i}", 1, one.actions, one.resources) for i, one in enumerate(permissions, 1)
    ]
    delegated = authority.compile_slice("left", grants)
    asked = [authority.Request(action=action, resource=name) for action, name, _ in CALLS]
    for (action, name, checks), verdict in zip(
        CALLS, authority.judge_many(delegated, asked, now=T), strict=True
    ):
        stays = [left(document, *one) for one in checks]
        if verdict.allowed:
            assert all(stays), (action, name)
        elif checks and all(stays) and not _shares(permissions, action):
            # What stays wider is said.
            assert policies.wider_than(permissions, kind=kind), (action, name)


def _shares(permissions: Sequence[Permission], action: str) -> bool:
    """Whether another operation is left that AWS checks by the same permission: looking whether a
    bucket is there cannot be told from listing it."""
    if action in ("iam:GetUser", "kms:Decrypt", "s3:DeleteObjects", "ssm:GetParameter"):
        # One thing by two names: a user's name and ARN, an alias and its key, a bucket in the
        # record and the objects that AWS judges, a parameter with and without its first slash.
        return True
    mine = set(needed(action).permissions)
    return any(
        mine & set(needed(word).permissions)
        for one in permissions
        for word in one.actions
        if not covers(word.lower(), action.lower())
    )


@pytest.mark.parametrize(
    ("actions", "resources", "said"),
    [
        (["s3:GetObject", "s3:ListObjects"], ["invoices/*"], []),
        (["s3:GetObject"], ["*"], []),
        (["*"], ["*"], []),
        (["*"], ["invoices/*"], ["all resources stay for *"]),
        (["ec2:DescribeInstances", "kms:Decrypt"], ["i-0a"],
         ["all resources stay for ec2:DescribeInstances"]),
        (["kms:Decrypt"], ["alias/pay"], ["all resources stay for kms:Decrypt"]),
        (["kms:*"], ["1-2"], ["all resources stay for part of kms:*"]),
        (["kms:ReEncrypt"], ["1-2"],
         ["kms:ReEncrypt keeps kms:ReEncryptFrom on all resources"]),
        (["s3:CopyObject"], ["b/*"],
         ["s3:CopyObject keeps s3:GetObject, s3:GetObjectVersion on all resources"]),
        (["s3:ListObjects"], ["b/2026/*"], ["whole buckets stay to be listed: b/2026/*"]),
        (["signin:ConsoleLogin"], ["*"],
         ["AWS has no permission known by signin:ConsoleLogin: all of signin stays"]),
    ],
)  # fmt: skip
def test_what_stays_wider_is_said(
    actions: list[str], resources: list[str], said: list[str]
) -> None:
    permission = Permission(tuple(actions), tuple(resources))
    assert policies.wider_than([permission], kind="role") == said


def test_permissions_that_overlap_stay_on_the_resources_of_both_and_no_others() -> None:
    wide = Permission(("s3:Get*",), ("arn:aws:s3:::a/*",))
    document = narrowed([wide, Permission(("s3:GetObject",), ("arn:aws:s3:::b/*",))])
    found = [
        left(document, action, f"arn:aws:s3:::{bucket}/x")
        for action in ("s3:GetObject", "s3:GetObjectAcl")
        for bucket in ("a", "b", "c")
    ]
    assert found == [True, True, False, True, False, False]


def test_what_is_too_long_keeps_patterns_on_all_resources_or_is_refused() -> None:
    broad = [Permission((f"{one}:*",), ("orders",)) for one in ("dynamodb", "s3", "rds", "ec2")]
    document = narrowed(broad, "user")
    assert len(json.loads(document)["Statement"]) == 1
    assert "dynamodb:*" in policies.wider_than(broad, kind="user")[0]
    assert len(json.loads(narrowed(broad))["Statement"]) > 4
    many = [Permission(("s3:GetObject",), tuple(f"invoices/{n:040}/*" for n in range(40)))]
    with pytest.raises(policies.TooLong, match=r"^[\d,]+ characters of 2,048$"):
        policies.narrow(many, place=HERE, kind="user")
    assert len(narrowed(many)) > 2_048
    assert policies.wider_than(many, kind="user")[0].startswith("AWS refuses it, as ")


def test_documents_are_the_same_however_they_are_spelt() -> None:
    one = {"Statement": {"Action": ["b", "a"], "Effect": "Deny", "Resource": ["*"]}}
    other = '{"Statement":[{"Effect":"Deny","Resource":"*","Action":["a","b"]}]}'
    assert policies.same(one, other)
    assert not policies.same(one, policies.hold())
