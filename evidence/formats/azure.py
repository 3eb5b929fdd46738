"""Azure: the activity log of a subscription, and what its resources log of who used them.

Owns the meaning of their fields: the activity log as diagnostic settings, the REST API and a Log
Analytics workspace write it, and the resource logs that say who called (Key Vault, Storage, and
others of the common schema). Sources: "Azure activity log event schema", "Common and
service-specific schemas for resource logs", the log references of Key Vault and Storage, and the
reference of access-token claims. Pure.

Names of people and applications were issued by the tenant and carry its realm. What Azure reads
without regard to case, resource ids, is kept in lower case; operations are as they were written.
Kubernetes audit records travel in Azure's envelope too (`kube-audit`): they are not Azure's own.
Not verified: that a storage log's correlation id is the id the caller was answered with.
"""

import re
from functools import lru_cache
from typing import Any

from evidence.formats import microsoft
from evidence.formats.microsoft import anywhere
from evidence.formats.record import ActorName
from evidence.formats.tables import Name, Row, Table, actor
from evidence.vocabulary import (
    CHANGE,
    ISSUANCE,
    OUTCOME_FAILED,
    OUTCOME_OK,
    OUTCOME_REFUSED,
    OUTCOME_UNKNOWN,
    REVOCATION,
)

# Claims under the long names that resource managers write them with, and a storage requester's.
_SHORT = {
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn": "upn",
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name": "unique_name",
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress": "email",
    "http://schemas.microsoft.com/identity/claims/objectidentifier": "oid",
    "http://schemas.microsoft.com/identity/claims/tenantid": "tid",
    "http://schemas.microsoft.com/identity/claims/scope": "scp",
    "objectId": "oid",
    "objectid": "oid",
    "tenantId": "tid",
    "tenantid": "tid",
    "appId": "appid",
    "azp": "appid",
    "userName": "unique_name",
    "username": "unique_name",
}
_IDENTITY = ("identity", "Identity")
_CLAIMS = ("claims", "claim", "requester", "Requester")


def _view(record: Row) -> Row:
    """The record with its claims in one place, under short names."""
    if "TimeGenerated" in record:
        record = microsoft.from_workspace(record)
    said: Any = None
    identity = record.get("identity")
    if type(identity) is str:
        identity = microsoft.loaded(identity)
    if type(identity) is dict:
        said = identity.get("claims") or identity.get("claim") or identity.get("requester")
    if said is None:
        said = record.get("claims") or record.get("Claims_d") or record.get("Claims")
    said = microsoft.loaded(said)
    inside = record.get("properties")
    if type(said) is not dict and type(inside) is not str:
        return record
    made = dict(record)
    if type(inside) is str:
        made["properties"] = microsoft.loaded(inside)
    if type(said) is dict:
        made["claims"] = {_SHORT.get(name, name): value for name, value in said.items()}
    if type(identity) is dict:
        made["identity"] = identity
    return made


_claimed_tenant = anywhere("claims.tid")
_stated_tenant = anywhere("tenantId", "properties.tenantId")


def _tenant(record: Row) -> str:
    """Who issued the names in this record."""
    found = _claimed_tenant(record)
    # A row of a workspace says whose workspace it is as its tenant.
    if found is None and "TimeGenerated" not in record and "timegenerated" not in record:
        found = _stated_tenant(record)
    return f"entra:{found.lower()}" if found else "entra"


_resource_id = anywhere("resourceId", "_ResourceId", "ResourceId", "properties.resourceId")
_subscription = anywhere("subscriptionId")
_SUBSCRIPTION = re.compile(r"(?i)/subscriptions/([^/]+)")


def _realm(record: Row) -> str:
    """The subscription, which Azure's own names and keys belong to; above it, the tenant."""
    found = _SUBSCRIPTION.match(_resource_id(record) or "")
    number = found[1] if found else _subscription(record)
    if number is None:
        number = _stated_tenant(record)
    return f"azure:{number.lower()}" if number else "azure"


# --- who


_named = anywhere(
    "claims.unique_name", "claims.email", "claims.preferred_username", "claims.name", "caller"
)


