"""Roles of one Entra tenant's principals on Azure's resources: held, eligible, and denied.

Owns what is assigned on each subscription that the application is shown, at, above and below it:
role assignments, eligible roles (PIM), deny assignments. Sources: learn.microsoft.com, Azure REST:
"Subscriptions - List", "Role Assignments - List For Scope", "Role Definitions - Get By Id", "Role
Eligibility Schedule Instances - List For Scope", "Deny Assignments - List For Scope"; "List Azure
deny assignments" (everybody is the empty id; who is excluded; child scopes).

A deny assignment stands with whoever has a role that it may reach, and with nobody else: those on
everybody would stand with every principal of a tenant. Each list is read once a reading.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from evidence.sources.failures import Stopped
from identities.enforcers.possible_aws import Possible
from identities.inventory.contract import Absent, Forbidden, objects, text
from identities.inventory.graph_roles import (
    GROUP,
    ByPrincipal,
    Collected,
    Groups,
    Roles,
    actions_of,
)
from identities.inventory.paging import Caller

SUBSCRIPTIONS = "/subscriptions?api-version=2022-12-01"
_AUTHORIZATION = "/providers/Microsoft.Authorization"
ASSIGNMENTS = f"{_AUTHORIZATION}/roleAssignments?api-version=2022-04-01"
ELIGIBLE = f"{_AUTHORIZATION}/roleEligibilityScheduleInstances?api-version=2020-10-01"
DENIED = f"{_AUTHORIZATION}/denyAssignments?api-version=2022-04-01"
# Without a filter this one is not said to list what stands above a scope; the other two are.
ABOVE = "&$filter=atScope()"
READER = "the role Reader on each subscription"
_READ = "{} on each subscription (the role Reader holds it)"
NEEDS_ELIGIBLE = _READ.format("Microsoft.Authorization/roleEligibilityScheduleInstances/read")
NEEDS_DENIED = _READ.format("Microsoft.Authorization/denyAssignments/read")
_BELOW = "/subscriptions/"

# Kinds of assignees that are no service, nor have any among them that this directory knows.
_PEOPLE = ("User", "ForeignGroup", "Device")
_EVERYBODY = "00000000-0000-0000-0000-000000000000"

type About = Mapping[str, Any]  # the properties of one assignment


class Azure:
    """Azure while it is read: subscriptions and definitions of roles are asked for once."""

    def __init__(self, call: Caller | None, groups: Groups) -> None:
        self._call, self._groups = call, groups
        self._subscriptions: dict[str, str] = {}
        self._definitions: dict[str, About] = {}

    def roles(self) -> Roles:
        """Roles that are held."""
        return Roles("Azure roles", READER, lambda: self._roles(ASSIGNMENTS, effect="allow"))

    def eligible(self) -> Roles:
        """Roles that somebody has to activate first."""
        return Roles(
            "eligible Azure roles",
            NEEDS_ELIGIBLE,
            lambda: self._roles(ELIGIBLE, ELIGIBLE + ABOVE, effect="eligible"),
            now=False,
        )

    def denials(self) -> "Denials":
        """What is denied, whatever roles say."""
        return Denials(self, self._groups)

    def call(self) -> Caller:
        if self._call is None:
            raise Absent("Azure is not asked", "Set azure to yes in its settings.")
        return self._call

    def each(
        self, failed: dict[str, Stopped], *paths: str
    ) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
        """(subscription, id, properties) of what these lists of every subscription hold; those
        that could not be read are in `failed`. Raises Stopped when there is none."""
        call = self.call()
        for number, name in self._names(call).items():
            try:
                for path in paths:
                    for rows, _ in call.wrapped(
                        f"/subscriptions/{number}{path}", "value", "nextLink"
                    ):
                        for one in objects(rows):
                            about = one.get("properties")
                            if type(about) is dict:
                                yield number, text(one.get("id"), 1_000).lower(), about
            except Stopped as problem:
                failed[f"subscription {name or number}"] = problem

    def _names(self, call: Caller) -> Mapping[str, str]:
        if not self._subscriptions:
            self._subscriptions = {
                text(one.get("subscriptionId")): text(one.get("displayName"))
                for rows, _ in call.wrapped(SUBSCRIPTIONS, "value", "nextLink")
                for one in objects(rows)
            }
        if not self._subscriptions:
            raise Forbidden("Azure shows the application no subscription", "")
        return self._subscriptions

    def _roles(self, *paths: str, effect: str) -> tuple[ByPrincipal, dict[str, Stopped]]:
        found = Collected(self._groups)
        # What stands above subscriptions is listed by each of them.
        met: set[str] = set()
        for _, number, about in self.each(found.failed, *paths):
            kind = about.get("principalType")
            if number in met or kind in _PEOPLE:
                continue
            met |= {number} - {""}
            right, who = self._right(about, effect), about.get("principalId")
            if kind == "Group":
                found.add_members(who, right, "")
            else:
                found.add(who, right)
        return found.rights, found.failed

    def _right(self, about: About, effect: str) -> Possible:
        where = text(about.get("roleDefinitionId"))
        number = where.rsplit("/", 1)[-1].lower()
        if number not in self._definitions:
            try:
                said = self.call().object(f"{where}?api-version=2022-04-01")
            except Stopped:
                said = {}
            self._definitions[number] = next(iter(objects([said.get("properties")])), {})
        role = self._definitions[number]
        before = "eligible " if effect == "eligible" else ""
        via = f"{before}Azure role {text(role.get('roleName')) or number}"
        actions = actions_of(role.get("permissions"), "actions", "dataActions")
        if not actions:
            return Possible.unread(via=via)
        conditions = {
            "but not": list(actions_of(role.get("permissions"), "notActions", "notDataActions")),
            "condition": text(about.get("condition"), 2_000),
            "until": text(about.get("endDateTime")),
        }
        return Possible(
            effect=effect,
            actions=actions,
            resources=(text(about.get("scope"), 1_000),),
            conditions={key: value for key, value in conditions.items() if value},
            via=via,
        )


class _Denial(NamedTuple):
    """One deny assignment: what it denies, whom, and whom not."""

    right: Possible
    below: bool  # also in what lies below its scope
    who: frozenset[str]
    excluded: frozenset[str]


class Denials(Roles):
    """Deny assignments, read once."""

    def __init__(self, azure: Azure, groups: Groups) -> None:
        super().__init__(
            "Azure deny assignments", NEEDS_DENIED, lambda: self._collect(azure, groups)
        )
        self._denied: list[_Denial] = []

    def against(self, number: str, rights: list[Possible]) -> list[Possible]:
        """What is denied to a principal of what these roles let it do, and that there may be
        more; nothing to whoever has none."""
        number = number.lower()
        if not rights:
            return []
        scopes = [scope.lower() for right in rights for scope in right.resources]
        return [
            *(
                one.right
                for one in self._denied
                if (number in one.who or _EVERYBODY in one.who)
                and number not in one.excluded
                and any(_meet(one, scope) for scope in scopes)
            ),
            *self.of(number),
        ]

    def _collect(self, azure: Azure, groups: Groups) -> tuple[ByPrincipal, dict[str, Stopped]]:
        failed: dict[str, Stopped] = {}
        found: dict[str, _Denial] = {}
        for subscription, known, about in azure.each(failed, DENIED):
            number = known or f"one of {subscription}, {len(found)}"
            if number in found:
                found[number] = _also_in(found[number], subscription)
                continue
            who, unread = _members(about.get("principals"), groups)
            excluded, unsure = _members(about.get("excludePrincipals"), groups)
            failed |= unread | unsure
            if not (who or unread):
                continue  # people alone
            below = about.get("doNotApplyToChildScopes") is not True
            # Whether it is one of those whose members are not known, nobody can tell.
            said = {"for some principals": "not known"} if unread or unsure else {}
            denial = _Denial(
                _denied(about, below, said), below, who or frozenset({_EVERYBODY}), excluded
            )
            found[number] = _also_in(denial, subscription)
        self._denied = [one for one in found.values() if one.right.actions]
        return {}, failed


def _members(listed: Any, groups: Groups) -> tuple[frozenset[str], dict[str, Stopped]]:
    """The services that a deny assignment names, also through groups, and groups not read."""
    found: set[str] = set()
    failed: dict[str, Stopped] = {}
    for one in objects(listed):
        number = text(one.get("id")).lower()
        if one.get("type") == "Group":
            try:
                found.update(member.lower() for member in groups.members(number))
            except Stopped as problem:
                failed[f"{GROUP}{number}"] = problem
        elif one.get("type") not in _PEOPLE:
            found.add(number)
    return frozenset(found), failed


def _also_in(one: _Denial, subscription: str) -> _Denial:
    """The same where what stands above subscriptions was listed by one of them: it lies below."""
    if not one.below or one.right.resources[0].startswith(_BELOW):
        return one
    there = (f"{_BELOW}{subscription}", f"{_BELOW}{subscription}/*")
    return one._replace(right=replace(one.right, resources=(*one.right.resources, *there)))


def _meet(one: _Denial, scope: str) -> bool:
    """Whether it may reach something of a role on this scope: at it, above or below."""
    scope = scope.rstrip("/")
    if not scope.startswith(_BELOW):
        return True  # what lies below a management group is not known
    places = [place.lower() for place in one.right.resources if not place.endswith("*")]
    return any(
        scope == place
        or place.startswith(f"{scope}/")
        or (one.below and scope.startswith(f"{place}/"))
        for place in places
    )


def _denied(about: About, below: bool, said: dict[str, Any]) -> Possible:
    scope = text(about.get("scope"), 1_000).rstrip("/") or "/"
    permissions = about.get("permissions")
    conditions = said | {
        "but not": list(actions_of(permissions, "notActions", "notDataActions")),
        "condition": "; ".join(
            text(one.get("condition"), 2_000)
            for one in objects(permissions)
            if one.get("condition")
        ),
    }
    return Possible(
        effect="deny",
        actions=actions_of(permissions, "actions", "dataActions"),
        resources=(scope, f"{scope.rstrip('/')}/*") if below else (scope,),
        conditions={key: value for key, value in conditions.items() if value},
        via=f"Azure deny assignment {text(about.get('denyAssignmentName')) or scope}",
    )
