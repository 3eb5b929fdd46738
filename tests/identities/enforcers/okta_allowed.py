"""What the org of okta_lab.py allows: scopes of apps, administrator roles, groups and who is in them.

Owns these rows and what Okta answers about them; who may ask is the lab's.
"""

from collections.abc import Callable
from typing import Any

from tests.evidence.sources.server import Answer, Request
from tests.identities.enforcers.okta_answers import error, gone

type Row = dict[str, Any]


class Allowed:
    """Rows by whom they are given to: an app, a client, a person or a group."""

    def __init__(self) -> None:
        self.scopes: dict[str, list[Row]] = {}
        self.roles: dict[str, list[Row]] = {}
        self.groups: dict[str, Row] = {}
        self.members: dict[str, set[str]] = {}
        self.apps: dict[str, list[Row]] = {}
        self._made = 0

    # What an administrator gives

    def scope(self, app: str, scope: str) -> None:
        made = {"id": self._id("oag"), "status": "ACTIVE", "scopeId": scope}
        self.scopes.setdefault(app, []).append(made)

    def role(self, who: str, kind: str, by: str, **more: Any) -> None:
        made = {"id": self._id("ra"), "type": kind, "label": kind.title(), "status": "ACTIVE"}
        self.roles.setdefault(who, []).append(made | {"assignmentType": by, **more})

    def group(self, name: str, *members: str, kind: str = "OKTA_GROUP") -> str:
        number = self._id("00g")
        self.groups[number] = {"id": number, "type": kind, "profile": {"name": name}}
        self.members[number] = set(members)
        return number

    def shown(self, who: str) -> list[str]:
        """What somebody has, by its words."""
        return sorted(
            [one["scopeId"] for one in self.scopes.get(who, ())]
            + [one["type"] for one in self.roles.get(who, ())]
            + [
                self.groups[one]["profile"]["name"]
                for one in self.groups
                if who in self.members[one]
            ]
        )

    def roles_of(self, who: str) -> list[Row]:
        """Those of a person come by groups as well."""
        by_group = [
            role | {"assignmentType": "GROUP"}
            for group, members in self.members.items()
            if who in members
            for role in self.roles.get(group, ())
        ]
        return [*self.roles.get(who, ()), *by_group]

    # What Okta answers

    def routes(self, lies: Callable[[], bool]) -> list[tuple[str, str, str, Any]]:
        one, roles = "([^/]+)", ("okta.roles.read", "okta.roles.manage")
        grants = ("okta.appGrants.read", "okta.appGrants.manage")
        groups = ("okta.groups.read", "okta.groups.manage")

        def listed(rows: Callable[[str], list[Row]]) -> Any:
            return lambda _asked, who: Answer(200, rows(who))

        def removed(rows: dict[str, list[Row]]) -> Any:
            def remove(_: Request, who: str, number: str) -> Answer:
                found = next((row for row in rows.get(who, ()) if row["id"] == number), None)
                if found is None:
                    return gone(number)
                if not lies():
                    rows[who].remove(found)
                return Answer(204)

            return remove

        def left(_: Request, group: str, who: str) -> Answer:
            if self.groups[group]["type"] != "OKTA_GROUP":
                return error(403, "E0000006", "You do not have permission to perform this action")
            if not lies():
                self.members[group].discard(who)
            return Answer(204)

        return [
            (f"/api/v1/apps/{one}/grants", *grants, listed(lambda who: self.scopes.get(who, []))),
            (f"/api/v1/apps/{one}/grants/{one}", *grants, removed(self.scopes)),
            (f"/oauth2/v1/clients/{one}/roles/{one}", *roles, removed(self.roles)),
            (f"/api/v1/users/{one}/roles", *roles, listed(self.roles_of)),
            (f"/api/v1/users/{one}/roles/{one}", *roles, removed(self.roles)),
            (
                f"/api/v1/users/{one}/groups",
                *("okta.users.read", "okta.users.manage"),
                listed(
                    lambda who: [self.groups[at] for at in self.groups if who in self.members[at]]
                ),
            ),
            (f"/api/v1/groups/{one}/roles", *roles, listed(lambda who: self.roles.get(who, []))),
            (f"/api/v1/groups/{one}/apps", *groups, listed(lambda who: self.apps.get(who, []))),
            (f"/api/v1/groups/{one}/users/{one}", *groups, left),
        ]

    def _id(self, begins: str) -> str:
        self._made += 1
        return f"{begins}{self._made:04d}"
