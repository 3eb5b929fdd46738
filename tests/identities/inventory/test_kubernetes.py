"""Kubernetes: service accounts and role bindings, over HTTPS with an authority of its own."""

import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from evidence.models import Source
from evidence.sources.contract import Asked, Http
from evidence.sources.kubernetes import CONNECTOR
from identities.enforcers.possible_aws import Possible, possible_matches
from identities.inventory import kubernetes
from identities.models import DiscoveredRights, Discovery, InventoryRead
from tests.connector_secrets import Kept
from tests.evidence.sources.server import Answer, Request, There
from tests.identities.conftest import NOW
from tests.identities.inventory.conftest import Clock, everything, shown

pytestmark = pytest.mark.django_db

RBAC = "/apis/rbac.authorization.k8s.io/v1"
REPORTER = "system:serviceaccount:reports:reporter"


def items(*rows: dict[str, Any], going_on: str = "") -> Answer:
    return Answer(body={"kind": "List", "metadata": {"continue": going_on}, "items": list(rows)})


def meta(name: str, namespace: str = "", **more: Any) -> dict[str, Any]:
    said = {"name": name, "creationTimestamp": "2026-03-04T05:06:07Z", **more}
    return {"metadata": said | ({"namespace": namespace} if namespace else {})}


def binding(name: str, namespace: str, role: tuple[str, str], *subjects: Any) -> dict[str, Any]:
    return meta(name, namespace) | {
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": role[0], "name": role[1]},
        "subjects": list(subjects),
    }


def account(name: str, namespace: str) -> dict[str, str]:
    return {"kind": "ServiceAccount", "name": name, "namespace": namespace}


@pytest.fixture
def cluster(there: There, connect: Callable[..., Source], secret_file: Kept) -> Source:
    secret_file("CLUSTER_TOKEN", "made.up.token")
    there.on(
        "GET", "/api/v1/serviceaccounts",
        items(
            meta("reporter", "reports", annotations={"meta.helm.sh/release-name": "reports",
                 "example.org/owner": "data-team"}, labels={"app.kubernetes.io/managed-by": "Helm"},
                 managedFields=[{"manager": "helm", "operation": "Update"}]),
            meta("default", "reports"),
        ),
    )  # fmt: skip
    there.on(
        "GET", f"{RBAC}/roles",
        items(meta("pods", "reports") | {"rules": [
            {"apiGroups": [""], "resources": ["pods", "pods/exec"], "verbs": ["get", "create"]},
            {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["db"],
             "verbs": ["get"]},
        ]}),
    )  # fmt: skip
    there.on(
        "GET", f"{RBAC}/clusterroles",
        items(
            meta("view") | {"rules": [
                {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]}]},
            meta("health") | {"rules": [{"nonResourceURLs": ["/healthz"], "verbs": ["get"]}]},
            meta("cluster-admin") | {"rules": [
                {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
                {"nonResourceURLs": ["*"], "verbs": ["*"]}]},
        ),
    )  # fmt: skip
    there.on(
        "GET", f"{RBAC}/rolebindings",
        items(
            binding("pods", "reports", ("Role", "pods"), account("reporter", "reports")),
            binding("view", "reports", ("ClusterRole", "view"),
                    {"kind": "Group", "name": "system:serviceaccounts:reports"}),
        ),
    )  # fmt: skip
    there.on(
        "GET", f"{RBAC}/clusterrolebindings",
        items(binding("health", "", ("ClusterRole", "health"),
                      {"kind": "Group", "name": "system:authenticated"})),
    )  # fmt: skip
    there.on("GET", "/api/v1/secrets", Answer(403, {"kind": "Status", "code": 403}))
    return connect("kubernetes", url=there.url, cluster="Prod-1", token="CLUSTER_TOKEN")


def possible(source: Source, value: str) -> list[Possible]:
    row = DiscoveredRights.objects.get(
        source=source, actor__value=value, superseded_at=None, during__upper_inf=True
    )
    return [Possible.from_json(one) for one in row.possible]


