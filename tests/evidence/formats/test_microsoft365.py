"""Microsoft 365: whom one field may name, exports, keys; and alerts."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from evidence.formats.paths import lower_names
from evidence.formats.record import ActorName
from evidence.vocabulary import (
    CHANGE,
    ISSUANCE,
    OUTCOME_FAILED,
    OUTCOME_OK,
    OUTCOME_UNKNOWN,
    REVOCATION,
)
from tests.evidence.formats import abuse

REALM = "entra:tenant-1"
GUID = "22222222-bbbb-4bbb-8bbb-000000000001"
CLIENT = "33333333-cccc-4ccc-8ccc-000000000001"
RECORD: dict[str, Any] = {
    "CreationTime": "2031-03-04T07:01:00",
    "Id": "m-1",
    "Operation": "Update application – Certificates and secrets management ",
    "OrganizationId": "tenant-1",
    "RecordType": 8,
    "ResultStatus": "Success",
    "UserId": "Rosa@Example.com",
    "UserKey": "1003@example.com",
    "UserType": 0,
    "Workload": "AzureActiveDirectory",
    "ClientIP": "[2001:db8::1]:443",
    "InterSystemsId": "correlation-1",
    "ModifiedProperties": [
        {"Name": "KeyDescription", "NewValue": f'["[KeyIdentifier={GUID},x=y]"]', "OldValue": "[]"}
    ],
    "Target": [{"ID": "Application_object-1", "Type": 2}],
}
SHAPES: dict[str, dict[str, Any]] = {
    "as ever": RECORD,
    "lower case": lower_names(RECORD),
    "audit search": {
        "CreationDate": "2031-03-04T07:01:00Z",
        "Operations": RECORD["Operation"],
        "UserIds": RECORD["UserId"],
        "AuditData": orjson.dumps(RECORD).decode(),
    },
    "audit search, already read": {"auditData": RECORD, "operation": RECORD["Operation"]},
}


@pytest.mark.parametrize("shape", SHAPES)
def test_change_means_the_same_in_every_shape(shape: str) -> None:
    record = abuse.read("microsoft365", SHAPES[shape])
    assert (record.realm, record.at) == (REALM, 1_930_374_060_000_000)
    assert record.action == "Update application – Certificates and secrets management"
    assert (record.activity, record.outcome) == (ISSUANCE, OUTCOME_OK)
    assert record.principal == ActorName(REALM, "user", "rosa@example.com")
    assert (record.address, record.request_id) == ("2001:db8::1", "correlation-1")
    assert record.issued is not None
    assert record.issued[:3] == (
        ActorName(REALM, "key", GUID),
        ActorName(REALM, "app_object", "object-1"),
        True,
    )


def test_removed_key_is_a_revocation() -> None:
    (changed,) = RECORD["ModifiedProperties"]
    turned = {**changed, "NewValue": "[]", "OldValue": changed["NewValue"]}
    record = abuse.read("microsoft365", {**RECORD, "ModifiedProperties": [turned]})
    assert (record.activity, record.issued) == (REVOCATION, None)


@pytest.mark.parametrize(
    ("said", "kind", "value", "parent"),
    [
        ({"UserId": "ROSA@example.com", "UserKey": GUID.upper()}, "user", "rosa@example.com", GUID),
        ({"UserId": f"ServicePrincipal_{GUID}"}, "service_principal", GUID, None),
        ({"UserId": GUID, "UserType": 0}, "user", GUID, None),
        ({"UserId": GUID, "UserType": 6}, "service_principal", GUID, None),
        ({"UserId": "app@sharepoint", "ApplicationId": CLIENT}, "app", CLIENT, None),
        ({"UserId": "app@sharepoint"}, "service", "app@sharepoint", None),
        ({"UserId": "SHAREPOINT\\system"}, "service", "SHAREPOINT\\system", None),
        ({"UserId": "NT AUTHORITY\\SYSTEM (Host)"}, "service", "NT AUTHORITY\\SYSTEM", None),
        (
            {"UserId": "Not Available", "Actor": [{"ID": "Sync", "Type": 1}]},
            "service",
            "Sync",
            None,
        ),
        ({"UserId": "Not Available", "AppId": CLIENT}, "app", CLIENT, None),
    ],
)
def test_user_field_names_people_principals_and_services(
    said: dict[str, Any], kind: str, value: str, parent: str | None
) -> None:
    who = abuse.read("microsoft365", {**RECORD, **said}).principal
    assert who is not None
    assert (who.realm, who.kind, who.value) == (REALM, kind, value)
    assert (who.parent and who.parent.value) == parent


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        ({}, OUTCOME_OK),
        ({"ResultStatus": "PartiallySucceeded"}, OUTCOME_OK),
        ({"ResultStatus": None}, OUTCOME_OK),
        ({"ResultStatus": "False"}, OUTCOME_FAILED),
        ({"ResultStatus": "InProgress"}, OUTCOME_UNKNOWN),
        ({"Operation": "UserLoginFailed"}, OUTCOME_FAILED),
        ({"LogonError": "InvalidUserNameOrPassword"}, OUTCOME_FAILED),
    ],
)
def test_what_happened_ends_as_it_says(said: dict[str, Any], outcome: int) -> None:
    assert abuse.read("microsoft365", {**RECORD, **said}).outcome == outcome


def test_real_records_survive_damage(data: Path) -> None:
    records = abuse.labelled(data, "microsoft")
    abuse.survives("microsoft365", [records[number] for number in (0, 2, 5, 6)])
    abuse.survives("microsoft_alerts", records[12:14])
    abuse.survives("windows", records[14:])


def test_link_in_a_message_is_opened_from_the_users_address() -> None:
    bare = {name: value for name, value in RECORD.items() if name != "ClientIP"}
    opened = {**bare, "Operation": "TIUrlClickData", "UserIp": "198.51.100.7"}
    assert abuse.read("microsoft365", opened).address == "198.51.100.7"


APP = ActorName(REALM, "app", CLIENT)


@pytest.mark.parametrize(
    "said", [{"ClientAppId": CLIENT}, {"UserType": 5}, {"UserType": "Application"}]
)
def test_key_of_an_application_is_nobodys_own(said: dict[str, Any]) -> None:
    record = abuse.read("microsoft365", {**RECORD, "UserKey": CLIENT.upper(), **said})
    assert record.principal == ActorName(REALM, "user", "rosa@example.com")
    assert record.agent == APP


def test_application_that_changed_the_directory_for_somebody_is_the_agent() -> None:
    nobody = "00000000-0000-0000-0000-000000000000"
    ids = ("Rosa@Example.com", "1003", nobody, CLIENT, f"User_{GUID}", GUID, "User")
    record = abuse.read("microsoft365", {**RECORD, "Actor": [{"ID": one} for one in ids]})
    assert record.agent == APP
    own = [{"ID": f"User_{GUID}"}, {"ID": GUID}]
    assert abuse.read("microsoft365", {**RECORD, "Actor": own}).agent is None


@pytest.mark.parametrize("within", ["", "tenant|"])
def test_application_that_writes_into_sharepoint_is_in_its_key(within: str) -> None:
    said = {"UserId": "app@sharepoint", "UserKey": f"i:0i.t|{within}{CLIENT}|app@sharepoint"}
    assert abuse.read("microsoft365", {**RECORD, **said}).principal == APP
    bare = {"UserId": "app@sharepoint", "UserKey": "i:0i.t"}
    service = ActorName(REALM, "service", "app@sharepoint")
    assert abuse.read("microsoft365", {**RECORD, **bare}).principal == service


@pytest.mark.parametrize(
    ("said", "number"),
    [
        ({"ClientRequestId": "r-1"}, "r-1"),
        ({"ExtendedProperties": [{"Name": "correlationId", "Value": "r-2"}]}, "r-2"),
    ],
)
def test_request_is_said_in_other_places_too(said: dict[str, Any], number: str) -> None:
    bare = {name: value for name, value in RECORD.items() if name != "InterSystemsId"}
    assert abuse.read("microsoft365", {**bare, **said}).request_id == number


def test_administrator_who_downloads_a_mail_names_the_mailbox() -> None:
    bare = {name: value for name, value in RECORD.items() if name != "Target"}
    said = {
        "Operation": "AdminMailAccess",
        "ExtendedProperties": [{"Name": "MailboxId", "Value": "ben@example.com"}],
    }
    assert abuse.read("microsoft365", {**bare, **said}).resource == "ben@example.com"


@pytest.mark.parametrize(
    "operation",
    ["TeamCreated", "TeamDeleted", "BotAddedToTeam", "AppInstalled", "WriteTenantSettings"],
)
def test_changes_of_teams_are_changes(operation: str) -> None:
    bare = {name: value for name, value in RECORD.items() if name != "ModifiedProperties"}
    assert abuse.read("microsoft365", {**bare, "Operation": operation}).activity == CHANGE


def test_subjects_inside_alerts_and_investigations_go() -> None:
    entity = {"Entities": [{"Subject": "our salaries", "Recipient": "ben@example.com"}]}
    record = {
        **RECORD,
        "Data": orjson.dumps({"ms": "our salaries", "eid": "ben@example.com", **entity}).decode(),
        "Actions": [orjson.dumps(entity).decode()],
    }
    kept = abuse.parse("microsoft365", record).kept
    assert b"salaries" not in kept
    assert kept.count(b"ben@example.com") == 3
