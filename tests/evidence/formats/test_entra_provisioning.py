"""Entra's provisioning: by whom, to whose account in which system, and how it ended."""

from typing import Any

import orjson
import pytest

from evidence.formats import recognise
from evidence.formats.paths import lower_names
from evidence.formats.record import ActorName
from evidence.vocabulary import CHANGE, OUTCOME_FAILED, OUTCOME_OK, OUTCOME_UNKNOWN
from tests.evidence.formats import abuse

TENANT = "6f0c1a52-7d11-4b0e-9a55-0c1f2d3e4f50"
REALM = f"entra:{TENANT}"
PERSON = "11111111-aaaa-4aaa-8aaa-000000000001"
SERVICE = "Azure AD Provisioning Service"
INSIDE: dict[str, Any] = {
    "id": "change-1",
    "activityDateTime": "2031-03-04T05:01:00Z",
    "tenantId": TENANT,
    "changeId": "correlation-1",
    "provisioningAction": "create",
    "servicePrincipal": {"Id": "sp-of-target", "Name": "Files of Acme"},
    "targetSystem": {"Id": "system-1", "Name": "Files", "details": {}},
    "initiatedBy": {"Type": "system", "Id": "", "Name": SERVICE},
    "sourceIdentity": {
        "identityType": "User",
        "details": {"UserPrincipalName": "rosa@example.com"},
        "Id": PERSON,
        "Name": "Rosa",
    },
    "targetIdentity": {"identityType": "User", "details": {}, "Id": "account-1", "Name": ""},
    "provisioningStatusInfo": {"Status": "success", "errorInformation": None},
}
AROUND: dict[str, Any] = {
    "time": "2031-03-04T05:02:30Z",
    "resourceId": f"/tenants/{TENANT}/providers/Microsoft.aadiam",
    "operationName": "Provisioning activity",
    "category": "ProvisioningLogs",
    "tenantId": TENANT,
    "resultType": "Success",
    "correlationId": "correlation-1",
}
GRAPH: dict[str, Any] = {
    **INSIDE,
    "servicePrincipal": {"id": "sp-of-target", "displayName": "Files of Acme"},
    "targetSystem": {"id": "system-1", "displayName": "Files", "details": {}},
    "initiatedBy": {"initiatorType": "system", "id": "", "displayName": SERVICE},
    "targetIdentity": {"id": "account-1", "displayName": "", "identityType": "User"},
    "provisioningStatusInfo": {"status": "success", "errorInformation": None},
}
# A table of a workspace has its objects as texts.
WORKSPACE = {
    name[0].upper() + name[1:]: orjson.dumps(value).decode() if isinstance(value, dict) else value
    for name, value in INSIDE.items()
} | {
    "TimeGenerated": INSIDE["activityDateTime"],
    "TenantId": "workspace-1",
    "AADTenantId": TENANT,
    "Category": "ProvisioningLogs",
    "OperationName": "Provisioning activity",
    "CorrelationId": "correlation-1",
    "ResultType": "Success",
    "Type": "AADProvisioningLogs",
}
SHAPES: dict[str, dict[str, Any]] = {
    "diagnostic settings": {**AROUND, "properties": INSIDE},
    "properties as text": {**AROUND, "properties": orjson.dumps(INSIDE).decode()},
    "lower case": lower_names({**AROUND, "properties": INSIDE}),
    "outer names in lower case": {**lower_names(AROUND), "properties": INSIDE},
    "graph": GRAPH,
    "graph in lower case": lower_names(GRAPH),
    "workspace": WORKSPACE,
    "workspace in lower case": lower_names(WORKSPACE),
}


def logged(**inside: Any) -> dict[str, Any]:
    return {**AROUND, "properties": {**INSIDE, **inside}}


@pytest.mark.parametrize("shape", SHAPES)
def test_provisioning_means_the_same_in_every_shape(shape: str) -> None:
    body = orjson.dumps({"value": [SHAPES[shape]] * 2})
    assert recognise(body) == "entra"
    for record in abuse.parse("entra", body).records:
        assert (record.action, record.activity) == ("Provisioning activity", CHANGE)
        assert (record.realm, record.outcome) == (REALM, OUTCOME_OK)
        assert record.principal == ActorName(REALM, "service", SERVICE)
        assert (record.credential, record.agent, record.on_behalf) == (None, None, None)
        assert record.resource == "Files/account-1"
        assert (record.vendor_id, record.request_id) == ("change-1", "correlation-1")
        assert record.error is None


