"""The Vault enforcer: tokens, leases, secret ids of AppRole and entities of Vault or OpenBao.

Owns what each step means there, how it is read back and what lives on. Must not know rows, cases
or people; decides nothing about who may ask.

| kind         | hold, suspend | release, resume | narrow       | revoke                           |
| entity       | disabled      | enabled         | not possible | disabled: deleted, its next login would make a new one |
| token        | not possible  | not possible    | not possible | by accessor, with its children and leases |
| lease        | not possible  | not possible    | not possible | at once, not in the background   |
| lease_prefix | not possible  | not possible    | not possible | all leases under it              |
| secret_id    | not possible  | not possible    | not possible | destroyed by its accessor        |

An entity's disabling is marked in its metadata, so that a release enables only what was disabled
here. Sources: those of vault_server.py, and "Tokens" (hierarchies, batch tokens), "Identity".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from . import vault_looking as looking
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
from .unable import Unable
from .vault_rights import lacking, needed
from .vault_server import DIGEST, Absent, Api, Server, checked, segments

MARK = "countersign"
MOST_LOOKED_AT = 20
# AWS gives no longer ones, and Vault cannot end them before ("AWS secrets engine", STS).
LONGEST_STS = timedelta(hours=36)
_STS = re.compile(r"(?:^|/)sts/")


def cannot(target: Target, step: str) -> str:
    """Why Vault has no such step for this target; "" where it has."""
    if target.name.startswith(DIGEST):
        how = (
            "have the audit device write accessors as they are (hmac_accessor=false)"
            if target.kind == "token"
            else "tune its mount to audit secret_id_accessor as it is"
            " (audit_non_hmac_response_keys)"
        )
        return (
            f"Evidence knows this {target.kind} only by a digest, which ends nothing: hold the"
            f" identity, or {how}. A batch token has no accessor at all."
        )
    if target.kind == "entity":
        if step != "narrow":
            return ""
        return "Vault has no narrow for an entity: change its policies there, or hold the identity."
    if step == "revoke":
        return ""
    return f"Vault has no {step} for a {target.kind}: revoke it, or hold the identity."


class VaultEnforcer(Unable):
    """Steps at one server, in one of its namespaces."""

    system = "vault"

    def __init__(self, server: Server, *, allow_private: bool) -> None:
        self._server, self._allow_private = server, allow_private

    def cannot(self, target: Target, step: str) -> str:
        return cannot(target, step)

    # Steps

    def hold(self, target: Target, **said: Any) -> Sent:
        """An entity denied everything, whatever token it shows."""
        api = self._at(target, "hold")
        found = looking.entity(api, target.name)
        if found is None:
            return Sent("", f"Entity {target.name} is already gone.")
        if found["disabled"]:
            return Sent("", f"Entity {target.name} was disabled already.")
        metadata = {**found["metadata"], MARK: str(said["key"])}
        self._change(api, target.name, disabled=True, metadata=metadata, key=said["key"])
        return Sent("", f"Entity {target.name} is disabled: no token of it is taken.")

    def release(self, target: Target, **said: Any) -> Sent:
        """An entity enabled again, where it was disabled from here."""
        api = self._at(target, "release")
        found = looking.entity(api, target.name)
        if found is None:
            raise PermanentFailure(
                f"Entity {target.name} is gone: there is nothing to release.",
                who_must_act="whoever asked for it",
            )
        if not found["disabled"]:
            return Sent("", f"Entity {target.name} was enabled already.")
        if MARK not in found["metadata"]:
            raise PermanentFailure(
                f"Entity {target.name} was not disabled from here: enable it there, if it shall"
                " work again.",
                who_must_act=self._server.administrator,
            )
        metadata = {name: value for name, value in found["metadata"].items() if name != MARK}
        self._change(api, target.name, disabled=False, metadata=metadata, key=said["key"])
        return Sent("", f"Entity {target.name} is enabled again.")

    def suspend(self, target: Target, **said: Any) -> Sent:
        self._at(target, "suspend")
        return self.hold(target, **said)

    def resume(self, target: Target, **said: Any) -> Sent:
        self._at(target, "resume")
        return self.release(target, **said)

    def revoke(
        self,
        target: Target,
        *,
        key: str,
        now: datetime,
        delete: bool = True,  # noqa: ARG002 -- there is nothing to keep held
    ) -> Sent:
        """The end of it; what is gone already is success."""
        api, name = self._at(target, "revoke"), target.name
        body: dict[str, object]
        match target.kind:
            case "entity":
                return self.hold(target, key=key, now=now)
            case "token":
                path, body = "auth/token/revoke-accessor", {"accessor": name}
                right, said = "revoke tokens by accessor", f"Token {name} is revoked"
            case "lease":
                path, body = "sys/leases/revoke", {"lease_id": name, "sync": True}
                right, said = "revoke leases", f"Lease {name} is revoked"
            case "lease_prefix":
                # Without its last stroke it would also be the name of one lease.
                path, body = f"sys/leases/revoke-prefix/{segments(name)}", {"sync": True}
                right, said = "revoke leases by prefix", f"Every lease under {name} is revoked"
            case _:
                return self._destroy(api, target, key=key)
        try:
            api.ask("POST", path, right=right, body=body, key=key)
        except Absent:
            return Sent("", f"{name} is already gone.")
        return Sent("", f"{said}.")

    # Looking at it afterwards

    def verify(
        self,
        target: Target,
        *,
        step: Step,
        now: datetime,
        since: datetime | None = None,  # noqa: ARG002 -- each is one thing, whenever issued
        permissions: Sequence[Permission] = (),  # noqa: ARG002 -- the same
    ) -> Seen:
        """What the server shows when it is asked anew."""
        api, name = self._at(target, step), target.name
        if target.kind == "entity":
            found = looking.entity(api, name)
            if found is None:
                return Seen("gone", f"Entity {name} is not there.", now)
            if found["disabled"]:
                return Seen("denied", f"Entity {name} is disabled.", now)
            return Seen("active", f"Entity {name} is enabled.", now)
        said = looking.lives(api, target)
        return Seen("active" if said else "gone", said or f"{name} is not there.", now)

    def residual(
        self,
        target: Target,
        *,
        since: datetime,
        now: datetime,
        sessions: Iterable[KnownSession] = (),
    ) -> list[Residual]:
        """What lives on after a step at `since`; ends that have passed are left out."""
        api, longest = self._at(target, "revoke"), self._server.max_lease_seconds
        latest = since + timedelta(seconds=longest)
        lives: list[Residual] = []
        match target.kind:
            case "entity":
                what = "secrets that it took before, each until its lease ends or is revoked"
                lives.append(Residual(what, latest))
            case "secret_id":
                what = "tokens that this secret id was logged in for before"
                lives.append(Residual(what, self._login_ends(api, target, since, latest)))
            case "lease" | "lease_prefix" if _STS.search(target.name):
                what = "the session that AWS gave, which ends by itself alone"
                lives.append(Residual(what, since + LONGEST_STS))
            case _:
                pass
        for place, one in enumerate(one for one in sessions if one.issued_at <= since):
            if place >= MOST_LOOKED_AT or not self._is_seen_dead(api, one.name):
                what = plain(f"{one.name}, which was issued with it")
                lives.append(Residual(what, one.expires_at))
        return [one for one in lives if one.until is None or one.until > now]

    def own_rights(self, targets: Sequence[Target] = ()) -> list[MissingRight]:
        """What our policies lack, as the server itself counts them; nothing is changed."""
        api = Api(self._server, allow_private=self._allow_private)
        missing = [
            MissingRight(f"end a {one.kind} without its name", one.name, cannot(one, "revoke"))
            for one in targets
            if one.name.startswith(DIGEST)
        ]
        wanted = needed([one for one in targets if not one.name.startswith(DIGEST)])
        return missing + lacking(api, wanted)

    # What there is

    def _at(self, target: Target, step: str) -> Api:
        """The server, when this target is one of it and has this step."""
        if target.account != self._server.account:
            raise PermanentFailure(
                f"{plain(target.name)} is of {plain(target.account)}, not of"
                f" {self._server.account}.",
                who_must_act="whoever asked for it",
            )
        if self.cannot(target, step):
            raise self.not_possible(target, step)
        checked(target.name, target.kind)
        if target.kind == "secret_id":
            looking.role(target)
        elif target.kind != "lease_prefix" and ("." in target.name.rsplit("/", 1)[-1]) != bool(
            self._server.namespace
        ):
            # Elsewhere it would be said not to be there, and taken to be dead.
            raise PermanentFailure(
                f"{target.name} is of another namespace than {self._server.account}: set that one"
                " up, or end it there by hand.",
                who_must_act=WHO,
            )
        return Api(self._server, allow_private=self._allow_private)

    def _change(
        self, api: Api, name: str, *, disabled: bool, metadata: Mapping[str, str], key: str
    ) -> None:
        path = f"identity/entity/id/{segments(name)}"
        body: dict[str, object] = {"disabled": disabled, "metadata": dict(metadata)}
        with suppress(Absent):
            api.ask("POST", path, right="update entities", body=body, key=key)

    def _destroy(self, api: Api, target: Target, *, key: str) -> Sent:
        """Of a secret id that is not there the server says 500, so that it is looked for first."""
        if not looking.lives(api, target):
            return Sent("", f"Secret id {target.name} is already gone.")
        try:
            api.ask(
                "POST",
                f"{segments(looking.role(target))}/secret-id-accessor/destroy",
                right="destroy secret ids by accessor",
                body={"secret_id_accessor": target.name},
                key=key,
            )
        except Absent:
            return Sent("", f"Secret id {target.name} is already gone.")
        return Sent("", f"Secret id {target.name} is destroyed.")

    def _login_ends(
        self, api: Api, target: Target, since: datetime, latest: datetime
    ) -> datetime | None:
        """When the last token of a login with this role's secret ids ends; None: renewed for ever."""
        try:
            found = api.data(
                api.ask("GET", segments(looking.role(target)), right="read its AppRole")
            )
        except Absent:
            return latest
        if found.get("token_period"):
            return None
        longest = found.get("token_max_ttl")
        if type(longest) is not int or longest <= 0:
            return latest
        return min(latest, since + timedelta(seconds=longest))

    def _is_seen_dead(self, api: Api, name: str) -> bool:
        """Whether what evidence names is a token or a lease that the server knows no more."""
        kind = "lease" if "/" in name else "token"
        other = Target(self.system, self._server.account, kind, name)
        try:
            checked(name, kind)
            return not looking.lives(api, other)
        except PermanentFailure:
            return False
