"""CloudTrail: what each member becomes: actors, activities, outcomes, resources."""

from typing import Any

import pytest

from evidence.formats.cloudtrail import activities
from evidence.vocabulary import (
    AUTHENTICATION,
    CHANGE,
    ISSUANCE,
    OUTCOME_FAILED,
    OUTCOME_OK,
    OUTCOME_REFUSED,
    REVOCATION,
    USE,
)
from tests.evidence.formats.test_cloudtrail import ACCOUNT, RECORDS, ROLE, one, parse

IDENTITIES = [
    pytest.param(
        {"type": "Root", "accountId": ACCOUNT, "arn": f"arn:aws:iam::{ACCOUNT}:root"},
        ("arn", f"arn:aws:iam::{ACCOUNT}:root", None),
        id="root",
    ),
    pytest.param(
        {"type": "IAMUser", "accountId": ACCOUNT, "userName": "ada"},
        ("arn", f"arn:aws:iam::{ACCOUNT}:user/ada", None),
        id="user without arn",
    ),
    pytest.param(
        {"type": "IAMUser", "accountId": ACCOUNT, "userName": "HIDDEN_DUE_TO_SECURITY_REASONS"},
        ("account", ACCOUNT, None),
        id="hidden user",
    ),
    pytest.param(
        {"type": "AssumedRole", "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/x/s"},
        (
            "role_session",
            f"arn:aws:sts::{ACCOUNT}:assumed-role/x/s",
            f"arn:aws:iam::{ACCOUNT}:role/x",
        ),
        id="role without issuer",
    ),
    pytest.param(
        {
            "type": "FederatedUser",
            "arn": f"arn:aws:sts::{ACCOUNT}:federated-user/bob",
            "accountId": ACCOUNT,
            "sessionContext": {"sessionIssuer": {"arn": f"arn:aws:iam::{ACCOUNT}:user/ada"}},
        },
        (
            "federated",
            f"arn:aws:sts::{ACCOUNT}:federated-user/bob",
            f"arn:aws:iam::{ACCOUNT}:user/ada",
        ),
        id="federated",
    ),
    pytest.param(
        {"type": "SAMLUser", "userName": "bob", "identityProvider": "idp"},
        ("federated", "idp/bob", None),
        id="saml",
    ),
    pytest.param(
        {"type": "WebIdentityUser", "userName": "repo:o/r", "identityProvider": "tokens.example"},
        ("web_identity", "tokens.example/repo:o/r", None),
        id="web identity",
    ),
    pytest.param(
        {"type": "AWSAccount", "accountId": "444455556666", "principalId": "AIDAX"},
        ("account", "444455556666", None),
        id="account",
    ),
    pytest.param(
        {"type": "AWSService", "invokedBy": "rds.amazonaws.com"},
        ("service", "rds.amazonaws.com", None),
        id="service",
    ),
    pytest.param(
        {"accountId": ACCOUNT, "invokedBy": "ec2.amazonaws.com"},
        ("service", "ec2.amazonaws.com", None),
        id="no type",
    ),
    pytest.param(
        {
            "type": "IdentityCenterUser",
            "accountId": ACCOUNT,
            "onBehalfOf": {
                "userId": "u-1",
                "identityStoreArn": f"arn:aws:identitystore::{ACCOUNT}:identitystore/d-1",
            },
        },
        ("user", "d-1/u-1", None),
        id="identity center",
    ),
    pytest.param(
        {"type": "AssumedRole", "accountId": ACCOUNT, "userName": "reader"},
        ("arn", f"arn:aws:iam::{ACCOUNT}:role/reader", None),
        id="role of which only the name is given",
    ),
    pytest.param(
        {
            "type": "AssumedRole",
            "accountId": ACCOUNT,
            "principalId": "AROAX:run-7",
            "sessionContext": {"sessionIssuer": {"type": "Role", "userName": "reader"}},
        },
        ("role_session", "AROAX:run-7", f"arn:aws:iam::{ACCOUNT}:role/reader"),
        id="session of a role of which only the name is given",
    ),
    pytest.param(
        {"type": "Directory", "accountId": ACCOUNT, "userName": "rosa"},
        ("user", "rosa", None),
        id="user of a directory, which has no ARN",
    ),
    pytest.param(
        {"type": "Unknown", "accountId": ACCOUNT, "principalId": "AIDAX"},
        ("arn", "AIDAX", None),
        id="unknown",
    ),
]


