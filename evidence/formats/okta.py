"""Okta System Log: who signed in, which tokens were granted, who changed what.

Owns the meaning of Okta's fields. Source: Okta's System Log API (LogEvent) and list of event
types. AI agents act as `WorkloadIdentityPrincipal`: in a chain of grants the actor turns from the
person into the agent, and the target User is on whose behalf. Pure.

Not verified: that `requestApiTokenId` also names OAuth access tokens (ids that do not begin with
00T are taken for such), the target types of ID-JAG grants, and how the target that is a client's
or an agent's key or secret is called: of the events that make one, it is the first target that is
nobody who could hold it.
"""

import re
from functools import lru_cache
from typing import Any

from evidence.formats.paths import text
from evidence.formats.record import ActorName, Issued
from evidence.formats.tables import Name, Row, Said, Table, actor, realm_named
from evidence.formats.times import moment
from evidence.formats.written import Of, Remembered
from evidence.vocabulary import (
    AUTHENTICATION,
    CHANGE,
    ISSUANCE,
    OUTCOME_FAILED,
    OUTCOME_OK,
    OUTCOME_REFUSED,
    OUTCOME_UNKNOWN,
    REVOCATION,
)

# Hosts of Okta itself; the administrators' console is the same organisation.
_HOST = re.compile(
    r"(?:https?://)?([a-z0-9-]+?)(?:-admin)?"
    r"\.((?:okta|oktapreview|okta-emea|okta-gov|trexcloud)\.com|okta\.mil)(?:[/:]|$)",
    re.IGNORECASE,
)
# Targets that are a credential, as one word in lower case.
_TOKENS = frozenset(
    {"token", "apitoken", "accesstoken", "refreshtoken", "idtoken", "idjag", "devicesecret"}
)
_CLIENTS = frozenset(
    {"WorkloadIdentityPrincipal", "PublicClientApp", "AppInstance", "ServiceClient"}
)
# Targets that hold credentials, as one word in lower case.
_HOLDERS = frozenset(
    {
        *("user", "workloadidentityprincipal", "aiagent", "publicclientapp", "appinstance"),
        *("serviceclient", "client"),
    }
)
_AGENTS = frozenset({"workloadidentityprincipal", "aiagent"})
_APPLICATIONS = _HOLDERS - {"user"}
# A person, and the account that an application knows them by.
_PEOPLE = frozenset({"user", "appuser"})
_NOTHING: Row = {}
type Targets = list[tuple[str, Row]]
_NOBODY = ("unknown", "Unknown")
# By which of its members an actor is known, the first that says something.
_OF_PEOPLE = ("alternateId", "alternateid", "id", "displayName", "displayname")
_OF_CLIENTS = ("id", "alternateId", "alternateid")
# What an actor's type makes it; people are the rest. An address in an actor's place is nobody.
_KINDS = {
    "WorkloadIdentityPrincipal": "agent_id",
    "PublicClientApp": "app",
    "AppInstance": "app",
    "ServiceClient": "app",
    "Client": "app",
    "SystemPrincipal": "service",
    "System": "service",
    "ADAgent": "service",
    "Agent": "service",
    "IP address": "",
}


@lru_cache(maxsize=4096)
def _org(url: str) -> str:
    found = _HOST.match(url)
    if found is None:
        return ""
    return found[1].lower() if found[2].lower() == "okta.com" else f"{found[1]}.{found[2]}".lower()


def _realm(record: Row) -> str:
    """``okta:<org>`` where the record names a host of Okta; an app's own host says nothing."""
    context = record.get("debugContext") or record.get("debugcontext")
    data = (context.get("debugData") or context.get("debugdata")) if type(context) is dict else None
    if type(data) is dict:
        for url in (data.get("origin"), data.get("issuer"), data.get("audience")):
            if type(url) is str and (org := _org(url[:200])):
                return f"okta:{org}"
        tenant = data.get("tenantId") or data.get("tenantid")
        if type(tenant) is str and tenant:
            return f"okta:{tenant.lower()}"
    return "okta"


# A target's type as one word in lower case.
_WORDS = Remembered(lambda kind: kind.lower().replace("_", "").replace(" ", ""))


def _targets(record: Row) -> Targets:
    """(type as one word in lower case, target)."""
    targets = record.get("target")
    if type(targets) is not list:
        return []
    return [
        (_WORDS[kind] if type(kind := one.get("type")) is str else "", one)
        for one in targets[:50]
        if type(one) is dict
    ]


def _named(one: Row) -> Any:
    for name in ("alternateId", "alternateid", "displayName", "displayname", "id"):
        value = one.get(name)
        if value and (type(value) is str or type(value) is int) and value not in _NOBODY:
            return value
    return None


