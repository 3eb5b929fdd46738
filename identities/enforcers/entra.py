"""The Entra enforcer: users, service principals and their keys in one tenant.

Owns what each step means there, how it is read back and what lives on. Must not know rows, cases or
people; decides nothing about who may ask.

| kind              | hold, suspend          | release, resume | narrow       | revoke                 |
| user              | disabled, sessions end | enabled         | not possible | as hold                |
| service_principal | disabled               | enabled         | for good     | as hold                |
| application       | its service principal here, by client id, the same way                           |
| key, federated    | not possible           | not possible    | not possible | taken away             |

Sources: learn.microsoft.com, Microsoft Graph v1.0: "Update user", "user: revokeSignInSessions" (200
with `value`; external users sign in at home), "Update servicePrincipal" (204), "agentIdentity
resource type" and "Update agentIdentity"; Microsoft Entra: "Configurable token lifetimes" (60 to 90
minutes; 24 to 28 hours with continuous access evaluation), "Continuous access evaluation for
workload identities", "Managed identities frequently asked questions" (tokens kept for 24 hours).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from . import entra_entitled, entra_keys
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
from .entra_graph import GUID, Absent, Graph, Tenant, encoded
from .unable import Unable
from .web import Refused

LOGIN_NAME = re.compile(r"[A-Za-z0-9'._!#^~+&-]{1,64}@[A-Za-z0-9.-]{1,190}")
KEY_NAME = re.compile(rf"{GUID.pattern}|[0-9A-Fa-f]{{40}}|[0-9A-Fa-f]{{64}}")
PRINCIPALS = ("user", "service_principal", "application")
KEYS = ("key", "federated")
# Without a policy of the tenant: an ordinary token; one that resources are told about; one that
# Azure keeps for a managed identity.
ORDINARY, TOLD, KEPT = timedelta(minutes=90), timedelta(hours=28), timedelta(hours=24)
MOST_LOOKED_AT = 20

# What is missing, and what else would do: each a tuple of those of which one is enough.
type Needed = tuple[tuple[str, ...], ...]
APPLICATIONS: Needed = (("Application.ReadWrite.All", "Directory.ReadWrite.All"),)
AGENTS: Needed = (("AgentIdentity.EnableDisable.All", "AgentIdentity.ReadWrite.All"),)
USERS: Needed = (
    ("User.EnableDisableAccount.All", "User.ReadWrite.All", "Directory.ReadWrite.All"),
    ("User.RevokeSessions.All", "User.ReadWrite.All", "Directory.ReadWrite.All"),
    ("User.Read.All", "User.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"),
)
OF_GRAPH = "00000003-0000-0000-c000-000000000000"


def cannot(target: Target, step: str) -> str:
    """Why Entra has no such step for this target; "" where it has."""
    if target.kind in KEYS and step != "revoke":
        return f"Entra has no {step} for one key: hold its service principal, or revoke the key."
    if target.kind == "user" and step == "narrow":
        return "What a user is allowed is changed there, or hold the user."
    if target.kind.endswith("_entitlement"):
        return (
            f"Entra has nothing that would {step} what a principal is allowed and could be taken"
            " back: narrow it for good, or hold the principal."
        )
    return ""


def not_set_up(target: Target, step: str) -> str:
    """Why what a principal is allowed is not changed from here, where the settings do not say so."""
    if step == "narrow" and target.kind in ("service_principal", "application"):
        return (
            "Entra has nothing that would narrow a principal and could be taken back: have its app"
            " roles and grants changed there, or hold it. With entitlements: true in the enforcers'"
            " settings it is narrowed from here, for good."
        )
    return ""


class EntraEnforcer(Unable):
    """Write access to one tenant, as one application of it."""

    system = "entra"

    def __init__(self, tenant: Tenant, *, allow_private: bool) -> None:
        self._tenant = tenant
        self._graph = Graph(tenant, allow_private=allow_private)

    def cannot(self, target: Target, step: str) -> str:
        return cannot(target, step)

    # Steps

    def hold(self, target: Target, *, key: str = "", **_: Any) -> Sent:
        """Nothing new is issued to it; what a user's sessions would fetch, neither."""
        return self._set(target, "hold", enabled=False, key=key)

    def release(self, target: Target, *, key: str = "", **_: Any) -> Sent:
        return self._set(target, "release", enabled=True, key=key)

    def suspend(self, target: Target, *, key: str = "", **_: Any) -> Sent:
        return self._set(target, "suspend", enabled=False, key=key)

    def resume(self, target: Target, *, key: str = "", **_: Any) -> Sent:
        return self._set(target, "resume", enabled=True, key=key)

    def revoke(
        self,
        target: Target,
        *,
        key: str,
        now: datetime,  # noqa: ARG002 -- the contract gives every step the moment
        delete: bool = True,  # noqa: ARG002 -- what is deleted can be restored for 30 days
    ) -> Sent:
        """The end of a key. A principal stays, disabled: one that is deleted can be restored."""
        if target.kind in KEYS:
            self._check(target, "revoke")
            return entra_keys.remove(self._graph, target, key=key)
        return self._set(target, "revoke", enabled=False, key=key)

    def narrow(self, target: Target, *, key: str = "", **said: Any) -> Sent:
        """Its app roles, scopes and directory roles beyond what is left are taken away, for good."""
        self._check(target, "narrow")
        if not self._tenant.entitlements:
            raise PermanentFailure(not_set_up(target, "narrow"), who_must_act=WHO)
        try:
            who = self._principal(target)
        except Absent:
            return Sent("", f"{target.name} is already gone.")
        return entra_entitled.narrow(who, said["permissions"], key=key)

    # Looking at it afterwards

    def verify(
        self,
        target: Target,
        *,
        step: Step,
        now: datetime,
        since: datetime | None = None,
        permissions: Sequence[Permission] = (),
    ) -> Seen:
        """What the directory shows now. With `since`, a user's sessions must have ended by then."""
        self._check(target, step)
        if target.kind in KEYS:
            return entra_keys.seen(self._graph, target, now=now)
        try:
            found = self._look(target)
        except Absent:
            return Seen("gone", f"There is no {target.kind} {target.name}.", now)
        if step == "narrow":
            return entra_entitled.seen(self._principal(target), permissions, now=now)
        enabled = found.get("accountEnabled")
        if type(enabled) is not bool:
            return Seen("unknown", f"Graph does not say whether {target.name} is enabled.", now)
        if enabled:
            return Seen("active", f"{target.name} is enabled.", now)
        begun = _moment(found.get("signInSessionsValidFromDateTime"))
        if since is not None and target.kind == "user" and (begun is None or begun < since):
            return Seen("active", f"Sessions of {target.name} from before are still valid.", now)
        return Seen("denied", f"{target.name} is disabled.", now)

    def residual(
        self,
        target: Target,
        *,
        since: datetime,
        now: datetime,
        sessions: Iterable[KnownSession] = (),
    ) -> list[Residual]:
        """Access tokens that were issued before; ends that have passed are left out."""
        self._check(target, "residual")
        seconds = self._tenant.access_token_seconds
        if self._is_managed(target):
            lives = [
                Residual("access tokens that Azure keeps for a managed identity", since + KEPT)
            ]
        elif seconds is not None:
            what = "access tokens that were issued before"
            lives = [Residual(what, since + timedelta(seconds=seconds))]
        else:
            lives = [
                Residual("access tokens of 60 to 90 minutes that were issued before", since + ORDINARY),
                Residual(
                    "access tokens under continuous access evaluation, at a resource that did not"
                    " take its notice",
                    since + TOLD,
                ),
            ]  # fmt: skip
        latest = max(one.until for one in lives if one.until)
        named = [
            Residual(plain(f"session {one.name}"), one.expires_at or latest)
            for one in sessions
            if one.issued_at <= since
        ]
        return [one for one in (*named, *lives) if one.until is None or one.until > now]

    def own_rights(self, targets: Sequence[Target] = ()) -> list[MissingRight]:
        """Permissions that the application was not given, and which of these targets could not be
        stopped today. Reads only."""
        missing: list[MissingRight] = []
        needed: set[Needed] = set() if targets else {USERS, APPLICATIONS}
        if self._tenant.entitlements and not targets:
            needed.add(entra_entitled.NEEDS)
        for target in targets[:MOST_LOOKED_AT]:
            needed.add(USERS if target.kind == "user" else APPLICATIONS)
            if self._tenant.entitlements and target.kind in ("service_principal", "application"):
                needed.add(entra_entitled.NEEDS)
            try:
                found = self._looked_at(target)
            except Refused:
                continue  # What it takes to look is among what is needed.
            except (PermanentFailure, Absent) as problem:
                said = str(problem) or f"There is no {target.kind} {target.name} in this tenant."
                missing.append(MissingRight("stop it", target.name, plain(said)))
                continue
            if found.get("servicePrincipalType") == "ServiceIdentity":
                needed.add(AGENTS)
            if found.get("onPremisesSyncEnabled") is True:
                sentence = (
                    f"{target.name} is synchronised from a directory on the premises, which may"
                    " enable it again: disable it there."
                )
                missing.append(MissingRight("keep it disabled", target.name, sentence))
        return self._not_given(needed) + missing

    def _not_given(self, needed: set[Needed]) -> list[MissingRight]:
        client, right = self._tenant.client_id, "Application.Read.All"
        try:
            offered = self._graph.read(
                f"servicePrincipals(appId='{OF_GRAPH}')?$select=id,appRoles", right=right
            )
            ours = [
                row.get("appRoleId")
                for row in self._graph.rows(
                    f"servicePrincipals(appId='{client}')/appRoleAssignments", right=right
                )
            ]
        except Refused as problem:
            return [MissingRight(right, client, problem.reason)]
        except Absent:
            sentence = "The application has no service principal in this tenant: consent to it."
            return [MissingRight("sign in", client, sentence)]
        listed = offered.get("appRoles")
        roles = listed if type(listed) is list else []
        given = {one.get("value") for one in roles if one.get("id") in ours}
        return [
            MissingRight(
                enough[0],
                self._tenant.tenant,
                f"Give the application {client} the application permission {enough[0]} of Microsoft"
                f" Graph, and the administrator's consent.",
            )
            for enough in sorted({one for each in needed for one in each})
            if not given & set(enough)
        ]

    # The directory

    def _set(self, target: Target, step: str, *, enabled: bool, key: str) -> Sent:
        self._check(target, step)
        right = USERS[0][0] if target.kind == "user" else APPLICATIONS[0][0]
        try:
            found = self._look(target)
            path = f"{'users' if target.kind == 'user' else 'servicePrincipals'}/{found['id']}"
            if found.get("servicePrincipalType") == "ServiceIdentity":
                path, right = f"{path}/microsoft.graph.agentIdentity", AGENTS[0][0]
            reference = self._graph.change(
                "PATCH", path, right=right, key=key, accountEnabled=enabled
            )
            said = f"{target.name} was {'enabled' if enabled else 'disabled'}"
            if found.get("accountEnabled") is enabled:
                said += ", which it was before"
            if target.kind == "user" and not enabled:
                self._graph.change(
                    "POST", f"{path}/revokeSignInSessions", right=USERS[1][0], key=key
                )
                said += "; its sessions were ended"
        except Absent:
            if enabled:
                raise PermanentFailure(
                    f"{target.name} is gone: nothing of it can be let in again.",
                    who_must_act=self._tenant.administrator,
                ) from None
            return Sent("", f"{target.name} is already gone.")
        return Sent(reference, f"{said}.")

    def _look(self, target: Target) -> dict[str, Any]:
        """Raises Absent; of a user by login name PermanentFailure, as it may be named anew."""
        match target.kind:
            case "user":
                path = f"users/{encoded(target.name)}?$select=id,accountEnabled,"
                path += "signInSessionsValidFromDateTime,onPremisesSyncEnabled"
            case "application":
                path = f"servicePrincipals(appId='{target.name}')?$select=id,accountEnabled,"
                path += "servicePrincipalType"
            case _:
                path = f"servicePrincipals/{target.name}?$select=id,accountEnabled,"
                path += "servicePrincipalType"
        right = USERS[2][0] if target.kind == "user" else "Application.Read.All"
        try:
            found = self._graph.read(path, right=right)
        except Absent:
            if target.kind == "user" and GUID.fullmatch(target.name) is None:
                raise PermanentFailure(
                    f"The tenant knows no user {target.name}, which may have another login name by"
                    " now: bind its object id, or disable it there.",
                    who_must_act=self._tenant.administrator,
                ) from None
            raise
        if GUID.fullmatch(str(found.get("id"))) is None:
            raise PermanentFailure(
                f"Graph shows {target.name} without its id: check url in the settings.",
                who_must_act=WHO,
            )
        return found

    def _principal(self, target: Target) -> entra_entitled.Principal:
        """Raises Absent."""
        number = str(self._look(target)["id"])
        return entra_entitled.Principal(self._graph, number, target.name)

    def _looked_at(self, target: Target) -> dict[str, Any]:
        self._check(target, "revoke")
        if target.kind not in KEYS:
            return self._look(target)
        entra_keys.holders(self._graph, target)
        return {}

    def _is_managed(self, target: Target) -> bool:
        if target.kind in KEYS or target.kind == "user":
            return False
        try:
            return self._look(target).get("servicePrincipalType") == "ManagedIdentity"
        except Absent:
            return False

    def _check(self, target: Target, step: str) -> None:
        """That this target is this tenant's, and its name one that Entra gives."""
        if target.system != self.system or target.kind not in (*PRINCIPALS, *KEYS):
            raise PermanentFailure(
                f"The Entra enforcer knows no {target.kind} of {target.system}.", who_must_act=WHO
            )
        if target.account != self._tenant.tenant:
            raise PermanentFailure(
                f"The target is in the tenant {target.account}, this enforcer in"
                f" {self._tenant.tenant}.",
                who_must_act=WHO,
            )
        names = KEY_NAME if target.kind in KEYS else GUID
        given = names.fullmatch(target.name) or (
            target.kind == "user" and LOGIN_NAME.fullmatch(target.name)
        )
        around = [target.extra[name] for name in ("app", "principal") if name in target.extra]
        if not given or not all(GUID.fullmatch(one) for one in around):
            raise PermanentFailure(
                f"{target.name!r} is not a name Entra gives to a {target.kind}.", who_must_act=WHO
            )
        if step not in ("verify", "residual") and self.cannot(target, step):
            raise self.not_possible(target, step)


def _moment(text: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if type(text) is str else None
    except ValueError:
        return None