@pytest.mark.parametrize(("identity", "expected"), IDENTITIES)
def test_identity_of_each_type_is_an_actor(
    identity: dict[str, Any], expected: tuple[str, str, str | None]
) -> None:
    principal = parse(one(userIdentity=identity)).records[0].principal
    assert principal is not None
    parent = principal.parent.value if principal.parent else None
    assert (principal.kind, principal.value, parent) == expected


@pytest.mark.parametrize(
    ("identity", "expected"),
    [
        ({"type": "AssumedRole", "userName": "reader"}, ("role", "reader")),
        ({"type": "IAMUser", "userName": "ada"}, ("user", "ada")),
        ({"type": "IAMUser", "principalId": "AIDAX"}, ("arn", "AIDAX")),
    ],
)
def test_identity_without_an_account_is_still_somebody(
    identity: dict[str, Any], expected: tuple[str, str]
) -> None:
    record = parse(one(userIdentity=identity, recipientAccountId=None)).records[0]
    assert record.principal == ("aws", *expected, None)


FORWARDED = {**RECORDS[2]["userIdentity"], "invokedBy": "athena.amazonaws.com"}


@pytest.mark.parametrize(
    ("identity", "expected"),
    [
        (FORWARDED, ("aws", "service", "athena.amazonaws.com", None)),
        (RECORDS[2]["userIdentity"], None),
        ({"type": "AWSService", "invokedBy": "athena.amazonaws.com"}, None),
        ({"accountId": ACCOUNT, "invokedBy": "athena.amazonaws.com"}, None),
    ],
)
def test_service_that_goes_on_in_the_callers_name_is_the_agent(
    identity: dict[str, Any], expected: tuple[Any, ...] | None
) -> None:
    record = parse(one(userIdentity=identity)).records[0]
    assert record.agent == expected
    if identity is FORWARDED:
        alone = parse(RECORDS[2]).records[0]
        assert (record.principal, record.credential) == (alone.principal, alone.credential)


@pytest.mark.parametrize(
    "identity", [None, [], "x", 7, {"type": ["a"], "arn": {"b": 1}, "sessionContext": []}]
)
def test_identity_of_wrong_type_is_nobody(identity: Any) -> None:
    record = parse(one(userIdentity=identity)).records[0]
    assert (record.principal, record.credential) == (None, None)


ACTS = [
    ("iam:UpdateAccessKey", {"status": "Inactive"}, REVOCATION),
    ("iam:UpdateAccessKey", {"status": "Active"}, CHANGE),
    ("iam:DeleteAccessKey", {}, REVOCATION),
    ("iam:PutRolePolicy", {"policyDocument": '{"Effect":"Allow"}'}, CHANGE),
    ("iam:PutRolePolicy", {"policyDocument": '{"Effect":"Deny","aws:TokenIssueTime"'}, REVOCATION),
    ("iam:ListUsers", {}, USE),
    ("iam:AttachUserPolicy", {}, CHANGE),
    ("lambda:AddPermission20150331v2", {}, CHANGE),
    ("sts:GetCallerIdentity", {}, USE),
    ("sts:GetSessionToken", {}, AUTHENTICATION),
    ("signin:ConsoleLogin", {}, AUTHENTICATION),
    ("sts:AssumeRoleWithWebIdentity", {}, ISSUANCE),
    ("s3:PutObject", {}, USE),
]


@pytest.mark.parametrize(("action", "parameters", "expected"), ACTS)
def test_activity_of_each_operation(action: str, parameters: dict[str, Any], expected: int) -> None:
    assert activities.activity(action, parameters) == expected