def test_service_accounts_arrive_as_the_audit_log_names_them(
    cluster: Source, read: Callable[..., InventoryRead]
) -> None:
    row = read(cluster)
    assert (row.state, row.problem, row.realm) == ("done", "", "k8s:prod-1")
    assert row.parts["token secrets"]["state"] == "refused"
    assert shown(cluster) == {
        REPORTER: ("service account", "active"),
        "system:serviceaccount:reports:default": ("service account", "active"),
    }
    made = Discovery.objects.get(actor__value=REPORTER)
    assert (made.actor.realm, made.actor.kind, made.title, made.created_at) == (
        "k8s:prod-1",
        "service_account",
        "reports/reporter",
        datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC),
    )
    assert [(one["kind"], one["value"]) for one in made.hints] == [
        ("owner", "data-team"),
        ("iac", "reports"),
        ("iac", "Helm"),
        ("creator", "helm"),
    ]


@pytest.mark.parametrize(
    ("action", "resource", "answer"),
    [
        ("get pods", "namespaces/reports/pods/web-1", "allowed"),
        ("create pods/exec", "namespaces/reports/pods/web-1", "allowed"),
        ("get pods/log", "namespaces/reports/pods/web-1", "denied"),
        ("get pods", "namespaces/other/pods/web-1", "denied"),
        ("get secrets", "namespaces/reports/secrets/db", "allowed"),
        ("get secrets", "namespaces/reports/secrets/other", "denied"),
        # By the groups that every service account is in.
        ("list configmaps", "namespaces/reports/configmaps", "allowed"),
        ("get nonResourceURLs", "/healthz", "allowed"),
        ("delete nodes", "nodes/one", "denied"),
    ],
)
def test_rules_say_what_a_call_of_the_audit_log_may_do(
    cluster: Source,
    read: Callable[..., InventoryRead],
    action: str,
    resource: str,
    answer: str,
) -> None:
    read(cluster)
    assert possible_matches(possible(cluster, REPORTER), action, resource) == answer


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("delete nodes", "nodes/one"),
        ("create pods/exec", "namespaces/kube-system/pods/x"),
        ("list secrets", "secrets"),
        ("list secrets", "namespaces/a/secrets"),
        ("get nonResourceURLs", "/metrics"),
    ],
)
def test_administrator_of_the_cluster_may_do_everything(
    there: There,
    cluster: Source,
    read: Callable[..., InventoryRead],
    action: str,
    resource: str,
) -> None:
    there.on(
        "GET",
        f"{RBAC}/clusterrolebindings",
        items(binding("root", "", ("ClusterRole", "cluster-admin"), account("default", "reports"))),
    )
    read(cluster)
    found = possible(cluster, "system:serviceaccount:reports:default")
    assert possible_matches(found, action, resource) == "allowed"


def test_a_role_that_is_not_there_is_not_known(
    there: There, cluster: Source, read: Callable[..., InventoryRead]
) -> None:
    there.on(
        "GET",
        f"{RBAC}/rolebindings",
        items(binding("lost", "reports", ("Role", "gone"), account("reporter", "reports"))),
    )
    read(cluster)
    assert possible_matches(possible(cluster, REPORTER), "get pods", "x") == "not known"


def test_reading_again_changes_nothing_and_pages_are_followed(
    there: There, cluster: Source, read: Callable[..., InventoryRead]
) -> None:
    def pages(request: Request) -> Answer:
        if request.query.get("continue") == "a/b=":
            return items(meta("two", "reports"))
        return items(meta("one", "reports"), going_on="a/b=")

    there.on("GET", "/api/v1/serviceaccounts", pages)
    read(cluster)
    assert len(shown(cluster)) == 2
    before = everything()
    row = read(cluster)
    assert (row.new, row.changed, row.gone) == (0, 0, 0)
    assert everything() == before


