"""The SCIM enforcer: users of one service provider, and the groups they are in.

Owns what each step means, how it is read back and what SCIM cannot see. Must not know rows, cases
or people of ours; decides nothing about who may ask.

| step            | a user                                                                    |
| hold, suspend   | active: false                                                             |
| release, resume | active: true                                                              |
| narrow          | taken out of every group that is not left to it                           |
| revoke          | active: false; deleted, where the settings say so                         |

Sources: RFC 7643 (4.1.1, active; 4.1.2, groups; 4.2, members), RFC 7644 (3.5, 3.6).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from .contract import (
    KnownSession,
    MissingRight,
    PermanentFailure,
    Permission,
    Residual,
    Seen,
    Sent,
    Step,
    Target,
    TemporaryFailure,
    plain,
)
from .patterns import covers
from .scim_server import PATCH, Changed, Gone, Provider, Resource, Server, of_user, quoted
from .unable import Unable
from .web import pause

READ, WRITE, GROUPS = "read users", "change users", "change groups"
MEMBER = "member"
MOST_LOOKED_AT = 20
# Written again where somebody else wrote in between.
TRIES = 3


def cannot(_target: Target, _step: str) -> str:
    """Every step can be asked of a user."""
    return ""


class ScimEnforcer(Unable):
    """Steps at one service provider."""

    system = "scim"

    def __init__(self, provider: Provider, *, allow_private: bool) -> None:
        self._of, self._allow_private = provider, allow_private

    def cannot(self, target: Target, step: str) -> str:
        return cannot(target, step) or f"SCIM has no {step} for a {target.kind}."

    # Steps

    def hold(self, target: Target, *, key: str = "", **_: Any) -> Sent:
        return self._switched(target, active=False, key=key)

    def suspend(self, target: Target, *, key: str = "", **_: Any) -> Sent:
        return self._switched(target, active=False, key=key)

    def release(self, target: Target, *, key: str = "", **_: Any) -> Sent:
        return self._switched(target, active=True, key=key)

    def resume(self, target: Target, *, key: str = "", **_: Any) -> Sent:
        return self._switched(target, active=True, key=key)

    def revoke(
        self,
        target: Target,
        *,
        key: str,
        now: datetime,  # noqa: ARG002 -- the contract gives every step the moment
        delete: bool = True,
    ) -> Sent:
        """The end of the user there. `delete=False` only deactivates it, whatever is set."""
        sent = self._switched(target, active=False, key=key)
        if not delete or self._of.revoke != "delete":
            return sent
        at = self._at(target)
        user = self._user(at, target)
        if user is not None:
            with suppress(Gone):
                at.change("DELETE", of_user(user), right=WRITE, key=key, of=user)
        return Sent(sent.reference, f"{self._of.url} was asked to delete {_words(target)}.")

    def narrow(
        self,
        target: Target,
        *,
        permissions: Sequence[Permission] = (),
        key: str = "",
        **_: Any,
    ) -> Sent:
        """Out of each group that nothing of what is left names."""
        at = self._at(target)
        user = self._present(at, target)
        out = [one for one in self._not_left(at, user, permissions) if _direct(one)]
        for one in out:
            self._taken_out(at, str(one["value"]), str(user["id"]), key)
        names = ", ".join(_named(one) for one in out) or "no group"
        return Sent("", plain(f"{self._of.url} was asked to take {_words(target)} out of {names}."))

    # Looking at it afterwards

    def verify(
        self,
        target: Target,
        *,
        step: Step,
        now: datetime,
        since: datetime | None = None,  # noqa: ARG002 -- a user is one thing, whenever made
        permissions: Sequence[Permission] = (),
    ) -> Seen:
        """What the provider shows of the user when it is read anew."""
        at = self._at(target)
        user = self._user(at, target)
        if user is None:
            if self._attribute(target) == "id":
                return Seen("gone", f"{self._of.url} has no {_words(target)}.", now)
            said = f"{self._of.url} finds no {_words(target)}: deleted, or named otherwise by now."
            return Seen("unknown", plain(said), now)
        if step == "narrow":
            return self._narrowed(at, target, user, permissions, now)
        active = user.get("active")
        if type(active) is not bool:
            said = f"{self._of.url} does not show whether {_words(target)} is active."
            return Seen("unknown", plain(said), now)
        if active:
            said = f"{self._of.url} shows {_words(target)} as active."
            return Seen("active", plain(said), now)
        said = f"{self._of.url} shows {_words(target)} as not active."
        if step == "revoke" and self._of.revoke == "delete":
            return Seen("held", plain(f"{said[:-1]}, and not deleted."), now)
        return Seen("held" if step == "hold" else "denied", plain(said), now)

    def residual(
        self,
        target: Target,
        *,
        since: datetime,
        now: datetime,
        sessions: Iterable[KnownSession] = (),
    ) -> list[Residual]:
        """SCIM shows no session and no token: what was opened before, and how long it lives."""
        self._at(target)
        seconds = self._of.session_seconds
        latest = None if seconds is None else since + timedelta(seconds=seconds)
        what = "sessions and tokens opened before, which SCIM neither shows nor ends"
        lives = [Residual(what, latest)] + [
            Residual(plain(f"session {one.name}"), one.expires_at or latest)
            for one in sessions
            if one.issued_at <= since
        ]
        return [one for one in lives if one.until is None or one.until > now]

    def own_rights(self, targets: Sequence[Target] = ()) -> list[MissingRight]:
        """Whether users can be read, and which of these could not be stopped today. Whether they
        can be changed shows the first change: SCIM has no way to ask."""
        at, found = Server(self._of, self._allow_private), []
        at.supports("patch")
        for target in targets[:MOST_LOOKED_AT]:
            try:
                self._present(at, target)
            except PermanentFailure as problem:
                found.append(MissingRight(f"stop {target.kind}", target.name, problem.reason))
        if not targets:
            at.found("userName", "countersign-asks-whether-it-may-read", right=READ)
        return found

    # Users

    def _switched(self, target: Target, *, active: bool, key: str) -> Sent:
        """The one attribute, in the user as it was read; read and written again where somebody else
        wrote in between."""
        at, reference = self._at(target), ""
        for left in reversed(range(TRIES)):
            user = self._user(at, target)
            if user is None and (active or self._attribute(target) != "id"):
                raise self._absent(target)
            if user is None or user.get("active") is active:
                break
            try:
                reference = self._written(at, user, active, key)
                break
            except Changed:
                if not left:
                    raise
            except Gone:
                continue
        word = "activate" if active else "deactivate"
        return Sent(reference, plain(f"{self._of.url} was asked to {word} {_words(target)}."))

    def _written(self, at: Server, user: Resource, active: bool, key: str) -> str:
        path = of_user(user)
        if at.supports("patch") is not False:
            body: Resource = {
                "schemas": [PATCH],
                "Operations": [{"op": "replace", "path": "active", "value": active}],
            }
            return at.change("PATCH", path, right=WRITE, key=key, of=user, body=body)
        # The whole of it, as it was read: what is read-only there is not looked at (RFC 7644, 3.5.1).
        body = {name: value for name, value in user.items() if name not in ("meta", "groups")}
        return at.change("PUT", path, right=WRITE, key=key, of=user, body=body | {"active": active})

    def _user(self, at: Server, target: Target) -> Resource | None:
        """The user, where there is one; refused where several fit."""
        attribute = self._attribute(target)
        if attribute == "id":
            try:
                user = at.read(of_user({"id": target.name}), right=READ)
            except Gone:
                return None
            if user.get("id") != target.name:
                raise TemporaryFailure(
                    f"{self._of.url} answers with another user than {_words(target)}.",
                    retry_after=pause(),
                )
            return user
        rows = at.found(attribute, target.name, right=READ)
        if len(rows) > 1:
            raise PermanentFailure(
                f"{self._of.url} has {len(rows)} users whose {attribute} is"
                f" {plain(target.name)[:200]}: none of them is changed. Bind the id of the right"
                " one.",
                who_must_act=self._of.administrator,
            )
        try:
            return at.read(of_user(rows[0]), right=READ) if rows else None
        except Gone:
            return None

    def _present(self, at: Server, target: Target) -> Resource:
        user = self._user(at, target)
        if user is None:
            raise self._absent(target)
        return user

    def _absent(self, target: Target) -> PermanentFailure:
        return PermanentFailure(
            f"{self._of.url} finds no {_words(target)}: deleted, or named otherwise by now. Look for"
            " it there.",
            who_must_act=self._of.administrator,
        )

    # Groups

    def _narrowed(
        self,
        at: Server,
        target: Target,
        user: Resource,
        permissions: Sequence[Permission],
        now: datetime,
    ) -> Seen:
        stays = self._not_left(at, user, permissions)
        direct = [one for one in stays if _direct(one)]
        if direct:
            names = ", ".join(_named(one) for one in direct)
            return Seen("active", plain(f"{_words(target)} is still in {names}."), now)
        if stays:
            names = ", ".join(_named(one) for one in stays)
            raise PermanentFailure(
                f"{_words(target)} is in {names} by way of another group, which is not changed for"
                " one member: take it out there.",
                who_must_act=self._of.administrator,
            )
        return Seen("denied", plain(f"{_words(target)} is in no group but what is left."), now)

    def _not_left(
        self, at: Server, user: Resource, permissions: Sequence[Permission]
    ) -> list[Resource]:
        """The groups of the user that no permission names: `member` of a group's name or id."""
        left = [
            resource
            for one in permissions
            if any(covers(action, MEMBER) for action in one.actions)
            for resource in one.resources
        ]
        if not left:
            raise PermanentFailure(
                "What is left names no group. SCIM narrows memberships alone: say the action"
                f" {MEMBER} on the names of groups, or suspend.",
                who_must_act="whoever asked for it",
            )
        return [
            group
            for group in self._groups(at, user)
            if not any(
                covers(one, name)
                for one in left
                for name in (group.get("display"), group.get("value"))
                if isinstance(name, str)
            )
        ]

    def _groups(self, at: Server, user: Resource) -> list[Resource]:
        """As the user shows them; where it does not, as the groups do."""
        shown = user.get("groups")
        if type(shown) is list:
            if all(type(one) is dict and isinstance(one.get("value"), str) for one in shown):
                return shown
            raise TemporaryFailure(
                f"{self._of.url} shows a group without its id.", retry_after=pause()
            )
        rows = at.listed(
            "/Groups", f"members.value eq {quoted(str(user['id']))}", right="read groups"
        )
        return [
            {"value": row["id"], "display": row.get("displayName")}
            for row in rows
            if isinstance(row.get("id"), str) and _has(row, str(user["id"]))
        ]

    def _taken_out(self, at: Server, group: str, user: str, key: str) -> None:
        path = f"/Groups/{quote(group, safe='')}"
        if at.supports("patch") is False:
            raise PermanentFailure(
                f"{self._of.url} takes no PATCH, and a whole group is not written for one member:"
                f" take it out of group {plain(group)[:100]} there.",
                who_must_act=self._of.administrator,
            )
        operation: Resource = {"op": "remove", "path": f"members[value eq {quoted(user)}]"}
        body = {"schemas": [PATCH], "Operations": [operation]}
        try:
            at.change("PATCH", path, right=GROUPS, key=key, of={}, body=body)
        except Gone:
            return

    # What it is

    def _attribute(self, target: Target) -> str:
        return self._of.principals[target.kind]

    def _at(self, target: Target) -> Server:
        """The provider, where the target is its."""
        if target.account != self._of.url or target.kind not in self._of.principals:
            raise PermanentFailure(
                f"{_words(target)} of {plain(target.account)} is no user of {self._of.url}: nothing"
                " of it is changed here.",
                who_must_act="whoever asked for it",
            )
        return Server(self._of, self._allow_private)


def _direct(group: Resource) -> bool:
    return group.get("type") != "indirect"


def _named(group: Resource) -> str:
    return plain(str(group.get("display") or group.get("value")))[:100]


def _has(group: Resource, user: str) -> bool:
    """Whether it is a member; a list that leaves members out is believed."""
    members = group.get("members")
    if type(members) is not list:
        return True
    return any(type(one) is dict and one.get("value") == user for one in members)


def _words(target: Target) -> str:
    return f"user {plain(target.name)[:200]}"
