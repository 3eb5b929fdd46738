"""AWS: IAM users, roles and keys of an account, from moto's real server, by GetAccount… pages."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from config.demo.aws import Demo, policy
from evidence.models import Source
from identities.inventory import aws
from identities.models import Credential, Discovery, InventoryRead
from tests.awslab.lab import Lab
from tests.connector_secrets import Kept
from tests.evidence.sources.server import Answer, Request, There
from tests.identities.inventory.conftest import everything, rights, shown

pytestmark = pytest.mark.django_db

READ = {"Action": "s3:GetObject", "Resource": "arn:aws:s3:::invoices/*"}
WRITE = {"Action": "s3:PutObject", "Resource": "arn:aws:s3:::reports/*"}
SECRET = "LISTS_SECRET"


@pytest.fixture
def account(
    aws_account: Demo, connect: Callable[..., Source], secret_file: Kept
) -> Callable[..., Source]:
    """A source that leads to the account, with these credentials or the administrator's."""

    def make(key: str = "", secret: str = "") -> Source:
        secret_file(SECRET, secret or aws_account.administrator.secret_access_key)
        return connect(
            "cloudtrail_lookup",
            region="us-east-1",
            endpoint=aws_account.endpoint,
            access_key_id=key or aws_account.administrator.access_key_id,
            secret_access_key=SECRET,
        )

    return make


@pytest.mark.real_clock
def test_users_roles_and_keys_arrive_with_policies_dates_and_hints(
    lab: Lab, account: Callable[..., Source], read: Callable[..., InventoryRead]
) -> None:
    person = lab.user(READ)
    iam: Any = lab.admin.iam
    iam.tag_user(
        UserName=person.name,
        Tags=[
            {"Key": "Owner", "Value": "payments@example.org"},
            {"Key": "yor_trace", "Value": "x"},
            {"Key": "git_file", "Value": "terraform/users.tf"},
            {"Key": "cmdb-id", "Value": "CI0042"},
        ],
    )
    group = lab.name("group")
    iam.create_group(GroupName=group)
    iam.put_group_policy(GroupName=group, PolicyName="g", PolicyDocument=policy(WRITE))
    iam.add_user_to_group(GroupName=group, UserName=person.name)
    wide = iam.create_policy(
        PolicyName=lab.name("wide"),
        PolicyDocument=policy({"Action": "sqs:*", "Resource": "*"}),
    )["Policy"]["Arn"]
    iam.attach_user_policy(UserName=person.name, PolicyArn=wide)
    role = lab.role(WRITE, trusts=person)
    source = account()
    row = read(source)
    assert (row.state, row.realm) == ("done", f"aws:{lab.demo.account}")
    found = shown(source)
    arn = f"arn:aws:iam::{lab.demo.account}:role/{role}"
    assert found[person.arn] == ("IAM user", "active")
    assert found[arn] == ("IAM role", "active")
    assert found[person.credentials.access_key_id] == ("access key", "active")
    assert sorted(rights(source, person.arn)) == [
        (["s3:GetObject"], ["arn:aws:s3:::invoices/*"]),
        (["s3:PutObject"], ["arn:aws:s3:::reports/*"]),
        (["sqs:*"], ["*"]),
    ]
    assert rights(source, arn) == [(["s3:PutObject"], ["arn:aws:s3:::reports/*"])]
    user = Discovery.objects.get(actor__value=person.arn)
    assert [(one["kind"], one["value"]) for one in user.hints] == [
        ("owner", "payments@example.org"),
        ("cmdb", "CI0042"),
        ("iac", "terraform/users.tf"),
    ]
    key = Discovery.objects.get(actor__value=person.credentials.access_key_id)
    assert (key.holder_id, key.scope, key.credential) == (user.actor_id, person.name, True)
    assert user.created_at is not None
    assert abs(user.created_at - datetime.now(UTC)) < timedelta(minutes=10)
    assert (
        user.missing
        == "resource control policies, policies of resources and of sessions are not read"
    )


