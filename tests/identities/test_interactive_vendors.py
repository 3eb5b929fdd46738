"""A person with a machine's credential at each vendor: its records as they come, its sign-ins, and
the programs that agents and pipelines use themselves, which are none."""

import copy
from typing import Any, NamedTuple

import pytest

from evidence.formats.record import Record
from evidence.models import Actor, Source, Term
from evidence.vocabulary import INFERRED
from identities import judging
from identities.findings import clients
from identities.models import Finding, Identity, SignInAddress
from tests.evidence.formats import abuse
from tests.evidence.test_correlation import BASE, MINUTE
from tests.identities.chains import bind
from tests.identities.test_claimed_links import arrive, run, source
from tests.identities.test_following import Make
from tests.identities.test_key_users import LATER, judge

pytestmark = pytest.mark.django_db
HOME, OFFICE = "198.51.100.7", "203.0.113.9"
BROWSER = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/126.0.0.0 Safari/537.36"
)
KUBECTL = "kubectl/v1.30.0 (linux/amd64) kubernetes/7c48c2b"
GCLOUD = (
    "google-cloud-sdk gcloud/431.0.0 command/gcloud.storage.cp environment/None client-os/LINUX"
    " interactive/{} from-script/False python/3.9.16 term/ (Linux 5.15),gzip(gfe)"
)
TERRAFORM = (
    "APN/1.0 HashiCorp/1.0 Terraform/1.5.7 (+https://www.terraform.io)"
    " terraform-provider-aws/5.1 aws-sdk-go/1.44"
)


class Vendor(NamedTuple):
    """How one vendor writes a call of a machine and a person's sign-in."""

    format: str
    call: dict[str, Any]
    agent: str  # user agent
    person: str  # user agent of a person in itself
    name: str  # of that client
    where: tuple[str, ...]  # place of the user agent in `call`
    address: tuple[str, ...]
    sign_in: tuple[str, dict[str, Any]] | None = None  # format, record; from OFFICE
    signed_in: str = ""


def set_at(record: dict[str, Any], way: tuple[str, ...], value: Any) -> None:
    for name in way[:-1]:
        record = record[name]
    record[way[-1]] = value


