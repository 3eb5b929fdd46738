"""Tables of a Log Analytics workspace, with the columns that Azure Monitor's reference gives them."""

from typing import Any

import orjson
import pytest

from evidence.formats import recognise
from evidence.formats.paths import lower_names
from evidence.formats.record import ActorName
from evidence.vocabulary import (
    AUTHENTICATION,
    CHANGE,
    ISSUANCE,
    OUTCOME_FAILED,
    OUTCOME_OK,
    OUTCOME_REFUSED,
    USE,
)
from tests.evidence.formats import abuse

TENANT = "11111111-aaaa-4aaa-8aaa-000000000001"
APP = "33333333-cccc-4ccc-8ccc-000000000001"
HOLDER = "22222222-bbbb-4bbb-8bbb-000000000001"
KEY = "44444444-dddd-4ddd-8ddd-000000000001"
REALM = f"entra:{TENANT}"
# What every table has; the workspace is nobody's tenant.
EVERY = {
    "TenantId": "99999999-ffff-4fff-8fff-000000000001",
    "TimeGenerated": "2026-11-20T10:00:00.123Z",
    "SourceSystem": "Azure AD",
    "_BilledSize": 1200,
    "_IsBillable": "True",
}
AT = 1_795_168_800_123_000

OFFICE: dict[str, Any] = EVERY | {
    "Type": "OfficeActivity",
    "OfficeWorkload": "Exchange",
    "RecordType": "ExchangeItem",
    "Operation": "MailItemsAccessed",
    "OrganizationId": TENANT,
    "OfficeId": "m-1",
    "UserId": "Rosa@Example.com",
    "UserKey": HOLDER,
    "UserType": "Regular",
    "ResultStatus": "Succeeded",
    "ClientIP": "",
    "Client_IPAddress": "203.0.113.9",
    "ClientInfoString": "Client=REST;",
    "AppId": APP,
    "OfficeObjectId": "",
    "MailboxOwnerUPN": "rosa@example.com",
    "Item": orjson.dumps({"Subject": "salary", "ParentFolder": {"Path": "\\Inbox"}}).decode(),
    "ItemName": "salary",
    "Site_Url": "",
}
SHARED: dict[str, Any] = EVERY | {
    "Type": "OfficeActivity",
    "OfficeWorkload": "SharePoint",
    "RecordType": "SharePointFileOperation",
    "Operation": "FileDownloaded",
    "OrganizationId": TENANT,
    "OfficeId": "m-2",
    "UserId": "app@sharepoint",
    "UserType": "Application",
    "ClientIP": "203.0.113.9",
    "OfficeObjectId": "https://example.sharepoint.com/sites/f/plan.docx",
    "ApplicationId": APP,
}
SIGN_IN: dict[str, Any] = EVERY | {
    "OperationName": "Sign-in activity",
    "OperationVersion": "1.0",
    "Id": "s-1",
    "CorrelationId": "c-1",
    "ResultType": "0",
    "ResultSignature": "None",
    "AppId": APP,
    "IPAddress": "203.0.113.9",
    "ResourceDisplayName": "Microsoft Graph",
    "ResourceIdentity": "00000003-0000-0000-c000-000000000000",
    "UniqueTokenIdentifier": "uti-1",
    "AADTenantId": TENANT.upper(),
}
AS_PRINCIPAL = SIGN_IN | {
    "Type": "AADServicePrincipalSignInLogs",
    "Category": "ServicePrincipalSignInLogs",
    "ServicePrincipalId": HOLDER,
    "ServicePrincipalName": "clerk",
    "ServicePrincipalCredentialKeyId": KEY,
    "FederatedCredentialId": "",
    "LocationDetails": '{"city":"Oslo"}',
}
AS_MANAGED = SIGN_IN | {
    "Type": "AADManagedIdentitySignInLogs",
    "Category": "ManagedIdentitySignInLogs",
    "ServicePrincipalId": HOLDER,
    "ServicePrincipalName": "clerk",
}
AS_PERSON = SIGN_IN | {
    "Type": "AADNonInteractiveUserSignInLogs",
    "Category": "NonInteractiveUserSignInLogs",
    "CreatedDateTime": "2026-11-20T10:00:00.123Z",
    "UserId": HOLDER,
    "UserPrincipalName": "Rosa@Example.com",
    "UserDisplayName": "Rosa",
    "AppDisplayName": "Clerk",
    "ServicePrincipalId": "",
    "ResultType": "50053",
    "ResultDescription": "locked",
    "Status": '{"errorCode":50053,"failureReason":"locked"}',
    "HomeTenantId": TENANT,
    "ResourceTenantId": TENANT,
}
AUDIT: dict[str, Any] = EVERY | {
    "Type": "AuditLogs",
    "AADTenantId": TENANT,
    "AADOperationType": "Add",
    "ActivityDateTime": "2026-11-20T10:00:00.123Z",
    "ActivityDisplayName": "Add service principal credentials",
    "OperationName": "Add service principal credentials",
    "Category": "ApplicationManagement",
    "CorrelationId": "c-1",
    "Id": "a-1",
    "LoggedByService": "Core Directory",
    "Result": "success",
    "ResultType": "",
    "Identity": "",
    "InitiatedBy": {"user": {"id": HOLDER, "userPrincipalName": "rosa@example.com"}},
    "TargetResources": [
        {
            "id": "sp-1",
            "type": "ServicePrincipal",
            "displayName": "clerk",
            "modifiedProperties": [
                {
                    "displayName": "KeyDescription",
                    "newValue": f'["[KeyIdentifier={KEY},KeyType=Password]"]',
                    "oldValue": "[]",
                }
            ],
        }
    ],
    "AdditionalDetails": [{"key": "AppId", "value": APP}],
}
ACTIVITY: dict[str, Any] = EVERY | {
    "Type": "AzureActivity",
    "OperationNameValue": "MICROSOFT.STORAGE/STORAGEACCOUNTS/LISTKEYS/ACTION",
    "OperationName": "",
    "CategoryValue": "Administrative",
    "ActivityStatusValue": "Success",
    "ActivitySubstatusValue": "OK",
    "Caller": HOLDER,
    "CallerIpAddress": "203.0.113.9",
    "CorrelationId": "c-1",
    "OperationId": "o-1",
    "EventDataId": "d-1",
    "SubscriptionId": "sub-1",
    "_ResourceId": "/subscriptions/sub-1/resourcegroups/r/providers/microsoft.storage/x/y",
    "Claims": orjson.dumps(
        {
            "appid": APP,
            "http://schemas.microsoft.com/identity/claims/objectidentifier": HOLDER,
            "http://schemas.microsoft.com/identity/claims/tenantid": TENANT,
            "uti": "uti-1",
        }
    ).decode(),
    "Claims_d": {},
    "HTTPRequest": '{"clientRequestId":"x"}',
}
ACCOUNT = "clerk@acme-prod.iam.gserviceaccount.com"
GOOGLE: dict[str, Any] = EVERY | {
    "Type": "GCPAuditLogs",
    "Timestamp": "2026-11-20T10:00:00.123Z",
    "InsertId": "i-1",
    "LogName": "projects/acme-prod/logs/cloudaudit.googleapis.com%2Fdata_access",
    "MethodName": "storage.objects.get",
    "ServiceName": "storage.googleapis.com",
    "GCPResourceName": "projects/_/buckets/b/objects/o",
    "GCPResourceType": "gcs_bucket",
    "ProjectId": "acme-prod",
    "PrincipalEmail": ACCOUNT,
    "AuthenticationInfo": {"principalEmail": ACCOUNT},
    "AuthorizationInfo": [{"granted": False, "permission": "storage.objects.get"}],
    "RequestMetadata": orjson.dumps(
        {"callerIp": "203.0.113.9", "callerSuppliedUserAgent": "python/3"}
    ).decode(),
    "Status": {"code": 7, "message": "PERMISSION_DENIED"},
    "Request": "",
}
ROWS = {
    "OfficeActivity": ("microsoft365", OFFICE),
    "OfficeActivity of an application": ("microsoft365", SHARED),
    "AADServicePrincipalSignInLogs": ("entra", AS_PRINCIPAL),
    "AADManagedIdentitySignInLogs": ("entra", AS_MANAGED),
    "AADNonInteractiveUserSignInLogs": ("entra", AS_PERSON),
    "AuditLogs": ("entra", AUDIT),
    "AzureActivity": ("azure", ACTIVITY),
    "GCPAuditLogs": ("gcp", GOOGLE),
}


