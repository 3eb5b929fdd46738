"""What a service principal is allowed in one tenant, narrowed for good.

Owns its rights (app roles it was assigned, scopes that were delegated to it, directory roles), how
much of each is left, and taking away the rest. Entra has nowhere to remember what was there, so
that nothing of it is held for a while (docs/decisions 52, 74). Must not know who asked.

Sources: learn.microsoft.com, Microsoft Graph v1.0: "List appRoleAssignments granted to a service
principal", "Delete appRoleAssignment", "List oauth2PermissionGrants of a servicePrincipal", "Update
oauth2PermissionGrant" (`scope`, space-separated, replaced whole), "List unifiedRoleAssignments",
"Delete unifiedRoleAssignment", "List servicePrincipal transitive memberOf".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, NamedTuple, TypeGuard
from urllib.parse import quote

from evidence.words import counted

from .contract import PermanentFailure, Permission, Seen, Sent, TemporaryFailure, plain
from .entra_graph import Absent, Graph
from .leaving import MOST_NAMED, Right, judged_right, listed, unknown
from .web import pause

READS, ROLES_READ = "Application.Read.All", "RoleManagement.Read.Directory"
APP_ROLES, SCOPES, ROLES = (
    "AppRoleAssignment.ReadWrite.All",
    "DelegatedPermissionGrant.ReadWrite.All",
    "RoleManagement.ReadWrite.Directory",
)
NEEDS = ((APP_ROLES,), (SCOPES,), (ROLES,))
OF_GRAPH = "00000003-0000-0000-c000-000000000000"
DIRECTORY = "roleManagement/directory"
EVERYWHERE = "the whole directory"
MOST_GROUPS = 20
NOT_READ = "roles in Azure subscriptions and memberships that somebody may activate"


class Rights(NamedTuple):
    """By how much of them is left: all, nothing, some; and what a group gives beyond it."""

    within: list[Right]
    beyond: list[Right]
    mixed: list[Right]
    groups: list[str]


class Principal:
    """One service principal, by its object id, and what it is allowed."""

    def __init__(self, graph: Graph, number: str, name: str) -> None:
        self.graph, self.name = graph, name
        self.path = f"servicePrincipals/{number}"
        self._number = number
        self._resources: dict[str, dict[str, Any]] = {}
        self._roles: dict[str, dict[str, Any]] = {}

    # What it is allowed

    def rights(self, left: Sequence[Permission]) -> Rights:
        found = Rights([], [], [], [])
        for one in (*self._app_roles(), *self._scopes(), *self._directory(self._number)):
            {"within": found.within, "beyond": found.beyond, "mixed": found.mixed}[
                judged_right(one, left)
            ].append(one)
        for group in self._groups():
            for one in self._directory(group["id"]):
                if judged_right(one, left) != "within":
                    called = group.get("displayName") or group["id"]
                    found.groups.append(plain(f"group {called} ({one.words})"))
        return found

    def _app_roles(self) -> Iterator[Right]:
        for row in self.graph.rows(f"{self.path}/appRoleAssignments", right=READS):
            of, role = self._resource(_text(row, "resourceId")), _text(row, "appRoleId")
            names = [one["value"] for one in of["roles"] if one.get("id") == role]
            place = f"{self.path}/appRoleAssignments/{quote(_text(row, 'id'), safe='')}"
            yield Right("app role", (*names, role), of["names"], place)

    def _scopes(self) -> Iterator[Right]:
        for row in self.graph.rows(f"{self.path}/oauth2PermissionGrants", right=READS):
            of = self._resource(_text(row, "resourceId"))
            place = f"oauth2PermissionGrants/{quote(_text(row, 'id'), safe='')}"
            for scope in str(row.get("scope") or "").split():
                yield Right("scope", (scope,), of["names"], place)

    def _directory(self, who: str) -> Iterator[Right]:
        path = f"{DIRECTORY}/roleAssignments?$filter=principalId%20eq%20'{who}'"
        for row in self.graph.rows(path, right=ROLES_READ):
            if str(row.get("principalId", "")).lower() != who.lower():
                continue
            role = self._role(_text(row, "roleDefinitionId"))
            scope = str(row.get("directoryScopeId") or row.get("appScopeId") or "/")
            on = EVERYWHERE if scope == "/" else scope
            place = f"{DIRECTORY}/roleAssignments/{quote(_text(row, 'id'), safe='')}"
            yield Right("directory role", role["actions"], (on,), place, role["own"])

    def _resource(self, number: str) -> dict[str, Any]:
        """The API that something is allowed on: its names, app roles and scopes."""
        if number not in self._resources:
            chosen = "$select=id,appId,displayName,appRoles,oauth2PermissionScopes"
            try:
                found = self.graph.read(
                    f"servicePrincipals/{quote(number, safe='')}?{chosen}", right=READS
                )
            except Absent:
                found = {}
            names = [found.get("displayName"), found.get("appId"), number]
            self._resources[number] = {
                "names": tuple(one for one in names if _said(one)),
                "roles": _named(found.get("appRoles")),
                "scopes": _named(found.get("oauth2PermissionScopes")),
            }
        return self._resources[number]

    def _role(self, number: str) -> dict[str, Any]:
        """A directory role. What one of the tenant's own is called says nothing of what it does."""
        if number not in self._roles:
            try:
                found = self.graph.read(
                    f"{DIRECTORY}/roleDefinitions/{quote(number, safe='')}", right=ROLES_READ
                )
            except Absent:
                found = {}
            names = [found.get("displayName"), number]
            actions = tuple(one for one in names if _said(one))
            if found.get("isBuiltIn") is False:
                permissions = found.get("rolePermissions")
                actions = tuple(
                    str(action)
                    for one in (permissions if type(permissions) is list else ())
                    if type(one) is dict
                    for action in one.get("allowedResourceActions") or ()
                )
            self._roles[number] = {
                "actions": actions or (number,),
                "own": found.get("isBuiltIn") is False,
            }
        return self._roles[number]

    def _groups(self) -> list[dict[str, Any]]:
        path = f"{self.path}/transitiveMemberOf?$select=id,displayName"
        found = [
            one
            for one in self.graph.rows(path, right=READS)
            if one.get("@odata.type") == "#microsoft.graph.group" and _said(one.get("id"))
        ]
        if len(found) > MOST_GROUPS:
            raise PermanentFailure(
                f"{self.name} is in more than {MOST_GROUPS} groups: look at their roles there.",
                who_must_act=self.graph.tenant.administrator,
            )
        return found

    def require_known(self, left: Sequence[Permission]) -> None:
        """What is left is in words of the directory's: another word would be cut, and was signed to
        stay."""
        names = {
            one["value"].lower()
            for of in self._resources.values()
            for one in (*of["roles"], *of["scopes"])
        }
        names |= {action.lower() for one in self._roles.values() for action in one["actions"]}
        strange = unknown(left, names)
        if strange:
            with suppress(Absent):
                graph = self.graph.read(
                    f"servicePrincipals(appId='{OF_GRAPH}')?$select=id,appRoles,oauth2PermissionScopes",
                    right=READS,
                )
                for member in ("appRoles", "oauth2PermissionScopes"):
                    names |= {one["value"].lower() for one in _named(graph.get(member))}
            path = f"{DIRECTORY}/roleDefinitions?$select=id,displayName"
            names |= {
                str(one.get("displayName", "")).lower()
                for one in self.graph.rows(path, right=ROLES_READ)
            }
            strange = unknown(left, names)
        if strange:
            raise PermanentFailure(
                f"{plain(', '.join(strange[:MOST_NAMED]))} is no app role, scope or directory role"
                " here, so what gives it cannot be told: delegate what stays by these (Mail.Read),"
                " or change the grants there. Nothing was changed.",
                who_must_act="whoever asked for it",
            )

    # Taking away

    def take_away(self, some: Sequence[Right], *, key: str) -> str:
        reference = ""
        for place in dict.fromkeys(one.place for one in some):
            gone = [one for one in some if one.place == place]
            with suppress(Absent):
                if gone[0].kind == "scope":
                    reference = self._without(place, {one.actions[0] for one in gone}, key=key)
                else:
                    right = APP_ROLES if gone[0].kind == "app role" else ROLES
                    reference = self.graph.change("DELETE", place, right=right, key=key)
        return reference

    def _without(self, place: str, gone: set[str], *, key: str) -> str:
        """The grant is read just before, because its scopes are written whole."""
        now = str(self.graph.read(place, right=READS).get("scope") or "").split()
        rest = [one for one in now if one not in gone]
        if rest:
            return self.graph.change("PATCH", place, right=SCOPES, key=key, scope=" ".join(rest))
        return self.graph.change("DELETE", place, right=SCOPES, key=key)