def test_token_secrets_are_listed_by_their_metadata_alone(
    there: There, cluster: Source, read: Callable[..., InventoryRead]
) -> None:
    there.on(
        "GET", "/api/v1/secrets",
        items(meta("reporter-token", "reports",
                   annotations={"kubernetes.io/service-account.name": "reporter"},
                   labels={"kubernetes.io/legacy-token-last-used": "2026-10-24"})),
    )  # fmt: skip
    read(cluster)
    made = Discovery.objects.get(part="token secrets")
    assert made.holder is not None
    assert (made.actor.value, made.holder.value, made.last_used_at) == (
        "namespaces/reports/secrets/reporter-token",
        REPORTER,
        datetime(2026, 10, 24, tzinfo=UTC),
    )
    (asked,) = [one for one in there.asked if one.path == "/api/v1/secrets"]
    assert "PartialObjectMetadataList" in asked.headers["accept"]
    assert asked.query["fieldSelector"] == "type=kubernetes.io/service-account-token"


def test_bindings_that_may_not_be_read_leave_accounts_as_they_were(
    there: There, cluster: Source, read: Callable[..., InventoryRead]
) -> None:
    read(cluster)
    there.on("GET", f"{RBAC}/rolebindings", Answer(403, {"kind": "Status", "code": 403}))
    row = read(cluster)
    assert (row.state, row.gone) == ("failed", 0)
    assert "rolebindings answered 403" in row.problem
    assert len(shown(cluster)) == 2


def test_connection_says_which_list_is_missing(there: There, cluster: Source) -> None:
    there.on("GET", f"{RBAC}/roles", Answer(403, {"kind": "Status", "code": 403}))
    with Http(allow_private=True, clock=Clock()) as http:
        asked = Asked(cluster.connection.settings, {}, NOW, NOW, http)
        found = [(one.name, one.ok) for one in CONNECTOR.check(asked)]
        assert list(CONNECTOR.pages(asked)) == []
    assert found == [
        ("list service accounts", True),
        ("list roles", False),
        ("list cluster roles", True),
        ("list role bindings", True),
        ("list cluster role bindings", True),
    ]


# --- a cluster's own authority


@pytest.fixture
def authority(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that nobody but itself vouches for, and its key."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2090, 1, 1, tzinfo=UTC))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate, private = tmp_path / "ca.crt", tmp_path / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certificate, private


@pytest.fixture
def secure(authority: tuple[Path, Path]) -> Iterator[str]:
    """A server that answers every list with nothing, over TLS."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "35")
            self.end_headers()
            self.wfile.write(b'{"kind":"List","items":[],"more":1}')

        def log_message(self, *_: Any) -> None:
            """Nothing is written."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"https://localhost:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_authority_of_the_cluster_is_trusted_when_it_is_named(
    secure: str,
    authority: tuple[Path, Path],
    connect: Callable[..., Source],
    read: Callable[..., InventoryRead],
    secret_file: Kept,
) -> None:
    secret_file("CLUSTER_TOKEN", "made.up.token")
    said = {"url": secure, "cluster": "c", "token": "CLUSTER_TOKEN"}
    source = connect("kubernetes", **said)
    row = read(source)
    assert (row.state, "is not trusted: self-signed certificate" in row.problem) == (
        "waiting",
        True,
    )
    assert "SSL_CERT_FILE" in row.fix
    secret_file("CLUSTER_CA", authority[0].read_text())
    source.connection.settings = said | {"authority": "CLUSTER_CA"}
    source.connection.save()
    InventoryRead.objects.update(not_before=None)
    assert read(source).state == "done"


def test_authority_that_is_no_certificate_is_said(
    there: There, cluster: Source, read: Callable[..., InventoryRead], secret_file: Kept
) -> None:
    secret_file("CLUSTER_CA", "no certificate")
    cluster.connection.settings |= {"authority": "CLUSTER_CA"}
    cluster.connection.save()
    row = read(cluster)
    assert (row.state, row.problem) == (
        "failed",
        "What authority refers to is no certificate in PEM.",
    )


def test_only_the_cluster_connector_fits() -> None:
    assert kubernetes.SYSTEM.fits("kubernetes", {})
    assert not kubernetes.SYSTEM.fits("s3", {})