def app(parent: ActorName | None = None) -> ActorName:
    return ActorName(REALM, "app", APP, parent)


def principal(kind: str = "service_principal") -> ActorName:
    held = ActorName(REALM, "service_principal", HOLDER, app())
    return held if kind == held.kind else ActorName(REALM, kind, HOLDER, held)


ROSA = ActorName(REALM, "user", "rosa@example.com", ActorName(REALM, "user", HOLDER))
MEANT: dict[str, dict[str, Any]] = {
    "OfficeActivity": {
        "realm": REALM,
        "action": "MailItemsAccessed",
        "activity": USE,
        "outcome": OUTCOME_OK,
        "principal": ROSA,
        "agent": app(),
        "resource": "rosa@example.com\\Inbox",
        "address": "203.0.113.9",
        "user_agent": "Client=REST;",
        "vendor_id": "m-1",
    },
    "OfficeActivity of an application": {
        "realm": REALM,
        "action": "FileDownloaded",
        "activity": USE,
        "outcome": OUTCOME_OK,
        "principal": app(),
        "resource": "https://example.sharepoint.com/sites/f/plan.docx",
        "address": "203.0.113.9",
        "vendor_id": "m-2",
    },
    "AADServicePrincipalSignInLogs": {
        "realm": REALM,
        "activity": AUTHENTICATION,
        "outcome": OUTCOME_OK,
        "principal": principal(),
        "credential": ActorName(REALM, "key", KEY),
        "resource": "Microsoft Graph",
        "address": "203.0.113.9",
        "request_id": "s-1",
    },
    "AADManagedIdentitySignInLogs": {
        "realm": REALM,
        "activity": AUTHENTICATION,
        "outcome": OUTCOME_OK,
        "principal": principal("managed_identity"),
        "address": "203.0.113.9",
    },
    "AADNonInteractiveUserSignInLogs": {
        "realm": REALM,
        "activity": AUTHENTICATION,
        "outcome": OUTCOME_REFUSED,
        "principal": ROSA,
        "agent": app(),
        "error": "50053: locked",
    },
    "AuditLogs": {
        "realm": REALM,
        "activity": ISSUANCE,
        "outcome": OUTCOME_OK,
        "principal": ROSA,
        "resource": "ServicePrincipal/clerk",
        "request_id": "c-1",
    },
    "AzureActivity": {
        "realm": "azure:sub-1",
        "activity": ISSUANCE,
        "outcome": OUTCOME_OK,
        "principal": principal(),
        "credential": ActorName(REALM, "token", "uti-1"),
        "address": "203.0.113.9",
        "vendor_id": "d-1",
    },
    "GCPAuditLogs": {
        "realm": "gcp:acme-prod",
        "action": "storage.objects.get",
        "activity": USE,
        "outcome": OUTCOME_REFUSED,
        "principal": ActorName("gcp:acme-prod", "service_account", ACCOUNT),
        "resource": "projects/_/buckets/b/objects/o",
        "address": "203.0.113.9",
        "user_agent": "python/3",
        "vendor_id": "i-1",
    },
}


