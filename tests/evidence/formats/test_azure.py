"""Azure: who called, in every export's shape; what is dropped; what belongs to others."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from evidence.formats import KINDS, recognise
from evidence.formats.paths import lower_names
from evidence.formats.record import ActorName
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

TENANT, SUBSCRIPTION = "tenant-1", "55555555-eeee-4eee-8eee-000000000001"
PLACE = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/Data/providers/Microsoft.Web/sites/Shop"
SOAP = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/"
CLAIMS = {
    "http://schemas.microsoft.com/identity/claims/tenantid": TENANT,
    "http://schemas.microsoft.com/identity/claims/objectidentifier": "principal-1",
    "appid": "app-1",
    "uti": "uti-1",
}
COMMON = {
    "time": "2031-03-04T06:01:00Z",
    "resourceId": PLACE,
    "operationName": "Microsoft.Web/sites/delete",
    "category": "Administrative",
    "resultType": "Success",
    "callerIpAddress": "198.51.100.8:5123",
    "correlationId": "correlation-1",
    "tenantId": TENANT,
    "identity": {"claims": CLAIMS},
}
REST = {
    "eventTimestamp": COMMON["time"],
    "eventDataId": "event-1",
    "resourceId": PLACE,
    "operationName": {"value": COMMON["operationName"], "localizedValue": "Delete Web App"},
    "category": {"value": "Administrative"},
    "status": {"value": "Succeeded"},
    "httpRequest": {"clientIpAddress": "198.51.100.8"},
    "correlationId": "correlation-1",
    "claims": CLAIMS,
    "caller": "principal-1",
    "subscriptionId": SUBSCRIPTION,
    "tenantId": TENANT,
}
WORKSPACE = {
    "TimeGenerated": COMMON["time"],
    "TenantId": "workspace-1",
    "Type": "AzureActivity",
    "OperationNameValue": COMMON["operationName"],
    "CategoryValue": "Administrative",
    "ActivityStatusValue": "Success",
    "CallerIpAddress": "198.51.100.8",
    "CorrelationId": "correlation-1",
    "Claims": orjson.dumps(CLAIMS).decode(),
    "_ResourceId": PLACE.lower(),
}
SHAPES: dict[str, dict[str, Any]] = {
    "diagnostic settings": COMMON,
    "key vault's spelling": {**COMMON, "identity": {"claim": CLAIMS}},
    "lower case": lower_names(COMMON),
    "REST": REST,
    "workspace": WORKSPACE,
}


@pytest.mark.parametrize("shape", SHAPES)
def test_call_means_the_same_in_every_shape(shape: str) -> None:
    record = abuse.read("azure", SHAPES[shape])
    realm = f"entra:{TENANT}"
    assert (record.realm, record.at) == (f"azure:{SUBSCRIPTION}", 1_930_370_460_000_000)
    assert (record.activity, record.outcome) == (CHANGE, OUTCOME_OK)
    assert (record.action, record.resource) == ("Microsoft.Web/sites/delete", PLACE.lower())
    assert record.principal == ActorName(
        realm, "service_principal", "principal-1", ActorName(realm, "app", "app-1")
    )
    assert record.credential == ActorName(realm, "token", "uti-1")
    assert (record.address, record.request_id) == ("198.51.100.8", "correlation-1")


@pytest.mark.parametrize(
    ("claims", "kind", "value"),
    [
        ({SOAP + "upn": "Rosa@Example.com"}, "user", "rosa@example.com"),
        ({"name": "Rosa@Example.com"}, "user", "rosa@example.com"),
        ({"unique_name": "live.com#rosa@example.com"}, "user", "rosa@example.com"),
        ({SOAP + "emailaddress": "Microsoft.Advisor"}, "service", "Microsoft.Advisor"),
        ({"appid": "app-1"}, "app", "app-1"),
        ({"oid": "p-1", "xms_mirid": "/subscriptions/x"}, "managed_identity", "p-1"),
        ({"oid": "p-1", "scp": "user_impersonation"}, "user", "p-1"),
        ({"oid": "p-1"}, "service_principal", "p-1"),
    ],
)
def test_caller_is_read_from_its_claims(claims: dict[str, str], kind: str, value: str) -> None:
    record = abuse.read("azure", {**COMMON, "identity": {"claims": claims}})
    assert record.principal is not None
    assert record.principal[:3] == (f"entra:{TENANT}", kind, value)


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        ({"resultType": "Success"}, OUTCOME_OK),
        ({"resultType": "Start", "resultSignature": "Started."}, OUTCOME_UNKNOWN),
        ({"resultType": "Failed", "resultSignature": "403"}, OUTCOME_REFUSED),
        ({"resultType": "Failure", "resultSignature": "Conflict"}, OUTCOME_FAILED),
        ({"resultType": None, "statusCode": 403}, OUTCOME_REFUSED),
        ({"resultType": None, "statusCode": 206}, OUTCOME_OK),
        ({"resultType": None, "statusCode": "404"}, OUTCOME_FAILED),
        ({"resultType": None}, OUTCOME_UNKNOWN),
    ],
)
def test_call_ends_as_its_words_and_codes_say(said: dict[str, Any], outcome: int) -> None:
    assert abuse.read("azure", {**COMMON, **said}).outcome == outcome


@pytest.mark.parametrize(
    ("operation", "activity"),
    [
        ("MICROSOFT.STORAGE/STORAGEACCOUNTS/LISTKEYS/ACTION", ISSUANCE),
        ("Microsoft.Storage/storageAccounts/regenerateKey/action", ISSUANCE),
        ("Microsoft.Compute/disks/beginGetAccess/action", ISSUANCE),
        ("Microsoft.Authorization/roleAssignments/write", CHANGE),
        ("Microsoft.Authorization/roleAssignments/delete", REVOCATION),
        ("Microsoft.KeyVault/vaults/secrets/read", USE),
        ("SecretSet", CHANGE),
        ("SecretGet", USE),
        ("PutBlob", USE),
        ("deleteblob", CHANGE),
    ],
)
def test_operation_by_kind_of_act(operation: str, activity: int) -> None:
    assert abuse.read("azure", {**COMMON, "operationName": operation}).activity == activity


def test_kubernetes_records_in_azures_envelope_are_not_azures() -> None:
    azure = next(kind for kind in KINDS if kind.name == "azure")
    inner = orjson.dumps({"kind": "Event", "verb": "get"}).decode()
    for category in ("kube-audit", "kube-audit-admin"):
        record = {**COMMON, "category": category, "properties": {"log": inner}}
        assert not azure.knows(record)


def test_request_body_and_signature_of_an_address_are_not_kept() -> None:
    body = '{"properties":{"note":"private words"}}'
    address = "https://ledger.blob.core.windows.net/b/f.csv?sp=r&sig=c2lnbmF0dXJlLW9mLWl0"
    record = {**COMMON, "uri": address, "resourceId": None, "properties": {"requestbody": body}}
    parsed = abuse.parse("azure", record)
    assert b"private words" not in parsed.kept
    assert b"c2lnbmF0dXJl" not in parsed.kept
    assert parsed.records[0].resource == "https://ledger.blob.core.windows.net/b/f.csv"
    whole = abuse.parse("azure", record, abuse.ASKED._replace(keep_content=True))
    assert b"private words" in whole.kept
    assert parsed.records[0].digest == whole.records[0].digest


def test_real_records_survive_damage(data: Path) -> None:
    records = abuse.labelled(data, "azure_activity")
    abuse.survives("azure", [records[number] for number in (3, 19, 53, 57, 59, 78, 92)])


def test_entry_as_azures_library_for_python_writes_it_is_read_as_ever() -> None:
    entry = {
        "authorization": {"action": "Microsoft.Web/sites/delete", "scope": PLACE},
        "claims": CLAIMS,
        "caller": "principal-1",
        "correlation_id": "correlation-1",
        "event_data_id": "event-1",
        "event_timestamp": "2031-03-04T06:01:00Z",
        "http_request": {"client_request_id": "c", "client_ip_address": "198.51.100.8"},
        "operation_name": {"value": "Microsoft.Web/sites/delete", "localized_value": "Delete"},
        "properties": {"status_code": "Forbidden"},
        "resource_id": PLACE,
        "status": {"value": "Failed", "localized_value": "Failed"},
        "sub_status": {"value": "Forbidden", "localized_value": "Forbidden"},
        "subscription_id": SUBSCRIPTION,
        "tenant_id": TENANT,
    }
    parsed = abuse.parse("azure", entry)
    (record,) = parsed.records
    assert (record.realm, record.at) == (f"azure:{SUBSCRIPTION}", 1_930_370_460_000_000)
    assert (record.action, record.resource) == ("Microsoft.Web/sites/delete", PLACE.lower())
    assert (record.address, record.vendor_id, record.request_id) == (
        "198.51.100.8",
        "event-1",
        "correlation-1",
    )
    assert record.outcome == OUTCOME_REFUSED
    assert record.principal is not None
    assert record.principal.value == "principal-1"
    assert abuse.told(abuse.parse("azure", parsed.kept).records[0]) == abuse.told(record)
    assert recognise(orjson.dumps(entry)) == "azure"
