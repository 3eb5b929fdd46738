"""Kubernetes audit: calls, tokens and pods, AWS's names, wrappings, stages."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from evidence.formats import FORMATS, recognise
from evidence.formats.clusters import from_path
from evidence.formats.record import ActorName, Asked
from evidence.vocabulary import (
    CHANGE,
    ISSUANCE,
    OUTCOME_FAILED,
    OUTCOME_OK,
    OUTCOME_REFUSED,
    OUTCOME_UNKNOWN,
    REVOCATION,
    USE,
)
from tests.evidence.formats import abuse
from tests.evidence.formats.abuse import parse, read
from tests.evidence.formats.conftest import SAMPLES

BODY = (SAMPLES / "kubernetes.jsonl").read_bytes()
ROWS: list[dict[str, Any]] = [orjson.loads(line) for line in BODY.splitlines()]
READER = ActorName("k8s:books", "service_account", "system:serviceaccount:books:reader")
TOKEN = ActorName("k8s:books", "token", "11111111-2222-4333-8444-000000000001", READER)
POD = ActorName("k8s:books", "pod", "aaaaaaaa-0000-4000-8000-000000000001", READER)
ROLE = ActorName("aws:111122223333", "arn", "arn:aws:iam::111122223333:role/apps/reader")


def test_event_reads_whole() -> None:
    assert read("kubernetes", ROWS[1])._replace(digest=b"") == (
        "Records[0]",
        b"",
        1_930_366_860_000_001,
        "k8s:books",
        1,
        USE,
        OUTCOME_OK,
        "list secrets",
        "namespaces/books/secrets",
        READER,
        TOKEN,
        POD,
        None,
        "0000-01/ResponseComplete",
        "0000-01",
        None,
        None,
        None,
        None,
        "198.51.100.7",
        "sample/1.0",
        None,
        POD.value,
        None,
        None,
        None,
    )


def test_token_that_was_requested_is_the_token_that_is_used() -> None:
    made, used = (read("kubernetes", row) for row in ROWS[:2])
    assert made.issued == (TOKEN, READER, False, 1_930_370_400_000_000)
    assert used.credential == TOKEN


def test_pod_stands_in_for_a_token_without_id() -> None:
    record = read("kubernetes", ROWS[2])
    assert (record.credential, record.agent) == (POD, None)


def test_names_that_aws_authenticated_are_aws_names() -> None:
    record = read("kubernetes", ROWS[11])
    assert record.realm == "k8s:111122223333/books"
    assert record.principal == ActorName(record.realm, "user", "kubernetes-admin")
    assert record.credential == ActorName("aws", "access_key", "ASIAEXAMPLE000000001", ROLE)
    assert record.conversation == "run-7"


@pytest.mark.parametrize(
    ("username", "expected"),
    [
        ("system:node:n1", ("k8s:books", "service", "system:node:n1")),
        ("eks:addon-manager", ("k8s:books", "service", "eks:addon-manager")),
        ("aksService", ("k8s:books", "service", "aksService")),
        ("system:anonymous", ("k8s:books", "user", "system:anonymous")),
        ("ada@example.com", ("k8s:books", "user", "ada@example.com")),
        (
            "arn:aws:iam::111122223333:user/ada",
            ("aws:111122223333", "arn", "arn:aws:iam::111122223333:user/ada"),
        ),
        (
            "arn:aws:sts::111122223333:assumed-role/reader/run-7",
            (
                "aws:111122223333",
                "role_session",
                "arn:aws:sts::111122223333:assumed-role/reader/run-7",
                ActorName("aws:111122223333", "arn", "arn:aws:iam::111122223333:role/reader"),
            ),
        ),
    ],
)
def test_principal(username: str, expected: tuple[Any, ...]) -> None:
    record = read("kubernetes", {**ROWS[4], "user": {"username": username}})
    assert record.principal == ActorName(*expected)


CALLS = [
    (0, "create serviceaccounts/token", "namespaces/books/serviceaccounts/reader", ISSUANCE),
    (3, "create pods/exec", "namespaces/books/pods/web-1", USE),
    (4, "delete serviceaccounts", "namespaces/books/serviceaccounts/reader", REVOCATION),
    (5, "create secrets", "namespaces/books/secrets/db-7x", CHANGE),
    (6, "patch deployments", "namespaces/books/deployments/web", CHANGE),
    (8, "get nonResourceURLs", "/version", USE),
]


@pytest.mark.parametrize(("row", "action", "resource", "activity"), CALLS)
def test_call(row: int, action: str, resource: str, activity: int) -> None:
    record = read("kubernetes", ROWS[row])
    assert (record.action, record.resource, record.activity) == (action, resource, activity)


def test_call_without_object_is_told_from_its_address() -> None:
    row = {name: value for name, value in ROWS[3].items() if name != "objectRef"}
    record = read(
        "kubernetes",
        {**row, "requestURI": "/apis/apps/v1/namespaces/books/deployments/web/scale?x=1"},
    )
    assert (record.action, record.resource) == (
        "create deployments/scale",
        "namespaces/books/deployments/web",
    )


def test_impersonation_names_both_sides() -> None:
    record = read("kubernetes", ROWS[6])
    assert record.principal is not None
    assert record.principal.value == "system:serviceaccount:kube-system:gateway"
    assert record.on_behalf == ActorName("k8s:books", "user", "ada@example.com")


OUTCOMES = [
    ({"responseStatus": {"code": 101}}, OUTCOME_OK),
    ({"responseStatus": {"code": 401}}, OUTCOME_REFUSED),
    ({"responseStatus": {"code": "403"}}, OUTCOME_REFUSED),
    ({"responseStatus": {"code": 409}}, OUTCOME_FAILED),
    ({"responseStatus": None, "stage": "Panic"}, OUTCOME_FAILED),
    ({"responseStatus": None}, OUTCOME_UNKNOWN),
    (
        {"responseStatus": None, "annotations": {"authorization.k8s.io/decision": "forbid"}},
        OUTCOME_REFUSED,
    ),
]


@pytest.mark.parametrize(("change", "outcome"), OUTCOMES)
def test_outcome(change: dict[str, Any], outcome: int) -> None:
    assert read("kubernetes", {**ROWS[2], **change}).outcome == outcome


def test_stages_of_one_request_are_events_of_their_own() -> None:
    both = [ROWS[1], {**ROWS[1], "stage": "RequestReceived", "responseStatus": None}]
    records = parse("kubernetes", both).records
    assert [one.vendor_id for one in records] == [
        "0000-01/ResponseComplete",
        "0000-01/RequestReceived",
    ]
    assert {one.request_id for one in records} == {"0000-01"}


def test_aks_wraps_events_as_text_or_object_and_names_the_cluster() -> None:
    text = ROWS[10]
    event = orjson.loads(text["properties"]["log"])
    whole = {**text, "properties": {"log": event}}
    for one in (text, whole):
        record = read("kubernetes", one)
        assert record.realm == "k8s:0000-sub/rg-1/books"
        assert (record.action, record.vendor_id) == ("create pods", "0000-11/ResponseComplete")


def test_eks_subscription_names_the_cluster_of_all_its_events() -> None:
    document = {
        "messageType": "DATA_MESSAGE",
        "owner": "111122223333",
        "logGroup": "/aws/eks/books/cluster",
        "logStream": "kube-apiserver-audit-1",
        "logEvents": [
            {"id": str(number), "timestamp": 1, "message": orjson.dumps(without(row)).decode()}
            for number, row in enumerate(ROWS[:3])
        ],
    }
    body = orjson.dumps(document)
    assert recognise(body) == "kubernetes"
    parsed = parse("kubernetes", body)
    assert parsed.rejects == []
    assert {one.realm for one in parsed.records} == {"k8s:111122223333/books"}


def test_other_lines_of_a_control_plane_are_rejected_with_the_reason() -> None:
    row = {"logGroup": "/aws/eks/books/cluster", "message": "I0304 controller.go:1] started"}
    parsed = parse("kubernetes", row)
    assert parsed.records == []
    assert [one.reason for one in parsed.rejects] == [
        "is a line of a control plane's own log, not an audit event"
    ]


def test_columns_in_other_case_are_read() -> None:
    row = ROWS[1]
    table = {
        "AuditId": row["auditID"],
        "Stage": row["stage"],
        "Verb": row["verb"],
        "User": row["user"],
        "ObjectRef": row["objectRef"],
        "ResponseStatus": row["responseStatus"],
        "SourceIps": row["sourceIPs"],
        "RequestUri": row["requestURI"],
        "RequestReceivedTime": row["requestReceivedTimestamp"],
        "UserAgent": row["userAgent"],
        "cluster": "books",
    }
    assert recognise(orjson.dumps(table)) == "kubernetes"
    record = read("kubernetes", table)
    assert record._replace(digest=b"") == read("kubernetes", row)._replace(digest=b"")


EXTRA = [
    "authentication.kubernetes.io/credential-id",
    "authentication_kubernetes_io_slash_credential-id",
    "authentication_kubernetes_io_credential-id",
]


@pytest.mark.parametrize("name", EXTRA)
def test_extra_attributes_are_found_however_exports_write_them(name: str) -> None:
    user = {**ROWS[1]["user"], "extra": {name: [f"JTI={TOKEN.value}"]}}
    assert read("kubernetes", {**ROWS[1], "user": user}).credential == TOKEN


def test_bodies_are_dropped_and_names_of_roles_stay() -> None:
    parsed = parse("kubernetes", ROWS)
    assert b"MTIzNA==" not in parsed.kept
    assert b"opaque-token-value" not in parsed.kept
    kept = FORMATS["kubernetes"].parse(
        orjson.dumps(ROWS[5]), Asked("lab", b"k" * 32, keep_content=True)
    )
    assert b"MTIzNA==" in kept.kept
    role = {**ROWS[5], "requestObject": {"roleRef": {"name": "admin"}, "spec": {"pin": 1}}}
    found = parse("kubernetes", role).kept
    assert b'"admin"' in found
    assert b'"pin":1' not in found


def test_secrets_inside_wrapped_text_are_dropped() -> None:
    event = {**without(ROWS[5])}
    row = {**ROWS[10], "properties": {"log": orjson.dumps(event).decode()}}
    assert b"MTIzNA==" not in parse("kubernetes", row).kept


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("core/v1/namespaces/a/pods/b/exec", "namespaces/a/pods/b"),
        ("core/v1/namespaces/a", "namespaces/a"),
        ("core/v1/nodes", "nodes"),
        ("rbac.authorization.k8s.io/v1/clusterroles/c", "clusterroles/c"),
        ("apps/v1beta2/namespaces/a/deployments", "namespaces/a/deployments"),
        ("healthz", "healthz"),
        (None, ""),
    ],
)
def test_path_of_google_is_the_same_place(path: Any, expected: str) -> None:
    assert from_path(path) == expected


SHAPES = {
    "lines": BODY,
    "list": orjson.dumps(ROWS),
    "event list": orjson.dumps(
        {"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "metadata": {}, "items": ROWS}
    ),
    "records": orjson.dumps({"records": ROWS}),
    "forwarded": b"\n".join(orjson.dumps({"log": orjson.dumps(row).decode()}) for row in ROWS),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_shape_is_recognised_and_read(shape: str) -> None:
    assert recognise(SHAPES[shape]) == "kubernetes"
    parsed = parse("kubernetes", SHAPES[shape])
    assert (len(parsed.records), parsed.rejects) == (len(ROWS), [])
    assert [one.digest for one in parsed.records] == [
        one.digest for one in parse("kubernetes", ROWS).records
    ]


def test_labelled_rows_are_read(data: Path) -> None:
    for file, actions, principals in (("kubernetes", 117, 107), ("aws_eks", 9, 12)):
        rows = abuse.labelled(data, file)
        parsed = parse("kubernetes", rows)
        assert (len(parsed.records), parsed.rejects) == (len(rows), [])
        assert sum(not one.action.endswith("not stated") for one in parsed.records) == actions
        assert sum(one.principal is not None for one in parsed.records) == principals


def without(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "cluster"}
