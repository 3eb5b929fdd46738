"""Security alerts of Microsoft: as Microsoft Graph lists them and as Defender streams them.

Owns the meaning of their fields. Source: the resource type alert (v2) of Microsoft Graph. Pure.

The names are the tenant's. An alert tells what somebody concluded; its principal is the account
that the alert is about.
"""

from typing import Any

from evidence.formats import microsoft
from evidence.formats.microsoft import anywhere, value_at
from evidence.formats.tables import Name, Row, Said, Table

_STREAM = "AdvancedHunting-"


def _hunted(record: Row) -> Row:
    """A row that Defender streams has the same in `properties`, under names of its own."""
    inside = record.get("properties")
    if type(inside) is dict and str(record.get("category")).startswith(_STREAM):
        return {**inside, **record}
    return record


_evidence = value_at("evidence")
_account = anywhere(
    "userAccount.userPrincipalName", "userAccount.azureAdUserId", "userAccount.accountName"
)


def _first(find: Any) -> Any:
    def get(record: Row) -> str | None:
        listed = _evidence(record)
        for one in listed[:50] if type(listed) is list else ():
            found: str | None = find(one) if type(one) is dict else None
            if found is not None:
                return found
        return None

    return get


TABLE = Table(
    name="microsoft_alerts",
    title="Microsoft security alerts",
    signs=(
        ("serviceSource", "severity", "createdDateTime"),
        ("detectionSource", "severity", "title"),
        ("vendorInformation.vendor=Microsoft", "severity", "title"),
        (f"category^{_STREAM}", "operationName=Publish"),
    ),
    mark=b'everity"',
    any_case=True,
    view=_hunted,
    realm=microsoft.tenant("tenantId", "azureTenantId"),
    at=("firstActivityDateTime", "eventDateTime", "createdDateTime", "timestamp", "time"),
    vendor_id=("id", "reportId", "alertId"),
    action=("title", "actionType"),
    principal=(
        microsoft.user("accountUpn", "accountObjectId"),
        Name("user", _first(_account), fold=True),
        Name("user", ("userStates[0].userPrincipalName", "userStates[0].accountName"), fold=True),
        microsoft.application(_first(anywhere("appId"))),
        Name("service_principal", _first(anywhere("servicePrincipalObjectId")), fold=True),
        Name("user", ("accountObjectId", "accountName"), fold=True),
        microsoft.application(("applicationId", "OAuthApplicationId")),
    ),
    session=(_first(anywhere("stream.sessionId", "sessionId")),),
    resource=(
        _first(anywhere("resourceId", "resourceName", "mailboxPrimaryAddress")),
        _first(anywhere("deviceDnsName", "hostName")),
        "deviceName",
        "productName",
        "serviceSource",
    ),
    outcome=Said((), {}),
    address=(
        _first(anywhere("ipAddress", "lastIpAddress.ipAddress")),
        "userStates[0].logonIp",
        "ipAddress",
        "remoteIP",
    ),
    user_agent=("userAgent",),
    lacks={
        "credential": "an alert is about an account",
        "outcome": "an alert is an opinion about what happened",
        "request_id": "an alert sums up many requests",
    },
)