def _resource(targets: Targets) -> str | None:
    """What was acted on: the first target that is neither a person nor a token, else those."""
    chosen: Row | None = None
    for kind, one in targets:
        if kind not in _TOKENS and kind not in _PEOPLE:
            chosen = one
            break
        if chosen is None or kind == "user":
            chosen = chosen if chosen is not None and chosen.get("type") == "User" else one
    if chosen is None:
        return None
    stated, name = chosen.get("type"), _named(chosen)
    if type(stated) is not str:
        stated = None
    return f"{stated}/{name}" if stated and name else name or stated


def _issued(record: Row, realm: str, who: ActorName | None) -> Issued | None:
    """What an event of this kind made: a token, or the key or secret of a client or an agent."""
    event = record.get("eventType") or record.get("eventtype")
    made = _ISSUES.get(event.strip()) if type(event) is str else None
    if made is None:
        return None
    kind, standing = made
    targets = _targets(record)
    if kind == "key":
        number = next((one.get("id") for is_, one in targets if is_ not in _HOLDERS), None)
        holder, ends = _holder(targets, realm), None
    else:
        token = next((one for is_, one in targets if is_ in _TOKENS), _NOTHING)
        number, holder, ends = token.get("id"), None, _ends(targets)
    number = text(number)
    if not number:
        return None
    return Issued(actor(realm, kind, number), holder or who, standing, moment(ends))


def _ends(targets: Targets) -> str | None:
    """When the token among these ends."""
    for kind, one in targets:
        if kind in _TOKENS:
            detail = one.get("detailEntry") or one.get("detailentry")
            if type(detail) is dict:
                return text(detail.get("expires"))
    return None


def _holder(targets: Targets, realm: str) -> ActorName | None:
    """The agent whose key it is, else the application."""
    for wanted, kind in ((_AGENTS, "agent_id"), (_APPLICATIONS, "app")):
        number = text(next((one.get("id") for is_, one in targets if is_ in wanted), None))
        if number:
            return actor(realm, kind, number)
    return None


def _session(record: Row) -> tuple[Any, Any]:
    """(the session, the one that it began with): what Okta calls unknown is none."""
    context = record.get("authenticationContext") or record.get("authenticationcontext")
    if type(context) is not dict:
        return None, None
    here = context.get("externalSessionId") or context.get("externalsessionid")
    root = context.get("rootSessionId") or context.get("rootsessionid")
    return None if here in _NOBODY else here, None if root in _NOBODY else root


def _entry(record: Row) -> tuple[Any, ...]:
    """(realm, who acted, their token, agent, on whose behalf, what was acted on, the session, the
    one it began with)."""
    realm = realm_named(_realm(record))
    who, targets = record.get("actor"), _targets(record)
    stated = None
    if type(who) is dict:
        stated = who.get("type")
        if type(stated) is not str:
            stated = None
    event = record.get("eventType") or record.get("eventtype")
    # Of a grant, the targets say who is meant; elsewhere a target is what was acted on.
    agent = behind = None
    if stated and type(event) is str and event.startswith("app.oauth2."):
        if stated == "User":
            agent = _agent(targets, realm)
        elif stated in _CLIENTS:
            behind = _behind(targets, realm)
    elif type(event) is str and event.startswith("user.session.impersonation."):
        # Okta's support, or an administrator, as the person who is the target.
        behind = _behind(targets, realm)
    principal = _actor(who, stated, realm) if type(who) is dict else None
    used, sessions = _used(record, realm), _session(record)
    return realm, principal, used, agent, behind, _resource(targets), *sessions


def _actor(who: Row, stated: str | None, realm: str) -> ActorName | None:
    """People by their login, agents and apps by their id."""
    kind = _KINDS.get(stated, "user") if stated is not None else "user"
    for name in _OF_PEOPLE if kind in ("user", "service") else _OF_CLIENTS:
        value = who.get(name)
        if kind and type(value) is str and value and value not in _NOBODY:
            return actor(realm, kind, value)
    return None


def _used(record: Row, realm: str) -> ActorName | None:
    """The API token or OAuth token that made the request."""
    transaction = record.get("transaction")
    detail = transaction.get("detail") if type(transaction) is dict else None
    if type(detail) is not dict or not detail:
        return None
    used = detail.get("requestApiTokenId") or detail.get("requestapitokenid")
    if type(used) is not str or not used:
        return None
    return actor(realm, "api_token" if used.startswith("00T") else "token", used)


def _behind(targets: Targets, realm: str) -> ActorName | None:
    """The person for whom a client or an agent got a token."""
    person = next((_named(one) for kind, one in targets if kind == "user"), None)
    return actor(realm, "user", person) if type(person) is str else None


