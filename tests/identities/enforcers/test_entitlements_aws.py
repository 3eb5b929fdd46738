"""What AWS allows: judged on tables, and read from the real server."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.demo import aws as demo_aws
from config.demo.aws_judge import judge
from identities.enforcers import entitlements_aws as entitlements
from identities.enforcers.contract import PermanentFailure, Permission
from identities.enforcers.possible_aws import Beyond, Possible, possible_matches, summary
from tests.awslab.lab import Lab
from tests.identities.enforcers.moments import NOW

INVOICE = "arn:aws:s3:::invoices/a"


def of(*statements: dict[str, Any], layer: str = "identity") -> list[Possible]:
    return entitlements.possible_of({"Statement": list(statements)}, via="inline x", layer=layer)


def allow(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Deny", "Action": action, "Resource": resource, **more}


MFA = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
UNREAD = Possible.unread(via="managed x")


@pytest.mark.parametrize(
    ("possible", "action", "resource", "expected"),
    [
        ([], "s3:GetObject", INVOICE, "denied"),
        (of(allow("s3:*")), "s3:GetObject", INVOICE, "allowed"),
        (of(allow("S3:get*")), "s3:GetObject", INVOICE, "allowed"),
        (of(allow("s3:*", "arn:aws:s3:::Invoices/*")), "s3:GetObject", INVOICE, "denied"),
        (of(allow("s3:*"), deny("s3:Get*")), "s3:GetObject", INVOICE, "denied"),
        (of(allow("s3:*"), deny("s3:Put*")), "s3:GetObject", INVOICE, "allowed"),
        (of(allow("s3:*", Condition=MFA)), "s3:GetObject", INVOICE, "not known"),
        (of(allow("s3:*"), deny("*", Condition=MFA)), "s3:GetObject", INVOICE, "not known"),
        (of(deny("*", Condition=MFA)), "s3:GetObject", INVOICE, "denied"),
        (of(allow("s3:*", "arn:aws:s3:::${aws:username}/*")), "s3:GetObject", INVOICE,
         "not known"),
        (of({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}), "s3:GetObject", INVOICE,
         "allowed"),
        (of({"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"}), "s3:GetObject", INVOICE,
         "denied"),
        (of(allow("*"), {"Effect": "Deny", "Action": "*", "NotResource": "arn:aws:s3:::i*"}),
         "s3:GetObject", INVOICE, "allowed"),
        (of(allow("*"), {"Effect": "Deny", "Action": "*", "NotResource": "arn:aws:s3:::r*"}),
         "s3:GetObject", INVOICE, "denied"),
        # A question about many things is answered for all of them.
        (of(allow("s3:GetObject", "arn:aws:s3:::invoices/*")), "s3:GetObject", "*", "not known"),
        (of(allow("s3:Get*")), "s3:*", INVOICE, "not known"),
        (of(allow("*")), "*", "*", "allowed"),
        # What was not read may allow, and may deny; an explicit deny stands whatever it says.
        ([UNREAD], "s3:GetObject", INVOICE, "not known"),
        ([*of(allow("s3:*")), UNREAD], "s3:GetObject", INVOICE, "not known"),
        ([*of(deny("s3:*")), UNREAD], "s3:GetObject", INVOICE, "denied"),
        (of({"Effect": "Perhaps", "Action": "s3:*", "Resource": "*"}), "s3:GetObject", INVOICE,
         "not known"),
        # A boundary must allow as well, and grants nothing by itself.
        ([*of(allow("s3:*")), *of(allow("s3:Get*"), layer="boundary")], "s3:GetObject", INVOICE,
         "allowed"),
        ([*of(allow("s3:*")), *of(allow("ec2:*"), layer="boundary")], "s3:GetObject", INVOICE,
         "denied"),
        (of(allow("*"), layer="boundary"), "s3:GetObject", INVOICE, "denied"),
        ([*of(allow("s3:*")), Possible.unread(via="boundary", layer="boundary")], "s3:GetObject",
         INVOICE, "not known"),
    ],
)  # fmt: skip
def test_possible_matches(
    possible: list[Possible], action: str, resource: str, expected: str
) -> None:
    assert possible_matches(possible, action, resource) == expected
    stored = [Possible.from_json(json.loads(json.dumps(one.as_json()))) for one in possible]
    assert possible_matches(stored, action, resource) == expected


STATEMENT = st.fixed_dictionaries(
    {
        "Effect": st.sampled_from(["Allow", "Deny"]),
        "Action": st.sampled_from(["*", "s3:*", "s3:Get*", "s3:GetObject", "iam:*"]),
        "Resource": st.sampled_from(["*", "arn:aws:s3:::invoices/*", INVOICE, "arn:aws:s3:::r?"]),
    },
    optional={"Condition": st.just({"StringEquals": {"aws:username": "bob"}})},
)


@given(
    st.lists(STATEMENT, max_size=4),
    st.sampled_from(["s3:GetObject", "s3:PutObject", "iam:CreateUser"]),
    st.sampled_from([INVOICE, "arn:aws:s3:::invoices/b", "arn:aws:s3:::r1"]),
    st.sampled_from(["bob", "eve"]),
)
def test_answer_never_contradicts_the_account(
    statements: list[dict[str, Any]], action: str, resource: str, who: str
) -> None:
    judged = judge(
        [{"Statement": statements}],
        action=action,
        resource=resource,
        context={"aws:username": who},
    )
    answer = possible_matches(of(*statements), action, resource)
    assert answer == "not known" or (answer == "allowed") == (judged == "allowed")
    if not any("Condition" in statement for statement in statements):
        assert answer != "not known"


READS = Permission(("s3:GetObject",), ("arn:aws:s3:::invoices/*",))


@pytest.mark.parametrize(
    ("possible", "delegated", "expected"),
    [
        (of(allow("s3:GetObject", INVOICE)), [READS],
         Beyond(0, (), True, "nothing more than delegated")),
        (of(allow("s3:*"), allow(["iam:CreateAccessKey", "s3:*"])), [READS],
         Beyond(2, ("all actions of s3", "iam:CreateAccessKey"), True,
                "AWS allows 2 action families more")),
        (of(allow("*")), [READS],
         Beyond(1, ("all actions of all services",), True, "AWS allows 1 action family more")),
        (of(allow("s3:GetObject")), [READS],
         Beyond(1, ("s3:GetObject on more resources",), True, "AWS allows 1 action family more")),
        (of(allow("s3:*"), deny("*")), [READS],
         Beyond(0, (), True, "nothing more than delegated")),
        (of(allow("s3:*"), deny("*", Condition=MFA)), [READS],
         Beyond(1, ("all actions of s3",), True, "AWS allows 1 action family more")),
        ([*of(allow("s3:*")), *of(allow("ec2:*"), layer="boundary")], [],
         Beyond(0, (), True, "nothing more than delegated")),
        ([UNREAD], [READS], Beyond(0, (), False, "possible: not known in full")),
        ([UNREAD, *of(allow("ec2:RunInstances"))], [READS],
         Beyond(1, ("ec2:RunInstances",), False, "possible: not known in full, at least 1 more")),
        (of({"Effect": "Allow", "NotAction": ["iam:*", "aws-portal:*"], "Resource": "*"}), [READS],
         Beyond(1, ("all actions but aws-portal:*, iam:*",), True,
                "AWS allows 1 action family more")),
    ],
)  # fmt: skip
def test_summary_beyond_the_delegation(
    possible: list[Possible], delegated: list[Permission], expected: Beyond
) -> None:
    assert summary(possible, delegated) == expected


@pytest.mark.parametrize("document", ["", "[]", "{", {}, {"Statement": "x"}, {"Statement": [1]}])
def test_policy_that_cannot_be_read_is_of_unknown_effect(document: Any) -> None:
    assert entitlements.possible_of(document, via="x") == [Possible.unread(via="x")]


def test_policy_without_statements_grants_nothing() -> None:
    assert entitlements.possible_of({"Statement": []}, via="x") == []


# From the real server


def read(lab: Lab, name: str, kind: Any = "user", **extra: Any) -> entitlements.Entitlements:
    clients = lab.demo.clients(extra.get("credentials"))
    return entitlements.read(clients, account=lab.demo.account, kind=kind, name=name, now=NOW)


def test_user_is_read_with_groups_and_keys(lab: Lab) -> None:
    person = lab.user({"Action": "s3:GetObject", "Resource": "arn:aws:s3:::invoices/*"})
    iam, group = lab.admin.iam, lab.name("group")
    managed = iam.create_policy(
        PolicyName=lab.name("p"),
        PolicyDocument=demo_aws.policy({"Action": "secretsmanager:*", "Resource": "*"}),
    )["Policy"]["Arn"]
    iam.attach_user_policy(UserName=person.name, PolicyArn=managed)
    iam.create_group(GroupName=group)
    iam.put_group_policy(
        GroupName=group,
        PolicyName="g",
        PolicyDocument=demo_aws.policy({"Action": "ec2:Describe*", "Resource": "*"}),
    )
    shared = iam.create_policy(
        PolicyName=lab.name("shared"),
        PolicyDocument=demo_aws.policy({"Action": ["iam:Get*", "iam:List*"], "Resource": "*"}),
    )["Policy"]["Arn"]
    iam.attach_group_policy(GroupName=group, PolicyArn=shared)
    iam.add_user_to_group(GroupName=group, UserName=person.name)
    lab.demo.clients(person.credentials).sts.get_caller_identity()

    found = read(lab, person.name)
    assert found.principal == person.arn
    assert [(one.effect, one.via) for one in found.possible] == [
        ("allow", "inline task"),
        ("allow", f"managed {managed}"),
        ("allow", f"group {group}, inline g"),
        ("allow", f"group {group}, managed {shared}"),
    ]
    assert (found.groups, found.missing) == ((group,), (entitlements.NEVER_READ,))
    (key,) = found.keys
    assert (key.access_key_id, key.status) == (person.credentials.access_key_id, "Active")
    assert (key.last_used_service, key.last_used_at is not None) == ("sts", True)
    assert possible_matches(found.possible, "iam:ListUsers", "*") == "allowed"
    assert possible_matches(found.possible, "iam:CreateUser", "*") == "denied"

    lab.demo.clients(person.credentials).client("s3")
    assert read(lab, person.name).digest == found.digest
    iam.update_access_key(UserName=person.name, AccessKeyId=key.access_key_id, Status="Inactive")
    assert read(lab, person.name).digest != found.digest


def test_role_is_read_with_trust_and_boundary(lab: Lab) -> None:
    person = lab.user()
    iam, role = lab.admin.iam, lab.role({"Action": "*", "Resource": "*"}, trusts=person)
    limit = iam.create_policy(
        PolicyName=lab.name("limit"),
        PolicyDocument=demo_aws.policy({"Action": "s3:*", "Resource": "*"}),
    )["Policy"]["Arn"]
    iam.put_role_permissions_boundary(RoleName=role, PermissionsBoundary=limit)
    found = read(lab, role, "role")
    assert [(one.layer, one.via) for one in found.possible] == [
        ("identity", "inline task"),
        ("boundary", f"boundary {limit}"),
    ]
    assert found.trust["Statement"][0]["Principal"] == {"AWS": person.arn}
    assert found.keys == ()
    assert possible_matches(found.possible, "s3:GetObject", INVOICE) == "allowed"
    assert possible_matches(found.possible, "iam:CreateUser", "*") == "denied"


def test_part_that_may_not_be_read_makes_it_not_known(lab: Lab) -> None:
    person = lab.user({"Action": "s3:GetObject", "Resource": "*"})
    rights = ["iam:GetUser", "iam:ListUserPolicies", "iam:GetUserPolicy", "iam:ListAccessKeys"]
    weak = lab.user({"Action": rights, "Resource": "*"})
    found = read(lab, person.name, credentials=weak.credentials)
    assert [one.effect for one in found.possible] == ["allow", "unknown", "unknown"]
    assert possible_matches(found.possible, "s3:GetObject", INVOICE) == "not known"
    assert [key.last_use_read for key in found.keys] == [False]
    wanted = ("iam:ListAttachedUserPolicies", "iam:ListGroupsForUser", "iam:GetAccessKeyLastUsed")
    assert [any(name in text for text in found.missing) for name in wanted] == [True] * 3


def test_user_that_is_not_there_cannot_be_read(lab: Lab) -> None:
    with pytest.raises(PermanentFailure, match="is not there"):
        read(lab, "never-was")


def test_agent_of_the_demo_may_do_more_than_its_task(lab: Lab) -> None:
    found = demo_aws.populate(lab.demo)
    reading = entitlements.read(
        lab.demo.clients(found.enforcer.credentials),
        account=lab.demo.account,
        kind="user",
        name=demo_aws.AGENT,
        now=NOW,
    )
    delegated = [
        Permission(("s3:GetObject", "s3:ListBucket"), ("arn:aws:s3:::invoices*",)),
        Permission(("s3:PutObject",), ("arn:aws:s3:::reports/*",)),
    ]
    assert summary(reading.possible, delegated).families == (
        "all actions of s3",
        "iam:CreateAccessKey",
        "iam:ListUsers",
        "secretsmanager:GetSecretValue",
    )
    assert possible_matches(reading.possible, "s3:GetObject", "arn:aws:s3:::hr-records/a") == (
        "allowed"
    )
    assert sorted(key.access_key_id for key in reading.keys) == sorted(
        key.access_key_id for key in found.keys[demo_aws.AGENT]
    )
