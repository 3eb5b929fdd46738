"""Google's audit entries as rows of the table GCPAuditLogs of a Log Analytics workspace.

Owns the table's columns. Source: "GCPAuditLogs" of the table reference of Azure Monitor. The table
leaves out the labels of the resource, beside its project, and the trace. Pure.
"""

from evidence.formats import microsoft
from evidence.formats.tables import Row

MARK = "GCPResourceName"
_PAYLOAD = {
    "MethodName": "methodName",
    "ServiceName": "serviceName",
    "GCPResourceName": "resourceName",
    "AuthenticationInfo": "authenticationInfo",
    "AuthorizationInfo": "authorizationInfo",
    "RequestMetadata": "requestMetadata",
    "Request": "request",
    "Response": "response",
    "Metadata": "metadata",
    "ServiceData": "serviceData",
    "Status": "status",
}
_ENTRY = {"InsertId": "insertId", "LogName": "logName", "Severity": "severity"}


def opened(row: Row) -> Row:
    """The entry that a row was made of; a column without a value is an empty text there."""
    said = {
        name: value
        for name, value in microsoft.from_workspace(row).items()
        if value is not None and value != ""
    }
    payload = {name: said[column] for column, name in _PAYLOAD.items() if column in said}
    if "authenticationInfo" not in payload and "PrincipalEmail" in said:
        payload["authenticationInfo"] = {"principalEmail": said["PrincipalEmail"]}
    if "status" not in payload and "StatusMessage" in said:
        payload["status"] = {"message": said["StatusMessage"]}
    entry = {name: said[column] for column, name in _ENTRY.items() if column in said}
    return entry | {
        "protoPayload": payload,
        "timestamp": said.get("Timestamp") or said.get("TimeGenerated"),
        "resource": {
            "type": said.get("GCPResourceType"),
            "labels": {"project_id": said.get("ProjectId")},
        },
    }
