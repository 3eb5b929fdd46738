"""Roles of one Entra tenant's principals in its directory, held and eligible.

Owns which roles are assigned to whom, by the object id that a service principal, managed identity
or agent has in the directory, and what the lists of Azure (graph_azure.py) share with that;
graph.py joins them to what else these may do. Each list is read once a reading and kept in memory.
Sources: learn.microsoft.com, Microsoft Graph: "List unifiedRoleAssignments", "List
unifiedRoleDefinitions", "List roleEligibilityScheduleInstances", "List group transitive members".

What a group is assigned, each service principal in it has, also through groups in that group; what
a group is eligible for, none has before somebody activates it. Eligible membership of groups (PIM
for Groups) is listed only group by group and is not read.
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
# Without this licence nobody is eligible for anything (error codes of Microsoft Graph and Azure).
UNLICENSED = "AadPremiumLicenseRequired"

# How a group's members are named among the scopes of a reading, and what reading them needs.
GROUP, MEMBERS = "group ", "GroupMember.Read.All (Directory.Read.All holds it)"

type ByPrincipal = dict[str, list[Possible]]
# Who has which roles, and what stopped the reading of some scopes.
type Read = Callable[[], tuple[ByPrincipal, dict[str, Stopped]]]


class Roles:
    """One kind of role, read once. `missing` says what could not be read of it. `now`: whether it
    says what is possible now, so that without it that is not known."""

    def __init__(self, title: str, needs: str, read: Read, *, now: bool = True) -> None:
        self.title, self.needs, self.missing = title, needs, ""
        self.unread: tuple[str, ...] = ()
        self._now = now
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
            # What is not offered cannot be activated there; the list of what is held says it.
            self.missing = f"{self.title}: {problem.what}" if self._now else ""
            raise
        except Stopped as problem:
            if UNLICENSED in problem.what:
                raise Absent("The tenant has no licence for eligible roles.", "") from problem
            self._refused(problem, self.needs)
            if isinstance(problem, Forbidden):
                raise Forbidden(problem.what, f"Give the application {self.needs}.") from problem
            raise
        self.unread = tuple(failed)
        for scope, refused in failed.items():
            self._refused(refused, MEMBERS if scope.startswith(GROUP) else self.needs)

    @property
    def refused(self) -> bool:
        """Whether nothing of it could be read."""
        return bool(self.missing) and not self.unread

    def _refused(self, problem: Stopped, needs: str) -> None:
        self._not_known = True
        self.missing = f"{self.title}: {problem.what}; it needs {needs}"

    def of(self, number: str) -> list[Possible]:
        """What a principal may do by these roles, and that there may be more."""
        unread = [Possible.unread(via=self.title)] if self._not_known and self._now else []
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


class Collected:
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


def directory(call: Caller, groups: Groups) -> tuple[Roles, Roles]:
    """Roles of Entra itself, built in and made there: those that are held, and the eligible."""
    roles: dict[str, Mapping[str, Any]] = {}

    def read(path: str, effect: str) -> tuple[ByPrincipal, dict[str, Stopped]]:
        found = Collected(groups)
        if not roles:
            pages = _graph(call, "roleDefinitions?$select=id,displayName,isBuiltIn,rolePermissions")
            roles.update({text(one.get("id")): one for rows, _ in pages for one in objects(rows)})
        for rows, _ in _graph(call, f"{path}?$expand=principal"):
            for one in objects(rows):
                # Without a type, the principal was not shown: its id is one's all the same.
                kind = text(inside(one, "principal", "@odata.type"))
                right = _directory(one, roles.get(text(one.get("roleDefinitionId")), {}), effect)
                if kind == "#microsoft.graph.group":
                    name = text(inside(one, "principal", "displayName"))
                    found.add_members(one.get("principalId"), right, name)
                elif kind != "#microsoft.graph.user":
                    found.add(one.get("principalId"), right)
        return found.rights, found.failed

    return (
        Roles(
            "directory roles",
            "RoleManagement.Read.Directory",
            lambda: read("roleAssignments", "allow"),
        ),
        Roles(
            "eligible directory roles",
            "RoleManagement.Read.Directory (Directory.Read.All does not hold it)",
            lambda: read("roleEligibilityScheduleInstances", "eligible"),
            now=False,
        ),
    )


def _graph(call: Caller, path: str) -> Iterator[tuple[list[Any], str]]:
    return call.wrapped(f"/v1.0/roleManagement/directory/{path}", "value", "@odata.nextLink")


def _directory(one: Mapping[str, Any], role: Mapping[str, Any], effect: str) -> Possible:
    name = text(role.get("displayName")) or text(one.get("roleDefinitionId"))
    actions: tuple[str, ...] = (name,)
    if role.get("isBuiltIn") is False:
        # What a role of their own is called says nothing.
        actions = actions_of(role.get("rolePermissions"), "allowedResourceActions") or actions
    scope = text(one.get("directoryScopeId")) or text(one.get("appScopeId"))
    until = text(one.get("endDateTime"))
    return Possible(
        effect=effect,
        actions=actions,
        resources=("the whole directory" if scope == "/" else scope,),
        conditions={"until": until} if until else {},
        via=f"{'eligible ' if effect == 'eligible' else ''}directory role {name}",
    )


def actions_of(permissions: Any, *members: str) -> tuple[str, ...]:
    """What a role's permissions name, a bounded number of it."""
    found = (
        text(action)
        for permission in objects(permissions)
        for member in members
        for action in (permission[member] if type(permission.get(member)) is list else ())
    )
    return tuple(islice(filter(None, found), MOST_ACTIONS))