AWS = {
    "eventVersion": "1.09", "eventID": "e", "eventTime": "2026-11-24T10:00:00Z",
    "eventSource": "s3.amazonaws.com", "eventName": "GetObject", "awsRegion": "eu-central-1",
    "sourceIPAddress": HOME, "userAgent": "", "requestID": "x", "recipientAccountId": "111122223333",
    "userIdentity": {"type": "IAMUser", "arn": "arn:aws:iam::111122223333:user/bot",
                     "accountId": "111122223333", "accessKeyId": "AKIABOT0000000000001",
                     "userName": "bot"},
}  # fmt: skip
GCP = {
    "insertId": "i", "timestamp": "2026-11-24T10:00:00Z", "logName": "projects/pay/logs/x",
    "resource": {"type": "gcs_bucket", "labels": {"project_id": "pay"}},
    "protoPayload": {
        "@type": "type.googleapis.com/google.cloud.audit.AuditLog",
        "serviceName": "storage.googleapis.com", "methodName": "storage.objects.get",
        "resourceName": "projects/_/buckets/b/objects/o",
        "authenticationInfo": {"principalEmail": "bot@pay.iam.gserviceaccount.com"},
        "authorizationInfo": [{"permission": "storage.objects.get", "granted": True}],
        "requestMetadata": {"callerIp": HOME, "callerSuppliedUserAgent": ""},
    },
}  # fmt: skip
GOOGLE_LOGIN = {
    "insertId": "l", "timestamp": "2026-11-24T09:00:00Z", "logName": "organizations/1/logs/x",
    "resource": {"type": "audited_resource"},
    "protoPayload": {
        "@type": "type.googleapis.com/google.cloud.audit.AuditLog",
        "serviceName": "login.googleapis.com",
        "methodName": "google.login.LoginService.loginSuccess", "resourceName": "organizations/1",
        "authenticationInfo": {"principalEmail": "mia@example.com"},
        "requestMetadata": {"callerIp": OFFICE},
    },
}  # fmt: skip
WORKSPACE_LOGIN = {
    "kind": "admin#reports#activity", "ipAddress": OFFICE,
    "id": {"time": "2026-11-24T09:00:00Z", "uniqueQualifier": "1", "applicationName": "login",
           "customerId": "C01acme"},
    "actor": {"email": "mia@example.com", "profileId": "1"},
    "events": [{"type": "login", "name": "login_success", "parameters": []}],
}  # fmt: skip
KUBERNETES = {
    "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata", "auditID": "a",
    "stage": "ResponseComplete", "requestURI": "/api/v1/namespaces/pay/pods/web-1/exec?command=sh",
    "verb": "create", "userAgent": "", "sourceIPs": [HOME], "cluster": "books",
    "user": {"username": "system:serviceaccount:pay:bot"}, "responseStatus": {"code": 101},
    "objectRef": {"resource": "pods", "subresource": "exec", "namespace": "pay", "name": "web-1"},
    "requestReceivedTimestamp": "2026-11-24T10:00:00.000000Z",
    "annotations": {"authorization.k8s.io/decision": "allow"},
}  # fmt: skip
OKTA = {
    "uuid": "u", "published": "2026-11-24T10:00:00.000Z", "eventType": "user.lifecycle.create",
    "version": "0", "severity": "INFO", "displayMessage": "x",
    "actor": {"id": "0oa1", "type": "PublicClientApp", "alternateId": "0oa1", "displayName": "bot"},
    "client": {"ipAddress": HOME, "userAgent": {"rawUserAgent": "", "os": "Linux"}},
    "outcome": {"result": "SUCCESS"}, "target": [], "transaction": {"id": "t", "detail": {}},
    "debugContext": {"debugData": {"origin": "https://acme.okta.com"}},
}  # fmt: skip
OKTA_LOGIN = OKTA | {
    "uuid": "l", "published": "2026-11-24T09:00:00.000Z", "eventType": "user.session.start",
    "actor": {"id": "00u1", "type": "User", "alternateId": "mia@example.com", "displayName": "Mia"},
    "client": {"ipAddress": OFFICE, "userAgent": {"rawUserAgent": BROWSER}},
}  # fmt: skip
GITHUB = {
    "@timestamp": 1_795_514_400_000, "_document_id": "d", "action": "repo.update", "org": "acme",
    "actor": "deploy-app[bot]", "actor_is_bot": True, "actor_ip": HOME, "user_agent": "",
    "programmatic_access_type": "GitHub App server-to-server token", "repo": "acme/ledger",
}  # fmt: skip
ENTRA_LOGIN = {
    "id": "s1", "createdDateTime": "2026-11-24T09:00:00Z", "userPrincipalName": "mia@example.com",
    "userId": "11111111-aaaa-4aaa-8aaa-000000000001", "appId": "a2", "appDisplayName": "Portal",
    "ipAddress": OFFICE, "correlationId": "c", "isInteractive": True, "status": {"errorCode": 0},
    "signInEventTypes": ["interactiveUser"], "resourceDisplayName": "x", "homeTenantId": "ten-1",
    "resourceTenantId": "ten-1", "tenantId": "ten-1",
}  # fmt: skip
AZURE = {
    "time": "2026-11-24T10:00:00Z", "operationName": "GetBlob", "category": "StorageRead",
    "resourceId": "/subscriptions/sub-1/resourceGroups/g/providers/Microsoft.Storage"
    "/storageAccounts/pay/blobServices/default",
    "statusCode": 200, "callerIpAddress": f"{HOME}:4711", "correlationId": "z",
    "identity": {"type": "OAuth", "requester": {"appId": "app-9", "objectId": "o-9",
                                                "tenantId": "ten-1"}},
    "properties": {"userAgentHeader": "", "accountName": "pay"}, "schemaVersion": "1.0",
}  # fmt: skip

VENDORS = {
    "aws": Vendor("cloudtrail", AWS, TERRAFORM, "console.amazonaws.com", "the AWS console",
                  ("userAgent",), ("sourceIPAddress",)),
    "gcp": Vendor("gcp", GCP, GCLOUD.format("False"), GCLOUD.format("True"),
                  "the gcloud CLI at a terminal",
                  ("protoPayload", "requestMetadata", "callerSuppliedUserAgent"),
                  ("protoPayload", "requestMetadata", "callerIp"),
                  ("gcp", GOOGLE_LOGIN), "mia@example.com"),
    "workspace": Vendor("gcp", GCP, "google-api-python-client/2.0 (gzip)", BROWSER, "a web browser",
                        ("protoPayload", "requestMetadata", "callerSuppliedUserAgent"),
                        ("protoPayload", "requestMetadata", "callerIp"),
                        ("google_workspace", WORKSPACE_LOGIN), "mia@example.com"),
    "kubernetes": Vendor("kubernetes", KUBERNETES, KUBECTL, "k9s/v0.32 (darwin/arm64)", "k9s",
                         ("userAgent",), ("sourceIPs",)),
    "okta": Vendor("okta", OKTA, "okta-sdk-python/2.9 python/3.12", BROWSER, "a web browser",
                   ("client", "userAgent", "rawUserAgent"), ("client", "ipAddress"),
                   ("okta", OKTA_LOGIN), "mia@example.com"),
    "github": Vendor("github", GITHUB, "octokit-rest.js/20.0 node/20", BROWSER, "a web browser",
                     ("user_agent",), ("actor_ip",)),
    "azure": Vendor("azure", AZURE, "azsdk-python-storage-blob/12.19 Python/3.12",
                    "Microsoft Azure Storage Explorer, 1.34.0, win32", "Azure Storage Explorer",
                    ("properties", "userAgentHeader"), ("callerIpAddress",),
                    ("entra", ENTRA_LOGIN), "mia@example.com"),
}  # fmt: skip