@lru_cache(maxsize=16_384)
def _who(realm: str, name: str) -> ActorName:
    if microsoft.GUID.fullmatch(name):
        return actor(realm, "service_principal", name.lower())
    if "@" in name:
        # What stands before a # is the provider of an account from elsewhere.
        return actor(realm, "user", name.rpartition("#")[2].lower())
    return actor(realm, "service", name)


def _by_name(record: Row, _: str) -> ActorName | None:
    """Whom a name alone stands for: people have an at sign, principals a number."""
    found = _named(record)
    return None if found is None else _who(_tenant(record), found)


_holder = anywhere(
    "identity.authorization.evidence.principalId", "authorization.evidence.principalId"
)


def _with_dashes(record: Row) -> str | None:
    """The holder of the role that allowed the call; the log writes the number without dashes."""
    found = _holder(record)
    if found is not None and len(found) == 32 and found.isalnum():
        return "-".join((found[:8], found[8:12], found[12:16], found[16:20], found[20:]))
    return found


_TYPE = "identity.authorization.evidence.principalType"
_BLUEPRINT = "claims.xms_par_app_azp"
_upn = ("claims.upn", "claims.preferred_username")

# --- what


_key_path = anywhere("properties.objectKey")
_uri = anywhere("uri", "properties.requestUri", "requestUri_s")


def _resource(record: Row) -> str | None:
    """A stored object's own path, else the resource's id."""
    key = _key_path(record)
    if key is not None:
        return key
    found = _resource_id(record)
    uri = _uri(record)
    if uri is not None and (found is None or ".vault." in uri):
        # What follows may be a signature that gives access.
        return uri.partition("?")[0]
    return found.lower() if found is not None else None


_ended = anywhere(
    "resultType",
    "status.value",
    "activityStatusValue",
    "properties.metricResponseType",
    "resultSignature",
    "status",
)
_http = anywhere(
    "statusCode",
    "properties.httpStatusCode",
    "properties.statusCode",
    "httpStatusCode_d",
    "resultSignature",
    "subStatus.value",
    "activitySubstatusValue",
)
_WORDS = {
    **dict.fromkeys(
        (
            "success",
            "succeeded",
            "succeed",
            "ok",
            "completed",
            "active",
            "resolved",
            "sassuccess",
            "anonymoussuccess",
            "updated",
            "created",
        ),
        OUTCOME_OK,
    ),
    **dict.fromkeys(
        ("start", "started", "accept", "accepted", "inprogress", "in progress", "none", ""),
        OUTCOME_UNKNOWN,
    ),
    **dict.fromkeys(
        (
            "authorizationerror",
            "sasauthorizationerror",
            "forbidden",
            "unauthorized",
            "oauthauthorizationerror",
            "ipauthorizationerror",
            "networkerror",
            "denied",
            "authorizationfailed",
        ),
        OUTCOME_REFUSED,
    ),
}
_NO = ("401", "403", "forbidden", "unauthorized")


def _outcome(record: Row) -> int:
    word, code = _ended(record), _http(record)
    if code is not None and code.lower() in _NO:
        return OUTCOME_REFUSED
    if word is not None and not word.isdigit():
        return _WORDS.get(word.lower().rstrip("."), OUTCOME_FAILED)
    code = code or word
    if code is None or not code[:3].isdigit():
        return OUTCOME_UNKNOWN
    return OUTCOME_OK if code[0] in "23" else OUTCOME_FAILED


_CATEGORY = (
    "Administrative|Security|ServiceHealth|Alert|Recommendation|Policy|Autoscale|ResourceHealth"
    "|Action|Write|Delete|StorageRead|StorageWrite|StorageDelete|AuditEvent|Audit"
    "|RequestResponse|DataPlaneRequests|ControlPlaneRequests|AzurePolicyEvaluationDetails"
)

