"""Entra's identity protection: with which program a risky sign-in came, and who is at risk."""

from typing import Any

import orjson
import pytest

from evidence.formats.paths import lower_names
from evidence.formats.record import ActorName
from tests.evidence.formats import abuse

TENANT = "6f0c1a52-7d11-4b0e-9a55-0c1f2d3e4f50"
REALM = f"entra:{TENANT}"
PERSON = "11111111-aaaa-4aaa-8aaa-000000000001"
ROSA = ActorName(REALM, "user", "rosa@example.com", ActorName(REALM, "user", PERSON))
PROGRAM = [{"Key": "alertUrl", "Value": None}, {"Key": "userAgent", "Value": "sample/1.0"}]
DETECTED: dict[str, Any] = {
    "id": "risk-1",
    "requestId": "sign-in-1",
    "riskEventType": "anonymizedIPAddress",
    "activityDateTime": "2031-03-04T05:01:00Z",
    "detectedDateTime": "2031-03-04T05:01:00Z",
    "userId": PERSON,
    "userPrincipalName": "rosa@example.com",
    "additionalInfo": orjson.dumps(PROGRAM).decode(),
}
AT_RISK: dict[str, Any] = {
    "id": PERSON,
    "userPrincipalName": "rosa@example.com",
    "userDisplayName": "Rosa",
    "riskState": "atRisk",
    "riskLastUpdatedDateTime": "2031-03-04T05:01:00Z",
}


def logged(category: str, operation: str, inside: dict[str, Any]) -> dict[str, Any]:
    return {
        "time": "2031-03-04T05:02:30Z",
        "resourceId": f"/tenants/{TENANT}/providers/microsoft.aadiam",
        "operationName": operation,
        "category": category,
        "tenantId": TENANT,
        "correlationId": "correlation-1",
        "properties": inside,
    }


def row(table: str, operation: str, inside: dict[str, Any]) -> dict[str, Any]:
    return {name[0].upper() + name[1:]: value for name, value in inside.items()} | {
        "TimeGenerated": "2031-03-04T05:02:30Z",
        "TenantId": "workspace-1",
        "AADTenantId": TENANT,
        "OperationName": operation,
        "Type": table,
    }


DETECTION = logged("UserRiskEvents", "User Risk Detection", DETECTED)
DETECTIONS: dict[str, dict[str, Any]] = {
    "diagnostic settings": DETECTION,
    "properties as text": {**DETECTION, "properties": orjson.dumps(DETECTED).decode()},
    "lower case": lower_names(DETECTION),
    "graph": {**DETECTED, "homeTenantId": TENANT},
    "graph in lower case": lower_names({**DETECTED, "homeTenantId": TENANT}),
    "workspace": row("AADUserRiskEvents", "User Risk Detection", DETECTED),
    "workspace in lower case": lower_names(
        row("AADUserRiskEvents", "User Risk Detection", DETECTED)
    ),
    "no text": {**DETECTION, "properties": {**DETECTED, "additionalInfo": PROGRAM}},
}


@pytest.mark.parametrize("shape", DETECTIONS)
def test_program_of_a_risky_sign_in_is_its_user_agent(shape: str) -> None:
    record = abuse.read("entra", DETECTIONS[shape])
    assert (record.user_agent, record.principal) == ("sample/1.0", ROSA)
    assert (record.vendor_id, record.request_id) == ("risk-1", "sign-in-1")


@pytest.mark.parametrize(
    "info", [None, "", "[]", "[1]", "[", '{"userAgent":1}', '[{"Key":"userAgent","Value":null}]']
)
def test_sign_in_without_a_program_has_no_user_agent(info: Any) -> None:
    detection = {**DETECTION, "properties": {**DETECTED, "additionalInfo": info}}
    record = abuse.read("entra", detection)
    assert (record.user_agent, record.principal) == (None, ROSA)


USER = logged("RiskyUsers", "Risky user", AT_RISK)
USERS: dict[str, dict[str, Any]] = {
    "diagnostic settings": USER,
    "lower case": lower_names(USER),
    "workspace": row("AADRiskyUsers", "Risky user", AT_RISK),
    "workspace in lower case": lower_names(row("AADRiskyUsers", "Risky user", AT_RISK)),
}


@pytest.mark.parametrize("shape", USERS)
def test_user_at_risk_has_the_object_id_of_the_record(shape: str) -> None:
    record = abuse.read("entra", USERS[shape])
    assert (record.principal, record.agent, record.vendor_id) == (ROSA, None, PERSON)


def test_service_principal_at_risk_has_the_object_id_of_the_record() -> None:
    inside = {"id": "sp-1", "appId": "app-1", "riskLastUpdatedDateTime": "2031-03-04T05:01:00Z"}
    record = abuse.read("entra", logged("RiskyServicePrincipals", "Risky principal", inside))
    assert record.principal == ActorName(
        REALM, "service_principal", "sp-1", ActorName(REALM, "app", "app-1")
    )


def test_hostile_records_of_risks_are_read_or_rejected() -> None:
    abuse.survives("entra", [DETECTION, DETECTIONS["workspace"], USER])
