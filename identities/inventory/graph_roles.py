"""Roles of one Entra tenant's principals: in its directory, and on Azure's resources.

Owns which roles are assigned to whom, by the object id that a service principal, managed identity
or agent has in the directory; graph.py joins them to what else these may do. Both are read once a
reading and kept in memory. Sources: learn.microsoft.com, Microsoft Graph: "List
unifiedRoleAssignments", "List unifiedRoleDefinitions"; Azure REST: "Subscriptions - List", "Role
Assignments - List For Scope" (at, above and below a subscription), "Role Definitions - Get By Id".

Roles that come through a group, eligible ones that nobody activated, and deny assignments of
Azure are not read.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

from evidence.sources.failures import Stopped
from identities.enforcers.possible_aws import Possible
from identities.inventory.contract import Absent, Forbidden, inside, objects, text
from identities.inventory.paging import Caller

# Actions of one role that are kept; the largest built-in one has about two hundred.
MOST_ACTIONS = 400
SUBSCRIPTIONS = "/subscriptions?api-version=2022-12-01"
ASSIGNMENTS = "/providers/Microsoft.Authorization/roleAssignments?api-version=2022-04-01"

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
            self._refused(problem)
            if isinstance(problem, Forbidden):
                raise Forbidden(problem.what, f"Give the application {self.needs}.") from problem
            raise
        self.unread = tuple(failed)
        for refused in failed.values():
            self._refused(refused)

    def _refused(self, problem: Stopped) -> None:
        self._not_known = True
        self.missing = f"{self.title}: {problem.what}; it needs {self.needs}"

    def of(self, number: str) -> list[Possible]:
        """What a principal may do by these roles, and that there may be more."""
        unread = [Possible.unread(via=self.title)] if self._not_known else []
        return [*self._found.get(number.lower(), []), *unread]


def _add(found: ByPrincipal, number: Any, right: Possible) -> None:
    found.setdefault(text(number).lower(), []).append(right)


# --- the directory


def directory(call: Caller) -> Roles:
    """Roles of Entra itself, built in and made there."""

    def read() -> tuple[ByPrincipal, dict[str, Stopped]]:
        found: ByPrincipal = {}
        roles: dict[str, Mapping[str, Any]] = {}
        for rows, _ in _graph(
            call, "roleDefinitions?$select=id,displayName,isBuiltIn,rolePermissions"
        ):
            roles |= {text(one.get("id")): one for one in objects(rows)}
        for rows, _ in _graph(call, "roleAssignments?$expand=principal"):
            for one in objects(rows):
                # Without a type, the principal was not shown: its id is one's all the same.
                kind = text(inside(one, "principal", "@odata.type"))
                if kind not in ("#microsoft.graph.user", "#microsoft.graph.group"):
                    role = roles.get(text(one.get("roleDefinitionId")), {})
                    _add(found, one.get("principalId"), _directory(one, role))
        return found, {}

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


def azure(call: Caller | None) -> Roles:
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
        found: ByPrincipal = {}
        failed: dict[str, Stopped] = {}
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
                        if type(about) is dict and not known and _is_service(about):
                            met.add(text(one.get("id")))
                            _add(found, about.get("principalId"), _azure(call, about, roles))
            except Stopped as problem:
                failed[f"subscription {name or number}"] = problem
        return found, failed

    return Roles("Azure roles", "the role Reader on each subscription", read)


def _is_service(about: Mapping[str, Any]) -> bool:
    return about.get("principalType") not in ("User", "Group", "ForeignGroup", "Device")


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