def _agent(targets: Targets, realm: str) -> ActorName | None:
    """The agent whom a person lets act."""
    for kind, one in targets:
        number = one.get("id")
        if kind == "workloadidentityprincipal" and type(number) is str and number:
            return actor(realm, "agent_id", number)
    return None


def _grants(*tokens: str) -> frozenset[str]:
    return frozenset(
        f"app.oauth2.{server}{how}.{token}"
        for server in ("", "as.")
        for how in ("token.grant", "authorize.implicit")
        for token in tokens
    )


# The events that issue a credential: of which kind, and whether it stands until it is revoked.
_ISSUES = {
    "system.api_token.create": ("api_token", True),
    **dict.fromkeys(_grants("access_token", "id_token", "id_jag"), ("token", False)),
    **dict.fromkeys(_grants("refresh_token"), ("token", True)),
    "workload_principal.ai_agent.credential.create": ("key", True),
    "app.oauth2.credentials.lifecycle.create": ("key", True),
}

TABLE = Table(
    name="okta",
    title="Okta System Log",
    signs=(
        ("eventType", "published"),
        ("eventType", "actor.alternateId"),
        ("eventType", "debugContext"),
        ("eventType", "outcome.result"),
        ("eventType", "actorId", "sourceIP"),
        ("p_log_type=Okta.SystemLog",),
    ),
    mark=b'"eventType"',
    any_case=True,
    realm=Of(_entry, 0),
    at=("published", "p_event_time"),
    vendor_id="uuid",
    action="eventType",
    principal=(
        Of(_entry, 1),
        Name("app", "client.id"),
        # Results of queries over the log, as detection tools export them.
        Name("user", ("actorId", "user_email", "admin_email")),
    ),
    credential=(
        Of(_entry, 2),
        Name("session", (Of(_entry, 7), Of(_entry, 6))),
    ),
    agent=(Of(_entry, 3),),
    on_behalf=(Of(_entry, 4),),
    session=Of(_entry, 6),
    resource=Of(_entry, 5),
    outcome=Said(
        ("outcome.result", "result"),
        {
            "success": OUTCOME_OK,
            "allow": OUTCOME_OK,
            "failure": OUTCOME_FAILED,
            "deny": OUTCOME_REFUSED,
            "challenge": OUTCOME_UNKNOWN,
            "unanswered": OUTCOME_UNKNOWN,
            "skipped": OUTCOME_UNKNOWN,
            "unknown": OUTCOME_UNKNOWN,
        },
    ),
    error="outcome.reason",
    error_of_failures=True,  # why a policy allows something stands there as well
    activities={
        "system.api_token.create": ISSUANCE,
        "system.api_token.revoke": REVOCATION,
        "app.oauth2.token.detect_reuse": REVOCATION,
        "app.oauth2.as.token.detect_reuse": REVOCATION,
        "user.session.clear": REVOCATION,
    },
    patterns=(
        (r"app\.oauth2\..*(token\.grant|authorize\.implicit)", ISSUANCE),
        (r"app\.oauth2\.credentials\.lifecycle\.create", ISSUANCE),
        (r"workload_principal\.(?:\w+\.)?credential\.create", ISSUANCE),
        (r"workload_principal\.(?:\w+\.)*(?:deactivate|delete|revoke|suspend)", REVOCATION),
        (r"app\.oauth2\..*(revoke|credentials\.lifecycle\.(deactivate|delete))", REVOCATION),
        (r"integration\.api_service\.lifecycle\.revoke", REVOCATION),
        (r"(?:user|application)\.lifecycle\.(?:deactivate|suspend|delete)", REVOCATION),
        (r"app\.oauth2\..*authorize", AUTHENTICATION),
        (r"app\.user_management", CHANGE),
        (r"user\.authentication\.universal_logout", REVOCATION),
        (r"user\.(authentication|session)\.|user\.mfa\.(attempt|okta_verify)", AUTHENTICATION),
        (r"policy\.evaluate_sign_on", AUTHENTICATION),
        (
            (
                r"[a-z_]+\..*(create|update|delete|add|remove|activate|change|reset|grant|revoke"
                r"|lifecycle|assign|import|enable|disable|suspend|unlock|edit)"
            ),
            CHANGE,
        ),
    ),
    issued=_issued,
    address=("client.ipAddress", "request.ipChain[0].ip", "sourceIP"),
    user_agent=("client.userAgent.rawUserAgent", "userAgent"),
    request_id=("debugContext.debugData.requestId", "transaction.id"),
    lacks={"trace": "Okta writes no trace id"},
    # 4: keys of agents and clients; an unknown session is none. 5: impersonation, deactivation,
    # the application before its account. 6: no error where nothing failed; members of applications.
    version=6,
)
