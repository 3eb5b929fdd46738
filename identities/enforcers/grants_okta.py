"""Grants in one Okta org: membership of a group.

Owns what a membership that is given means, and how it is read back. Must not know rows or people.
Okta ends no membership by itself. Who was in the group before is not given it: its end would take
away what somebody else gave. What apps gave for being in the group, they take back when Okta tells
them; sessions at apps live on as long as each app says.

Source: developer.okta.com, Groups API ("Assign a user to a group", "Unassign", 204 each; only groups
of type OKTA_GROUP), User's groups, scopes okta.groups.read and okta.groups.manage.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any

from .contract import MissingRight, PermanentFailure, Residual, Seen, Sent, plain
from .grants import Given, Kind, Minted
from .okta_orgs import Org
from .okta_people import Person, person
from .okta_server import Server
from .web import Refused

READ, MANAGE = "okta.groups.read", "okta.groups.manage"
_GROUP = re.compile(r"00g[A-Za-z0-9]{1,40}")
KINDS = {
    "group": Kind(
        "membership of a group",
        "the group's id (00g…)",
        needs={"user": "the whole login or the id (00u…) of whoever joins it"},
        ends_itself=False,
    )
}


class _Groups(Org):
    """The same org, asked for access to its groups as well: a token of its own."""

    @property
    def scopes(self) -> tuple[str, ...]:
        return (*super().scopes, READ, MANAGE)


class OktaGranter:
    """Gives and takes in one org."""

    def __init__(self, org: Org, *, allow_private: bool) -> None:
        own = _Groups(**{one.name: getattr(org, one.name) for one in fields(org)})
        self._server, self._org = Server(own, allow_private), own

    def why_not(self, given: Given) -> str:
        if _GROUP.fullmatch(given.target.name) is None:
            return f"{plain(given.target.name)[:80]} is no id of a group, as 00g… is."
        who = given.target.extra.get("user", "")
        if "/" in who or who in ("", "me", ".", ".."):
            return "user is no whole login and no id of a person."
        return ""

    def grant(self, given: Given, *, now: datetime) -> Sent:  # noqa: ARG002 -- the contract gives every step the moment
        group, who = self._group(given), self._person(given)
        if group.get("type") != "OKTA_GROUP":
            raise PermanentFailure(
                f"The members of {given.target.name} come from elsewhere: Okta lets nobody join it.",
                who_must_act="whoever asked for it",
            )
        if who.state != "ACTIVE":
            raise PermanentFailure(
                f"{plain(given.target.extra['user'])[:100]} is {who.state} at Okta.",
                who_must_act=self._org.administrator,
            )
        if self._is_in(who, given):
            raise PermanentFailure(
                f"{plain(given.target.extra['user'])[:100]} is in {given.target.name} already: its"
                " end would take away what somebody else gave.",
                who_must_act="whoever asked for it",
            )
        reference = self._change("PUT", given, who)
        return Sent(reference, f"{who.name} is in {given.target.name}.")

    def granted(self, given: Given, *, now: datetime) -> Seen:
        who = self._person(given)
        if who.found and self._is_in(who, given):
            return Seen("active", f"{who.name} is in {given.target.name}.", now)
        return Seen("gone", f"{who.name} is not in {given.target.name}.", now)

    def end(self, given: Given, *, now: datetime) -> Sent:  # noqa: ARG002 -- the contract gives every step the moment
        who = self._person(given)
        reference = self._change("DELETE", given, who) if who.found else ""
        return Sent(reference, f"{who.name} is taken out of {given.target.name}.")

    def ended(self, given: Given, *, now: datetime) -> Seen:
        who = self._person(given)
        if who.found and self._is_in(who, given):
            return Seen("active", f"{who.name} is still in {given.target.name}.", now)
        return Seen("gone", f"{who.name} is not in {given.target.name}.", now)

    def residual(self, given: Given, *, since: datetime, now: datetime) -> Sequence[Residual]:  # noqa: ARG002 -- the contract gives every step the moment
        """Sessions at apps, as long as the installation says that they live."""
        seconds = self._org.app_session_seconds
        until = None if seconds is None else since + timedelta(seconds=seconds)
        if until is None or until <= now:
            return []
        return [Residual("sessions at apps that the group gives access to", until)]

    def mint(self, given: Given, *, person: str, now: datetime) -> Minted:  # noqa: ARG002 -- the contract gives every step the moment
        raise PermanentFailure(
            "Of a group nothing is handed out: its members sign in as ever.",
            who_must_act="whoever asked for it",
        )

    def own_rights(self, given: Sequence[Given]) -> list[MissingRight]:
        """The scopes that it was not granted, then the groups that it does not see."""
        try:
            granted = self._server.access(anew=True).scopes
        except Refused as problem:
            return [MissingRight(problem.right, self._org.url, problem.reason)]
        found = [
            MissingRight(
                scope,
                self._org.url,
                f"Countersign's app {self._org.client_id} lacks the scope {scope}: grant it at"
                f" {self._org.url}.",
            )
            for scope in (READ, MANAGE)
            if given and scope not in granted
        ]
        for one in () if found else given:
            try:
                self._group(one)
            except PermanentFailure as problem:
                found.append(MissingRight("give membership", one.target.name, problem.reason))
        return found

    def _person(self, given: Given) -> Person:
        return person(self._server, given.target.extra.get("user", ""))

    def _group(self, given: Given) -> Mapping[str, Any]:
        found = self._server.read(f"/api/v1/groups/{given.target.name}", scope=READ)
        if found is None:
            raise PermanentFailure(
                f"{self._org.url} has no group {given.target.name}, or shows it to nobody of ours.",
                who_must_act=self._org.administrator,
            )
        return found

    def _is_in(self, who: Person, given: Given) -> bool:
        rows = self._server.listed(f"{who.path}/groups", scope=READ)
        return any(row.get("id") == given.target.name for row in rows)

    def _change(self, method: str, given: Given, who: Person) -> str:
        path = f"/api/v1/groups/{given.target.name}/users/{who.found['id']}"
        return self._server.change(method, path, scope=MANAGE, key=given.key)
