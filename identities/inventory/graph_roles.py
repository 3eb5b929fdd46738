"""Roles of one Entra tenant's principals: in its directory, and on Azure's resources.

Owns which roles are assigned to whom, by the object id that a service principal, managed identity
or agent has in the directory; graph.py joins them to what else these may do. Both are read once a
reading and kept in memory. Sources: learn.microsoft.com, Microsoft Graph: "List
unifiedRoleAssignments", "List unifiedRoleDefinitions", "List group transitive members"; Azure REST: "Subscriptions - List", "Role
Assignments - List For Scope" (at, above and below a subscription), "Role Definitions - Get By Id".

What a group is assigned, each service principal in it has, also through groups in that group.
Eligible roles, which only people and groups have, and deny assignments of Azure are not read.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any
from urllib.parse import quote

from evidence.sources.failures import Stopped
from identities.enforcers.possible_aws import Possible
from identities.inventory.contract import Absent, Forbidden, inside, objects, text
from identities.inventory.paging import Caller

# Actions of one role that are kept; the largest built-in one has about two hundred.
MOST_ACTIONS = 400
SUBSCRIPTIONS = "/subscriptions?api-version=2022-12-01"
ASSIGNMENTS = "/providers/Microsoft.Authorization/roleAssignments?api-version=2022-04-01"

# Kinds of assignees that are no service, nor have any among them that this directory knows.
_PEOPLE = ("User", "ForeignGroup", "Device")

# How a group's members are named among the scopes of a reading, and what reading them needs.
GROUP, MEMBERS = "group ", "GroupMember.Read.All (Directory.Read.All holds it)"

type ByPrincipal = dict[str, list[Possible]]
# Who has which roles, and what stopped the reading of some scopes.
type Read = Callable[[], tuple[ByPrincipal, dict[str, Stopped]]]


class Roles:
    """One kind of role, read once. `missing` says what could not be read of it."""

    def __init__(self, title: str, needs: str, read: Read) -> None:
        self.title, self.needs, self.missing = title, needs, ""
        self.unread: tuple[str, ...] = ()
        self._read = read
        self._found: ByPrincipal = {}
        self._over = self._not_known = False

    def load(self) -> None:
        """Read it, unless that was tried. In one go: half of it would be worth nothing to a
        reading that goes on later. Raises Stopped."""
        if self._over:
            return
        self._over = True
        try:
            self._found, failed = self._read()
        except Absent as problem:
            self.missing = f"{self.title}: {problem.what}"
            raise
        except Stopped as problem:
            self._refused(problem, self.needs)
            if isinstance(problem, Forbidden):
                raise Forbidden(problem.what, f"Give the application {self.needs}.") from problem
            raise
        self.unread = tuple(failed)
        for scope, refused in failed.items():
            self._refused(refused, MEMBERS if scope.startswith(GROUP) else self.needs)

    def _refused(self, problem: Stopped, needs: str) -> None:
        self._not_known = True
        self.missing = f"{self.title}: {problem.what}; it needs {needs}"

    def of(self, number: str) -> list[Possible]:
        """What a principal may do by these roles, and that there may be more."""
        unread = [Possible.unread(via=self.title)] if self._not_known else []
        return [*self._found.get(number.lower(), []), *unread]


class Groups:
    """Which service principals are in a group, asked once for each."""

    def __init__(self, call: Caller) -> None:
        self._call = call
        self._members: dict[str, tuple[str, ...]] = {}

    def members(self, number: str) -> tuple[str, ...]:
        """Object ids, through nested groups as well. Raises Stopped."""
        if number not in self._members:
            path = f"/v1.0/groups/{quote(number, safe='')}/transitiveMembers?$select=id"
            self._members[number] = tuple(
                text(one.get("id"))
                for rows, _ in self._call.wrapped(path, "value", "@odata.nextLink")
                for one in objects(rows)
                if one.get("@odata.type") == "#microsoft.graph.servicePrincipal"
            )
        return self._members[number]


class _Found:
    """Rights by principal while they are read, and the scopes that could not be."""

    def __init__(self, groups: Groups) -> None:
        self.rights: ByPrincipal = {}
        self.failed: dict[str, Stopped] = {}
        self._groups = groups

    def add(self, number: Any, right: Possible) -> None:
        self.rights.setdefault(text(number).lower(), []).append(right)

    def add_members(self, number: Any, right: Possible, name: str) -> None:
        """The same for everybody in a group."""
        group = f"{GROUP}{name or text(number)}"
        try:
            members = self._groups.members(text(number).lower())
        except Stopped as problem:
            self.failed[group] = problem
            return
        for member in members:
            self.add(member, replace(right, via=f"{right.via}, through {group}"))


# --- the directory


def directory(call: Caller, groups: Groups) -> Roles:
    """Roles of Entra itself, built in and made there."""

    def read() -> tuple[ByPrincipal, dict[str, Stopped]]:
        found = _Found(groups)
        roles: dict[str, Mapping[str, Any]] = {}
        for rows, _ in _graph(
            call, "roleDefinitions?$select=id,displayName,isBuiltIn,rolePermissions"
        ):
            roles |= {text(one.get("id")): one for one in objects(rows)}
        for rows, _ in _graph(call, "roleAssignments?$expand=principal"):
            for one in objects(rows):
                # Without a type, the principal was not shown: its id is one's all the same.
                kind = text(inside(one, "principal", "@odata.type"))
                right = _directory(one, roles.get(text(one.get("roleDefinitionId")), {}))
                if kind == "#microsoft.graph.group":
                    name = text(inside(one, "principal", "displayName"))
                    found.add_members(one.get("principalId"), right, name)
                elif kind != "#microsoft.graph.user":
                    found.add(one.get("principalId"), right)
        return found.rights, found.failed

    return Roles("directory roles", "RoleManagement.Read.Directory", read)


def _graph(call: Caller, path: str) -> Iterator[tuple[list[Any], str]]:
    return call.wrapped(f"/v1.0/roleManagement/directory/{path}", "value", "@odata.nextLink")


def _directory(one: Mapping[str, Any], role: Mapping[str, Any]) -> Possible:
    name = text(role.get("displayName")) or text(one.get("roleDefinitionId"))
    actions: tuple[str, ...] = (name,)
    if role.get("isBuiltIn") is False:
        # What a role of their own is called says nothing.
        actions = _actions(role.get("rolePermissions"), "allowedResourceActions") or actions
    scope = text(one.get("directoryScopeId")) or text(one.get("appScopeId"))
    return Possible(
        effect="allow",
        actions=actions,
        resources=("the whole directory" if scope == "/" else scope,),
        via=f"directory role {name}",
    )


# --- Azure


def azure(call: Caller | None, groups: Groups) -> Roles:
    """Roles on subscriptions that the application is shown, and on what is in them."""

    def read() -> tuple[ByPrincipal, dict[str, Stopped]]:
        if call is None:
            raise Absent("Azure is not asked", "Set azure to yes in its settings.")
        names = {
            text(one.get("subscriptionId")): text(one.get("displayName"))
            for rows, _ in call.wrapped(SUBSCRIPTIONS, "value", "nextLink")
            for one in objects(rows)
        }
        if not names:
            raise Forbidden("Azure shows the application no subscription", "")
        found = _Found(groups)
        roles: dict[str, Mapping[str, Any]] = {}
        # What stands above subscriptions is listed by each of them.
        met: set[str] = set()
        for number, name in names.items():
            try:
                for rows, _ in call.wrapped(
                    f"/subscriptions/{number}{ASSIGNMENTS}", "value", "nextLink"
                ):
                    for one in objects(rows):
                        about, known = one.get("properties"), text(one.get("id")) in met
                        if type(about) is not dict or known:
                            continue
                        kind = about.get("principalType")
                        if kind in _PEOPLE:
                            continue
                        met.add(text(one.get("id")))
                        right, who = _azure(call, about, roles), about.get("principalId")
                        if kind == "Group":
                            found.add_members(who, right, "")
                        else:
                            found.add(who, right)
            except Stopped as problem:
                found.failed[f"subscription {name or number}"] = problem
        return found.rights, found.failed

    return Roles("Azure roles", "the role Reader on each subscription", read)


def _azure(call: Caller, about: Mapping[str, Any], roles: dict[str, Mapping[str, Any]]) -> Possible:
    where = text(about.get("roleDefinitionId"))
    number = where.rsplit("/", 1)[-1].lower()
    if number not in roles:
        try:
            said = call.object(f"{where}?api-version=2022-04-01")
        except Stopped:
            said = {}
        roles[number] = next(iter(objects([said.get("properties")])), {})
    role = roles[number]
    via = f"Azure role {text(role.get('roleName')) or number}"
    actions = _actions(role.get("permissions"), "actions", "dataActions")
    conditions = {
        "but not": list(_actions(role.get("permissions"), "notActions", "notDataActions")),
        "condition": text(about.get("condition"), 2_000),
    }
    if not actions:
        return Possible.unread(via=via)
    return Possible(
        effect="allow",
        actions=actions,
        resources=(text(about.get("scope"), 1_000),),
        conditions={key: value for key, value in conditions.items() if value},
        via=via,
    )


def _actions(permissions: Any, *members: str) -> tuple[str, ...]:
    """What a role's permissions name, a bounded number of it."""
    found = (
        text(action)
        for permission in objects(permissions)
        for member in members
        for action in (permission[member] if type(permission.get(member)) is list else ())
    )
    return tuple(islice(filter(None, found), MOST_ACTIONS))
