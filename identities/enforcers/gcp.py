"""The Google Cloud enforcer: service accounts and their keys in one project.

Owns what each step means there, how it is read back and what lives on. Must not know rows, cases or
people; decides nothing about who may ask.

| kind            | hold, suspend | release, resume | narrow       | revoke                            |
| service_account | disabled      | enabled         | gcp_entitled | disabled, then deleted            |
| key             | disabled      | enabled         | not possible | disabled, then deleted            |

What an account is allowed (service_account_entitlement) is held, released and narrowed by
gcp_entitled.py, where the settings say so.

Sources: cloud.google.com, IAM API v1, reference of projects.serviceAccounts (disable: "existing
access tokens are rejected"; delete and undelete: 30 days; testIamPermissions) and of
projects.serviceAccounts.keys (delete "does not revoke short-lived credentials"; `disabled`);
"Access change propagation" (2 minutes, 7 or more); "Create short-lived credentials" (an hour, 12
where the organisation extends it). Reads are eventually consistent, by the same reference.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from evidence.formats.gcp import names

from . import gcp_entitled as entitled
from .addresses import WHO
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
    plain,
)
from .gcp_entitled import NEEDS
from .gcp_projects import RESOURCES, Absent, Google, Hidden, Projects
from .unable import Unable

ADDRESS = re.compile(r"[a-z0-9][a-z0-9.-]{0,100}@[a-z0-9.-]{1,150}\.gserviceaccount\.com")
UNIQUE = re.compile(r"[0-9]{10,30}")
KEY = re.compile(r"[A-Za-z0-9]{8,64}")
KINDS = ("service_account", "key", entitled.KIND)
PROPAGATION, ID_TOKENS = timedelta(minutes=7), timedelta(hours=1)
ACCOUNTS, KEYS = "iam.serviceAccounts", "iam.serviceAccountKeys"
VERBS = ("get", "list", "disable", "enable", "delete")
WANTED = tuple(f"{family}.{verb}" for family in (ACCOUNTS, KEYS) for verb in VERBS)
HELD_BY = {
    False: "roles/iam.serviceAccountAdmin and roles/iam.serviceAccountKeyAdmin hold all that it needs",
    True: "roles/resourcemanager.projectIamAdmin and roles/iam.roleViewer hold it",
}
MOST_LOOKED_AT = 20


def cannot(target: Target, step: str) -> str:
    """Why Google Cloud has no such step for this target; "" where it has."""
    allowing = step in ("narrow", "reading of what is allowed")
    if target.kind == "key" and allowing:
        return "A key may what its service account may: narrow that, or hold the key."
    if target.kind == entitled.KIND and step not in ("hold", "release", "narrow"):
        return f"What a service account is allowed has no {step}: narrow it, or hold the account."
    return ""


def not_set_up(target: Target, step: str) -> str:
    """Why what an account is allowed is not changed from here, where the settings do not say so."""
    if target.kind == entitled.KIND or (target.kind == "service_account" and step == "narrow"):
        return (
            "Google keeps with the resources what a service account may, which is not changed from"
            " here: have its bindings changed there, or hold it. With entitlements: true in the"
            " enforcers' settings, the bindings in its project are."
        )
    return ""


class GcpEnforcer(Unable):
    """Write access to the service accounts of one project."""

    system = "gcp"

    def __init__(self, projects: Projects, project: str, *, allow_private: bool) -> None:
        self._projects, self._project = projects, project
        self._google = Google(projects, project, allow_private=allow_private)

    def cannot(self, target: Target, step: str) -> str:
        return cannot(target, step)

    # Steps

    def hold(self, target: Target, *, key: str = "", **said: Any) -> Sent:
        """A reversible stop: of an account at once, of a key for new tokens, of what is allowed."""
        if target.kind == entitled.KIND:
            return entitled.hold(self._policy(target), said.get("permissions", ()), key=key)
        return self._set(target, "disable", key=key)

    def release(self, target: Target, *, key: str = "", **said: Any) -> Sent:
        if target.kind == entitled.KIND:
            before = said.get("allowed") or {}
            return entitled.release(self._policy(target), before=before, key=key)
        return self._set(target, "enable", key=key)

    def allowed(self, target: Target, **_: Any) -> dict[str, str]:
        if target.kind == "key":
            raise self.not_possible(target, "reading of what is allowed")
        return entitled.allowed(self._policy(target))

    def reading(self, target: Target) -> entitled.Reading:
        """What an account is allowed in its project now."""
        return entitled.reading(self._policy(target))

    def narrow(self, target: Target, *, key: str = "", **said: Any) -> Sent:
        if target.kind == "key":
            raise self.not_possible(target, "narrow")
        return entitled.narrow(self._policy(target), said["permissions"], key=key)

    def suspend(self, target: Target, *, key: str = "", **_: Any) -> Sent:
        return self._set(target, "disable", key=key)

    def resume(self, target: Target, *, key: str = "", **_: Any) -> Sent:
        return self._set(target, "enable", key=key)

    def revoke(
        self,
        target: Target,
        *,
        key: str,
        now: datetime,  # noqa: ARG002 -- the contract gives every step the moment
        delete: bool = True,
    ) -> Sent:
        """Disabled first, so that it is stopped even where deleting is refused."""
        sent = self._set(target, "disable", key=key)
        if not delete:
            return sent
        right = f"{KEYS if target.kind == 'key' else ACCOUNTS}.delete"
        found = self._look(target)
        if found is None:
            return Sent("", f"{target.name} is already gone.")
        try:
            self._google.ask("DELETE", _path(target), right=right, key=key)
        except Absent:
            return Sent("", f"{target.name} is already gone.")
        said = f"{target.name} was deleted."
        if target.kind == "service_account":
            number = plain(str(found.get("uniqueId", "")))
            said += f" For 30 days it may be undeleted by its unique id {number}."
        return Sent("", said)

    # Looking at it afterwards

    def verify(
        self,
        target: Target,
        *,
        step: Step,
        now: datetime,
        since: datetime | None = None,  # noqa: ARG002 -- an account or key is one thing
        permissions: Sequence[Permission] = (),
    ) -> Seen:
        """What the project shows now. A disabled one is not what a deletion wanted."""
        self._check(target)
        found = self._look(target)
        if found is not None and (target.kind == entitled.KIND or step == "narrow"):
            return entitled.seen(self._policy(target), permissions, step=step, now=now)
        if found is None:
            return Seen("gone", f"There is no {target.kind} {target.name}.", now)
        # Protocol Buffers in JSON leave out what is false.
        disabled = found.get("disabled", False)
        if type(disabled) is not bool:
            return Seen("unknown", f"Google does not say whether {target.name} is disabled.", now)
        if not disabled:
            return Seen("active", f"{target.name} is enabled.", now)
        held = target.kind == "key" or step == "revoke"
        return Seen("held" if held else "denied", f"{target.name} is disabled.", now)

    def residual(
        self,
        target: Target,
        *,
        since: datetime,
        now: datetime,
        sessions: Iterable[KnownSession] = (),
    ) -> list[Residual]:
        """What was issued before; ends that have passed are left out."""
        self._check(target)
        if target.kind == "key":
            life = timedelta(seconds=self._projects.access_token_seconds)
            lives = [Residual("access tokens that were fetched with this key", since + life)]
        else:
            lives = [
                Residual("calls to services that the change has not reached", since + PROPAGATION),
                Residual(
                    "ID tokens of the account, wherever they are taken without asking Google",
                    since + ID_TOKENS,
                ),
            ]
        latest = max(one.until for one in lives if one.until)
        named = [
            Residual(plain(f"session {one.name}"), one.expires_at or latest)
            for one in sessions
            # Of a disabled account every access token is rejected.
            if target.kind == "key" and one.issued_at <= since
        ]
        return [one for one in (*named, *lives) if one.until is None or one.until > now]

    def own_rights(self, targets: Sequence[Target] = ()) -> list[MissingRight]:
        """Permissions that Countersign's account lacks, by Google's own test; and which of these
        targets could not be stopped today."""
        wanted = [*(() if targets else WANTED), *(NEEDS if self._projects.entitlements else ())]
        of_project = (
            self._lacking(":testIamPermissions", self._project, wanted, service=RESOURCES)
            if wanted
            else []
        )
        missing = {(one.permission, one.resource): one for one in of_project}
        for target in targets[:MOST_LOOKED_AT]:
            account = target.extra.get("account", target.name)
            try:
                self._check(target)
                found = self._lacking(f"{_account_path(account)}:testIamPermissions", account)
                if not found:
                    self._look(target)
            except (Absent, PermanentFailure) as problem:
                said = str(problem) or f"There is no {account} in {self._project}."
                found = [MissingRight("stop it", target.name, plain(said))]
            missing |= {(one.permission, one.resource): one for one in found}
        return list(missing.values())

    def _lacking(
        self, path: str, where: str, wanted: Sequence[str] = WANTED, **service: str
    ) -> list[MissingRight]:
        said = self._google.ask(
            "POST", path, right=wanted[0], body={"permissions": list(wanted)}, **service
        ).get("permissions", [])
        given = said if type(said) is list else []
        return [
            MissingRight(
                one,
                where,
                f"Give Countersign's account {one} in {self._project}: {HELD_BY[one in NEEDS]}.",
            )
            for one in wanted
            if one not in given
        ]

    # The project

    def _policy(self, target: Target) -> entitled.Policy:
        """The project's policy of an account that is there, where it may be changed from here."""
        self._check(target)
        if not self._projects.entitlements:
            raise PermanentFailure(not_set_up(target, "narrow"), who_must_act=WHO)
        found = self._look(target)
        if found is None:
            raise PermanentFailure(
                f"{target.name} is gone: nothing of what it was allowed can be changed.",
                who_must_act="whoever asked for it",
            )
        return entitled.Policy(self._google, replace(target, name=str(found["email"]).lower()))

    def _set(self, target: Target, verb: str, *, key: str) -> Sent:
        if target.kind == entitled.KIND:
            raise self.not_possible(target, verb)
        self._check(target)
        found = self._look(target)
        if found is None:
            if verb == "enable":
                raise PermanentFailure(
                    f"{target.name} is gone: nothing of it can be let in again. A deleted service"
                    " account can be undeleted there for 30 days.",
                    who_must_act=self._google.administrator,
                )
            return Sent("", f"{target.name} is already gone.")
        right = f"{KEYS if target.kind == 'key' else ACCOUNTS}.{verb}"
        try:
            self._google.ask("POST", f"{_path(target)}:{verb}", right=right, key=key)
        except Absent:
            return Sent("", f"{target.name} is already gone.")
        said = f"{target.name} was {verb}d"
        if (found.get("disabled") is True) is (verb == "disable"):
            said += ", which it was before"
        return Sent("", f"{said}.")

    def _look(self, target: Target) -> dict[str, Any] | None:
        """It as Google shows it; None where it is not there."""
        right = f"{KEYS if target.kind == 'key' else ACCOUNTS}.get"
        try:
            found = self._google.ask("GET", _path(target), right=right)
        except Absent:
            return None
        except Hidden:
            # Google says the same of what is not there as of what we may not see: lists tell.
            if self._is_listed(target):
                raise
            return None
        if found.get("keyType") == "SYSTEM_MANAGED":
            raise PermanentFailure(
                f"Google itself keeps and renews the key {target.name}: hold its service account.",
                who_must_act="whoever asked for it",
            )
        last = str(found.get("name", "")).rpartition("/")[2]
        shown = (last,) if target.kind == "key" else (found.get("email"), found.get("uniqueId"))
        if target.name not in shown:
            raise PermanentFailure(
                f"What Google shows of {target.name} is not it: check url in the settings.",
                who_must_act=WHO,
            )
        return found

    def _is_listed(self, target: Target) -> bool:
        account = target.extra.get("account", target.name)
        listed = self._google.rows("/serviceAccounts", "accounts", right=f"{ACCOUNTS}.list")
        if not any(account in (one.get("email"), one.get("uniqueId")) for one in listed):
            return False
        if target.kind != "key":
            return True
        path = f"{_account_path(account)}/keys"
        keys = self._google.ask("GET", path, right=f"{KEYS}.list").get("keys", [])
        return any(str(one.get("name", "")).endswith(f"/{target.name}") for one in keys)

    def _check(self, target: Target) -> None:
        """That this target is this project's, and its name one that Google gives."""
        if target.system != self.system or target.kind not in KINDS:
            raise PermanentFailure(
                f"The Google Cloud enforcer knows no {target.kind} of {target.system}.",
                who_must_act=WHO,
            )
        account = target.extra.get("account", "") if target.kind == "key" else target.name
        of = names.named(account).realm if ADDRESS.fullmatch(account) else f"gcp:{target.account}"
        if target.account != self._project or of != f"gcp:{self._project}":
            raise PermanentFailure(
                f"The target is in the project {of.removeprefix('gcp:')}, this enforcer in"
                f" {self._project}.",
                who_must_act=WHO,
            )
        given = ADDRESS.fullmatch(account) or UNIQUE.fullmatch(account)
        if not given or (target.kind == "key" and not KEY.fullmatch(target.name)):
            raise PermanentFailure(
                f"{target.name!r} is not a name Google gives to a {target.kind}.", who_must_act=WHO
            )


def _account_path(account: str) -> str:
    return f"/serviceAccounts/{quote(account, safe='@')}"


def _path(target: Target) -> str:
    if target.kind == "key":
        return f"{_account_path(target.extra['account'])}/keys/{target.name}"
    return _account_path(target.name)