@pytest.mark.parametrize(
    ("by", "kind", "value"),
    [
        ({"Type": "user", "Id": PERSON.upper(), "Name": "Rosa"}, "user", PERSON),
        ({"Type": "User", "Id": "", "Name": "Rosa"}, "user", "Rosa"),
        ({"initiatorType": "user", "id": PERSON, "displayName": "Rosa"}, "user", PERSON),
        ({"Type": "app", "Id": "SP-1", "Name": "Sync"}, "service_principal", "sp-1"),
        ({"initiatorType": "application", "id": "sp-1"}, "service_principal", "sp-1"),
        ({"Type": "app", "Id": "", "Name": "Sync"}, "service", "Sync"),
        ({"Type": "system", "Id": "1", "Name": "Sync"}, "service", "Sync"),
        ({"Type": "system", "Id": "engine-1", "Name": ""}, "service", "engine-1"),
        ({"Name": "Sync"}, "service", "Sync"),
        ({"user": {"id": PERSON}}, "user", PERSON),
    ],
)
def test_who_began_it_is_a_user_an_application_or_a_service(
    by: dict[str, Any], kind: str, value: str
) -> None:
    row = logged(initiatedBy=by)
    for each in (row, lower_names(row)):
        found = abuse.read("entra", each).principal
        assert found is not None
        assert found[:3] == (REALM, kind, value)


@pytest.mark.parametrize("by", [None, {}, "system", {"Type": "system", "Id": "", "Name": ""}])
def test_application_of_the_target_is_not_who_began_it(by: Any) -> None:
    row = logged(initiatedBy=by)
    for each in (row, lower_names(row)):
        assert abuse.read("entra", each).principal is None


NOBODY_YET = {"identityType": "User", "details": {}, "Id": "", "Name": ""}


@pytest.mark.parametrize(
    ("inside", "resource"),
    [
        ({"targetIdentity": NOBODY_YET}, "Files/rosa@example.com"),
        (
            {"targetIdentity": NOBODY_YET, "sourceIdentity": {"Name": "Rosa", "Id": PERSON}},
            "Files/Rosa",
        ),
        ({"targetIdentity": None, "sourceIdentity": {"Id": PERSON}}, f"Files/{PERSON}"),
        ({"targetSystem": None}, "Files of Acme/account-1"),
        ({"targetSystem": None, "servicePrincipal": None}, "account-1"),
        ({"targetIdentity": None, "sourceIdentity": None}, "Files"),
    ],
)
def test_account_is_named_as_far_as_it_is_known(inside: dict[str, Any], resource: str) -> None:
    row = logged(**inside)
    for each in (row, lower_names(row)):
        assert abuse.read("entra", each).resource == resource


FAILED = {"Status": "failure", "errorInformation": {"errorCode": "EntryConflict", "reason": "x"}}


@pytest.mark.parametrize(
    ("result", "status", "outcome", "error"),
    [
        ("Skipped", {"Status": "skipped", "errorInformation": None}, OUTCOME_UNKNOWN, None),
        ("Skipped", None, OUTCOME_UNKNOWN, None),
        ("Success", FAILED, OUTCOME_FAILED, "EntryConflict"),
        ("Skipped", FAILED, OUTCOME_FAILED, "EntryConflict"),
        ("Success", {"Status": "failure", "errorInformation": None}, OUTCOME_FAILED, "failure"),
        ("Failure", None, OUTCOME_FAILED, "Failure"),
        ("Success", None, OUTCOME_OK, None),
        ("Success", {"Status": "warning"}, OUTCOME_UNKNOWN, None),
    ],
)
def test_provisioning_ends_as_its_status_says(
    result: str, status: dict[str, Any] | None, outcome: int, error: str | None
) -> None:
    row = {**logged(provisioningStatusInfo=status), "resultType": result}
    for each in (row, lower_names(row)):
        record = abuse.read("entra", each)
        assert (record.outcome, record.error) == (outcome, error)


def test_hostile_records_of_provisioning_are_read_or_rejected() -> None:
    abuse.survives("entra", [logged(provisioningStatusInfo=FAILED), GRAPH, WORKSPACE])
