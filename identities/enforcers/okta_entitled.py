"""What an app or a person is allowed in one Okta org, narrowed for good.

Owns their rights (scopes that an app was granted, administrator roles, memberships of groups that
give such roles), how much of each is left, and taking away the rest. Okta has nowhere to remember
what was there, so that nothing of it is held for a while (docs/decisions 74). Must not know who asked.

Sources: developer.okta.com, Application Grants (`/api/v1/apps/{appId}/grants`), Client Role
Assignments (`/oauth2/v1/clients/{clientId}/roles`), User Role Assignments (`assignmentType`: USER or
GROUP; one that comes by a group is not removed from the person), Group Role Assignments, Groups
(unassigning a user; BUILT_IN and APP_GROUP are not changed there), Standard administrator roles.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from evidence.words import counted

from .contract import PermanentFailure, Permission, Seen, Sent, Target, plain
from .leaving import MOST_NAMED, Right, judged_right, listed, unknown
from .okta_orgs import READ_ROLES
from .okta_people import READ as USERS_READ
from .okta_people import person
from .okta_server import PAGE, Server, in_address
from .okta_things import thing

GRANTS_READ, GRANTS_MANAGE = "okta.appGrants.read", "okta.appGrants.manage"
ROLES_MANAGE = "okta.roles.manage"
GROUPS_READ, GROUPS_MANAGE = "okta.groups.read", "okta.groups.manage"
STANDARD = (
    "super_admin", "org_admin", "app_admin", "user_admin", "help_desk_admin", "read_only_admin",
    "mobile_admin", "api_access_management_admin", "api_admin", "report_admin",
    "group_membership_admin", "access_requests_admin", "access_certifications_admin",
    "workflows_admin", "custom",
)  # fmt: skip
# Scopes of Okta's own API, and those of OpenID Connect.
SCOPES = ("okta.*", "openid", "profile", "email", "address", "phone", "groups", "offline_access")
MANAGE = {"scope": GRANTS_MANAGE, "role": ROLES_MANAGE, "group": GROUPS_MANAGE}
NOT_READ = {"app": "connections of AI agents", "user": "which apps groups and assignments open"}


class Rights(NamedTuple):
    """By how much of them is left: all, nothing, some. `other`: groups that give roles which are
    not left and also something else, in words."""

    within: list[Right]
    beyond: list[Right]
    mixed: list[Right]
    other: list[str]


class Holder:
    """An app or a person that is there, and what it is allowed."""

    def __init__(self, at: Server, target: Target) -> None:
        self.at, self.target, self.name = at, target, plain(target.name)
        self._names: set[str] = set()
        found: Mapping[str, Any]
        if target.kind == "user":
            found = person(at, target.name).found
        else:
            app = thing(at, target)
            app.look()
            found = app.found or {}
        self.number = str(found.get("id", ""))
        about = found.get("credentials")
        client = about.get("oauthClient") if type(about) is dict else None
        self._client = str((client or {}).get("client_id") or self.number)

    @property
    def there(self) -> bool:
        return self.number != ""

    def rights(self, left: Sequence[Permission]) -> Rights:
        found = Rights([], [], [], [])
        own = self._of_app() if self.target.kind == "app" else self._of_person()
        for one in own:
            self._sort(found, one, judged_right(one, left))
        if self.target.kind == "user":
            self._by_groups(found, left)
        return found

    def _sort(self, found: Rights, one: Right, how: str) -> None:
        {"within": found.within, "beyond": found.beyond, "mixed": found.mixed}[how].append(one)

    def _of_app(self) -> Iterator[Right]:
        path = f"/api/v1/apps/{in_address(self.number)}/grants"
        for row in self.at.listed(f"{path}?limit={PAGE}", scope=GRANTS_READ):
            if row.get("status") != "REVOKED" and row.get("scopeId") and row.get("id"):
                scope, place = str(row["scopeId"]), f"{path}/{in_address(str(row['id']))}"
                yield Right("scope", (scope,), ("*",), place)
        yield from self._roles(f"/oauth2/v1/clients/{in_address(self._client)}/roles", "CLIENT")

    def _of_person(self) -> Iterator[Right]:
        yield from self._roles(f"/api/v1/users/{in_address(self.number)}/roles", "USER")

    def _roles(self, path: str, given: str) -> Iterator[Right]:
        """Administrator roles that are given to it itself; one by a group is the group's."""
        for row in self.at.listed(path, scope=READ_ROLES):
            if row.get("status") == "INACTIVE" or row.get("assignmentType", given) != given:
                continue
            names = (str(row.get("type") or "CUSTOM"), str(row.get("label") or ""))
            self._names |= {one.lower() for one in names if one}
            on = str(row.get("resource-set") or "*")
            place = f"{path}/{in_address(str(row.get('id', '')))}"
            yield Right("role", tuple(one for one in names if one), (on,), place)

    def _by_groups(self, found: Rights, left: Sequence[Permission]) -> None:
        """A role that comes by a group goes with the membership, where that gives nothing else."""
        groups = self.at.listed(f"/api/v1/users/{in_address(self.number)}/groups", scope=USERS_READ)
        for group in groups:
            number, kind = str(group.get("id", "")), group.get("type")
            path = f"/api/v1/groups/{in_address(number)}"
            roles = list(self._roles(f"{path}/roles", "GROUP"))
            how = {judged_right(one, left) for one in roles}
            if not how - {"within"}:
                continue
            about = group.get("profile")
            called = plain(str((about or {}).get("name") or number))[:100]
            if "within" in how or "mixed" in how:
                found.other.append(f"group {called}, which also gives a role that is left")
            elif kind != "OKTA_GROUP":
                found.other.append(f"group {called}, whose members are not changed in Okta")
            elif self.at.listed(f"{path}/apps?limit=1", scope=GROUPS_READ):
                found.other.append(f"group {called}, which also opens apps")
            else:
                place = f"{path}/users/{in_address(self.number)}"
                names = tuple(one.actions[0] for one in roles)
                found.beyond.append(Right("group", (called, *names), ("*",), place))

    def require_known(self, left: Sequence[Permission]) -> None:
        strange = unknown(left, {*SCOPES, *STANDARD, *self._names})
        if strange:
            raise PermanentFailure(
                f"{plain(', '.join(strange[:MOST_NAMED]))} is no scope or administrator role of"
                " Okta, so what gives it cannot be told: delegate what stays by these"
                " (okta.users.read), or change the grants there. Nothing was changed.",
                who_must_act="whoever asked for it",
            )


