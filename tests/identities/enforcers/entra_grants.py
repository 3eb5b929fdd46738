"""What the directory of entra_lab.py allows its principals: app roles, delegated scopes, roles.

Owns the rows and what Graph answers about them; who may ask is the lab's.
"""

from typing import Any
from urllib.parse import unquote
from uuid import uuid4

from flask import request

type Row = dict[str, Any]
type Answer = tuple[int, Any]

READER, OWN = "88d8e3e3-8f55-4a1e-953a-9b9898b8876b", "99999999-0000-4eee-8eee-999999999999"
DEFINITIONS = {
    READER: {"id": READER, "displayName": "Directory Readers", "isBuiltIn": True},
    OWN: {
        "id": OWN,
        "displayName": "Keepers of keys",
        "isBuiltIn": False,
        "rolePermissions": [
            {
                "allowedResourceActions": [
                    "microsoft.directory/applications/credentials/update",
                    "microsoft.directory/applications/create",
                ]
            }
        ],
    },
}


class Grants:
    """Rows by their id. `groups`: the groups that each principal is in."""

    def __init__(self) -> None:
        self.app_roles: dict[str, Row] = {}
        self.delegated: dict[str, Row] = {}
        self.assigned: dict[str, Row] = {}
        self.groups: dict[str, list[str]] = {}

    # What an administrator gives

    def app_role(self, who: str, role: str, on: str) -> None:
        made = {"id": f"a_{uuid4().hex}", "principalId": who, "appRoleId": role, "resourceId": on}
        self.app_roles[made["id"]] = made

    def delegate(self, who: str, scope: str, on: str) -> str:
        made = {"id": f"d-{uuid4().hex}", "clientId": who, "consentType": "AllPrincipals"}
        self.delegated[made["id"]] = made | {"scope": scope, "resourceId": on}
        return made["id"]

    def role(self, who: str, role: str, scope: str = "/") -> None:
        made = {"id": f"r-{uuid4().hex}", "principalId": who, "roleDefinitionId": role}
        self.assigned[made["id"]] = made | {"directoryScopeId": scope}

    def shown(self, who: str) -> list[str]:
        """What somebody has, by its words."""
        return sorted(
            [str(one["appRoleId"]) for one in self.app_roles.values() if one["principalId"] == who]
            + [str(one["scope"]) for one in self.delegated.values() if one["clientId"] == who]
            + [
                str(one["roleDefinitionId"])
                for one in self.assigned.values()
                if one["principalId"] == who
            ]
        )

    # What Graph answers

    def of(self, lab: Any, method: str, who: str, more: str) -> Answer | None:
        """Of one principal; None where it is about nothing of this."""
        kind, _, number = more.partition("/")
        if kind == "appRoleAssignments" and number:
            return self._delete(lab, self.app_roles, number, "AppRoleAssignment.ReadWrite.All")
        if method != "GET":
            return None
        match kind:
            case "appRoleAssignments":
                return _list(one for one in self.app_roles.values() if one["principalId"] == who)
            case "oauth2PermissionGrants":
                return _list(one for one in self.delegated.values() if one["clientId"] == who)
            case "transitiveMemberOf":
                kind = "#microsoft.graph.group"
                named = [{"@odata.type": kind, "id": one, "displayName": "Robots"} for one in self.groups.get(who, [])]  # fmt: skip
                return _list([*named, {"@odata.type": "#microsoft.graph.directoryRole", "id": "x"}])
        return None

    def answer(self, lab: Any, method: str, rest: str) -> Answer:
        collection, _, number = rest.removeprefix("roleManagement/directory/").partition("/")
        match collection:
            case "roleDefinitions" if number:
                found = DEFINITIONS.get(number)
                return (200, found) if found else (404, number)
            case "roleDefinitions":
                return _list(DEFINITIONS.values())
            case "roleAssignments" if number:
                return self._delete(
                    lab, self.assigned, number, "RoleManagement.ReadWrite.Directory"
                )
            case "roleAssignments":
                who = unquote(request.args["$filter"]).removeprefix("principalId eq '")[:-1]
                return _list(one for one in self.assigned.values() if one["principalId"] == who)
        if number not in self.delegated:
            return 404, number
        if method == "GET":
            return 200, self.delegated[number]
        right = "DelegatedPermissionGrant.ReadWrite.All"
        if method == "DELETE":
            return self._delete(lab, self.delegated, number, right)
        if right not in lab.given:
            return 403, None
        if not lab.lies:
            self.delegated[number] |= request.get_json()
        return 204, None

    def _delete(self, lab: Any, rows: dict[str, Row], number: str, right: str) -> Answer:
        if right not in lab.given:
            return 403, None
        if number not in rows:
            return 404, number
        if not lab.lies:
            del rows[number]
        return 204, None


def _list(rows: Any) -> Answer:
    return 200, {"value": list(rows)}
