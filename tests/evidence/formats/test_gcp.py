"""Google Cloud audit entries: names and their realms, chains, clusters, exports."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from evidence.formats import recognise
from evidence.formats.gcp import TABLE
from evidence.formats.record import ActorName
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
from tests.evidence.formats import abuse
from tests.evidence.formats.abuse import parse, read
from tests.evidence.formats.conftest import SAMPLES

BODY = (SAMPLES / "gcp.jsonl").read_bytes()
ROWS: list[dict[str, Any]] = [orjson.loads(line) for line in BODY.splitlines()]
ADDRESS = "clerk@ledger-prod.iam.gserviceaccount.com"
CLERK = ActorName("gcp:ledger-prod", "service_account", ADDRESS)
ROSA = ActorName("gcp:example.com", "user", "rosa@example.com")
NUMBER = "0123456789abcdef0123456789abcdef01234567"
KEY = ActorName("gcp:ledger-prod", "key", f"serviceAccounts/{ADDRESS}/keys/{NUMBER}")
BORROWED = ActorName("gcp:ledger-prod", "session", f"{ADDRESS} by rosa@example.com", CLERK)


def test_entry_reads_whole() -> None:
    assert read("gcp", ROWS[1])._replace(digest=b"") == (
        "Records[0]",
        b"",
        1_930_366_860_250_000,
        "gcp:ledger-prod",
        1,
        USE,
        OUTCOME_OK,
        "storage.objects.get",
        "projects/_/buckets/ledgers/objects/2031/03.csv",
        CLERK,
        KEY,
        None,
        None,
        "ins-01",
        None,
        None,
        None,
        None,
        None,
        "198.51.100.7",
        "sample/1.0",
        None,
        None,
        None,
        None,
        None,
    )


def test_key_that_was_made_is_the_key_that_is_used() -> None:
    made, used = (read("gcp", row) for row in ROWS[:2])
    assert made.issued == (KEY, CLERK, True, 1_961_903_000_000_000)
    assert used.credential == KEY


def test_token_that_was_generated_is_the_session_that_is_used() -> None:
    made, used = (read("gcp", row) for row in ROWS[2:4])
    assert made.issued == (BORROWED, CLERK, False, None)
    assert (used.credential, used.principal, used.on_behalf) == (BORROWED, CLERK, ROSA)


ISSUED = [
    (4, "key", f"serviceAccounts/{ADDRESS}/keys/fedcba9876543210fedcba9876543210fedcba98", False),
    (5, "key", "projects/98765/locations/global/keys/11111111-2222-4333-8444-555555555555", True),
]


@pytest.mark.parametrize(("row", "kind", "value", "standing"), ISSUED)
def test_other_issuance_names_its_credential(
    row: int, kind: str, value: str, standing: bool
) -> None:
    issued = read("gcp", ROWS[row]).issued
    assert issued is not None
    assert issued.credential == ActorName("gcp:ledger-prod", kind, value)
    assert issued.standing == standing


@pytest.mark.parametrize(
    ("row", "activity", "outcome"),
    [
        (0, ISSUANCE, OUTCOME_OK),
        (4, ISSUANCE, OUTCOME_OK),
        (6, REVOCATION, OUTCOME_OK),
        (7, CHANGE, OUTCOME_REFUSED),
        (8, USE, OUTCOME_OK),
        (12, CHANGE, OUTCOME_OK),
    ],
)
def test_activity_and_outcome(row: int, activity: int, outcome: int) -> None:
    record = read("gcp", ROWS[row])
    assert (record.activity, record.outcome) == (activity, outcome)


def test_refused_issuance_issues_nothing() -> None:
    record = read("gcp", changed(ROWS[0], status={"code": 7}))
    assert (record.outcome, record.issued) == (OUTCOME_REFUSED, None)


def test_cluster_calls_use_the_words_of_clusters() -> None:
    records = parse("gcp", ROWS[10:12]).records
    assert [(one.action, one.resource, one.activity) for one in records] == [
        ("create pods/exec", "namespaces/books/pods/web-1", USE),
        ("list secrets", "secrets", USE),
    ]
    assert records[1].principal == ActorName(
        "k8s:ledger-prod/europe-west1/books",
        "service_account",
        "system:serviceaccount:books:reader",
    )


METHODS = [
    ("io.k8s.core.v1.pods.list", "list pods"),
    ("io.k8s.authorization.rbac.v1.clusterrolebindings.create", "create clusterrolebindings"),
    ("io.k8s.core.v1.nodes.proxy.get", "get nodes/proxy"),
    ("io.k8s.get", "get nonResourceURLs"),
    ("com.example.v1beta1.ledgers.patch", "patch ledgers"),
    ("io.k8s.core.v1.strange", "io.k8s.core.v1.strange"),
]


@pytest.mark.parametrize(("method", "action"), METHODS)
def test_method_of_cluster(method: str, action: str) -> None:
    assert read("gcp", changed(ROWS[10], methodName=method)).action == action


POOL = (
    "principal://iam.googleapis.com/projects/98765/locations/global/workloadIdentityPools/ci/subject"
    "/repo:o/r"
)
WHO = [
    ({"principalEmail": "a@b.example"}, ("gcp:b.example", "user", "a@b.example")),
    (
        {"principalEmail": "98765-compute@developer.gserviceaccount.com"},
        ("gcp:98765", "service_account", "98765-compute@developer.gserviceaccount.com"),
    ),
    (
        {"principalEmail": "ledger@appspot.gserviceaccount.com"},
        ("gcp:ledger", "service_account", "ledger@appspot.gserviceaccount.com"),
    ),
    (
        {"principalSubject": "serviceAccount:ledger.svc.id.goog[books/reader]"},
        ("gcp:ledger", "service_account", "ledger.svc.id.goog[books/reader]"),
    ),
    (
        {"principalSubject": POOL},
        (
            "gcp:98765",
            "federated",
            POOL,
        ),
    ),
    ({"principalSubject": "user:a@b.example"}, ("gcp:b.example", "user", "a@b.example")),
    (
        {"authoritySelector": "system:anonymous"},
        ("k8s:ledger-prod/europe-west1/books", "user", "system:anonymous"),
    ),
]


@pytest.mark.parametrize(("who", "expected"), WHO)
def test_principal(who: dict[str, str], expected: tuple[str, str, str]) -> None:
    assert read("gcp", changed(ROWS[10], authenticationInfo=who)).principal == ActorName(*expected)


ORIGINS = [
    ({"principalSubject": "serviceAccount:a@p.iam.gserviceaccount.com"}, "gcp:p"),
    ({"firstPartyPrincipal": {"principalEmail": "a@p.iam.gserviceaccount.com"}}, "gcp:p"),
    ({"thirdPartyPrincipal": {"thirdPartyClaims": {"sub": "repo:o/r"}}}, "gcp"),
]


@pytest.mark.parametrize(("origin", "realm"), ORIGINS)
def test_origin_of_a_chain_is_its_first(origin: dict[str, Any], realm: str) -> None:
    who = {"principalEmail": ADDRESS, "serviceAccountDelegationInfo": [origin, {"x": 1}]}
    record = read("gcp", changed(ROWS[1], authenticationInfo=who))
    assert record.on_behalf is not None
    assert record.on_behalf.realm == realm
    assert record.credential is not None
    assert record.credential.parent == CLERK


def test_agent_speaks_under_its_own_name_in_its_trace() -> None:
    record = read("gcp", ROWS[9])
    assert record.agent == record.principal
    assert record.agent is not None
    assert (record.agent.realm, record.agent.kind) == ("gcp:98765", "agent_id")
    assert record.trace_id == bytes.fromhex("4bf92f3577b34da6a3ce929d0e0e4736")
    assert record.span_id == bytes.fromhex("00f067aa0ba902b7")


def test_content_is_dropped_and_queries_keep_their_form() -> None:
    parsed = parse("gcp", ROWS)
    assert [(one.position, one.kind) for one in parsed.redactions] == [
        ("Records[4]", "content"),
        ("Records[8]", "content"),
        ("Records[9]", "content"),
    ]
    assert b"private words" not in parsed.kept
    assert b"SELECT name FROM people WHERE id = ?" in parsed.kept


def lower(value: Any) -> Any:
    if isinstance(value, dict):
        return {name.lower(): lower(inside) for name, inside in value.items()}
    return [lower(one) for one in value] if isinstance(value, list) else value


def columns(row: dict[str, Any]) -> dict[str, Any]:
    """The entry as BigQuery's sink writes it."""
    payload = dict(row["protoPayload"])
    for name in ("request", "response", "metadata"):
        if name in payload:
            payload[f"{name}Json"] = orjson.dumps(payload.pop(name)).decode()
    rest = {name: value for name, value in row.items() if name != "protoPayload"}
    return rest | {"protopayload_auditlog": payload}


