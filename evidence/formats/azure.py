"""Azure: the activity log of a subscription, and what its resources log of who used them.

Owns the meaning of their fields: the activity log as diagnostic settings, the REST API and a Log
Analytics workspace write it, and the resource logs that say who called (Key Vault, Storage, and
others of the common schema; what only one kind of them says is azure_resources.py's). Sources:
"Azure activity log event schema", "Common and service-specific schemas for resource logs", the log
references of Key Vault and Storage, and the reference of access-token claims (azure_claims.py).
Pure.

Names of people and applications were issued by the tenant and carry its realm. What Azure reads
without regard to case, resource ids, is kept in lower case; operations are as they were written.
Kubernetes audit records travel in Azure's envelope too (`kube-audit`): they are not Azure's own.
Not verified: that a storage log's correlation id is the id the caller was answered with.
"""

import re
from functools import lru_cache

from evidence.formats import azure_claims, azure_resources, microsoft
from evidence.formats.microsoft import anywhere
from evidence.formats.tables import Row, Table
from evidence.vocabulary import (
    CHANGE,
    ISSUANCE,
    OUTCOME_FAILED,
    OUTCOME_OK,
    OUTCOME_REFUSED,
    OUTCOME_UNKNOWN,
    REVOCATION,
)

_RESOURCE_ID = ("resourceId", "_ResourceId", "ResourceId", "properties.resourceId")
_resource_id = anywhere(*_RESOURCE_ID)
_PROPERTIES, _BODIES = ("Properties", "Properties_d"), ("requestbody", "responseBody")
_subscription = anywhere("subscriptionId")
_SUBSCRIPTION = re.compile(r"(?i)/subscriptions/([^/]+)")


@lru_cache(maxsize=16_384)
def _subscription_of(resource: str) -> str | None:
    found = _SUBSCRIPTION.match(resource)
    return f"azure:{found[1].lower()}" if found else None


def _realm(record: Row) -> str:
    """The subscription, which Azure's own names and keys belong to; above it, the tenant."""
    resource = _resource_id(record)
    if resource is not None and (found := _subscription_of(resource)):
        return found
    number = _subscription(record)
    if number is None:
        # The path comes first: a row of a workspace says whose workspace it is as its tenant.
        number = microsoft.tenant_in(resource) or azure_claims.stated_tenant(record)
    return f"azure:{number.lower()}" if number else "azure"


# As Azure's library for Python writes an entry of the activity log.
_IN_PYTHON = ("event_data_id", "operation_name")
_OF_OTHERS = frozenset({"claims", "properties"})


def _as_ever(record: Row) -> Row:
    """The same with the names that the API gives its members."""
    made: Row = {}
    for name, value in record.items():
        first, *more = name.split("_")
        inside = type(value) is dict and name not in _OF_OTHERS
        ours = first + "".join(f"{part[:1].upper()}{part[1:]}" for part in more)
        made[ours] = _as_ever(value) if inside else value
    return made


def _opened(record: Row) -> Row:
    """A row of a workspace with the call's properties read, so that its body can be dropped."""
    if _IN_PYTHON[0] in record and _IN_PYTHON[1] in record:
        record = _as_ever(record)
    texts = [
        name
        for name in _PROPERTIES
        if type(said := record.get(name)) is str
        and ("requestbody" in said or "esponseBody" in said)
    ]
    return (
        {**record, **{name: microsoft.loaded(record[name]) for name in texts}} if texts else record
    )


# --- what


def _named_resource(key: str | None, found: str | None, uri: str | None) -> str | None:
    """A stored object's own path, else the resource's id."""
    if key is not None:
        return key
    if uri is not None and (found is None or ".vault." in uri):
        # What follows may be a signature that gives access.
        return uri.partition("?")[0]
    return found.lower() if found is not None else None


_resource = microsoft.of_texts(
    _named_resource,
    ("properties.objectKey",),
    _RESOURCE_ID,
    ("uri", "properties.requestUri", "requestUri_s"),
)

# --- how it ended

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


