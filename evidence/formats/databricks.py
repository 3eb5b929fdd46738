"""Databricks audit logs, in the three shapes in which they are delivered.

Owns the meaning of Databricks' fields. Source: Databricks' audit log reference and the
`system.access.audit` table. Delivery to storage writes serviceName and actionName, the system
table service_name and action_name: the view makes the first of both. Azure's diagnostic settings
write `properties`, and `identity` and `time` beside it (Microsoft's "Diagnostic log reference" of
Azure Databricks); a workspace's tables DatabricksJobs and the like have the same in columns. Their
members are JSON text, in which content could not be found: such a record is opened, and kept so.
Names of service principals are their application id. Pure.

Not verified: the parameter names of OAuth secrets.
"""

import re
from functools import lru_cache
from typing import Any

import orjson

from evidence.formats.record import ActorName
from evidence.formats.tables import Issues, Name, Row, Table, actor
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

_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\Z")
# Names of one thing in the shapes that are not delivery to storage, in lower case.
_SAME = {
    name.replace("_", ""): right
    for name, right in (
        ("service_name", "serviceName"),
        ("action_name", "actionName"),
        ("user_identity", "userIdentity"),
        ("identity", "userIdentity"),
        ("identity_metadata", "identityMetadata"),
        ("request_params", "requestParams"),
        ("response", "response"),
        ("source_ip_address", "sourceIPAddress"),
        ("user_agent", "userAgent"),
        ("session_id", "sessionId"),
        ("request_id", "requestId"),
        ("account_id", "accountId"),
        ("workspace_id", "workspaceId"),
        ("event_time", "timestamp"),
        ("event_id", "eventId"),
        ("log_id", "eventId"),
    )
}
_MARKS = frozenset({"serviceName", "service_name", "ServiceName", "servicename", "properties"})
_NESTED = ("userIdentity", "requestParams", "response", "identityMetadata")
# What a request is about, the most telling first.
_ABOUT = (
    *("full_name_arg", "name_arg", "securable_full_name", "target", "path", "notebookId"),
    *("notebookFullPath", "clusterId", "cluster_id", "jobId", "job_id", "runId", "run_id"),
    *("warehouseId", "endpointId", "pipeline_id", "dashboardId", "experimentId", "tokenId"),
    *("scope", "targetGroupName", "targetUserName", "principal", "mountPoint", "script_id"),
    *("workspaceConfKeys", "listId", "list_id", "metastore_id", "metastoreId", "share"),
    *("recipient_name", "table_full_name", "volume_full_name", "endpoint_name", "space_id"),
    *("name", "endpoint", "targetUserId", "targetGroupId", "user", "url"),
)


@lru_cache(maxsize=1024)
def _right(name: str) -> str:
    return _SAME.get(name.replace("_", "").lower(), name)


def _opened(record: Row) -> Row:
    """The record without Azure's wrapping, and its members as objects where they are text."""
    if "serviceName" in record and type(record.get("requestParams")) is not str:
        return record
    if record.keys().isdisjoint(_MARKS):
        return record
    wrapped = _is_wrapped(record.get("properties"))
    texts = (type(value) is str and value[:1] == "{" for value in record.values())
    return _view(record) if wrapped or "TimeGenerated" in record or any(texts) else record


def _is_wrapped(inner: Any) -> bool:
    return type(inner) is dict and "serviceName" in inner


def _view(record: Row) -> Row:
    if "serviceName" in record and type(record.get("requestParams")) is not str:
        return record
    if record.keys().isdisjoint(_MARKS):
        return record
    inner = record.get("properties")
    told = inner if type(inner) is dict and _is_wrapped(inner) else record
    seen = {_right(name): value for name, value in told.items()}
    if told is not record:
        seen.setdefault("userIdentity", record.get("identity"))
        seen.setdefault("timestamp", record.get("time"))
        resource = record.get("resourceId")
        if type(resource) is str:
            seen.setdefault("workspaceId", resource.rpartition("/")[2].lower())
    elif "TimeGenerated" in record:
        seen.setdefault("timestamp", record["TimeGenerated"])
    for name in _NESTED:
        value = seen.get(name)
        if type(value) is str and value[:1] == "{":
            try:
                seen[name] = orjson.loads(value)
            except (ValueError, RecursionError):
                # Cut off: what it holds cannot be told from content.
                seen[name] = {"text": value}
    return seen


def _inside(record: Row, member: str) -> Row:
    inside = record.get(member)
    return inside if type(inside) is dict else {}


def _action(record: Row) -> str | None:
    service, action = record.get("serviceName"), record.get("actionName")
    if type(action) is not str or not action:
        return None
    return f"{service}.{action}" if type(service) is str and service else action


def _named(realm: str, name: Any) -> ActorName | None:
    if type(name) is not str or not name:
        return None
    kind = "service_principal" if _UUID.match(name) else "user"
    if name in ("System-User", "__SYSTEM"):
        kind = "service"
    return actor(realm, kind, name)