def call(vendor: Vendor, number: int, agent: str, address: str = HOME, **said: Any) -> Record:
    """This vendor's call with this user agent, at a time of its own."""
    record = copy.deepcopy(vendor.call) | said
    set_at(record, vendor.where, agent)
    set_at(record, vendor.address, [address] if vendor.address == ("sourceIPs",) else address)
    return abuse.read(vendor.format, record)._replace(
        digest=number.to_bytes(16), vendor_id=str(number), at=BASE + number * MINUTE // 60,
        request_id=f"V{number}",
    )  # fmt: skip


def tell(records: list[Record]) -> None:
    arrive(Source.objects.get(name="trail"), records)


@pytest.fixture(params=VENDORS)
def vendor(request: pytest.FixtureRequest, active: Make) -> Vendor:
    """A machine of this vendor, linked to who calls and to its agent."""
    one = VENDORS[request.param]
    trail = source("trail")
    traces = source("traces", plane="ai", watermark=LATER, completeness="declared")
    first = call(one, 1, one.agent)
    arrive(trail, [first])
    arrive(traces, run(1, "bot", "V1", operation=first.action))
    identity: Identity = active("bot")
    assert first.principal is not None
    for value in (first.principal.value, "bot"):
        bind(identity, Actor.objects.exclude(kind="service").get(value=value))
    judging.again(identities=[identity], now=LATER)
    judge()
    return one


def known(vendor: Vendor) -> None:
    """20 calls of its agent are linked to runs."""
    calls = [call(vendor, 100 + number, vendor.agent) for number in range(20)]
    tell(calls)
    names = [f"V{100 + number}" for number in range(20)]
    arrive(Source.objects.get(name="traces"), run(2, "bot", *names, operation=calls[0].action))


def found() -> list[tuple[str, int, list[str], str]]:
    rows = Finding.objects.filter(rule="interactive_use", state="open").order_by("number")
    return [
        (one.identity.name if one.identity else "", one.count, one.details["clients"],
         one.details["address"])
        for one in rows
    ]  # fmt: skip


def test_program_of_the_agent_is_no_persons(vendor: Vendor) -> None:
    tell([call(vendor, 2, vendor.agent, OFFICE)])
    assert found() == []
    known(vendor)
    tell([call(vendor, 3, vendor.agent, OFFICE)])
    assert found() == []


def test_program_of_people_is_found_whatever_is_known(vendor: Vendor) -> None:
    tell([call(vendor, 2, vendor.person, OFFICE)])
    assert found() == [("bot", 1, [vendor.name], OFFICE)]
    known(vendor)
    tell([call(vendor, 3, vendor.person, OFFICE)])
    assert found() == [("bot", 2, [vendor.name], OFFICE)]
    assert Finding.objects.get(rule="interactive_use").strength == INFERRED


@pytest.mark.parametrize(
    "vendor", [name for name, one in VENDORS.items() if one.sign_in], indirect=True
)
def test_call_from_where_people_sign_in_is_found_beside_what_is_known(vendor: Vendor) -> None:
    assert vendor.sign_in is not None
    known(vendor)
    tell([call(vendor, 2, vendor.agent, OFFICE)])
    assert found() == []
    format_name, record = vendor.sign_in
    signed = abuse.parse(format_name, record).records
    tell([one._replace(at=BASE) for one in signed])
    assert SignInAddress.objects.count() == 1
    assert found() == [("bot", 1, [], OFFICE)]
    one = Finding.objects.get(rule="interactive_use")
    assert one.details["network"] == f"same network as sign-ins of {vendor.signed_in}"


