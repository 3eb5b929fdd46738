"""Grants in one Vault or OpenBao server: tokens of one policy, which end by themselves.

Owns what a token of a grant may be and how it is found dead. Must not know rows or people. Nothing is
changed there before the holder asks for a token; what is looked at before that is the policy.

Sources: "/auth/token" (create-orphan: policies, ttl, explicit_max_ttl, renewable, meta, display_name;
lookup-accessor, revoke-accessor), "/sys/policies/acl", "Tokens" (explicit_max_ttl is a hard end).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from .contract import MissingRight, PermanentFailure, Residual, Seen, Sent, plain
from .grants import Given, Handed, Kind, Minted
from .vault_rights import lacking
from .vault_server import Absent, Api, Server, segments

LONGEST_TOKEN = timedelta(hours=1)
TOKENS = {
    f"auth/token/{what}": ("update",)
    for what in ("create-orphan", "lookup-accessor", "revoke-accessor")
}
_POLICY = re.compile(r"[a-z0-9][\w.-]{0,127}", re.ASCII)
KINDS = {"policy": Kind("a policy, by tokens that end", "the policy's name", mints="vault")}


class VaultGranter:
    """Gives and takes at one server."""

    def __init__(self, at: Server, *, allow_private: bool) -> None:
        self._api = Api(at, allow_private=allow_private)

    def why_not(self, given: Given) -> str:
        name = given.target.name
        if _POLICY.fullmatch(name) is None:
            return f"{plain(name)[:80]} is no name of a policy."
        if name in ("root", "default"):
            return f"The policy {name} is nobody's to grant: make one for what is needed."
        return ""

    def grant(self, given: Given, *, now: datetime) -> Sent:  # noqa: ARG002 -- the contract gives every step the moment
        return Sent("", "Tokens are made when the holder asks for one.")

    def granted(self, given: Given, *, now: datetime) -> Seen:
        """Whether the policy is there, without which a token would be good for nothing."""
        name = given.target.name
        path = f"sys/policies/acl/{segments(name)}"
        try:
            self._api.ask("GET", path, right=f"read {path}")
        except Absent:
            raise PermanentFailure(
                f"There is no policy {name} at {self._api.at.account}.",
                who_must_act=self._api.at.administrator,
            ) from None
        return Seen("active", f"The policy {name} is there for tokens of it.", now)

    def end(self, given: Given, *, now: datetime) -> Sent:
        """Every token of it that may live is revoked, with what was made by it."""
        done = 0
        for one in _living(given, now):
            body = {"accessor": one.credential}
            try:
                path = "auth/token/revoke-accessor"
                self._api.ask("POST", path, right=f"update {path}", body=body, key=given.key)
                done += 1
            except Absent:
                continue
        return Sent("", f"{done} of its tokens revoked.")

    def ended(self, given: Given, *, now: datetime) -> Seen:
        for one in _living(given, now):
            if self._lives(one):
                return Seen("active", f"The token {one.credential} lives.", now)
        return Seen("gone", "No token of it lives.", now)

    def residual(self, given: Given, *, since: datetime, now: datetime) -> Sequence[Residual]:  # noqa: ARG002 -- the contract gives every step the moment
        return []

    def mint(self, given: Given, *, person: str, now: datetime) -> Minted:
        """A token that cannot be renewed, nor live beyond the grant's end."""
        seconds = int(min(given.ends_at - now, LONGEST_TOKEN).total_seconds())
        if seconds <= 0:
            raise PermanentFailure("Its time is over.", who_must_act="whoever asked for it")
        path = "auth/token/create-orphan"
        body = {
            "policies": [given.target.name],
            "no_default_policy": True,
            "ttl": f"{seconds}s",
            "explicit_max_ttl": f"{seconds}s",
            "renewable": False,
            "display_name": given.key.lower(),
            "meta": {"grant": given.key, "person": person},
        }
        answer = self._api.ask("POST", path, right=f"update {path}", body=body, key=given.key)
        found = self._api.web.document(answer).get("auth")
        token, accessor = _texts(found, "client_token", "accessor")
        if not token or not accessor:
            raise PermanentFailure(
                f"{self._api.at.account} made a token and does not say its accessor, by which it"
                " could be ended: it ends by itself.",
                who_must_act=self._api.at.administrator,
            )
        self._api.web.discreet(token)
        ends = min(now + timedelta(seconds=seconds), given.ends_at)
        document = {
            "token": token,
            "accessor": accessor,
            "address": self._api.at.address,
            "namespace": self._api.at.namespace,
            "expires_at": ends.astimezone(UTC).isoformat(timespec="seconds"),
        }
        return Minted(Handed(f"{given.key}.{person}", accessor, ends), ends, document)

    def own_rights(self, given: Sequence[Given]) -> list[MissingRight]:
        """By the server's own count (vault_rights.py)."""
        paths = {f"sys/policies/acl/{segments(one.target.name)}": ("read",) for one in given}
        return lacking(self._api, paths | TOKENS) if given else []

    def _lives(self, one: Handed) -> bool:
        path = "auth/token/lookup-accessor"
        try:
            self._api.ask("POST", path, right=f"update {path}", body={"accessor": one.credential})
        except Absent:
            return False
        return True


def _living(given: Given, now: datetime) -> list[Handed]:
    """Those that may live, but for what was asked for and never answered: it has no accessor, and
    ends by itself."""
    return [
        one
        for one in given.handed
        if one.lives_until > now and not one.credential.startswith("asked-")
    ]


def _texts(found: Any, *names: str) -> list[str]:
    held = found if isinstance(found, dict) else {}
    return [value if isinstance(value := held.get(name), str) else "" for name in names]