def _who(record: Row, realm: str) -> ActorName | None:
    identity = _inside(record, "userIdentity")
    for member in ("email", "subjectName", "subject_name", "userName"):
        if found := _named(realm, identity.get(member)):
            return found
    params = _inside(record, "requestParams")
    return _named(realm, params.get("user") or params.get("recipient_name"))


def _behind(record: Row, realm: str) -> ActorName | None:
    """Who ran what is executed with another's permissions."""
    meta, who = _inside(record, "identityMetadata"), _inside(record, "userIdentity")
    by = meta.get("runBy") or meta.get("run_by")
    return None if by == (who.get("email") or who.get("subjectName")) else _named(realm, by)


def _resource(record: Row) -> str | None:
    params = _inside(record, "requestParams")
    for name in _ABOUT:
        value = params.get(name)
        if value and (type(value) is str or type(value) is int):
            key = params.get("key")
            return f"{value}/{key}" if name == "scope" and type(key) is str and key else str(value)
    return None


_DENIED = re.compile(r"(?i)denied|unauthorized|forbidden")


def _outcome(record: Row) -> int:
    response, action = _inside(record, "response"), record.get("actionName")
    status = response.get("statusCode") or response.get("status_code")
    if type(status) is str and status.isdecimal() and len(status) == 3:
        status = int(status)
    if type(status) is not int:
        denied = type(action) is str and _DENIED.search(action)
        return OUTCOME_REFUSED if denied else OUTCOME_UNKNOWN
    if status == 401 and type(action) is str and action.lower().endswith("login"):
        return OUTCOME_FAILED  # wrong credentials
    if status in (401, 403):
        return OUTCOME_REFUSED
    return OUTCOME_OK if status < 400 else OUTCOME_FAILED


_TOKEN = Name("api_token", ("requestParams.tokenId", "requestParams.token_id"))

TABLE = Table(
    name="databricks",
    title="Databricks audit logs",
    signs=(("serviceName", "actionName"),),
    mark=b'"action',
    opens=_opened,
    view=_view,
    realm="databricks:{accountId|workspaceId}",
    at="timestamp",
    vendor_id="eventId",
    action=_action,
    principal=(_who,),
    credential=(
        _TOKEN._replace(when="actionName=login|tokenLogin|tokenAuthentication|aadTokenLogin"),
    ),
    agent=(
        Name(
            "agent",
            ("identityMetadata.actingResource", "identityMetadata.acting_resource"),
        ),
    ),
    on_behalf=(_behind,),
    session=("sessionId", "requestParams.conversation_id"),
    resource=_resource,
    outcome=_outcome,
    patterns=(
        (r"\w+\.(generate\w*(Token|Secret|Credential)|create\w*(Token|PrincipalSecret))", ISSUANCE),
        (r"\w+\.(revoke|delete|garbageCollect)\w*(Token|PrincipalSecret)", REVOCATION),
        (r"\w+\.(revoke|removeAdmin|removePrincipal|deactivate)|accounts\.delete$", REVOCATION),
        (
            r"\w+\.(\w*[lL]ogin|logout|\w*[aA]uthenticat\w*|\w*TokenAuthorization|IpAccessDenied)",
            AUTHENTICATION,
        ),
        (
            (
                r"\w+\.(create|update|delete|edit|add|remove|set|change|put|grant|install|uninstall"
                r"|mount|unmount|drop|trash|move|rename|enable|disable|reset|resize|restore|import|mfa|activate|workspaceConf)"
            ),
            CHANGE,
        ),
    ),
    issues=(
        Issues(
            frozenset({"accounts.generateDbToken", "accounts.createDbToken"}),
            _TOKEN,
            expires=("requestParams.tokenExpirationTime", "requestParams.token_expiration_time"),
        ),
    ),
    address="sourceIPAddress",
    user_agent="userAgent",
    request_id="requestId",
    error=("response.errorMessage", "response.error_message"),
    content=tuple(
        f"{params}.{name}"
        for params in ("requestParams", "request_params")
        for name in (
            *("content", "prompt", "messages", "inputs", "text", "parameters", "job_parameters"),
            *(
                "notebook_params",
                "python_params",
                "python_named_params",
                "jar_params",
                "sql_params",
            ),
            *("spark_submit_params", "spark_env_vars", "arguments", "environment_vars"),
        )
    ),
    statements=tuple(
        f"{params}.{name}"
        for params in ("requestParams", "request_params")
        for name in ("commandText", "command_text", "statement", "queryText", "query_text")
    ),
    lacks={"credential": "only tokenLogin names the token; other calls name the person"},
    # 4: who acted, where Azure's diagnostic settings wrote it. 5: conversations of Genie, tables of
    # temporary credentials, calls that a token authorised. 6: logins that name their token.
    # 7: logins that failed.
    version=7,
)