@lru_cache(maxsize=4096)
def _ended(word: str | None, code: str | None) -> int:
    if code is not None and code.lower() in _NO:
        return OUTCOME_REFUSED
    if word is not None and not word.isdigit():
        return _WORDS.get(word.lower().rstrip("."), OUTCOME_FAILED)
    code = code or word
    if code is None or not code[:3].isdigit():
        return OUTCOME_UNKNOWN
    return OUTCOME_OK if code[0] in "23" else OUTCOME_FAILED


_outcome = microsoft.of_texts(
    _ended,
    (
        "resultType",
        "status.value",
        "activityStatusValue",
        "properties.metricResponseType",
        "resultSignature",
        "status",
    ),
    (
        "statusCode",
        "properties.httpStatusCode",
        "properties.statusCode",
        "httpStatusCode_d",
        "resultSignature",
        "subStatus.value",
        "activitySubstatusValue",
    ),
)


_CATEGORY = (
    "Administrative|Security|ServiceHealth|Alert|Recommendation|Policy|Autoscale|ResourceHealth"
    "|Action|Write|Delete|StorageRead|StorageWrite|StorageDelete|AuditEvent|Audit"
    "|RequestResponse|DataPlaneRequests|ControlPlaneRequests|AzurePolicyEvaluationDetails"
)

TABLE = Table(
    name="azure",
    title="Azure activity and resource logs",
    signs=(
        _IN_PYTHON,
        (
            f"category={_CATEGORY}",
            "operationName",
            "!initiatedBy",
            "!properties.initiatedBy",
            "!properties.log",
            "!properties.sqlerrcode",
            "!protoPayload",
        ),
        (
            "resourceId^/subscriptions/",
            "operationName",
            "!properties.initiatedBy",
            "!properties.log",
            "!properties.sqlerrcode",
            "!sqlerrcode_s",
        ),
        (
            "resourceId^/SUBSCRIPTIONS/",
            "operationName",
            "!properties.initiatedBy",
            "!properties.log",
            "!properties.sqlerrcode",
            "!sqlerrcode_s",
        ),
        ("eventTimestamp", "operationName.value"),
        ("eventDataId", "operationName"),
        ("operationNameValue", "categoryValue"),
        (
            (
                "Type=AzureActivity|AZKVAuditLogs|StorageBlobLogs|StorageFileLogs"
                "|StorageQueueLogs|StorageTableLogs|ApiManagementGatewayLogs"
                "|ApiManagementGatewayLlmLog"
            ),
        ),
    ),
    mark=b"perationName",
    any_case=True,
    opens=_opened,
    view=azure_resources.view,
    realm=_realm,
    at=("eventTimestamp", "time", "timeGenerated", "properties.eventTimestamp", "timeStamp"),
    vendor_id=("eventDataId", "properties.eventDataId"),
    action=("operationName", "operationName.value", "operationNameValue"),
    principal=azure_claims.ACTORS.principal,
    credential=azure_claims.ACTORS.credential,
    agent=azure_claims.ACTORS.agent,
    on_behalf=azure_claims.ACTORS.on_behalf,
    session=azure_claims.claimed("sid"),
    resource=_resource,
    outcome=_outcome,
    patterns=(
        # Of an Azure AI service, whose own log names it so.
        (r"(?i)(?:list|regenerate)keys?$", ISSUANCE),
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
        azure_claims.claimed("ipaddr"),
        "properties.clientIP",
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
        *azure_resources.CONTENT,
        *(f"{holder}.{body}" for holder in _PROPERTIES for body in _BODIES),
    ),
    # What databases log of what was asked of them. PostgreSQL's lines are postgres.py's, unless a
    # person says otherwise.
    statements=(
        "properties.message",
        "Message",
        "properties.sql_text",
        "properties.statement",
        "properties.querytext",
        "properties.queryText",
        "properties.query_sql_text",
        "sql_text_s",
        "statement_s",
        "querytext_s",
        "query_sql_text_s",
        # What was asked of a workspace or of a cluster of Data Explorer.
        "QueryText",
        "properties.Text",
        "Text",
    ),
    lacks={
        "principal": "a storage account's own key names nobody; some exports leave out the claims",
        "vendor_id": "diagnostic settings leave out the event's id",
    },
    # 4: statements of databases keep their form alone. 5: calls through API Management, callers of
    # Azure AI services, and the tenant of what belongs to no subscription; entries as Azure's library
    # for Python writes them.
    version=5,
)