TABLE = Table(
    name="azure",
    title="Azure activity and resource logs",
    signs=(
        (
            f"category={_CATEGORY}",
            "operationName",
            "!initiatedBy",
            "!properties.initiatedBy",
            "!properties.log",
            "!protoPayload",
        ),
        (
            "resourceId^/subscriptions/",
            "operationName",
            "!properties.initiatedBy",
            "!properties.log",
        ),
        (
            "resourceId^/SUBSCRIPTIONS/",
            "operationName",
            "!properties.initiatedBy",
            "!properties.log",
        ),
        ("eventTimestamp", "operationName.value"),
        ("eventDataId", "operationName"),
        ("operationNameValue", "categoryValue"),
        (
            (
                "Type=AzureActivity|AZKVAuditLogs|StorageBlobLogs|StorageFileLogs"
                "|StorageQueueLogs|StorageTableLogs"
            ),
        ),
    ),
    mark=b"perationName",
    any_case=True,
    view=_view,
    realm=_realm,
    at=("eventTimestamp", "time", "timeGenerated", "properties.eventTimestamp"),
    vendor_id=("eventDataId", "properties.eventDataId"),
    action=("operationName", "operationName.value", "operationNameValue"),
    principal=(
        # An agent that calls in a person's name: the token is the person's, the caller the agent.
        microsoft.application("claims.appid", _tenant, when=_BLUEPRINT),
        microsoft.user(_upn, "claims.oid", _tenant),
        microsoft.managed("claims.oid", "claims.appid", _tenant, when="claims.xms_mirid"),
        Name("user", "claims.oid", _tenant, when="claims.scp", fold=True),
        microsoft.principal("claims.oid", "claims.appid", _tenant),
        _by_name,
        microsoft.application("claims.appid", _tenant),
        Name("user", _with_dashes, _tenant, when=f"{_TYPE}=User", fold=True),
        Name(
            "service_principal", _with_dashes, _tenant, when=f"{_TYPE}=ServicePrincipal", fold=True
        ),
    ),
    credential=(
        Name("token", "claims.uti", _tenant),
        Name("token", "identity.tokenHash", when="identity.type=OAuth"),
        Name("key", "identity.tokenHash"),
    ),
    agent=(
        Name(
            "agent_id",
            "claims.appid",
            _tenant,
            when=_BLUEPRINT,
            parent=microsoft.application(_BLUEPRINT, _tenant),
            fold=True,
        ),
        microsoft.application("claims.appid", _tenant, when="claims.upn"),
    ),
    on_behalf=(microsoft.user(_upn, "claims.oid", _tenant, when=_BLUEPRINT),),
    session=("claims.sid",),
    resource=_resource,
    outcome=_outcome,
    patterns=(
        (
            (
                r"(?i).*/(?:listkeys|regeneratekey|listaccountsas|listservicesas|listcredentials"
                r"|listsecrets|listclusteradmincredential|listclusterusercredential|begingetaccess"
                r"|createpersonalaccesstoken)(?:/|$)"
            ),
            ISSUANCE,
        ),
        (r"(?i).*/federatedidentitycredentials/write$", ISSUANCE),
        (r"(?i).*/federatedidentitycredentials/delete$", REVOCATION),
        (r"(?i)microsoft\.authorization/roleassignments/delete$", REVOCATION),
        (r"(?i)microsoft\.authorization/elevateaccess/action$", CHANGE),
        (
            (
                r"(?i).*/(?:write|delete|move|restart|start|stop|deallocate|purge|restore)"
                r"(?:/action)?$"
            ),
            CHANGE,
        ),
        (
            (
                r"(?i)(?:vault|secret|key|certificate)"
                r"(?:put|patch|set|create|delete|purge|import|rotate)"
            ),
            CHANGE,
        ),
        (r"(?i)(?:set|delete|undelete|create)(?:blob|container|file|queue|table)\w*", CHANGE),
    ),
    address=microsoft.plain_address(
        "callerIpAddress",
        "callerIPAddress",
        "httpRequest.clientIpAddress",
        "properties.callerIpAddress",
        "claims.ipaddr",
    ),
    user_agent=(
        "properties.userAgentHeader",
        "properties.clientInfo",
        "properties.userAgent",
        "userAgentHeader",
    ),
    request_id=("correlationId", "operationId", "properties.clientRequestId"),
    error=anywhere(
        "resultDescription",
        "properties.statusMessage",
        "statusText",
        "subStatus.value",
        "resultSignature",
        "activitySubstatusValue",
    ),
    error_of_failures=True,
    content=(
        "properties.requestbody",
        "properties.requestBody",
        "properties.responseBody",
        "properties.responsebody",
    ),
    lacks={
        "principal": "a storage account's own key names nobody; some exports leave out the claims",
        "vendor_id": "diagnostic settings leave out the event's id",
    },
)
