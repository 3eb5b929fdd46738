"""Microsoft Entra ID: sign-ins of people, applications and agents, directory audits, Graph calls.

Owns the meaning of their fields in all three shapes: Microsoft Graph (flat), diagnostic settings
(`time`, `category`, `properties`) and rows of a Log Analytics workspace. Sources: the resource
types signIn, agentSignIn (beta) and directoryAudit of Microsoft Graph; the table reference of
Azure Monitor (SigninLogs, AAD…SignInLogs, AuditLogs, MicrosoftGraphActivityLogs); "Track and
investigate identity activities with linkable identifiers" of the Entra documentation. Pure.

A sign-in uses one credential, the key, certificate or federation of an application, and issues
another, a token (`uniqueTokenIdentifier`), which the calls made with it name. A key is issued by
a directory audit. Not verified: that an agent identity's object id and client id are the same.
"""

import re
from functools import lru_cache
from typing import Any

from evidence.formats import exports, microsoft, written
from evidence.formats.entra import audits, portal, results
from evidence.formats.members import NOTHING
from evidence.formats.microsoft import anywhere, value_at
from evidence.formats.record import ActorName, Issued
from evidence.formats.tables import Name, Names, Row, Table, Text, actor, getter, names
from evidence.vocabulary import AUTHENTICATION, CHANGE, ISSUANCE, OUTCOME_OK, REVOCATION, USE

SIGN_IN = "Sign-in activity"
_ACTION = ("operationName", "activityDisplayName", "riskEventType")
_CATEGORIES = (
    "category=SignInLogs|NonInteractiveUserSignInLogs|ServicePrincipalSignInLogs"
    "|ManagedIdentitySignInLogs|MicrosoftServicePrincipalSignInLogs|ADFSSignInLogs|AuditLogs"
    "|MicrosoftGraphActivityLogs|RiskyUsers|UserRiskEvents|RiskyServicePrincipals"
    "|ServicePrincipalRiskEvents|RiskyAgents|AgentRiskEvents|ProvisioningLogs|B2CRequestLogs"
)
_TABLES = (
    "Type=SigninLogs|AADNonInteractiveUserSignInLogs|AADServicePrincipalSignInLogs"
    "|AADManagedIdentitySignInLogs|ADFSSignInLogs|AADRiskyUsers|AADUserRiskEvents"
    "|AADRiskyServicePrincipals|AADServicePrincipalRiskEvents|AADProvisioningLogs"
    "|MicrosoftGraphActivityLogs"
)


# Names around `properties`, which some exports write in lower case and leave the inner ones alone.
_OUTER = {
    name.lower(): name
    for name in (
        "callerIpAddress",
        "correlationId",
        "durationMs",
        "operationName",
        "operationVersion",
        "resourceId",
        "resultDescription",
        "resultSignature",
        "resultType",
        "tenantId",
    )
}


def _view(record: Row) -> Row:
    """One flat record: what stands in `properties` beside what stands around it."""
    if "TimeGenerated" in record:
        record = microsoft.from_workspace(record)
    inside = record.get("properties")
    if inside is None:
        inside = record.get("Properties")
    if type(inside) is str:
        inside = microsoft.loaded(inside)
    if type(inside) is not dict:
        said = _operation(record)
        return {**record, **said} if said else record
    if "operationname" in record and any(name.lower() != name for name in inside):
        record = {_OUTER.get(name, name): value for name, value in record.items()}
    # What stands around says for which tenant and resource the log was made.
    flat = {**inside, **record}
    flat.update(_operation(flat))
    return flat


# (uri of a call, its method, when a sign-in was made, by which client, the operation), as each
# kind of export writes these names.
_SPELLINGS = (
    ("requestUri", "requestMethod", "createdDateTime", "appId", "operationName"),
    ("requesturi", "requestmethod", "createddatetime", "appid", "operationname"),
    ("RequestUri", "RequestMethod", "CreatedDateTime", "AppId", "OperationName"),
)
# What a record has none of that says its operation as ever.
_UNUSUAL = frozenset(
    name for uri, _, made, _, _ in _SPELLINGS for name in (uri, made) if name != "createdDateTime"
)