@pytest.mark.parametrize("vendor", ["kubernetes"], indirect=True)
def test_terminal_in_a_container_is_a_persons_whatever_is_known(vendor: Vendor) -> None:
    """A pipeline that runs commands in containers asks for no terminal."""
    base = "/api/v1/namespaces/pay/pods/web-1/exec?command=sh&stdin=true&stdout=true"
    tell([call(vendor, 2, KUBECTL, requestURI=base)])
    assert found() == []
    tell([call(vendor, 3, KUBECTL, requestURI=f"{base}&tty=true")])
    assert found() == [("bot", 1, ["a terminal in a container"], HOME)]
    assert Term.objects.filter(value=f"{KUBECTL} tty=true").count() == 1
    known(vendor)
    assert found() == [("bot", 1, ["a terminal in a container"], HOME)]


@pytest.mark.parametrize("vendor", ["kubernetes"], indirect=True)
def test_tool_of_a_scheduled_job_is_found_only_where_the_job_uses_another(vendor: Vendor) -> None:
    other = "oc/4.14.0 (linux/amd64) kubernetes/abc"
    known(vendor)
    tell([call(vendor, 2, other, OFFICE)])
    assert found() == [("bot", 1, ["the OpenShift CLI"], OFFICE)]
    tell([call(vendor, 200 + number, other) for number in range(20)])
    names = [f"V{200 + number}" for number in range(20)]
    arrive(Source.objects.get(name="traces"), run(3, "bot", *names, operation="create pods/exec"))
    assert found() == []


@pytest.mark.parametrize(
    "user_agent",
    [
        "Boto3/1.34.8 md/Botocore#1.34.8 ua/2.0 os/linux#5.10 exec-env/AWS_Lambda_python3.12",
        TERRAFORM,
        "aws-sdk-go/1.40.21 (go1.17; linux; amd64) exec-env/AWS_Lambda_go1.x",
        "aws-internal/3 aws-sdk-java/1.11.1030 Linux/5.4.116 OpenJDK_64-Bit_Server_VM/25",
        "google-api-go-client/0.5 gke-metadata-server,gzip(gfe)",
        "Terraform/1.5.7 (+https://www.terraform.io) terraform-provider-google/4.80,gzip(gfe)",
        "grpc-python/1.60.0 grpc-c/37.0.0 (linux; chttp2),gzip(gfe)",
        "azsdk-python-identity/1.15 Python/3.12",
        "HashiCorp Terraform/1.5.7 terraform-provider-azurerm/3.80 pid-222c6c49",
        "kubelet/v1.32.0 (linux/arm64) kubernetes/e105b10",
        "kube-controller-manager/v1.30.0 (linux/amd64) kubernetes/7c48c2b",
        "Go-http-client/2.0", "python-requests/2.31.0", "okta-sdk-java/8.2", "octokit.rb/6.0",
        "npm/10.2.4 node/v18.19.0 linux x64 workspaces/false", "launch/production",
        BROWSER.replace("Chrome", "HeadlessChrome"),
        "Mozilla/5.0 (compatible; Google-Apps-Script)", "OTHER", "PythonConnector 3", "Chrome",
    ],
)  # fmt: skip
def test_program_that_no_person_works_with_is_no_client(user_agent: str) -> None:
    assert clients.client(user_agent) is None


@pytest.mark.parametrize(
    ("user_agent", "name", "in_itself"),
    [
        (GCLOUD.format("False"), "the gcloud CLI", False),
        (GCLOUD.format("True"), "the gcloud CLI at a terminal", True),
        ("apitools Python/3.11 gsutil/5.27 (linux) analytics/disabled interactive/True command/cp",
         "gsutil at a terminal", True),
        ("apitools Python/3.11 gsutil/5.27 (linux) analytics/disabled interactive/False command/cp",
         "gsutil", False),
        ("AZURECLI/2.50.0 (DEB) azsdk-python-core/1.26", "the Azure CLI", False),
        ("AzCopy/10.21.2 azsdk-go-azblob/v1.2", "AzCopy", False),
        ("AWSPowerShell/4.1.373 .NET_Core/3.1", "PowerShell", False),
        ("GitHub CLI 2.40.0", "the GitHub CLI", False),
        (f"{KUBECTL} tty=true", "a terminal in a container", True),
        ("tty=true", "a terminal in a container", True),
        ("oc/4.14.0 (linux/amd64) kubernetes/abc", "the OpenShift CLI", False),
        ("SNOWFLAKE_UI", "Snowsight", True), ("SNOWSQL", "SnowSQL", False),
    ],
)  # fmt: skip
def test_programs_of_people_are_known_at_each_vendor(
    user_agent: str, name: str, in_itself: bool
) -> None:
    assert clients.client(user_agent) == clients.Client(name, in_itself)
