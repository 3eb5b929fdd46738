"""Okta orgs: what an installation says of each, and how Countersign's app there gets its tokens.

Owns the settings under `okta` (configured.py), the signed statement of a service app and which
scopes were granted to it. Must not know what is done with a token.

Sources: developer.okta.com, Implement OAuth for Okta with a service app; OAuth 2.0 scopes;
support.okta.com, Lifetime of the Okta minted JSON Web Tokens (org server 60 minutes; custom servers
at most 24 hours).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from time import monotonic
from urllib.parse import urlsplit
from uuid import uuid4

import httpx

from evidence.formats import okta
from evidence.sources import secrets as references
from evidence.sources import tokens
from evidence.sources.failures import Later, Stopped

from .addresses import WHO
from .configured import Entry, wrong
from .contract import PermanentFailure, TemporaryFailure
from .web import Refused, Web, pause

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_SECONDS = 300
# The longest that Okta lets an access token live.
LONGEST_ACCESS_TOKEN = 86_400
READ_ROLES = "okta.roles.read"
SCOPES = (
    *("okta.apiTokens.manage", "okta.apiTokens.read", "okta.apps.manage", "okta.apps.read"),
    *(READ_ROLES, "okta.users.manage", "okta.users.read"),
)
# Only where Okta for AI Agents was bought.
AGENT_SCOPES = ("okta.aiAgents.manage", "okta.aiAgents.read")
# Only where what apps and people are allowed is narrowed from here.
NARROWING_SCOPES = (
    *("okta.appGrants.manage", "okta.appGrants.read", "okta.groups.manage", "okta.groups.read"),
    "okta.roles.manage",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Org:
    """One org, and Countersign's service app in it. `private_key` is a reference."""

    url: str
    client_id: str
    private_key: str
    key_id: str = ""
    realm: str = ""  # of its names in evidence
    ai_agents: bool = False
    entitlements: bool = False
    access_token_seconds: int = LONGEST_ACCESS_TOKEN
    # How long people stay signed in at the org's apps, for which Okta does not answer.
    app_session_seconds: int | None = None
    ca_file: str = ""

    @property
    def administrator(self) -> str:
        return f"the administrator of {self.url}"

    @property
    def scopes(self) -> tuple[str, ...]:
        more = (*AGENT_SCOPES,) if self.ai_agents else ()
        return (*SCOPES, *more, *(NARROWING_SCOPES if self.entitlements else ()))


_TEXTS = ("url", "client_id", "private_key", "key_id", "realm", "ca_file")
_NEEDED = ("url", "client_id", "private_key")
_SECONDS = ("access_token_seconds", "app_session_seconds")


def org(entry: Entry) -> Org:
    """The org an entry of the settings describes. Raises PermanentFailure with what is wrong."""
    where = f"okta, {entry.get('url', 'an entry without url')}"
    unknown = sorted(str(one) for one in set(entry) - set(Org.__dataclass_fields__))
    if unknown:
        raise wrong(f"{where}: there is no {unknown[0]}")
    for name in _TEXTS:
        if name in entry and not isinstance(entry[name], str):
            raise wrong(f"{where}: {name} is no text")
    for name in _NEEDED:
        if not entry.get(name):
            raise wrong(f"{where}: {name} is missing")
    for name in _SECONDS:
        if name in entry and (type(entry[name]) is not int or entry[name] <= 0):
            raise wrong(f"{where}: {name} is no number of seconds")
    for name in ("ai_agents", "entitlements"):
        if type(entry.get(name, False)) is not bool:
            raise wrong(f"{where}: {name} is neither true nor false")
    said = references.wrong(entry["private_key"])
    if said:
        raise wrong(f"{where}: private_key: {said}")
    parts = urlsplit(entry["url"])
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or parts.path.strip("/")
        or parts.query
        or parts.fragment
    ):
        raise wrong(f"{where}: url is not the address of an org, as https://example.okta.com")
    url = f"{parts.scheme}://{parts.netloc}"
    realm = entry.get("realm") or realm_of(url)
    if not realm.startswith("okta:"):
        raise wrong(f"{where}: realm is missing; evidence names the org's realm, as okta:example")
    return Org(**{**entry, "url": url, "realm": realm})


