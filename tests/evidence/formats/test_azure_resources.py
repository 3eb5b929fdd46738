"""Azure's resources whose logs say in members of their own which call it was and who made it."""

from typing import Any

import orjson
import pytest

from evidence.formats import recognise
from evidence.formats.paths import lower_names
from evidence.formats.record import ActorName
from evidence.vocabulary import (
    CHANGE,
    ISSUANCE,
    OUTCOME_FAILED,
    OUTCOME_OK,
    OUTCOME_REFUSED,
    OUTCOME_UNKNOWN,
    USE,
)
from tests.evidence.formats import abuse

TENANT = "6f0c1a52-7d11-4b0e-9a55-0c1f2d3e4f50"
SUBSCRIPTION = "55555555-eeee-4eee-8eee-000000000001"
GROUP = f"/SUBSCRIPTIONS/{SUBSCRIPTION.upper()}/RESOURCEGROUPS/DATA/PROVIDERS"
GATEWAY = f"{GROUP}/MICROSOFT.APIMANAGEMENT/SERVICE/FRONT"
MODELS = f"{GROUP}/MICROSOFT.COGNITIVESERVICES/ACCOUNTS/MODELS"
THROUGH = "Microsoft.ApiManagement/GatewayLogs"
BODIES = {
    "requestBody": '{"messages":[{"content":"asked by Rosa"}]}',
    "responseBody": "answered to Rosa",
    "backendRequestBody": '{"messages":[{"content":"asked by Rosa"}]}',
    "backendResponseBody": "answered to Rosa",
}
CALLED: dict[str, Any] = {
    "apiId": "Models-API",
    "operationId": "Completions_Create",
    "method": "POST",
    "responseCode": 200,
    **BODIES,
}
CALL: dict[str, Any] = {
    "time": "2031-03-04T06:01:00Z",
    "category": "GatewayLogs",
    "operationName": THROUGH,
    "resourceId": GATEWAY,
    "callerIpAddress": "198.51.100.8",
    "correlationId": "correlation-1",
    "isRequestSuccess": True,
    "resultType": "Succeeded",
    "properties": CALLED,
}
ROW = {
    "TimeGenerated": CALL["time"],
    "TenantId": "workspace-1",
    "Category": "GatewayLogs",
    "OperationName": THROUGH,
    "CorrelationId": "correlation-1",
    "CallerIpAddress": "198.51.100.8",
}
OF_ITS_OWN = {
    **ROW,
    "Type": "ApiManagementGatewayLogs",
    "_ResourceId": GATEWAY.lower(),
    "IsRequestSuccess": True,
    **{name[0].upper() + name[1:]: value for name, value in CALLED.items()},
}
SHARED = {
    **ROW,
    "Type": "AzureDiagnostics",
    "ResourceId": GATEWAY,
    "_ResourceId": GATEWAY.lower(),
    "isRequestSuccess_b": True,
    **{f"{name}_s": value for name, value in CALLED.items() if name != "responseCode"},
    "responseCode_d": 200.0,
}
SHAPES: dict[str, dict[str, Any]] = {
    "diagnostic settings": CALL,
    "properties as text": {**CALL, "properties": orjson.dumps(CALLED).decode()},
    "lower case": lower_names(CALL),
    "a table of its own": OF_ITS_OWN,
    "a table of its own in lower case": lower_names(OF_ITS_OWN),
    "the shared table": SHARED,
    "the shared table in lower case": lower_names(SHARED),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_call_through_a_gateway_names_its_operation_and_its_api(shape: str) -> None:
    assert recognise(orjson.dumps(SHAPES[shape])) == "azure"
    record = abuse.read("azure", SHAPES[shape])
    assert (record.action, record.activity) == (f"{THROUGH} Completions_Create", USE)
    assert record.resource == f"{GATEWAY.lower()}/apis/models-api"
    assert (record.realm, record.outcome) == (f"azure:{SUBSCRIPTION}", OUTCOME_OK)
    assert (record.address, record.request_id) == ("198.51.100.8", "correlation-1")
    assert (record.error, record.at) == (None, 1_930_370_460_000_000)


@pytest.mark.parametrize("shape", SHAPES)
def test_prompts_and_completions_of_a_gateway_are_not_kept(shape: str) -> None:
    parsed = abuse.parse("azure", SHAPES[shape])
    assert b"Rosa" not in parsed.kept
    assert len(parsed.redactions) == len(BODIES)
    again = abuse.parse("azure", parsed.kept)
    assert list(map(abuse.told, again.records)) == list(map(abuse.told, parsed.records))


def test_messages_that_a_gateway_logs_of_models_are_not_kept() -> None:
    row = {
        **ROW,
        "Type": "ApiManagementGatewayLlmLog",
        "_ResourceId": GATEWAY.lower(),
        "RequestMessages": '[{"role":"user","content":"asked by Rosa"}]',
        "ResponseMessages": [{"role": "assistant", "content": "answered to Rosa"}],
    }
    for each in (row, lower_names(row)):
        assert recognise(orjson.dumps(each)) == "azure"
        assert b"Rosa" not in abuse.parse("azure", each).kept


def test_call_that_matches_no_operation_is_of_its_gateway() -> None:
    properties = {"responseCode": 404, "operationId": "", "apiId": None}
    record = abuse.read("azure", {**CALL, "resultType": "Failed", "properties": properties})
    assert (record.action, record.resource) == (THROUGH, GATEWAY.lower())
    assert (record.outcome, record.error) == (OUTCOME_FAILED, "404")


UNSTATED = {"resultType": None, "isRequestSuccess": None}


@pytest.mark.parametrize(
    ("around", "inside", "outcome", "error"),
    [
        ({"resultType": "Failed", "isRequestSuccess": False}, {}, OUTCOME_FAILED, "200"),
        ({"resultType": "Failed"}, {"responseCode": 429}, OUTCOME_FAILED, "429"),
        ({"resultType": None, "isRequestSuccess": False}, {}, OUTCOME_FAILED, "200"),
        (UNSTATED, {"responseCode": 500}, OUTCOME_FAILED, "500"),
        (UNSTATED, {"responseCode": 302}, OUTCOME_OK, None),
        (UNSTATED, {"responseCode": None}, OUTCOME_UNKNOWN, None),
        ({"resultType": "Failed"}, {"responseCode": 403}, OUTCOME_REFUSED, "403"),
        (
            {"resultType": "Failed"},
            {"responseCode": 401, "lastError": {"reason": "SubscriptionKeyNotFound"}},
            OUTCOME_REFUSED,
            "SubscriptionKeyNotFound",
        ),
    ],
)
def test_call_through_a_gateway_ends_as_it_was_answered(
    around: dict[str, Any], inside: dict[str, Any], outcome: int, error: str | None
) -> None:
    call = {**CALL, **around, "properties": {**CALLED, **inside}}
    for each in (call, lower_names(call)):
        record = abuse.read("azure", each)
        assert (record.outcome, record.error) == (outcome, error)


CALLER = "22222222-BBBB-4bbb-8bbb-000000000001"
ASKED_FOR_KEY: dict[str, Any] = {
    "time": "2031-03-04T06:01:00Z",
    "category": "Audit",
    "operationName": "ListKey",
    "resourceId": MODELS,
    "Tenant": "eastus",
    "properties": {"objectId": CALLER},
}
SHARED_OF_MODELS = {
    "TimeGenerated": CALL["time"],
    "TenantId": "workspace-1",
    "Type": "AzureDiagnostics",
    "Category": "Audit",
    "OperationName": "ListKey",
    "ResourceId": MODELS,
    "properties_s": orjson.dumps({"objectId": CALLER}).decode(),
}
OF_MODELS: dict[str, tuple[dict[str, Any], str]] = {
    "diagnostic settings": (ASKED_FOR_KEY, "entra"),
    "of a known tenant": ({**ASKED_FOR_KEY, "tenantId": TENANT}, f"entra:{TENANT}"),
    "properties as text": (
        {**ASKED_FOR_KEY, "properties": orjson.dumps({"objectId": CALLER}).decode()},
        "entra",
    ),
    "lower case": (lower_names(ASKED_FOR_KEY), "entra"),
    "the shared table": (SHARED_OF_MODELS, "entra"),
    "the shared table in lower case": (lower_names(SHARED_OF_MODELS), "entra"),
}


@pytest.mark.parametrize("shape", OF_MODELS)
def test_who_asked_for_the_key_of_a_model_is_its_object_id(shape: str) -> None:
    row, realm = OF_MODELS[shape]
    record = abuse.read("azure", row)
    assert (record.action, record.activity) == ("ListKey", ISSUANCE)
    assert record.principal == ActorName(realm, "service_principal", CALLER.lower())
    assert (record.outcome, record.resource) == (OUTCOME_UNKNOWN, MODELS.lower())


@pytest.mark.parametrize("number", ["", None, 7, "00000000-0000-0000-0000-000000000000"])
def test_caller_with_the_key_of_a_model_is_nobody(number: Any) -> None:
    record = abuse.read("azure", {**ASKED_FOR_KEY, "properties": {"objectId": number}})
    assert (record.principal, record.activity) == (None, ISSUANCE)


def test_object_id_of_another_resource_is_no_caller() -> None:
    record = abuse.read("azure", {**ASKED_FOR_KEY, "resourceId": GATEWAY})
    assert record.principal is None


def test_claims_of_a_caller_come_before_the_object_id_of_the_log() -> None:
    claims = {"identity": {"claims": {"oid": "other", "tid": TENANT}}}
    record = abuse.read("azure", {**ASKED_FOR_KEY, **claims})
    assert record.principal == ActorName(f"entra:{TENANT}", "service_principal", "other")


@pytest.mark.parametrize(
    ("operation", "activity"),
    [
        ("ListKeys", ISSUANCE),
        ("RegenerateKey", ISSUANCE),
        ("regeneratekeys", ISSUANCE),
        ("ListKeyVersions", USE),
        ("KeyList", USE),
        ("KeyRotate", CHANGE),
    ],
)
def test_operation_that_gives_out_a_key_issues_it(operation: str, activity: int) -> None:
    record = abuse.read("azure", {**ASKED_FOR_KEY, "operationName": operation})
    assert record.activity == activity


OF_TENANT: dict[str, Any] = {
    "time": "2031-03-04T06:01:00Z",
    "category": "Administrative",
    "operationName": "Microsoft.aadiam/updateDirectory/action",
    "resourceId": f"/TeNaNtS/{TENANT.upper()}/PrOvIdErS/Microsoft.aadiam",
    "resultType": "Success",
    "correlationId": "correlation-1",
    "identity": {"claims": {"oid": "principal-1", "appid": "app-1"}},
}
OF_TENANT_IN_WORKSPACE = {
    "TimeGenerated": CALL["time"],
    "TenantId": "workspace-1",
    "Type": "AzureActivity",
    "OperationNameValue": OF_TENANT["operationName"],
    "CategoryValue": "Administrative",
    "ActivityStatusValue": "Success",
    "_ResourceId": OF_TENANT["resourceId"].lower(),
}


@pytest.mark.parametrize("low", [False, True])
def test_record_of_a_tenant_is_in_the_realm_of_its_path(low: bool) -> None:
    record = abuse.read("azure", lower_names(OF_TENANT) if low else OF_TENANT)
    realm = f"entra:{TENANT}"
    assert record.realm == f"azure:{TENANT}"
    assert record.principal == ActorName(
        realm, "service_principal", "principal-1", ActorName(realm, "app", "app-1")
    )
    row = OF_TENANT_IN_WORKSPACE
    assert abuse.read("azure", lower_names(row) if low else row).realm == f"azure:{TENANT}"


def test_tenant_that_is_stated_comes_before_the_path_where_it_names_the_caller() -> None:
    claims = {"oid": "principal-1", "tid": "home-of-the-caller"}
    record = abuse.read("azure", {**OF_TENANT, "identity": {"claims": claims}})
    assert record.realm == f"azure:{TENANT}"
    assert record.principal is not None
    assert record.principal.realm == "entra:home-of-the-caller"


def test_hostile_records_of_resources_are_read_or_rejected() -> None:
    abuse.survives("azure", [CALL, SHARED, ASKED_FOR_KEY, SHARED_OF_MODELS, OF_TENANT])
