"""What one Okta org lists: API tokens, apps that get tokens of their own, and AI agents.

Sources: developer.okta.com: API Tokens, Applications (OAuth 2.0 credentials, grants), Role
Assignments of clients and users, Okta for AI Agents (`/workload-principals/api/v1/ai-agents`:
beta, and only where it was bought; its data stands in `data`, its next page in `_links.next`).
Apps that only let people in (SAML, bookmarks) act for nobody and are left out. Okta does not say
when a token or a secret was last used.

Not verified: `credentials/jwks` and `connections` of an agent, which are read from reports of
tenants that have them; what is not there is said as not read.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from evidence.formats import okta
from evidence.formats.record import ActorName
from evidence.formats.tables import actor
from evidence.sources.contract import Asked
from evidence.sources.failures import Stopped
from identities.enforcers.possible_aws import Possible
from identities.inventory import hints
from identities.inventory.contract import (
    ACTIVE,
    EXPIRED,
    HELD,
    Absent,
    Batch,
    Found,
    Hint,
    Part,
    System,
    inside,
    objects,
    text,
    when,
)
from identities.inventory.paging import Caller

LIMIT = 200
AGENTS = "/workload-principals/api/v1/ai-agents"
# What Okta's words for a thing's state mean here; STAGED is made and not let in yet.
STATES = {"ACTIVE": ACTIVE, "INACTIVE": HELD, "STAGED": HELD, "DEACTIVATED": HELD}
# How a client shows who it is, where a secret of its own does it.
BY_SECRET = frozenset({"client_secret_basic", "client_secret_post", "client_secret_jwt"})


class Org:
    """One org while it is read; whoever holds several tokens is asked for once."""

    def __init__(self, asked: Asked) -> None:
        url = asked.settings["url"]
        # As its log names itself (evidence/formats/okta.py).
        realm = okta.TABLE.realm
        self.realm = (
            realm
            if isinstance(realm, str)
            else realm({"debugContext": {"debugData": {"origin": url}}})
        )
        token = asked.secret("token")
        headers = {"Authorization": f"SSWS {token}", "Accept": "application/json"}
        self.call = Caller(asked.http, url, lambda: headers)
        self._people: dict[str, tuple[ActorName | None, tuple[Possible, ...] | None, str]] = {}

    def close(self) -> None:
        self._people.clear()

    def actor(self, kind: str, value: str) -> ActorName:
        return actor(self.realm, kind, value)

    def person(self, number: str) -> tuple[ActorName | None, tuple[Possible, ...] | None, str]:
        """(who it is, what they may do, what could not be read) of somebody who holds a token."""
        if number not in self._people:
            holder, missing = None, ""
            try:
                login = text(
                    inside(self.call.object(f"/api/v1/users/{number}"), "profile", "login")
                )
                holder = self.actor("user", login or number)
            except Stopped as problem:
                missing = f"whose it is: {problem.what}"
            rights, said = self.roles(f"/api/v1/users/{number}/roles")
            self._people[number] = holder, rights, "; ".join(filter(None, (missing, said)))
        return self._people[number]

    def roles(self, path: str) -> tuple[tuple[Possible, ...] | None, str]:
        """Administrator roles as rights; None and why where they could not be read."""
        try:
            found = objects(self.call.whole(path))
        except Stopped as problem:
            return None, f"roles: {problem.what}"
        return tuple(
            Possible(
                effect="allow",
                actions=(text(one.get("type")) or "CUSTOM",),
                resources=(text(one.get("resource-set")) or "*",),
                via=f"role {text(one.get('label')) or text(one.get('role'))}",
            )
            for one in found
            if one.get("status") != "INACTIVE"
        ), ""


def tokens(org: Org, cursor: Mapping[str, Any]) -> Iterator[Batch]:
    """API tokens, with what the person who made them may do: a token may do the same."""
    first = text(cursor.get("next"), 4000) or f"/api/v1/api-tokens?limit={LIMIT}"
    for rows, link in org.call.linked(first):
        found = []
        for one in objects(rows):
            holder, rights, missing = org.person(text(one.get("userId")))
            found.append(
                Found(
                    org.actor("api_token", text(one.get("id"))),
                    "API token",
                    credential=True,
                    holder=holder,
                    title=text(one.get("name")),
                    created_at=when(one.get("created")),
                    expires_at=when(one.get("expiresAt")),
                    hints=_made_by(holder, "userId"),
                    rights=rights,
                    missing=missing,
                )
            )
        yield Batch(tuple(found), {"next": link} if link else {})


def _made_by(who: ActorName | None, member: str) -> tuple[Hint, ...]:
    return (Hint("creator", who.value, member),) if who is not None else ()


def apps(org: Org, cursor: Mapping[str, Any]) -> Iterator[Batch]:
    """OAuth clients, with their scopes, roles, keys and secrets."""
    first = text(cursor.get("next"), 4000) or f"/api/v1/apps?limit={LIMIT}"
    for rows, link in org.call.linked(first):
        found: list[Found] = []
        unread: list[str] = []
        said = ""
        for one in objects(rows):
            if one.get("signOnMode") != "OPENID_CONNECT":
                continue
            try:
                found += _app(org, one)
            except Absent:
                continue  # deleted since the listing
            except Stopped as problem:
                unread.append(text(one.get("id")))
                said = said or problem.what
        yield Batch(tuple(found), {"next": link} if link else {}, tuple(unread), said)


def _app(org: Org, one: Mapping[str, Any]) -> Iterator[Found]:
    number = text(one.get("id"))
    client = text(inside(one, "credentials", "oauthClient", "client_id")) or number
    service = inside(one, "settings", "oauthClient", "application_type") == "service"
    who = org.actor("app", number)
    rights, missing = _scopes(org, number)
    if service:
        more, why = org.roles(f"/oauth2/v1/clients/{client}/roles")
        missing = "; ".join(filter(None, (missing, why)))
        if rights is not None and more is not None:
            rights = (*rights, *more)
    yield Found(
        who,
        "service app" if service else "OAuth app",
        title=text(one.get("label")),
        status=STATES.get(text(one.get("status")), HELD),
        created_at=when(one.get("created")),
        hints=_notes(one),
        rights=rights,
        missing=missing,
        scope=number,
    )
    for key in objects(inside(one, "settings", "oauthClient", "jwks", "keys")):
        yield _key(org, key, who, number)
    method = text(inside(one, "credentials", "oauthClient", "token_endpoint_auth_method"))
    if method in BY_SECRET:
        for secret in objects(org.call.whole(f"/api/v1/apps/{number}/credentials/secrets")):
            yield _secret(org, secret, who, number)


def _scopes(org: Org, number: str) -> tuple[tuple[Possible, ...] | None, str]:
    """The scopes that administrators let an app have."""
    try:
        found = objects(org.call.whole(f"/api/v1/apps/{number}/grants?limit={LIMIT}"))
    except Stopped as problem:
        return None, f"scopes: {problem.what}"
    return tuple(
        Possible(
            effect="allow",
            actions=(text(one.get("scopeId")),),
            resources=("*",),
            via=f"scope granted by {text(inside(one, 'createdBy', 'id')) or 'an administrator'}",
        )
        for one in found
        if one.get("status") != "REVOKED" and text(one.get("scopeId"))
    ), ""


def _notes(one: Mapping[str, Any]) -> tuple[Hint, ...]:
    """Notes that administrators write beside an app."""
    return hints.bounded(
        Hint("owner", text(inside(one, "settings", "notes", name), 300), f"{name} note")
        for name in ("admin", "enduser")
    )


def _key(org: Org, key: Mapping[str, Any], who: ActorName, scope: str) -> Found:
    return Found(
        org.actor("key", text(key.get("kid")) or text(key.get("id"))),
        "public key",
        credential=True,
        holder=who,
        status=STATES.get(text(key.get("status")) or "ACTIVE", HELD),
        created_at=when(key.get("created")),
        expires_at=when(key.get("expiresAt")),
        scope=scope,
    )


def _secret(org: Org, secret: Mapping[str, Any], who: ActorName, scope: str) -> Found:
    """Okta lists the secret itself: its id is all that is kept."""
    return Found(
        org.actor("secret", text(secret.get("id"))),
        "client secret",
        credential=True,
        holder=who,
        status=STATES.get(text(secret.get("status")), EXPIRED),
        created_at=when(secret.get("created")),
        scope=scope,
    )


def agents(org: Org, cursor: Mapping[str, Any]) -> Iterator[Batch]:
    """AI agents, with their keys and the connections they were given."""
    first = text(cursor.get("next"), 4000) or f"{AGENTS}?limit={LIMIT}"
    for rows, link in org.call.wrapped(first, "data", "_links", "next", "href"):
        found: list[Found] = []
        unread: list[str] = []
        said = ""
        for one in objects(rows):
            number = text(one.get("id"))
            rights, missing = _connections(org, number)
            who = org.actor("agent_id", number)
            found.append(
                Found(
                    who,
                    "AI agent",
                    title=text(inside(one, "profile", "name")),
                    status=STATES.get(text(one.get("status")), HELD),
                    created_at=when(one.get("created")),
                    hints=_about(one),
                    rights=rights,
                    missing=missing,
                )
            )
            try:
                keys = objects(org.call.whole(f"{AGENTS}/{number}/credentials/jwks"))
            except Absent:
                continue
            except Stopped as problem:
                unread.append(number)
                said = said or problem.what
                continue
            found += [_key(org, key, who, number) for key in keys]
        yield Batch(tuple(found), {"next": link} if link else {}, tuple(unread), said)


def _connections(org: Org, number: str) -> tuple[tuple[Possible, ...] | None, str]:
    """The resources an agent may reach, and with which scopes."""
    rights: list[Possible] = []
    try:
        for rows, _ in org.call.wrapped(
            f"{AGENTS}/{number}/connections", "data", "_links", "next", "href"
        ):
            for one in objects(rows):
                if one.get("status") not in (None, "ACTIVE"):
                    continue
                scopes = [text(scope) for scope in one.get("scopes") or [] if text(scope)]
                rights.append(
                    Possible(
                        effect="allow",
                        actions=tuple(scopes) or ("*",),
                        resources=(text(one.get("resourceIndicator")) or "*",),
                        via=f"connection {text(one.get('connectionType'))}",
                    )
                )
    except Stopped as problem:
        return None, f"connections: {problem.what}"
    return tuple(rights), ""


def _about(one: Mapping[str, Any]) -> tuple[Hint, ...]:
    return hints.bounded(
        [
            Hint("owner", text(inside(one, "profile", "description"), 300), "description"),
            Hint("iac", text(one.get("appId")), "appId"),
        ]
    )


SYSTEM = System(
    name="okta",
    title="Okta",
    fits=lambda connector, _: connector == "okta",
    open=Org,
    parts=(
        Part("API tokens", tokens, "okta.apiTokens.read, okta.users.read, okta.roles.read"),
        Part("apps", apps, "okta.apps.read, okta.appGrants.read, okta.roles.read"),
        Part("AI agents", agents, "okta.aiAgents.read"),
    ),
    narrowed_by="network zones and policies of authorization servers",
)