def narrow(who: Holder, left: Sequence[Permission], *, key: str) -> Sent:
    """Everything that is not left is taken away; nothing, where something would be cut in two."""
    if not who.there:
        return Sent("", f"{who.name} is already gone.")
    found = who.rights(left)
    who.require_known(left)
    whole = [*([listed(found.mixed)] if found.mixed else []), *found.other[:MOST_NAMED]]
    if whole:
        raise PermanentFailure(
            f"{who.name} has {'; '.join(whole)}: that gives both what is left and more, and is taken"
            " away whole. Give what is left alone there, and try again. Nothing was changed.",
            who_must_act=who.at.org.administrator,
        )
    reference = ""
    for one in found.beyond:
        reference = who.at.change("DELETE", one.place, scope=MANAGE[one.kind], key=key)
    return Sent(reference, f"{counted(len(found.beyond), 'grant')} of {who.name} were taken away.")


def seen(who: Holder, left: Sequence[Permission], *, now: datetime) -> Seen:
    """What Okta shows that it is allowed."""
    if not who.there:
        return Seen("gone", f"Okta has no {who.target.kind} {who.name} any more.", now)
    found = who.rights(left)
    more = [*([listed([*found.beyond, *found.mixed])] if found.beyond or found.mixed else [])]
    more += found.other
    if more:
        return Seen("active", plain(f"{who.name} still has {'; '.join(more)}."), now)
    said = f"Nothing gives {who.name} more than {counted(len(left), 'permission')}."
    return Seen("denied", f"{said} Not read: {NOT_READ[who.target.kind]}.", now)
