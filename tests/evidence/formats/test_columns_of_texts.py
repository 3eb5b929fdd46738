"""Rows of tables that keep an event's objects as JSON texts: Log Analytics, and stores like it."""

from typing import Any

import orjson
import pytest

from evidence.formats import FORMATS, recognise
from evidence.formats.record import ActorName, Asked, Parsed

ASKED = Asked(source="lab", digest_key=b"k" * 32)
CLUSTER = "/subscriptions/s1/resourcegroups/r1/providers/x/managedclusters/prod"
REALM = "k8s:s1/r1/prod"
BOT = "system:serviceaccount:agents:bot"
USER = {"username": BOT, "extra": {"authentication.kubernetes.io/credential-id": ["JTI=9"]}}
SECRET = {"kind": "Secret", "data": {"password": "aHVudGVyMg=="}}
EVENT: dict[str, Any] = {
    "auditID": "a1",
    "stage": "ResponseComplete",
    "verb": "create",
    "requestURI": "/api/v1/namespaces/x/secrets",
    "user": USER,
    "sourceIPs": ["10.0.0.1"],
    "objectRef": {"resource": "secrets", "namespace": "x", "name": "y"},
    "responseStatus": {"code": 201},
    "requestObject": SECRET,
}
# As the tables AKSAudit and AKSAuditAdmin name an event's members.
NAMES = {
    "auditID": "AuditId",
    "requestURI": "RequestUri",
    "sourceIPs": "SourceIps",
    "user": "User",
    "verb": "Verb",
    "stage": "Stage",
    "objectRef": "ObjectRef",
    "responseStatus": "ResponseStatus",
    "requestObject": "RequestObject",
}


def as_texts(event: dict[str, Any]) -> dict[str, Any]:
    return {
        name: orjson.dumps(value).decode() if type(value) in (dict, list) else value
        for name, value in event.items()
    }


def of_table(event: dict[str, Any]) -> dict[str, Any]:
    about = {"TimeGenerated": "2026-11-20T10:00:00Z", "Type": "AKSAudit", "_ResourceId": CLUSTER}
    return about | {NAMES[name]: value for name, value in event.items()}


ROWS = {
    "objects": of_table(EVENT),
    "texts": of_table(as_texts(EVENT)),
    "texts in lower case": {
        name.lower(): value
        for name, value in of_table(as_texts(EVENT)).items()
        if name != "_ResourceId"
    }
    | {"_resourceid": CLUSTER},
    "an event's own names": as_texts(EVENT)
    | {"resourceId": CLUSTER, "time": "2026-11-20T10:00:00Z"},
    "one text in all": {
        "TimeGenerated": "2026-11-20T10:00:00Z",
        "Category": "kube-audit",
        "ResourceId": CLUSTER.upper(),
        "log_s": orjson.dumps(EVENT).decode(),
    },
}


def read(name: str, row: dict[str, Any]) -> Parsed:
    body = orjson.dumps(row)
    assert recognise(body) == name
    return FORMATS[name].parse(body, ASKED)


@pytest.mark.parametrize("row", ROWS)
def test_audit_event_of_a_cluster_is_the_same_however_its_columns_are_written(row: str) -> None:
    parsed = read("kubernetes", ROWS[row])
    record = parsed.records[0]
    bot = ActorName(REALM, "service_account", BOT)
    assert (record.principal, record.credential) == (bot, ActorName(REALM, "token", "9", bot))
    assert (record.action, record.resource) == ("create secrets", "namespaces/x/secrets/y")
    assert (record.vendor_id, record.at) == ("a1/ResponseComplete", 1_795_168_800_000_000)
    # What a secret holds is no evidence, in no spelling.
    assert b"aHVudGVyMg==" not in parsed.kept
    again = FORMATS["kubernetes"].parse(parsed.kept, ASKED).records
    # Only the digest is of what was received.
    assert [one._replace(digest=b"") for one in again] == [record._replace(digest=b"")]


def test_text_that_is_no_json_stays_a_text() -> None:
    parsed = read("kubernetes", of_table(EVENT | {"user": "{broken", "objectRef": "[" * 5000}))
    assert (parsed.records[0].principal, parsed.records[0].action) == (None, "create secrets")


def test_texts_of_entra_and_azure_are_read_as_well() -> None:
    about = {"TimeGenerated": "2026-11-20T10:00:00Z", "AADTenantId": "T1", "CorrelationId": "c"}
    changed = {
        "Type": "AuditLogs",
        "OperationName": "Add service principal credentials",
        "InitiatedBy": {"user": {"id": "u", "userPrincipalName": "a@b"}},
        "TargetResources": [{"id": "sp1", "type": "ServicePrincipal"}],
    }
    record = read("entra", as_texts(about | changed)).records[0]
    assert (record.principal, record.resource) == (
        ActorName("entra:t1", "user", "a@b", ActorName("entra:t1", "user", "u")),
        "ServicePrincipal/sp1",
    )
    claims = {
        "appid": "app1",
        "http://schemas.microsoft.com/identity/claims/tenantid": "T1",
        "uti": "U1",
    }
    done = {"Type": "AzureActivity", "OperationNameValue": "X/WRITE", "CategoryValue": "Policy"}
    record = read("azure", as_texts(about | done | {"Claims_d": claims})).records[0]
    assert record.principal == ActorName("entra:t1", "app", "app1")
    assert record.credential == ActorName("entra:t1", "token", "U1")


FOREIGN: dict[str, dict[str, Any]] = {
    "Dropbox": {
        "timestamp": "2026-11-20T10:00:00Z",
        "event_category": {"_tag": "file_operations"},
        "event_type": {"_tag": "file_delete"},
        "actor": {"_tag": "user", "user": {"email": "alice@example.com"}},
        "context": {"_tag": "team_member"},
    },
    "another with a category, a type and an actor": {
        "event_category": "auth",
        "event_type": "login",
        "actor": {"id": "7", "name": "alice"},
    },
    "Intune": {
        "time": "2026-11-20T10:00:00Z",
        "category": "AuditLogs",
        "operationName": "Create MobileApp",
        "properties": {"AuditEventId": "a", "Actor": {"UPN": "alice@example.com"}},
    },
}


@pytest.mark.parametrize("vendor", FOREIGN)
def test_record_of_a_vendor_we_do_not_know_is_nobodys(vendor: str) -> None:
    assert recognise(orjson.dumps(FOREIGN[vendor])) is None


def test_asanas_own_records_are_known() -> None:
    actor = {"actor_type": "user", "email": "alice@example.com", "gid": "7"}
    said = {"event_category": "logins", "event_type": "user_login_succeeded", "actor": actor}
    assert read("asana", said).records[0].principal == ActorName(
        "asana", "user", "alice@example.com"
    )