@pytest.mark.parametrize("export", [lower, columns])
def test_export_says_the_same(export: Any) -> None:
    exported = [export(row) for row in ROWS]
    assert recognise(orjson.dumps(exported)) == "gcp"
    parsed = parse("gcp", exported)
    assert [abuse.told(one) for one in parsed.records] == [
        abuse.told(one) for one in parse("gcp", ROWS).records
    ]
    assert b"private words" not in parsed.kept


SHAPES = {
    "lines": BODY,
    "list": orjson.dumps(ROWS),
    "entries": orjson.dumps({"entries": ROWS}),
    "single": orjson.dumps(ROWS[0]),
    "pushed": orjson.dumps({"message": ROWS[0], "subscription": "s"}),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_shape_is_recognised_and_read(shape: str) -> None:
    assert recognise(SHAPES[shape]) == "gcp"
    parsed = parse("gcp", SHAPES[shape])
    assert parsed.rejects == []
    assert parsed.records[0].issued is not None


def test_sign_in_that_failed_says_so_in_its_name() -> None:
    method = "google.login.LoginService.loginFailure"
    record = read("gcp", changed(ROWS[1], methodName=method))
    assert (record.activity, record.outcome) == (AUTHENTICATION, OUTCOME_FAILED)


@pytest.mark.parametrize(
    ("event", "resource"),
    [
        ([{"parameter": [{"name": "affected_email_address", "value": "rosa@example.com"}]}],
         "rosa@example.com"),
        ([1, {"parameter": 2}, {"parameter": [3, {"name": "login_type", "value": "exchange"}]}],
         "organizations/123"),
        ([{"parameter": [{"name": "affected_email_address", "value": {"a": 1}}]}],
         "organizations/123"),
    ],
)  # fmt: skip
def test_warning_names_the_account_that_it_is_about(event: Any, resource: str) -> None:
    method = "google.login.LoginService.suspiciousLogin"
    said = {"resourceName": "organizations/123", "metadata": {"event": event}}
    record = read("gcp", changed(ROWS[1], methodName=method, **said))
    assert record.resource == resource
    # Nobody called: a sign-in is under the account, what Google does to it is not.
    for name, under in (("suspiciousLogin", resource), ("accountDisabledHijacked", "")):
        called = f"google.login.LoginService.{name}"
        alone = read("gcp", changed(ROWS[1], methodName=called, authenticationInfo={}, **said))
        assert (alone.principal.value if alone.principal else "") == (under if "@" in under else "")
    other = changed(ROWS[1], methodName="google.iam.admin.v1.GetRole", **said)
    assert read("gcp", other).resource == "organizations/123"


def test_failure_is_no_refusal() -> None:
    assert read("gcp", changed(ROWS[1], status={"code": 6})).outcome == OUTCOME_FAILED


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        ({"type": "deployment", "labels": {"name": "vm", "project_id": "p"}}, "deployment/vm"),
        (
            {"type": "pubsub_topic", "labels": {"project_id": "p", "topic_id": "t"}},
            "pubsub_topic/t",
        ),
        (
            {"type": "gce_instance", "labels": {"zone_id": "z", "instance_id": "7"}},
            "gce_instance/7",
        ),
        ({"type": "sql_instance", "labels": {"project_id": "p", "location": "l"}}, None),
        ({"type": "deployment", "labels": ["name"]}, None),
        ({"type": 7, "labels": {"name": "vm"}}, None),
        ("...", None),
    ],
)
def test_monitored_resource_says_what_nothing_else_says(
    resource: Any, expected: str | None
) -> None:
    payload = {"methodName": "v2.deployments.insert", "serviceName": "x.googleapis.com"}
    assert read("gcp", {"protoPayload": payload, "resource": resource}).resource == expected
    named = {**payload, "resourceName": "projects/p/things/1"}
    assert read("gcp", {"protoPayload": named, "resource": resource}).resource == (
        "projects/p/things/1"
    )