def test_reading_again_changes_nothing_and_what_is_deleted_ends(
    lab: Lab, account: Callable[..., Source], read: Callable[..., InventoryRead]
) -> None:
    person = lab.user(READ)
    source = account()
    read(source)
    # Reading is a use of the administrator's own key, which moves in place.
    before = everything("last_used_at", "last_used_of")
    assert read(source).new == 0
    assert everything("last_used_at", "last_used_of") == before
    iam: Any = lab.admin.iam
    iam.update_access_key(
        UserName=person.name, AccessKeyId=person.credentials.access_key_id, Status="Inactive"
    )
    assert read(source).changed == 1
    assert shown(source)[person.credentials.access_key_id] == ("access key", "held")
    credential = Credential.objects.get(actor__value=person.credentials.access_key_id)
    assert credential.state == "held"
    iam.delete_access_key(UserName=person.name, AccessKeyId=person.credentials.access_key_id)
    iam.delete_user_policy(UserName=person.name, PolicyName="task")
    iam.delete_user(UserName=person.name)
    assert read(source).gone == 2
    assert person.arn not in shown(source)
    # Gone once is said; gone twice is revoked.
    credential.refresh_from_db()
    assert credential.state == "held"
    read(source)
    credential.refresh_from_db()
    assert credential.state == "revoked"


def xml(action: str, inner: str) -> Answer:
    """An answer of the query protocol, as IAM and STS write it."""
    space = (
        "sts.amazonaws.com/doc/2011-06-15"
        if action == "GetCallerIdentity"
        else ("iam.amazonaws.com/doc/2010-05-08")
    )
    return Answer(
        body=f'<{action}Response xmlns="https://{space}/"><{action}Result>{inner}</{action}Result>'
        f"<ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></{action}Response>",
        headers={"Content-Type": "text/xml"},
    )


GONE = Answer(
    404,
    "<ErrorResponse><Error><Type>Sender</Type><Code>NoSuchEntity</Code>"
    "<Message>gone</Message></Error><RequestId>r</RequestId></ErrorResponse>",
    {"Content-Type": "text/xml"},
)


def user_of(number: int) -> str:
    return (
        f"<UserName>u{number}</UserName><UserId>AIDA{number}</UserId><Path>/</Path>"
        f"<Arn>arn:aws:iam::123456789012:user/u{number}</Arn>"
        "<CreateDate>2026-01-01T00:00:00Z</CreateDate>"
    )


def paged(request: Request) -> Answer:
    """Five users with a key each, two a page, as IAM pages with Marker and IsTruncated."""
    if "x-amz-target" in request.headers:
        return Answer(400, {"__type": "AWSOrganizationsNotInUseException", "Message": "alone"})
    asked = request.form()
    action, first = asked["Action"], int(asked.get("Marker", "0"))
    last = min(first + 2, 5)
    more = f"<Marker>{last}</Marker>" if last < 5 else ""
    end = f"<IsTruncated>{'true' if last < 5 else 'false'}</IsTruncated>{more}"
    if action == "GetCallerIdentity":
        arn = "arn:aws:iam::123456789012:user/reader"
        return xml(action, f"<Arn>{arn}</Arn><Account>123456789012</Account><UserId>x</UserId>")
    if action == "ListUsers":
        users = "".join(f"<member>{user_of(n)}</member>" for n in range(first, last))
        return xml(action, f"<Users>{users}</Users>{end}")
    if action == "GetAccountAuthorizationDetails" and asked["Filter.member.1"] == "User":
        users = "".join(f"<member>{user_of(n)}</member>" for n in range(first, last))
        return xml(action, f"<UserDetailList>{users}</UserDetailList>{end}")
    if action == "ListAccessKeys":
        name = asked["UserName"]
        if name == "u3":
            return GONE
        key = (
            f"<member><UserName>{name}</UserName><AccessKeyId>AKIAMADEUP0000000{name.upper()}"
            "</AccessKeyId><Status>Active</Status><CreateDate>2026-02-01T00:00:00Z</CreateDate>"
            "</member>"
        )
        return xml(
            action,
            f"<AccessKeyMetadata>{key}</AccessKeyMetadata><IsTruncated>false</IsTruncated>",
        )
    if action == "GetLoginProfile":
        return GONE
    if action == "GetAccessKeyLastUsed":
        return xml(
            action,
            "<UserName>x</UserName><AccessKeyLastUsed><Region>eu-west-1</Region>"
            "<ServiceName>s3</ServiceName><LastUsedDate>2026-11-01T10:00:00Z</LastUsedDate>"
            "</AccessKeyLastUsed>",
        )
    return xml(action, "<IsTruncated>false</IsTruncated>")


