"""An Entra tenant as Microsoft Graph documents it: ids, and the objects of its lists."""

from typing import Any

TENANT = "6c1f5d2e-0000-4000-8000-0000000000aa"
GRAPH_ID = "00000003-0000-0000-c000-00000000ffff"  # object id of Microsoft Graph's principal here
MICROSOFT = "f8cdef31-a31e-4b4a-93e4-5f571e91255a"
MAIL_READ = "810c84a8-4a9e-49e6-bf7d-12d183f40d01"
PRINCIPALS = "/v1.0/servicePrincipals"
DIRECTORY = "/v1.0/roleManagement/directory"
AZURE = "/providers/Microsoft.Authorization"


def principal(number: int, **more: Any) -> dict[str, Any]:
    return {
        "id": f"11111111-0000-4000-8000-00000000000{number}",
        "appId": f"22222222-0000-4000-8000-00000000000{number}",
        "displayName": f"Service {number}",
        "servicePrincipalType": "Application",
        "accountEnabled": True,
        "appOwnerOrganizationId": TENANT,
        "appRoles": [],
        "keyCredentials": [],
        "passwordCredentials": [],
        "tags": ["WindowsAzureActiveDirectoryIntegratedApp", "team:payments"],
        "notes": None,
        "appRoleAssignments": [],
        **more,
    }


def assignment(role: str = MAIL_READ) -> dict[str, Any]:
    return {
        "id": "x", "appRoleId": role, "principalType": "ServicePrincipal",
        "resourceId": GRAPH_ID, "resourceDisplayName": "Microsoft Graph",
    }  # fmt: skip
