"""People of an Okta org: their state, sessions and tokens, and what they let an app do.

Owns how somebody is found without being mistaken, and the requests about them. Must not know what
a step means.

Sources: developer.okta.com, Users; User lifecycle (only an ACTIVE user is suspended; deactivating
cannot be taken back); User sessions (`oauthTokens`); User grants and OAuth 2.0 clients of a user.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .contract import PermanentFailure, Target, TemporaryFailure, plain
from .okta_server import PAGE, Server, identifier, in_address, is_id
from .web import pause

READ, MANAGE = "okta.users.read", "okta.users.manage"
# A person who let more apps in than these is looked at by hand.
MOST_CLIENTS = 40


@dataclass(slots=True)
class Person:
    """One person, as they were when they were looked at."""

    server: Server
    name: str
    found: Mapping[str, Any]

    @property
    def state(self) -> str:
        """In Okta's words; DEPROVISIONED where there is no such person any more."""
        return str(self.found.get("status", "")) if self.found else "DEPROVISIONED"

    @property
    def moving(self) -> str:
        """The state that Okta is still bringing them to."""
        return str(self.found.get("transitioningToStatus") or "")

    @property
    def path(self) -> str:
        return f"/api/v1/users/{self.found['id']}"

    def move(self, to: str, *, key: str) -> str:
        mailing = {"params": {"sendEmail": "false"}} if to == "deactivate" else {}
        return self.server.change(
            "POST", f"{self.path}/lifecycle/{to}", scope=MANAGE, key=key, **mailing
        )

    def sign_out(self, *, key: str) -> str:
        """End their sessions at Okta, and the OAuth tokens that were issued to them."""
        return self.server.change(
            "DELETE",
            f"{self.path}/sessions",
            scope=MANAGE,
            key=key,
            params={"oauthTokens": "true"},
        )

    def clients_with_tokens(self) -> list[str]:
        """The apps that hold a refresh token of theirs."""
        if not self.found:
            return []
        rows = self.server.listed(f"{self.path}/clients", scope=READ)
        clients = [str(row.get("client_id", "")) for row in rows]
        if len(clients) > MOST_CLIENTS:
            raise PermanentFailure(
                f"{self.name} let more than {MOST_CLIENTS} apps in: look at their tokens there.",
                who_must_act=self.server.org.administrator,
            )
        return [one for one in clients if one and self.living(one, "tokens")]

    def living(self, client: str, what: str) -> int:
        """How many `tokens` or `grants` an app has of them that are not revoked."""
        path = f"{self.path}/clients/{in_address(client)}/{what}?limit={PAGE}"
        return sum(row.get("status") != "REVOKED" for row in self.server.listed(path, scope=READ))

    def revoke(self, client: str, what: str, *, key: str) -> str:
        path = f"{self.path}/clients/{in_address(client)}/{what}"
        return self.server.change("DELETE", path, scope=MANAGE, key=key)


def person(server: Server, name: str) -> Person:
    """Who this is, by id or whole login, and nobody else: Okta also answers to the beginnings of
    logins, and to `me`, who is somebody of ours."""
    if "/" in name or name in ("", "me", ".", ".."):
        raise PermanentFailure(
            f"{plain(name)[:100]} cannot be asked for at Okta: bind the identity by the person's id"
            " (00u…).",
            who_must_act="whoever asked for it",
        )
    found = server.read(f"/api/v1/users/{in_address(name)}", scope=READ)
    if found is None:
        return Person(server, name, {})
    number, profile = str(found.get("id", "")), found.get("profile")
    login = profile.get("login") if isinstance(profile, Mapping) else None
    if not is_id("user", number) or not isinstance(login, str) or "status" not in found:
        raise TemporaryFailure(
            f"{server.org.url} does not say who {plain(name)[:100]} is.", retry_after=pause()
        )
    if name != number and name.lower() != login.lower():
        raise PermanentFailure(
            f"Okta takes {plain(name)[:100]} for {plain(login)[:100]}: bind the identity by the whole"
            " login or the id.",
            who_must_act="whoever asked for it",
        )
    return Person(server, name, found)


def client_of(target: Target) -> str:
    return identifier("app", target.extra.get("app", ""))