def test_permission_says_what_was_called_where_no_method_does() -> None:
    asked = [{"permission": "run.services.setIamPolicy", "granted": False, "resource": "r"}]
    payload = {"serviceName": "run.googleapis.com", "authorizationInfo": asked}
    record = read("gcp", {"protoPayload": payload})
    assert (record.action, record.activity, record.outcome) == (
        "run.services.setIamPolicy",
        CHANGE,
        OUTCOME_REFUSED,
    )


def test_address_in_what_bigquery_says_of_itself_is_found() -> None:
    payload = {
        "serviceName": "bigquery.googleapis.com",
        "metadata": {"methodName": "InsertJob", "requestMetadata": {"callerIp": "198.51.100.7"}},
    }
    assert read("gcp", {"protoPayload": payload}).address == "198.51.100.7"


def test_labelled_rows_are_read(data: Path) -> None:
    for file, principals, unnamed in (("gcp_audit", 71, 0), ("gcp_k8s", 3, 1)):
        rows = abuse.labelled(data, file)
        parsed = parse("gcp", rows)
        assert (len(parsed.records), parsed.rejects) == (len(rows), [])
        assert sum(one.principal is not None for one in parsed.records) == principals
        named = sum(one.action != "gcp:not stated" for one in parsed.records)
        assert named == len(rows) - unnamed


def test_table_says_what_is_lacking() -> None:
    assert set(TABLE.lacks) == {"session", "request id"}


def changed(row: dict[str, Any], **payload: Any) -> dict[str, Any]:
    return {**row, "protoPayload": {**row["protoPayload"], **payload}}
