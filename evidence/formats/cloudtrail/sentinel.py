"""CloudTrail's records as rows of the table AWSCloudTrail of a Log Analytics workspace.

Owns the table's columns, which spread `userIdentity` over many and keep members with members of
their own as JSON text. Source: "AWSCloudTrail" of the table reference of Azure Monitor. The table
leaves out `sourceIdentity`, web identities and on whose behalf a call was made. Pure.
"""

from typing import Any

import orjson

_TEXTS = frozenset({"RequestParameters", "ResponseElements", "AdditionalEventData", "Resources"})
# Members of a record by the columns that hold them; dots lead into objects.
_COLUMNS = {
    "EventName": "eventName",
    "EventSource": "eventSource",
    "EventTypeName": "eventType",
    "EventVersion": "eventVersion",
    "TimeGenerated": "eventTime",
    "AWSRegion": "awsRegion",
    "AwsEventId": "eventID",
    "AwsRequestId": "requestID",
    "AwsRequestId_": "requestID",
    "SharedEventId": "sharedEventID",
    "SourceIpAddress": "sourceIPAddress",
    "UserAgent": "userAgent",
    "ErrorCode": "errorCode",
    "ErrorMessage": "errorMessage",
    "RecipientAccountId": "recipientAccountId",
    "RequestParameters": "requestParameters",
    "ResponseElements": "responseElements",
    "AdditionalEventData": "additionalEventData",
    "Resources": "resources",
    "VpcEndpointId": "vpcEndpointId",
    "UserIdentityType": "userIdentity.type",
    "UserIdentityPrincipalid": "userIdentity.principalId",
    "UserIdentityArn": "userIdentity.arn",
    "UserIdentityAccountId": "userIdentity.accountId",
    "UserIdentityInvokedBy": "userIdentity.invokedBy",
    "UserIdentityAccessKeyId": "userIdentity.accessKeyId",
    "UserIdentityUserName": "userIdentity.userName",
    "SessionIssuerType": "userIdentity.sessionContext.sessionIssuer.type",
    "SessionIssuerPrincipalId": "userIdentity.sessionContext.sessionIssuer.principalId",
    "SessionIssuerArn": "userIdentity.sessionContext.sessionIssuer.arn",
    "SessionIssuerAccountId": "userIdentity.sessionContext.sessionIssuer.accountId",
    "SessionIssuerUserName": "userIdentity.sessionContext.sessionIssuer.userName",
}
_WAYS = tuple((column, *path.split(".")) for column, path in _COLUMNS.items())


def is_row(record: dict[str, Any]) -> bool:
    """Whether this is a row of that table."""
    return type(record.get("EventName")) is str and (
        "UserIdentityType" in record or "AwsEventId" in record
    )


def restored(row: dict[str, Any]) -> dict[str, Any]:
    """The record that a row was made of, as far as the table keeps it."""
    record: dict[str, Any] = {}
    for column, *above, name in _WAYS:
        value = row.get(column)
        # A column without a value is an empty text there.
        if value is None or value == "":
            continue
        if column in _TEXTS and type(value) is str and value[:1] in ("{", "["):
            try:
                value = orjson.loads(value)
            except (ValueError, RecursionError):
                continue
        here = record
        for step in above:
            here = here.setdefault(step, {})
        here[name] = value
    return record