ENDINGS = [
    ({"errorCode": "AccessDenied"}, OUTCOME_REFUSED),
    ({"errorCode": "Client.UnauthorizedOperation"}, OUTCOME_REFUSED),
    ({"errorCode": "ThrottlingException"}, OUTCOME_FAILED),
    ({"errorCode": None}, OUTCOME_OK),
    (
        {
            "eventSource": "signin.amazonaws.com",
            "eventName": "ConsoleLogin",
            "responseElements": {"ConsoleLogin": "Failure"},
            "errorMessage": "Failed authentication",
        },
        OUTCOME_FAILED,
    ),
    (
        {
            "eventSource": "signin.amazonaws.com",
            "eventName": "ConsoleLogin",
            "responseElements": {"ConsoleLogin": "Failure"},
        },
        OUTCOME_FAILED,
    ),
]


@pytest.mark.parametrize(("changes", "expected"), ENDINGS)
def test_outcome_of_each_answer(changes: dict[str, Any], expected: int) -> None:
    assert parse(one(**changes)).records[0].outcome == expected


KEY = f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/1"
RESOURCES = [
    ("s3", "ListObjects", {"bucketName": "b"}, "b/"),
    ("s3", "ListObjects", {"bucketName": "b", "prefix": "in/"}, "b/in/"),
    ("secretsmanager", "GetSecretValue", {"SecretId": "prod/db"}, "prod/db"),
    ("secretsmanager", "CreateSecret", {"name": "prod/db"}, "prod/db"),
    ("sts", "AssumeRole", {"roleArn": KEY}, KEY),
    (
        "sts",
        "GetFederationToken",
        {"name": "x"},
        f"arn:aws:sts::{ACCOUNT}:federated-user/x",
    ),
    ("iam", "CreateUser", {"userName": "x"}, f"arn:aws:iam::{ACCOUNT}:user/x"),
    ("iam", "CreateRole", {"roleName": "x", "path": "/a/"}, f"arn:aws:iam::{ACCOUNT}:role/a/x"),
    (
        "iam",
        "AttachUserPolicy",
        {"userName": "x", "policyArn": KEY},
        f"arn:aws:iam::{ACCOUNT}:user/x",
    ),
    ("iam", "DeletePolicy", {"policyArn": KEY}, KEY),
    ("lambda", "Invoke", {"functionName": "f"}, "f"),
    ("ec2", "TerminateInstances", {"instancesSet": {"items": [{"instanceId": "i-1"}]}}, "i-1"),
    ("ce", "GetThing", {"clientToken": "t", "thingName": "n", "thingId": "7"}, "7"),
    ("ec2", "DescribeVpcs", {}, None),
    ("ec2", "DescribeVpcs", {"vpcSet": {"items": [{"vpcId": "vpc-1"}]}, "filterSet": {}}, "vpc-1"),
    ("ec2", "DescribeVpcs", {"filterSet": {"items": [{"name": "vpc-id"}]}}, None),
    ("ec2", "CreateTags", {"resourcesSet": {"items": [{"resourceId": "ami-1"}]}}, "ami-1"),
    (
        "ec2",
        "ModifyMirror",
        {
            "ModifyMirrorRequest": {
                "FilterId": "f-1",
                "MirrorId": "m-1",
                "RemoveField": [{"tag": 1}],
            }
        },
        "m-1",
    ),
    (
        "ec2",
        "DeleteFlowLogs",
        {"DeleteFlowLogsRequest": {"FlowLogId": {"content": "fl-1", "tag": 1}}},
        "fl-1",
    ),
    (
        "ec2",
        "DeleteFlowLogs",
        {"DeleteFlowLogsRequest": {"FlowLogId": [{"content": "fl-1", "tag": 1}, {"tag": 2}]}},
        "fl-1",
    ),
    ("ec2", "DeleteFlowLogs", {"DeleteFlowLogsRequest": {"FlowLogId": []}}, None),
    ("ce", "UpdateThing", {"bucketId": "b", "thingId": "7"}, "7"),
    ("ce", "UpdateThing", {"bucketArn": "arn:b", "thingId": "7"}, "arn:b"),
    ("organizations", "CreateAccount", {"accountName": "****", "email": "****"}, None),
    ("s3", "PutObject", '{"bucketName": "b", "key": "x\\u0000y"}', "b/x\\u0000y"),
    ("s3", "PutObject", '{"bucketName": "b"', None),
    ("s3", "PutObject", '["b"]', None),
]