def _operation(record: Row) -> Row:
    """A call of Graph and a sign-in as Graph lists it say no operation that tells anything."""
    if "operationName" in record and record.keys().isdisjoint(_UNUSUAL):
        return NOTHING
    for uri, method, made, client, operation in _SPELLINGS:
        if uri in record:
            return {operation: _call(str(record.get(method) or "")[:16], _asked(record[uri]))}
        if made in record and client in record and operation not in record:
            return {operation: SIGN_IN}
    return NOTHING


# The tenant in the path of a log's resource; a sign-in names an application there.
_of_resource = microsoft.of_texts(microsoft.tenant_in, ("resourceId",))
# A row of a workspace says whose workspace it is as its tenant.
_tenant = microsoft.tenant(
    "AADTenantId", "tenantId", "resourceTenantId", "homeTenantId", _of_resource
)
_workspace_tenant = microsoft.tenant("AADTenantId", "ResourceTenantId", "HomeTenantId")


def _realm(record: Row) -> str:
    if "TimeGenerated" in record or ("timegenerated" in record and "time" not in record):
        return _workspace_tenant(record)
    return _tenant(record)


# --- calls of Microsoft Graph

# What in a path of Microsoft Graph names one thing: ids, addresses, what a function is asked.
_ONE_THING = re.compile(r"[0-9A-Fa-f-]{32,}|.*(?:@|%40|\d{4}|=).*|.{41,}|\d+x\d+")


def _asked(uri: Any) -> str:
    """The path of a call: what follows the host, without what was searched for."""
    path = uri[:2048].partition("?")[0] if type(uri) is str else ""
    if "://" in path:
        path = "/" + path.partition("://")[2].partition("/")[2]
    return path.replace("//", "/")


@lru_cache(maxsize=8192)
def _call(method: str, path: str) -> str:
    """``GET /users/{id}/messages``: what was asked for, without of whom."""
    parts = [part for part in path.split("/") if part]
    if parts and parts[0] in ("v1.0", "beta"):
        parts = parts[1:]
    kept = ["{id}" if _ONE_THING.fullmatch(part) else part.split("(")[0] for part in parts]
    return f"{method.upper()} /{'/'.join(kept)}"


_uri = anywhere("requestUri")


def _path(record: Row) -> str | None:
    return _asked(_uri(record)) or None


# --- credentials


def _either(*found: str | None) -> str | None:
    return next(filter(None, found), None)


_is_audit = value_at("initiatedBy")
_REQUEST_IDS = frozenset({"requestId", "requestid"})
_id_of_audit = microsoft.of_texts(_either, ("correlationId",), ("requestId",))
_id_of_sign_in = microsoft.of_texts(_either, ("requestId",), ("id",), ("correlationId",))


def _request_id(record: Row) -> str | None:
    """A sign-in's own id is that of its request; an audit's is not."""
    if _is_audit(record) is not None:
        return _id_of_audit(record)
    own = record.get("id")
    if type(own) is str and own and "\0" not in own and record.keys().isdisjoint(_REQUEST_IDS):
        return own
    return _id_of_sign_in(record)


def _not_nobody(path: str) -> Any:
    find = anywhere(path)

    def get(record: Row) -> str | None:
        found = find(record)
        return None if found == microsoft.NOBODY else found

    return get


_AGENT = (
    "agent.agentType=agenticApp|agenticAppInstance|agenticAppBuilder"
    "|agentIdentityBlueprintPrincipal"
)
_token = anywhere("uniqueTokenIdentifier")


_action = getter(_ACTION)
_low_action = getter(tuple(name.lower() for name in _ACTION))