def test_pages_are_followed_by_their_marker(
    there: There,
    connect: Callable[..., Source],
    read: Callable[..., InventoryRead],
    secret_file: Kept,
) -> None:
    """moto hands out everything at once: a server of IAM's documented pages stands in."""
    secret_file(SECRET, "made-up")
    there.on("POST", "/", paged)
    source = connect(
        "cloudtrail_lookup",
        region="us-east-1",
        endpoint=there.url,
        access_key_id="AKIAMADEUP0000000000",
        secret_access_key=SECRET,
    )
    row = read(source)
    assert row.state == "done"
    assert [row.parts[name]["found"] for name in ("users and roles", "access keys")] == [5, 4]
    found = shown(source)
    assert sorted(name for name in found if name.startswith("arn:")) == [
        f"arn:aws:iam::123456789012:user/u{n}" for n in range(5)
    ]
    # The user that was deleted between the two lists has no keys, and stops nothing.
    assert len([name for name in found if name.startswith("AKIA")]) == 4
    used = Discovery.objects.get(actor__value="AKIAMADEUP0000000U1")
    assert (used.last_used_at, used.last_used_of) == (datetime(2026, 11, 1, 10, tzinfo=UTC), "s3")
    assert read(source).new == 0


def test_a_right_that_is_missing_is_named_and_ends_nothing(
    lab: Lab,
    account: Callable[..., Source],
    read: Callable[..., InventoryRead],
    secret_file: Kept,
) -> None:
    reader = lab.user(
        {"Action": ["iam:GetAccountAuthorizationDetails", "iam:ListUsers"], "Resource": "*"}
    )
    other = lab.user(READ)
    source = account()
    read(source)
    assert other.credentials.access_key_id in shown(source)
    link = source.connection
    link.settings |= {"access_key_id": reader.credentials.access_key_id}
    link.save()
    secret_file(SECRET, reader.credentials.secret_access_key)
    row = read(source)
    assert (row.state, row.gone) == ("partial", 0)
    assert "AWS refused iam:ListAccessKeys" in row.parts["access keys"]["said"]
    assert other.name in row.parts["access keys"]["unread"]
    assert other.credentials.access_key_id in shown(source)
    assert reader.credentials.secret_access_key not in json.dumps(row.parts)


def test_credentials_that_do_not_work_say_what_to_do(
    account: Callable[..., Source], read: Callable[..., InventoryRead]
) -> None:
    row = read(account("AKIAIOSFODNN7EXAMPLE", "no-such-secret"))
    assert row.state == "failed"
    assert "does not accept the credentials" in row.problem
    assert row.fix == "Set an access key that is active, and its secret."


def test_a_private_endpoint_is_refused(
    account: Callable[..., Source], read: Callable[..., InventoryRead], settings: Any
) -> None:
    source = account()
    settings.ALLOW_PRIVATE = False
    row = read(source)
    assert row.state == "failed"
    assert "is refused" in row.problem


@pytest.mark.parametrize(
    ("connector", "said", "fits"),
    [
        ("cloudtrail_lookup", {}, True),
        ("s3", {}, True),
        ("s3", {"endpoint": "https://minio.example.org"}, False),
        ("s3_queue", {}, True),
        ("okta", {}, False),
    ],
)
def test_only_connections_to_aws_fit(connector: str, said: dict[str, str], fits: bool) -> None:
    assert aws.SYSTEM.fits(connector, said) is fits
