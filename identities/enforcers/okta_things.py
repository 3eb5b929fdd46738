"""What of an Okta org is active or not: apps, AI agents, and the secrets and keys of both.

Owns where each stands, its state, and the requests that move it. Must not know what a step means,
nor people.

Sources: developer.okta.com, Applications; Application OAuth 2.0 client auth credentials (secrets,
JSON Web Keys: only an inactive one is deleted, the only active secret is not deactivated);
Application tokens; Okta for AI Agents (beta: changes are accepted and done later).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .contract import PermanentFailure, Target, TemporaryFailure
from .okta_orgs import Org
from .okta_server import PAGE, Server, identifier, in_address
from .web import pause

APPS_READ, APPS_MANAGE = "okta.apps.read", "okta.apps.manage"
AGENTS_READ, AGENTS_MANAGE = "okta.aiAgents.read", "okta.aiAgents.manage"
AGENTS = "/workload-principals/api/v1/ai-agents"
KINDS = frozenset({"app", "agent", "secret", "key"})
WORDS = {"app": "app", "agent": "AI agent", "secret": "client secret", "key": "key"}
# How long Okta needs to do what it accepted.
SOON = 5.0


@dataclass(slots=True)
class Thing:
    """One of them, where it stands in the org, as it was when it was looked at."""

    server: Server
    target: Target
    path: str  # "" where the list does not have it
    read: str
    manage: str
    tokens: str = ""  # where the refresh tokens stand that an app was given
    found: Mapping[str, Any] | None = None

    @property
    def words(self) -> str:
        return f"{WORDS[self.target.kind]} {self.target.name}"

    @property
    def state(self) -> str:
        """In Okta's words: ACTIVE, INACTIVE, STAGED; "" where there is none any more."""
        said = "" if self.found is None else str(self.found.get("status", "ACTIVE"))
        return "" if said == "DELETED" else said

    def look(self) -> None:
        """See how it is. A secret stands in what Okta answers, and is kept nowhere."""
        self.found = self.server.read(self.path, scope=self.read) if self.path else None
        for name in ("client_secret", "secret_hash"):
            secret = (self.found or {}).get(name)
            if type(secret) is str:
                self.server.web.discreet(secret)
        _not_ours(self.server.org, self.found or {})
        if self.found is None and self.read == AGENTS_READ:
            self._offered()

    def move(self, to: str, *, key: str) -> str:
        return self.server.change("POST", f"{self.path}/lifecycle/{to}", scope=self.manage, key=key)

    def delete(self, *, key: str) -> str:
        return self.server.change("DELETE", self.path, scope=self.manage, key=key)

    def end_tokens(self, *, key: str) -> None:
        """End the refresh tokens of an app, and with each the access tokens it fetched."""
        if self.tokens:
            self.server.change("DELETE", self.tokens, scope=self.manage, key=key)

    def living_tokens(self) -> int:
        if not self.tokens or not self.state:
            return 0
        rows = self.server.listed(f"{self.tokens}?limit={PAGE}", scope=self.read)
        return sum(row.get("status") != "REVOKED" for row in rows)

    def only_one(self) -> bool:
        """Whether it is the only active secret, which Okta does not deactivate."""
        if self.target.kind != "secret" or self.state != "ACTIVE":
            return False
        rows = self.server.listed(self.path.rsplit("/", 1)[0], scope=self.read)
        return len([row for row in rows if row.get("status") == "ACTIVE"]) < 2

    def linked(self) -> str:
        """The app of an agent, while it is active: a way to other tokens."""
        app = str((self.found or {}).get("appId") or "")
        if not app:
            return ""
        found = self.server.read(f"/api/v1/apps/{identifier('app', app)}", scope=APPS_READ)
        return app if found is not None and found.get("status") == "ACTIVE" else ""

    def being_deactivated(self) -> TemporaryFailure:
        return TemporaryFailure(
            f"Okta is deactivating {self.words}, which it deletes only then.",
            retry_after=pause(SOON),
        )

    def _offered(self) -> None:
        """That there is no such agent means something only where the org has agents at all."""
        if self.server.read(f"{AGENTS}?limit=1", scope=AGENTS_READ) is None:
            raise PermanentFailure(
                f"{self.server.org.url} does not offer Okta for AI Agents to Countersign: whether"
                f" {self.words} lives cannot be seen.",
                who_must_act=self.server.org.administrator,
            )


def thing(server: Server, target: Target) -> Thing:
    """The thing a target names, not looked at yet; of a key, where it stands is read."""
    org, kind = server.org, target.kind
    if kind == "agent" or (kind == "key" and "agent" in target.extra):
        if not org.ai_agents:
            raise PermanentFailure(
                f"{target.name} is of an AI agent: set ai_agents to true in the enforcers' settings"
                f" of {org.url}, and grant its scopes there.",
                who_must_act="the administrator of Countersign",
            )
        agent = identifier("agent", target.name if kind == "agent" else target.extra["agent"])
        made = Thing(server, target, f"{AGENTS}/{agent}", AGENTS_READ, AGENTS_MANAGE)
    else:
        app = identifier("app", target.name if kind == "app" else target.extra.get("app", ""))
        _not_ours(org, {"id": app})
        made = Thing(server, target, f"/api/v1/apps/{app}", APPS_READ, APPS_MANAGE)
    match kind:
        case "app":
            made.tokens = f"{made.path}/tokens"
        case "secret":
            made.path += f"/credentials/secrets/{identifier('secret', target.name)}"
        case "key":
            number = _key(made)
            made.path = f"{made.path}/credentials/jwks/{number}" if number else ""
    return made


def _key(owner: Thing) -> str:
    """The id of a key. Evidence knows it by that, or by the name that its owner gave it (`kid`)."""
    name = identifier("key", owner.target.name)
    rows = owner.server.listed(f"{owner.path}/credentials/jwks", scope=owner.read)
    those = [row["id"] for row in rows if row.get("id") and name in (row["id"], row.get("kid"))]
    if len(those) > 1:
        raise PermanentFailure(
            f"Several keys are called {name}: deactivate the right one by hand.",
            who_must_act=owner.server.org.administrator,
        )
    return in_address(str(those[0])) if those else ""


def _not_ours(org: Org, found: Mapping[str, Any]) -> None:
    """Whoever stops Countersign's own app could start nothing again."""
    client = found
    for name in ("credentials", "oauthClient"):
        inside = client.get(name)
        client = inside if isinstance(inside, Mapping) else {}
    if org.client_id in (found.get("id"), client.get("client_id")):
        raise PermanentFailure(
            f"{org.client_id} is the app by which Countersign acts at {org.url}: stop it there by"
            " hand.",
            who_must_act=org.administrator,
        )