def _issued(record: Row, realm: str, principal: ActorName | None) -> Issued | None:
    """The key that a change added; the token of a sign-in that went through.

    An interrupted sign-in has an id for a token as well.
    """
    found = audits.issued(record, realm)
    if found is not None:
        return found
    token = _token(record)
    if token is None or results.ended(record) != OUTCOME_OK:
        return None
    action = _action(record) or _low_action(record)
    if action is None or action.strip() != SIGN_IN:
        return None
    return Issued(actor(realm, "token", token), principal, standing=False, expires_at=None)


_TOKEN = Name("token", ("uniqueTokenIdentifier", "signInActivityId", "uniqueTokenId"))

# Who changed the directory.
_CHANGED_BY = (
    microsoft.user("initiatedBy.user.userPrincipalName", "initiatedBy.user.id"),
    Name("user", "initiatedBy.user.id", fold=True),
    microsoft.principal("initiatedBy.app.servicePrincipalId", "initiatedBy.app.appId"),
    microsoft.application("initiatedBy.app.appId"),
    Name("service", ("initiatedBy.app.displayName", "initiatedBy.app.servicePrincipalName")),
    Name("user", "initiatedBy.user.displayName"),
)
_AS_AGENT = (
    microsoft.principal(("agent.agentServicePrincipalId", "servicePrincipalId"), "appId"),
    microsoft.application("appId"),
)
_AS_PERSON = (microsoft.user("userPrincipalName", "userId"), Name("user", "userId", fold=True))
_AS_MANAGED = (microsoft.managed("servicePrincipalId", "appId"),)
_AS_PRINCIPAL = (
    microsoft.principal(("servicePrincipalId", "servicePrincipal.id"), "appId"),
    microsoft.application("appId"),
    Name("service_principal", ("servicePrincipalName", "servicePrincipal.displayName")),
)
_IS_AGENT = ((_AGENT,),)
_IS_MANAGED = (
    ("category=ManagedIdentitySignInLogs",),
    ("managedIdentityType=systemAssigned|userAssigned",),
    ("signInEventTypes[0]=managedIdentity",),
    ("Type=AADManagedIdentitySignInLogs",),
)


def _principal(*, folded: bool) -> Names:
    """Who signed in, called or changed: each kind of record says it in its own members."""
    changed, agent, person, managed, principal = (
        names(ways, folded=folded)
        for ways in (_CHANGED_BY, _AS_AGENT, _AS_PERSON, _AS_MANAGED, _AS_PRINCIPAL)
    )
    is_agent, is_managed = (
        written.has_signs(one, folded=folded) for one in (_IS_AGENT, _IS_MANAGED)
    )
    audit = "initiatedby" if folded else "initiatedBy"

    def get(record: Row, realm: str) -> ActorName | None:
        if audit in record:
            return changed(record, realm)
        if is_agent(record):
            return agent(record, realm)
        found = person(record, realm)
        if found is None and is_managed(record):
            found = managed(record, realm)
        return principal(record, realm) if found is None else found

    return get


_as_ever, _in_lower_case = _principal(folded=False), _principal(folded=True)


def _who(record: Row, realm: str) -> ActorName | None:
    found = _as_ever(record, realm)
    return _in_lower_case(record, realm) if found is None else found


_DECIDE = (
    "?initiatedBy",
    "initiatedBy",
    "agent",
    "userPrincipalName",
    "userId",
    "servicePrincipalId",
    "servicePrincipalName",
    "servicePrincipal",
    "appId",
    "category",
    "managedIdentityType",
    "signInEventTypes",
    "Type",
    "servicePrincipalCredentialKeyId",
    "servicePrincipalCredentialThumbprint",
    "federatedCredentialId",
)
_ACTORS = microsoft.together(
    _DECIDE,
    (_who,),
    (
        Name("key", _not_nobody("servicePrincipalCredentialKeyId"), fold=True),
        Name("federated", _not_nobody("federatedCredentialId"), fold=True),
        Name("certificate", "servicePrincipalCredentialThumbprint", fold=True),
    ),
    (
        Name(
            "agent_id",
            ("agent.agentServicePrincipalId", "servicePrincipalId", "appId"),
            when=_AGENT,
            parent=microsoft.application("agent.parentAppId"),
            fold=True,
        ),
        Name(
            "agent_id",
            "agent.agentSubjectParentId",
            when="agent.agentSubjectType=agentIDuser",
            fold=True,
        ),
        # Who acts in a person's name: the application that was given the token.
        microsoft.application("appId", when="userId"),
    ),
    (
        microsoft.user("userPrincipalName", "userId", when=_AGENT),
        Name("user", "userId", when=_AGENT, fold=True),
    ),
)