@pytest.mark.parametrize(
    ("table", "spelling"),
    [(table, "as ever") for table in ROWS]
    + [(table, "lower case") for table in ROWS if table != "GCPAuditLogs"],
)
def test_row_of_a_table_is_read_by_the_format_of_its_records(table: str, spelling: str) -> None:
    name, row = ROWS[table]
    row = row if spelling == "as ever" else lower_names(row)
    assert recognise(orjson.dumps(row)) == name
    record = abuse.read(name, row)
    meant = MEANT[table] | {"at": AT}
    assert {field: getattr(record, field) for field in meant} == meant


@pytest.mark.parametrize("table", ROWS)
def test_what_is_kept_of_a_row_reads_the_same(table: str) -> None:
    name, row = ROWS[table]
    parsed = abuse.parse(name, [row])
    assert list(map(abuse.told, abuse.parse(name, parsed.kept).records)) == list(
        map(abuse.told, parsed.records)
    )


@pytest.mark.parametrize("table", ["OfficeActivity of an application", "GCPAuditLogs"])
def test_hostile_rows_are_read_or_rejected(table: str) -> None:
    name, row = ROWS[table]
    abuse.survives(name, [row])


def test_new_keys_of_a_directory_audit_are_issued() -> None:
    issued = abuse.read("entra", AUDIT).issued
    assert issued is not None
    assert (issued.credential, issued.issued_to) == (
        ActorName(REALM, "key", KEY),
        ActorName(REALM, "service_principal", "sp-1", app()),
    )


SEARCHED = OFFICE | {"Workload": "Exchange", "Item": {"Subject": "salary"}}
del SEARCHED["OfficeWorkload"]
SUBJECTS: dict[str, dict[str, Any]] = {
    "of a table": OFFICE,
    "of an audit search": {"AuditData": orjson.dumps(SEARCHED).decode()},
    "of a newer audit search": {
        "RecordId": "m-1",
        "Operation": "MailItemsAccessed",
        "UserId": "rosa@example.com",
        "RecordType": "2",
        "AuditData": orjson.dumps(SEARCHED).decode(),
    },
}


@pytest.mark.parametrize("row", SUBJECTS)
def test_subject_of_a_message_is_dropped_where_a_column_holds_it_as_text(row: str) -> None:
    parsed = abuse.parse("microsoft365", SUBJECTS[row])
    assert [one.principal for one in parsed.records] == [ROSA]
    assert b"salary" not in parsed.kept


def test_failed_login_of_the_table_failed() -> None:
    row = SHARED | {"Operation": "UserLoginFailed", "OfficeWorkload": "AzureActiveDirectory"}
    record = abuse.read("microsoft365", row)
    assert (record.outcome, record.activity) == (OUTCOME_FAILED, AUTHENTICATION)


def test_change_of_the_table_names_its_keys() -> None:
    changed = [
        {"Name": "KeyDescription", "NewValue": f'["[KeyIdentifier={KEY},x=y]"]', "OldValue": "[]"}
    ]
    row = SHARED | {
        "Operation": "Update application – Certificates and secrets management ",
        "OfficeWorkload": "AzureActiveDirectory",
        "ModifiedProperties": orjson.dumps(changed).decode(),
        "AADTarget": orjson.dumps([{"ID": f"Application_{APP}", "Type": 2}]).decode(),
    }
    record = abuse.read("microsoft365", row)
    assert record.issued is not None
    assert record.issued.credential == ActorName(REALM, "key", KEY)
    assert (
        record.activity,
        abuse.read("microsoft365", row | {"Operation": "Set-Mailbox"}).activity,
    ) == (
        ISSUANCE,
        CHANGE,
    )
