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

from evidence.formats import exports, microsoft
from evidence.formats.entra import actors, audits, calls, portal, provisioning, results, risks
from evidence.formats.members import NOTHING
from evidence.formats.microsoft import anywhere, value_at
from evidence.formats.record import ActorName, Issued
from evidence.formats.tables import Name, Row, Table, Text, actor, getter
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
        said = _told(record)
        return {**record, **said} if said else record
    if "operationname" in record and any(name.lower() != name for name in inside):
        record = {_OUTER.get(name, name): value for name, value in record.items()}
    # What stands around says for which tenant and resource the log was made.
    flat = {**inside, **record}
    said = _told(flat)
    return {**flat, **said} if said else flat


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


# Records that say in members of their own what the others say alike: by their category, and by
# members in every spelling where an export leaves that out.
_APART = frozenset(
    {
        "ProvisioningLogs",
        "RiskyUsers",
        "UserRiskEvents",
        "RiskyServicePrincipals",
        "ServicePrincipalRiskEvents",
        "AgentRiskEvents",
    }
)
_PROVISIONED = ("provisioningStatusInfo", "provisioningAction")
_ONLY_APART = (*_PROVISIONED, "additionalInfo", "riskLastUpdatedDateTime")


def _spelled(*names: str) -> frozenset[str]:
    return frozenset(
        spelled
        for name in names
        for spelled in (name, name.lower(), f"{name[0].upper()}{name[1:]}")
    )


_ANY_PROVISIONED, _ANY_APART = _spelled(*_PROVISIONED), _spelled(*_ONLY_APART)
# Without an operation, what says nothing apart has none of these.
_SPECIAL = _UNUSUAL | _ANY_APART | {"createdDateTime"}
_OF_RISKS = _spelled("additionalInfo", "category", "type", "id")


def _told(record: Row) -> Row:
    """What a record says elsewhere than most, under the names that most have for it."""
    if "operationName" in record and record.keys().isdisjoint(_UNUSUAL):
        category = record.get("category")
        return _apart(record) if type(category) is str and category in _APART else NOTHING
    if "operationName" not in record and record.keys().isdisjoint(_SPECIAL):
        return NOTHING
    return _operation(record) or (
        NOTHING if record.keys().isdisjoint(_ANY_APART) else _apart(record)
    )


def _apart(record: Row) -> Row:
    if record.keys().isdisjoint(_ANY_PROVISIONED):
        found = _OF_RISKS.intersection(record)
        said = risks.said({name.lower(): record[name] for name in found})
    else:
        said = provisioning.said({name.lower(): value for name, value in record.items()})
    if "operationName" in record or not record.keys().isdisjoint(_ONLY_APART):
        return said
    return {name.lower(): value for name, value in said.items()}


def _operation(record: Row) -> Row:
    """A call of Graph and a sign-in as Graph lists it say no operation that tells anything."""
    for uri, method, made, client, operation in _SPELLINGS:
        if uri in record:
            return {
                operation: calls.call(str(record.get(method) or "")[:16], calls.asked(record[uri]))
            }
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


# --- credentials


_is_audit = value_at("initiatedBy")
_REQUEST_IDS = frozenset({"requestId", "requestid"})
_id_of_audit = anywhere("correlationId", "correlationid", "requestId", "requestid")
_id_of_sign_in = anywhere("requestId", "requestid", "id", "correlationId", "correlationid")


def _request_id(record: Row) -> str | None:
    """A sign-in's own id is that of its request; an audit's is not."""
    if _is_audit(record) is not None:
        return _id_of_audit(record)
    own = record.get("id")
    if type(own) is str and own and record.keys().isdisjoint(_REQUEST_IDS):
        return own
    return _id_of_sign_in(record)


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
        ("provisioningStatusInfo", "initiatedBy"),
        (_TABLES,),
    ),
    mark=b"orrelation",
    any_case=True,
    view=_view,
    text=Text(*exports.text(*portal.EXPORTS), exports.seams),
    realm=_realm,
    at=("createdDateTime", "activityDateTime", "time", "timeGenerated"),
    vendor_id=("id", "requestId"),
    action=_ACTION,
    principal=actors.ACTORS.principal,
    credential=(*actors.ACTORS.credential, _TOKEN),
    agent=actors.ACTORS.agent,
    on_behalf=actors.ACTORS.on_behalf,
    session=("sessionId", "c_Sid", "C_Sid"),
    resource=(
        "resourceDisplayName",
        audits.resource,
        calls.path,
        "properties.resourceId",
        "resourceIdentity",
        "additionalDetails{key=Scope}.value",
    ),
    outcome=results.ended,
    activity=audits.activity,
    activities={SIGN_IN: AUTHENTICATION},
    patterns=(
        (r"(?i)add service principal credentials", ISSUANCE),
        (r"(?i)(?:add|create) service principal$|(?i:(?:add|create) agent identity)", ISSUANCE),
        (r"POST /.*/(?:addPassword|addKey|addTokenSigningCertificate)$", ISSUANCE),
        (r"POST /.*/(?:removePassword|removeKey|revokeSignInSessions)$", REVOCATION),
        (r"(?:GET|HEAD|OPTIONS) /|POST /(?:\$batch|search)", USE),
        (
            r"(?i)(?:remove service principal|(?:hard )?delete (?:service principal|app))",
            REVOCATION,
        ),
        (
            (
                r"(?i)(?:delete user|disable (?:account|user|service principal|application|agent)"
                r"|delete agent|revoke|update stsrefreshtoken)"
            ),
            REVOCATION,
        ),
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
    # 3: the application that was signed in to is no tenant. 4: as in every table. 5: an id of
    # zeros is nobody, and who is disabled is revoked. 6: trust in another issuer's tokens.
    # 7: times whose hour has one digit, and services that have a name and no id. 8: what the
    # provisioning service did; the program of a risky sign-in, and the id of who is at risk.
    version=8,
)