def realm_of(url: str) -> str:
    """The realm of an org as its log names it (evidence/formats/okta.py)."""
    realm = okta.TABLE.realm
    if isinstance(realm, str):
        return realm
    return realm({"debugContext": {"debugData": {"origin": url}}})


@dataclass(frozen=True, slots=True)
class Access:
    """An access token of our app, and what it was granted."""

    text: str = field(repr=False)
    scopes: frozenset[str]
    until: float  # by the monotonic clock


_kept: dict[tuple[Org, bool], Access] = {}


def access(web: Web, org: Org, *, allow_private: bool, anew: bool = False) -> Access:
    """A token that holds for a while yet; `anew`: the one that is kept was refused."""
    found = None if anew else _kept.get((org, allow_private))
    if found is None or monotonic() >= found.until:
        found = _fetched(web, org)
        _kept[org, allow_private] = found
    web.discreet(found.text)
    return found


def _fetched(web: Web, org: Org) -> Access:
    where = f"{org.url}/oauth2/v1/token"
    answer = web.request(
        "POST",
        where,
        right="get access tokens",
        explain=lambda refused: _meaning(web, org, refused),
        headers={"Accept": "application/json"},
        data={
            "grant_type": "client_credentials",
            "scope": " ".join(org.scopes),
            "client_assertion_type": ASSERTION,
            "client_assertion": _statement(web, org, where),
        },
    )
    try:
        token = tokens.granted(answer, by=org.url)
        said = tokens.document(answer).get("scope")
    except Later as problem:
        raise TemporaryFailure(f"{problem.what}.", retry_after=pause(problem.seconds)) from None
    except Stopped as problem:
        raise PermanentFailure(f"{problem.what} {problem.fix}", who_must_act=WHO) from None
    web.discreet(token.text)
    granted = frozenset(said.split()) if isinstance(said, str) else frozenset()
    holds = max(token.seconds - tokens.SPARE_SECONDS, tokens.SHORTEST_SECONDS)
    return Access(token.text, granted, monotonic() + holds)


def _statement(web: Web, org: Org, audience: str) -> str:
    """Who we are, signed (RFC 7523); Okta takes RS256 among others."""
    begins = int(web.now().timestamp())
    claims = {
        "iss": org.client_id,
        "sub": org.client_id,
        "aud": audience,
        "jti": str(uuid4()),
        "iat": begins,
        "exp": begins + ASSERTION_SECONDS,
    }
    key = web.secret(org.private_key, called="private_key")
    try:
        return web.discreet(tokens.signed(claims, key=key, called="private_key", kid=org.key_id))
    except Stopped as problem:
        raise PermanentFailure(f"{problem.what} {problem.fix}", who_must_act=WHO) from None


def _meaning(web: Web, org: Org, answer: httpx.Response) -> Exception | None:
    """What the token endpoint means by the errors of RFC 6749 (5.2) and RFC 9449."""
    found = tokens.document(answer)
    error, why = found.get("error"), web.clean(str(found.get("error_description", "")))
    match error:
        case "invalid_scope" | "access_denied" | "unauthorized_client":
            return Refused(
                f"{org.url} gives Countersign's app {org.client_id} no token ({error}: {why}):"
                f" grant it the scopes {', '.join(org.scopes)} and an administrator role there.",
                right="okta scopes",
                who_must_act=org.administrator,
            )
        case "invalid_dpop_proof":
            return PermanentFailure(
                f"{org.url} wants proof of possession (DPoP) of Countersign's app {org.client_id}:"
                " switch that off for it there.",
                who_must_act=org.administrator,
            )
    return None
