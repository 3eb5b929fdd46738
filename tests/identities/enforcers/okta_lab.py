"""An Okta org on loopback, as far as the enforcer speaks to it: it keeps what is done to it.

Owns paths, statuses, bodies and headers as developer.okta.com documents them (Users, Applications,
client secrets and keys, tokens, API tokens, Okta for AI Agents, error codes, rate limits, OAuth for
Okta). Statements of its service app are verified with the app's public key.

Not verified against a real org: how soon an accepted change of an agent is done (`settle`), and
that its `404` has the shape of the management API's.
"""

import re
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import pytest
from joserfc import jwt
from joserfc.errors import JoseError

from identities.enforcers.okta_orgs import AGENT_SCOPES, NARROWING_SCOPES, SCOPES
from tests.evidence.sources.server import Answer, Request, There, serving
from tests.identities.enforcers.okta_allowed import Allowed
from tests.identities.enforcers.okta_answers import error, gone, lacking, oauth, public

CLIENT = "0oaCOUNTERSIGN"
AGENTS = "/workload-principals/api/v1/ai-agents"
METHODS = ("GET", "POST", "PUT", "DELETE")

type Do = Callable[..., Answer]


@dataclass
class Org:
    """What is in the org. `lies`: changes are answered as done, and not done."""

    there: There
    users: dict[str, dict[str, Any]] = field(default_factory=dict)
    apps: dict[str, dict[str, Any]] = field(default_factory=dict)
    agents: dict[str, dict[str, Any]] = field(default_factory=dict)
    secrets: dict[str, list[dict[str, Any]]] = field(default_factory=dict)  # by app
    keys: dict[str, list[dict[str, Any]]] = field(default_factory=dict)  # by app or agent
    api_tokens: dict[str, dict[str, Any]] = field(default_factory=dict)
    tokens: list[dict[str, Any]] = field(default_factory=list)  # refresh tokens
    grants: list[dict[str, Any]] = field(default_factory=list)  # consents
    scopes: set[str] = field(default_factory=lambda: {*SCOPES, *AGENT_SCOPES, *NARROWING_SCOPES})
    roles: list[dict[str, Any]] = field(
        default_factory=lambda: [{"id": "ra1", "type": "SUPER_ADMIN", "status": "ACTIVE"}]
    )
    allowed: Allowed = field(default_factory=Allowed)
    offers_agents: bool = True
    forbids: str = ""  # beginning of a path that an administrator role does not cover
    lies: bool = False
    accepted: list[Callable[[], None]] = field(default_factory=list)
    issued: dict[str, set[str]] = field(default_factory=dict)  # access token: its scopes
    statements: set[str] = field(default_factory=set)
    faults: dict[str, list[Answer]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return self.there.url

    def fail(self, path: str, *answers: Answer) -> None:
        """The next requests at this path meet these, one each."""
        self.faults.setdefault(path, []).extend(answers)

    def changes(self) -> list[tuple[str, str]]:
        """What it was asked to change, without the asking for access tokens."""
        return [
            (one.method, one.path)
            for one in self.there.asked
            if one.method != "GET" and one.path != "/oauth2/v1/token"
        ]

    def settle(self) -> None:
        """What was accepted is done now."""
        for done in self.accepted:
            done()
        self.accepted.clear()

    def person(self, number: str = "00uANA", login: str = "ana@example.org", **more: Any) -> None:
        profile = {"login": login, "email": login}
        self.users[number] = {"id": number, "status": "ACTIVE", "profile": profile, **more}

    def app(self, number: str = "0oaBATCH", **more: Any) -> None:
        client = {"client_id": number, "token_endpoint_auth_method": "client_secret_basic"}
        self.apps[number] = {
            "id": number,
            "name": "oidc_client",
            "label": "batch",
            "status": "ACTIVE",
            "signOnMode": "OPENID_CONNECT",
            "credentials": {"oauthClient": client},
            **more,
        }

    def secret(self, app: str, number: str, status: str = "ACTIVE") -> None:
        text = f"TheSecretItselfOf{number}"
        one = {"id": number, "status": status, "client_secret": text, "secret_hash": f"h{text}"}
        self.secrets.setdefault(app, []).append(one)

    def key(self, owner: str, number: str, kid: str, status: str = "ACTIVE") -> None:
        one = {"id": number, "kid": kid, "kty": "RSA", "use": "sig", "status": status}
        self.keys.setdefault(owner, []).append(one)

    def refresh_token(self, number: str, *, app: str, user: str) -> None:
        one = {"id": number, "clientId": app, "userId": user, "status": "ACTIVE"}
        self.tokens.append(one | {"issuer": f"{self.url}/oauth2/default", "scopes": []})

    # The door

    def answer(self, asked: Request) -> Answer:
        waiting = self.faults.get(asked.path)
        if waiting:
            return waiting.pop(0)
        done = self._token(asked) if asked.path == "/oauth2/v1/token" else self._inside(asked)
        limits = {
            "X-Okta-Request-Id": f"req-{len(self.there.asked)}",
            "X-Rate-Limit-Limit": "600",
            "X-Rate-Limit-Remaining": "599",
            "X-Rate-Limit-Reset": str(int(time.time()) + 60),
        }
        return Answer(done.status, done.body, {**limits, **done.headers})

    def _token(self, asked: Request) -> Answer:
        form = asked.form()
        try:
            said = jwt.decode(form["client_assertion"], public(), algorithms=["RS256"])
        except (JoseError, KeyError, ValueError):
            return oauth(401, "invalid_client", "The client_assertion signature is invalid.")
        claims, now = said.claims, time.time()
        fits = (
            claims.get("iss") == claims.get("sub") == CLIENT
            and claims.get("aud") == f"{self.url}/oauth2/v1/token"
            and now < claims.get("exp", 0) <= now + 3600
            and claims.get("jti") not in self.statements
        )
        if not fits or form.get("grant_type") != "client_credentials":
            return oauth(401, "invalid_client", "The client_assertion token is not accepted.")
        self.statements.add(claims["jti"])
        wanted = set(form.get("scope", "").split()) & self.scopes
        if not wanted:
            return oauth(400, "invalid_scope", "The requested scope is invalid.")
        text = f"eyJ.{secrets.token_urlsafe(24)}.x"
        self.issued[text] = wanted
        held = {"token_type": "Bearer", "expires_in": 3600, "scope": " ".join(sorted(wanted))}
        return Answer(200, held | {"access_token": text})

    def _inside(self, asked: Request) -> Answer:
        scheme, _, text = asked.headers.get("authorization", "").partition(" ")
        held = self.issued.get(text) if scheme == "Bearer" else None
        if held is None:
            return error(401, "E0000011", "Invalid token provided")
        for path, read, changed, do in self._routes():
            found = re.fullmatch(path, asked.path)
            if found is None:
                continue
            needed = {read, changed} if asked.method == "GET" else {changed}
            if not needed & held:
                return lacking(min(needed, key=len), asked.path)
            if self.forbids and asked.path.startswith(self.forbids):
                return error(
                    403, "E0000006", "You do not have permission to perform the requested action"
                )
            return do(asked, *(unquote(one) for one in found.groups()))
        return error(404, "E0000008", "The requested path was not found")

    def _routes(self) -> list[tuple[str, str, str, Do]]:
        users = ("okta.users.read", "okta.users.manage")
        apps = ("okta.apps.read", "okta.apps.manage")
        agents = ("okta.aiAgents.read", "okta.aiAgents.manage")
        tokens = ("okta.apiTokens.read", "okta.apiTokens.manage")
        one = "([^/]+)"
        return [
            (f"/api/v1/users/{one}", *users, self._user),
            (f"/api/v1/users/{one}/lifecycle/{one}", *users, self._user_moves),
            (f"/api/v1/users/{one}/sessions", *users, self._sessions),
            (f"/api/v1/users/{one}/clients", *users, self._clients),
            (f"/api/v1/users/{one}/clients/{one}/(tokens|grants)", *users, self._of_client),
            (f"/api/v1/apps/{one}", *apps, self._app),
            (f"/api/v1/apps/{one}/lifecycle/{one}", *apps, self._app_moves),
            (f"/api/v1/apps/{one}/tokens", *apps, self._app_tokens),
            (f"/api/v1/apps/{one}/tokens/{one}", *apps, self._app_token),
            (f"/api/v1/apps/{one}/credentials/(secrets|jwks)", *apps, self._held),
            (f"/api/v1/apps/{one}/credentials/(secrets|jwks)/{one}", *apps, self._one_held),
            (
                f"/api/v1/apps/{one}/credentials/(secrets|jwks)/{one}/lifecycle/{one}",
                *(*apps, self._held_moves),
            ),
            (f"/api/v1/api-tokens/{one}", *tokens, self._api_token),
            (f"/oauth2/v1/clients/{one}/roles", "okta.roles.read", "", self._roles),
            *self.allowed.routes(lambda: self.lies),
            (AGENTS, *agents, self._agents),
            (f"{AGENTS}/{one}", *agents, self._agent),
            (f"{AGENTS}/{one}/lifecycle/{one}", *agents, self._agent_moves),
            (f"{AGENTS}/{one}/credentials/(jwks)", *agents, self._held),
            (f"{AGENTS}/{one}/credentials/(jwks)/{one}", *agents, self._one_held),
            (f"{AGENTS}/{one}/credentials/(jwks)/{one}/lifecycle/{one}", *agents, self._held_moves),
        ]

    # People

    def _known(self, name: str) -> dict[str, Any] | None:
        """By id, login or the beginning of one, where that is one person's; `me` is an administrator
        of the org."""
        if name == "me":
            return self.users.get("00uADMIN")
        for one in self.users.values():
            login = one["profile"]["login"].lower()
            if name == one["id"] or name.lower() in (login, login.partition("@")[0]):
                return one
        return None

    def _user(self, _: Request, name: str) -> Answer:
        found = self._known(name)
        return Answer(200, found) if found else gone(name)

    def _user_moves(self, asked: Request, name: str, to: str) -> Answer:
        found = self._known(name)
        if found is None:
            return gone(name)
        state = found["status"]
        if (to == "suspend" and state != "ACTIVE") or (to == "unsuspend" and state != "SUSPENDED"):
            return error(
                400, "E0000001", "Api validation failed: user", f"not allowed when {state}"
            )
        if to == "deactivate" and asked.query.get("sendEmail") != "false":
            return error(400, "E0000001", "a mail would go to the person")
        states = {"suspend": "SUSPENDED", "unsuspend": "ACTIVE", "deactivate": "DEPROVISIONED"}
        if not self.lies:
            found["status"] = states[to]
        return Answer(200, {})

    def _sessions(self, asked: Request, number: str) -> Answer:
        if number not in self.users:
            return gone(number)
        if asked.query.get("oauthTokens") == "true":
            self._revoke(lambda one: one["userId"] == number)
        return Answer(204)

    def _clients(self, _: Request, number: str) -> Answer:
        those = {one["clientId"] for one in self.tokens + self.grants if one["userId"] == number}
        return Answer(200, [{"client_id": one} for one in sorted(those)])

    def _of_client(self, asked: Request, number: str, client: str, what: str) -> Answer:
        rows = self.tokens if what == "tokens" else self.grants
        those = [one for one in rows if (one["userId"], one["clientId"]) == (number, client)]
        if asked.method == "GET":
            return Answer(200, those)
        self._revoke(those.__contains__, rows)
        return Answer(204)

    def _revoke(
        self, which: Callable[[Any], bool], rows: list[dict[str, Any]] | None = None
    ) -> None:
        rows = self.tokens if rows is None else rows
        if not self.lies:
            rows[:] = [one for one in rows if not which(one)]

    # Apps, and what they hold

    def _app(self, asked: Request, number: str) -> Answer:
        found = self.apps.get(number)
        if found is None:
            return gone(number)
        if asked.method == "GET":
            return Answer(200, found)
        if found["status"] != "INACTIVE":
            return error(403, "E0000056", "Delete application forbidden.")
        if not self.lies:
            del self.apps[number]
        return Answer(204)

    def _app_moves(self, _: Request, number: str, to: str) -> Answer:
        return self._moves(self.apps.get(number), number, to)

    def _moves(self, found: dict[str, Any] | None, number: str, to: str) -> Answer:
        if found is None:
            return gone(number)
        if not self.lies:
            found["status"] = {"activate": "ACTIVE", "deactivate": "INACTIVE"}[to]
        return Answer(200, {})

    def _app_tokens(self, asked: Request, number: str) -> Answer:
        if number not in self.apps:
            return gone(number)
        those = [one for one in self.tokens if one["clientId"] == number]
        if asked.method == "GET":
            return self._page(asked, those)
        self._revoke(those.__contains__)
        return Answer(204)

    def _page(self, asked: Request, rows: list[dict[str, Any]]) -> Answer:
        """Two at a time, so that whoever reads one page alone is found out."""
        begins = int(asked.query.get("after", 0))
        more = {"Link": f'<{self.url}{asked.path}?after={begins + 2}>; rel="next"'}
        return Answer(200, rows[begins : begins + 2], more if rows[begins + 2 :] else {})

    def _app_token(self, asked: Request, app: str, number: str) -> Answer:
        those = [one for one in self.tokens if (one["clientId"], one["id"]) == (app, number)]
        if not those:
            return gone(number)
        if asked.method == "GET":
            return Answer(200, those[0])
        self._revoke(those.__contains__)
        return Answer(204)

    def _rows(self, owner: str, what: str) -> list[dict[str, Any]]:
        return (self.secrets if what == "secrets" else self.keys).setdefault(owner, [])

    def _held(self, _: Request, owner: str, what: str) -> Answer:
        if owner not in self.apps and owner not in self.agents:
            return gone(owner)
        return Answer(200, self._rows(owner, what))

    def _one_held(self, asked: Request, owner: str, what: str, number: str) -> Answer:
        rows = self._rows(owner, what)
        found = next((one for one in rows if one["id"] == number), None)
        if found is None:
            return gone(number)
        if asked.method == "GET":
            return Answer(200, found)
        if found["status"] == "ACTIVE":
            cause = "You can't delete an active client secret. Deactivate the secret before"
            return error(400, "E0000001", "Api validation failed: OAuth2ClientSecret", cause)
        if not self.lies:
            rows.remove(found)
        return Answer(204)

    def _held_moves(self, _: Request, owner: str, what: str, number: str, to: str) -> Answer:
        rows = self._rows(owner, what)
        active = [one for one in rows if one["status"] == "ACTIVE"]
        found = next((one for one in rows if one["id"] == number), None)
        if what == "secrets" and to == "deactivate" and active == [found]:
            cause = "You can't deactivate the only active client secret."
            return error(400, "E0000001", "Api validation failed: OAuth2ClientSecret", cause)
        return self._moves(found, number, to)

    def _api_token(self, asked: Request, number: str) -> Answer:
        if number not in self.api_tokens:
            return gone(number)
        if asked.method == "GET":
            return Answer(200, self.api_tokens[number])
        if not self.lies:
            del self.api_tokens[number]
        return Answer(204)

    def _roles(self, _: Request, client: str) -> Answer:
        return Answer(200, self.roles if client == CLIENT else self.allowed.roles_of(client))

    # AI agents: what is accepted is done later

    def _agents(self, _: Request) -> Answer:
        if not self.offers_agents:
            return gone("ai-agents")
        return Answer(200, {"data": list(self.agents.values()), "_links": {}})

    def _agent(self, asked: Request, number: str) -> Answer:
        found = self.agents.get(number) if self.offers_agents else None
        if found is None:
            return gone(number)
        if asked.method == "GET":
            return Answer(200, found)
        if found["status"] == "ACTIVE":
            return error(400, "E0000001", "Api validation failed: AIAgent", "It is active.")
        return self._accept(lambda: self.agents.pop(number))

    def _agent_moves(self, _: Request, number: str, to: str) -> Answer:
        found = self.agents.get(number)
        if found is None:
            return gone(number)
        return self._accept(lambda: self._moves(found, number, to))

    def _accept(self, do: Callable[[], object]) -> Answer:
        if not self.lies:
            self.accepted.append(lambda: (do(), None)[1])
        where = f"{self.url}/workload-principals/api/v1/operations/op-1"
        return Answer(202, b"", {"Location": where})


@pytest.fixture
def okta_lab() -> Iterator[Org]:
    """An org of its own for each test."""
    with serving() as there:
        org = Org(there)
        for method in METHODS:
            there.on(method, "/*", org.answer)
        yield org
