"""Sign-ins as the pages of the Entra admin center download them as CSV.

Owns the names of those columns, as members of Microsoft Graph's signIn. Source: the portal's
"Download sign-ins"; not verified against a file of every kind of sign-in. Pure.
"""

from typing import Any

from evidence.formats.exports import Export

_NAMES = {
    "Date (UTC)": "createdDateTime",
    "Request ID": "id",
    "Correlation ID": "correlationId",
    "User ID": "userId",
    "User": "userDisplayName",
    "Username": "userPrincipalName",
    "Application": "appDisplayName",
    "Application ID": "appId",
    "Resource": "resourceDisplayName",
    "Resource ID": "resourceIdentity",
    "Resource tenant ID": "resourceTenantId",
    "Home tenant ID": "homeTenantId",
    "Service principal ID": "servicePrincipalId",
    "Service principal name": "servicePrincipalName",
    "Service principal credential key ID": "servicePrincipalCredentialKeyId",
    "Service principal credential thumbprint": "servicePrincipalCredentialThumbprint",
    "Managed Identity type": "managedIdentityType",
    "IP address": "ipAddress",
    "User agent": "userAgent",
    "Session ID": "sessionId",
    "Unique token identifier": "uniqueTokenIdentifier",
    "Status": "result",
    "Sign-in error code": "status.errorCode",
    "Failure reason": "status.failureReason",
}


def _cell(path: str, cell: str) -> Any:
    # Interrupted, which says nothing yet.
    if path == "result" and cell.lower() == "interrupted":
        return "unknown"
    return int(cell) if path == "status.errorCode" and cell.isdecimal() and len(cell) < 9 else cell


EXPORTS = tuple(
    Export(frozenset({"Date (UTC)", "Request ID", "Application ID", who}), _NAMES, _cell)
    for who in ("Username", "Service principal ID")
)
