"""AWS: the organisation's policies, to documented shapes; users' other credentials, from moto."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from config.demo.aws import Demo
from evidence.models import Source
from identities.enforcers.possible_aws import Possible, possible_matches
from identities.models import Credential, DiscoveredRights, Discovery, InventoryRead
from tests.awslab.lab import Lab
from tests.connector_secrets import Kept
from tests.evidence.sources.server import Answer, Request, There
from tests.identities.inventory.conftest import shown
from tests.identities.inventory.test_aws import GONE, xml

pytestmark = pytest.mark.django_db

SECRET = "LISTS_SECRET"
ACCOUNT = "123456789012"
EVERYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}
ONLY_S3 = {"Effect": "Allow", "Action": ["s3:*", "iam:*"], "Resource": "*"}
NO_DELETE = {"Effect": "Deny", "Action": "s3:DeleteObject", "Resource": "*"}
PARENTS = {ACCOUNT: "ou-ab12-x", "ou-ab12-x": "r-ab12"}


class Organisation:
    """An account in a unit of an organisation, with the policies at each step, one a page."""

    def __init__(self, there: There) -> None:
        self.master, self.feature_set, self.refused = "999999999999", "ALL", ""
        self.policies: dict[str, list[dict[str, Any]]] = {
            ACCOUNT: [EVERYTHING], "ou-ab12-x": [ONLY_S3], "r-ab12": [EVERYTHING, NO_DELETE],
        }  # fmt: skip
        there.on("POST", "/", self.answer)

    def answer(self, request: Request) -> Answer:
        target = request.headers.get("x-amz-target", "")
        return (
            self._organisation(target.rpartition(".")[2], request.json())
            if target
            else iam(request)
        )

    def _organisation(self, action: str, asked: dict[str, Any]) -> Answer:
        if action == self.refused:
            return Answer(400, {"__type": "AccessDeniedException", "Message": "no"})
        if action == "DescribeOrganization":
            return Answer(body={"Organization": {
                "FeatureSet": self.feature_set, "MasterAccountId": self.master}})  # fmt: skip
        if action == "ListParents":
            return Answer(body={"Parents": [{"Id": PARENTS[asked["ChildId"]]}]})
        if action == "ListPoliciesForTarget":
            place, number = asked["TargetId"], int(asked.get("NextToken", "0"))
            more = {"NextToken": str(number + 1)} if number + 1 < len(self.policies[place]) else {}
            return Answer(
                body={"Policies": [{"Id": f"{place}/{number}", "Name": f"P{number}"}], **more}
            )
        place, _, number = asked["PolicyId"].rpartition("/")
        document = {"Version": "2012-10-17", "Statement": [self.policies[place][int(number)]]}
        return Answer(body={"Policy": {"Content": json.dumps(document)}})


def iam(request: Request) -> Answer:
    """One user, who may do everything, with one credential of each kind."""
    action = request.form()["Action"]
    user = (
        f"<UserName>ana</UserName><Path>/team/</Path><Arn>arn:aws:iam::{ACCOUNT}:user/team/ana</Arn>"
        "<CreateDate>2026-01-01T00:00:00Z</CreateDate>"
    )
    said = {
        "GetCallerIdentity": f"<Arn>arn:aws:iam::{ACCOUNT}:user/r</Arn><Account>{ACCOUNT}</Account>",
        "ListUsers": f"<Users><member>{user}<PasswordLastUsed>2026-11-01T10:00:00Z"
        "</PasswordLastUsed></member></Users>",
        "ListAccessKeys": "<AccessKeyMetadata/>",
        "GetLoginProfile": "<LoginProfile><UserName>ana</UserName>"
        "<CreateDate>2026-02-01T00:00:00Z</CreateDate></LoginProfile>",
        "ListServiceSpecificCredentials": "<ServiceSpecificCredentials><member>"
        "<UserName>ana</UserName><Status>Expired</Status><ServiceName>bedrock.amazonaws.com"
        "</ServiceName><ServiceSpecificCredentialId>ACCAEXAMPLE123EXAMPLE"
        "</ServiceSpecificCredentialId><CreateDate>2026-03-01T00:00:00Z</CreateDate>"
        "<ExpirationDate>2026-06-01T00:00:00Z</ExpirationDate></member>"
        "</ServiceSpecificCredentials>",
    }  # fmt: skip
    inner = said.get(action, "")
    if action == "GetAccountAuthorizationDetails" and request.form()["Filter.member.1"] == "User":
        document = json.dumps({"Version": "2012-10-17", "Statement": [EVERYTHING]})
        inner = (
            f"<UserDetailList><member>{user}<UserPolicyList><member><PolicyName>all</PolicyName>"
            f"<PolicyDocument>{document}</PolicyDocument></member></UserPolicyList></member>"
            "</UserDetailList>"
        )
    return xml(action, f"{inner}<IsTruncated>false</IsTruncated>")


@pytest.fixture
def member(
    there: There, connect: Callable[..., Source], secret_file: Kept
) -> tuple[Source, Organisation]:
    """A source that leads to an account of an organisation."""
    secret_file(SECRET, "made-up")
    source = connect(
        "cloudtrail_lookup",
        region="us-east-1",
        endpoint=there.url,
        access_key_id="AKIAMADEUP0000000000",
        secret_access_key=SECRET,
    )
    return source, Organisation(there)


def of_ana() -> tuple[list[Possible], str]:
    row = DiscoveredRights.objects.get(actor__value__endswith="user/team/ana")
    return [Possible.from_json(one) for one in row.possible], row.missing


def test_policies_of_the_organisation_limit_what_is_possible(
    member: tuple[Source, Organisation], read: Callable[..., InventoryRead]
) -> None:
    row = read(member[0])
    assert (row.state, row.problem) == ("done", "")
    possible, missing = of_ana()
    assert (
        missing == "resource control policies, policies of resources and of sessions are not read"
    )
    assert [(one.via, one.layer) for one in possible] == [
        ("inline all", "identity"),
        (f"organisation's policy P0 at {ACCOUNT}", f"organisation {ACCOUNT}"),
        ("organisation's policy P0 at ou-ab12-x", "organisation ou-ab12-x"),
        ("organisation's policy P0 at r-ab12", "organisation r-ab12"),
        ("organisation's policy P1 at r-ab12", "organisation r-ab12"),
    ]
    # Everything is allowed by the user's own policy; each step up has to allow it as well.
    assert {
        action: possible_matches(possible, action, "arn:aws:s3:::invoices/a")
        for action in ("s3:GetObject", "s3:DeleteObject", "sqs:SendMessage")
    } == {"s3:GetObject": "allowed", "s3:DeleteObject": "denied", "sqs:SendMessage": "denied"}


@pytest.mark.parametrize(
    ("name", "value"), [("master", ACCOUNT), ("feature_set", "CONSOLIDATED_BILLING")]
)
def test_organisation_that_limits_nobody_here_adds_nothing(
    member: tuple[Source, Organisation], read: Callable[..., InventoryRead], name: str, value: str
) -> None:
    setattr(member[1], name, value)
    assert read(member[0]).state == "done"
    possible, missing = of_ana()
    assert [one.layer for one in possible] == ["identity"]
    assert (
        missing == "resource control policies, policies of resources and of sessions are not read"
    )


@pytest.mark.parametrize(
    "refused", ["DescribeOrganization", "ListParents", "ListPoliciesForTarget", "DescribePolicy"]
)
def test_organisation_that_may_not_be_asked_is_not_seen_and_the_rest_is(
    member: tuple[Source, Organisation], read: Callable[..., InventoryRead], refused: str
) -> None:
    member[1].refused = refused
    row = read(member[0])
    part = row.parts["policies of the organisation"]
    assert (row.state, part["state"]) == ("done", "refused")
    assert part["said"].startswith(f"AWS refused organizations:{refused} on ")
    assert part["fix"].startswith("Only the management account reads them, and who it lets")
    possible, missing = of_ana()
    assert [one.layer for one in possible] == ["identity"]
    assert missing.startswith(
        "policies of the organisation, of resources and of sessions are not read (AWS refused"
    )


def test_what_else_lets_a_user_in_is_listed(
    member: tuple[Source, Organisation], read: Callable[..., InventoryRead]
) -> None:
    read(member[0])
    found = Discovery.objects.filter(credential=True).select_related("actor", "holder")
    assert {
        one.kind: (one.actor.kind, one.actor.value, one.status, one.title) for one in found
    } == {
        "console password": ("password", f"arn:aws:iam::{ACCOUNT}:user/team/ana", "active", "of ana"),
        "service credential": (
            "service_credential", "ACCAEXAMPLE123EXAMPLE", "expired",
            "for bedrock.amazonaws.com, of ana",
        ),
    }  # fmt: skip
    assert {one.holder and one.holder.value for one in found} == {
        f"arn:aws:iam::{ACCOUNT}:user/team/ana"
    }
    password, service = found.order_by("kind")
    assert password.last_used_at == datetime(2026, 11, 1, 10, tzinfo=UTC)
    assert service.expires_at == datetime(2026, 6, 1, tzinfo=UTC)
    # A credential of its own, beside the user whose name it carries.
    assert sorted(Credential.objects.values_list("kind", "state")) == [
        ("password", "active"), ("service_credential", "expired"),
    ]  # fmt: skip


def certificate() -> tuple[str, str]:
    """A certificate in PEM, and an SSH public key."""
    private = rsa.generate_private_key(65_537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "svc")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, private.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(private, hashes.SHA256())
    )
    ssh = private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return made.public_bytes(Encoding.PEM).decode(), ssh.decode()


def test_passwords_certificates_and_ssh_keys_of_users_arrive(
    lab: Lab,
    aws_account: Demo,
    connect: Callable[..., Source],
    read: Callable[..., InventoryRead],
    secret_file: Kept,
) -> None:
    person = lab.user()
    iam_: Any = lab.admin.iam
    pem, ssh = certificate()
    iam_.create_login_profile(UserName=person.name, Password="correct-horse-1A!")
    signing = iam_.upload_signing_certificate(UserName=person.name, CertificateBody=pem)
    key = iam_.upload_ssh_public_key(UserName=person.name, SSHPublicKeyBody=ssh)
    number = key["SSHPublicKey"]["SSHPublicKeyId"]
    iam_.update_ssh_public_key(UserName=person.name, SSHPublicKeyId=number, Status="Inactive")
    secret_file(SECRET, aws_account.administrator.secret_access_key)
    source = connect(
        "cloudtrail_lookup",
        region="us-east-1",
        endpoint=aws_account.endpoint,
        access_key_id=aws_account.administrator.access_key_id,
        secret_access_key=SECRET,
    )
    row = read(source)
    assert row.state == "done"
    holder = {"holder__value": person.arn}
    assert shown(source, **holder) == {
        person.credentials.access_key_id: ("access key", "active"),
        person.arn: ("console password", "active"),
        signing["Certificate"]["CertificateId"]: ("signing certificate", "active"),
        number: ("SSH key", "held"),
    }
    iam_.delete_login_profile(UserName=person.name)
    assert read(source).gone == 1
    assert person.arn not in shown(source, **holder)


def test_kind_that_may_not_be_listed_is_named_and_the_others_are(
    there: There, member: tuple[Source, Organisation], read: Callable[..., InventoryRead]
) -> None:
    refused = Answer(403, str(GONE.body).replace("NoSuchEntity", "AccessDenied"), GONE.headers)
    other = {
        "ListSSHPublicKeys": refused,
        "ListServiceSpecificCredentials": Answer(
            501, str(GONE.body).replace("NoSuchEntity", "InternalFailure"), GONE.headers
        ),
    }

    def refuses(request: Request) -> Answer:
        return other.get(request.form().get("Action", "")) or member[1].answer(request)

    there.on("POST", "/", refuses)
    row = read(member[0])
    assert (row.state, row.parts["SSH keys"]["state"]) == ("done", "refused")
    assert row.parts["SSH keys"]["said"] == "AWS refused iam:ListSSHPublicKeys on user ana."
    # Not every server that speaks AWS's protocol has every call.
    assert row.parts["service credentials"]["said"] == (
        "iam:ListServiceSpecificCredentials is not offered there."
    )
    assert row.parts["passwords"]["found"] == 1