@pytest.mark.parametrize(("service", "name", "parameters", "expected"), RESOURCES)
def test_resource_of_each_operation(
    service: str, name: str, parameters: dict[str, Any] | str, expected: str | None
) -> None:
    record = one(
        eventSource=f"{service}.amazonaws.com", eventName=name, requestParameters=parameters
    )
    assert parse(record).records[0].resource == expected


def test_resource_of_own_key_is_the_callers_arn() -> None:
    record = {**RECORDS[0], "requestParameters": None}
    assert parse(record).records[0].resource == f"arn:aws:iam::{ACCOUNT}:user/robots/admin"


def test_resource_of_own_key_of_an_account_is_its_root() -> None:
    root = f"arn:aws:iam::{ACCOUNT}:root"
    identity = {"type": "Root", "arn": root, "accountId": ACCOUNT, "principalId": ACCOUNT}
    record = {**RECORDS[0], "requestParameters": None, "userIdentity": identity}
    assert parse(record).records[0].resource == root


MADE = [
    ("CreateVpc", {"requestID": "1", "vpc": {"ownerId": "2", "vpcId": "vpc-1"}}, "vpc-1"),
    ("CreateVpc", '{"vpc": {"vpcId": "vpc-1"}}', "vpc-1"),
    (
        "CreateNatGateway",
        {"CreateNatGatewayResponse": {"requestId": "1", "natGateway": {"natGatewayId": "nat-1"}}},
        "nat-1",
    ),
    (
        "CreateFlowLogs",
        {"CreateFlowLogsResponse": {"unsuccessful": "", "flowLogIdSet": {"item": "fl-1"}}},
        "fl-1",
    ),
    ("CreateVpc", {"a": {"b": {"c": {"vpcId": "too deep"}}}}, None),
    ("CreateSession", {"credentials": {"accessKeyId": "ASIAEXAMPLE000000001"}}, None),
    ("DescribeVpcs", {"vpcId": "vpc-1"}, None),
    ("CreateVpc", None, None),
    ("CreateVpc", "vpc-1", None),
]


@pytest.mark.parametrize(("name", "answer", "expected"), MADE)
def test_resource_that_the_answer_alone_names(name: str, answer: Any, expected: str | None) -> None:
    for asked in (None, {"cidrBlock": "192.0.2.0/26"}, {f"{name}Request": {"SubnetId": "s-1"}}):
        if name.startswith("Describe") and asked and f"{name}Request" in asked:
            continue
        record = one(
            eventSource="ec2.amazonaws.com",
            eventName=name,
            requestParameters=asked,
            responseElements=answer,
        )
        assert parse(record).records[0].resource == expected


@pytest.mark.parametrize("sign", ["eventType", "eventVersion", "userIdentity"])
def test_call_without_a_service_is_read_where_something_else_says_that_it_is_one(sign: str) -> None:
    record = one()
    bare = {
        name: value
        for name, value in record.items()
        if name == sign or name not in ("eventSource", "eventType", "eventVersion", "userIdentity")
    }
    read = parse({"Records": [record, bare]})
    assert read.rejects == []
    assert read.records[1].action == f"aws:{record['eventName']}"


def test_resource_of_refused_call_comes_from_the_sentence() -> None:
    record = one(
        eventSource="sts.amazonaws.com",
        eventName="AssumeRole",
        requestParameters=None,
        errorCode="AccessDenied",
        errorMessage=f"not authorized to perform: sts:AssumeRole on resource: {ROLE.value}",
    )
    assert parse(record).records[0].resource == ROLE.value