TABLE = Table(
    name="entra",
    title="Microsoft Entra sign-ins, audits and Graph activity",
    signs=(
        # Intune writes audit logs of the same category.
        (_CATEGORIES, "operationName", "!properties.AuditEventId"),
        ("operationName", "initiatedBy"),
        ("activityDisplayName", "initiatedBy"),
        ("activityDisplayName", "targetResources", "loggedByService"),
        ("createdDateTime", "userPrincipalName", "appId"),
        ("createdDateTime", "servicePrincipalId", "appId"),
        ("createdDateTime", "appDisplayName", "ipAddress", "!evidence"),
        ("uniqueTokenIdentifier", "appId"),
        ("signInActivityId", "requestUri"),
        ("operationName=Sign-in activity",),
        ("riskEventType", "detectedDateTime"),
        (_TABLES,),
    ),
    mark=b"orrelation",
    any_case=True,
    view=_view,
    text=Text(*exports.text(*portal.EXPORTS), exports.seams),
    realm=_realm,
    unstated="entra",
    at=("createdDateTime", "activityDateTime", "time", "timeGenerated"),
    vendor_id=("id", "requestId"),
    action=_ACTION,
    principal=_ACTORS.principal,
    credential=(*_ACTORS.credential, _TOKEN),
    agent=_ACTORS.agent,
    on_behalf=_ACTORS.on_behalf,
    session=("sessionId", "c_Sid", "C_Sid"),
    resource=(
        "resourceDisplayName",
        audits.resource,
        _path,
        "properties.resourceId",
        "resourceIdentity",
        "additionalDetails{key=Scope}.value",
    ),
    outcome=results.ended,
    activity=audits.activity,
    activities={SIGN_IN: AUTHENTICATION},
    patterns=(
        (r"(?i)add service principal credentials", ISSUANCE),
        (r"(?i)add service principal$|(?i:add agent identity)", ISSUANCE),
        (r"POST /.*/(?:addPassword|addKey|addTokenSigningCertificate)$", ISSUANCE),
        (r"POST /.*/(?:removePassword|removeKey|revokeSignInSessions)$", REVOCATION),
        (r"(?:GET|HEAD|OPTIONS) /|POST /(?:\$batch|search)", USE),
        (
            r"(?i)(?:remove service principal|(?:hard )?delete (?:service principal|app))",
            REVOCATION,
        ),
        (r"(?i)(?:delete user|disable account|revoke|update stsrefreshtoken)", REVOCATION),
        (r"(?i).*(?:risk|detection)", USE),
        (r"(?i)(?:sign-in|user authentication|sign-out)", AUTHENTICATION),
        (r".", CHANGE),
    ),
    issued=_issued,
    address=microsoft.plain_address(
        "initiatedBy.user.ipAddress",
        "ipAddress",
        "callerIpAddress",
        "additionalDetails{key=ipaddr}.value",
    ),
    user_agent=("userAgent", "additionalDetails{key=User-Agent}.value"),
    request_id=_request_id,
    error=results.error,
    error_of_failures=True,  # a success is justified in the same place
    lacks={
        "trace_id": "Entra keeps no trace id",
        "credential": "a directory audit names no token; a sign-in names the key of an application",
        "tenant": "Microsoft Graph v1.0 states none; the source's realm does, if it is the only one",
    },
    version=3,  # 3: the application that was signed in to is no tenant
)