def narrow(who: Principal, left: Sequence[Permission], *, key: str) -> Sent:
    """Everything that is not left is taken away; nothing, where something would be cut in two."""
    found = who.rights(left)
    who.require_known(left)
    if found.mixed:
        raise PermanentFailure(
            f"{listed(found.mixed)} of {who.name} gives both what is left and more, and is taken"
            " away whole: give it there what is left alone, and try again. Nothing was changed.",
            who_must_act=who.graph.tenant.administrator,
        )
    reference = who.take_away(found.beyond, key=key)
    if found.groups:
        raise PermanentFailure(
            f"What {who.name} had by itself is narrowed, but more is given to"
            f" {'; '.join(found.groups[:MOST_NAMED])}: take it out there, and try again.",
            who_must_act=who.graph.tenant.administrator,
        )
    return Sent(reference, f"{counted(len(found.beyond), 'grant')} of {who.name} were taken away.")


def seen(who: Principal, left: Sequence[Permission], *, now: datetime) -> Seen:
    """What the directory shows that it is allowed."""
    found = who.rights(left)
    more = [*found.beyond, *found.mixed]
    if more:
        return Seen("active", plain(f"{who.name} still has {listed(more)}."), now)
    if found.groups:
        return Seen("active", plain(f"More is given to {'; '.join(found.groups)}."), now)
    said = f"Nothing gives {who.name} more than {counted(len(left), 'permission')}."
    return Seen("denied", f"{said} Not read: {NOT_READ}.", now)


def _said(value: object) -> TypeGuard[str]:
    return type(value) is str and value != ""


def _named(rows: object) -> list[dict[str, Any]]:
    found = rows if type(rows) is list else []
    return [one for one in found if type(one) is dict and _said(one.get("value"))]


def _text(row: dict[str, Any], name: str) -> str:
    value = row.get(name)
    if not _said(value):
        raise TemporaryFailure(f"Graph lists a grant without {name}.", retry_after=pause())
    return value
