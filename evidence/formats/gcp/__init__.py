"""Google Cloud audit logs: LogEntry with protoPayload AuditLog, of every service and of GKE.

Owns the meaning of AuditLog's fields. Source: cloud.google.com, reference of AuditLog,
AuthenticationInfo and LogEntry; "Audit logs for service accounts"; GKE's calls are read into the
words of clusters.py. Also read: exports in lower case, and BigQuery's columns
(protopayload_auditlog with requestJson, responseJson, metadataJson). Real entries of 60 methods
were read; not verified on real entries: agents' principals, ExchangeToken, BigQuery's columns.

Whose realm a name is of is gcp/names.py's, who called gcp/callers.py's, what a method does
gcp/calls.py's, what it issues gcp/issuing.py's, what a statement in a database does
gcp/databases.py's.

A token of GenerateAccessToken has no id in any log. What its later uses do show is the service
account and who borrowed it over which others, so that is the credential: ``<account> by <first
caller> via <the others>``. Not verified: that uses list the delegates that the issuance names.
Long operations log two entries (operation.first, operation.last); both are events. Pure.
"""

import re
from typing import Any, NamedTuple

import orjson

from evidence.formats import clusters, postgres, tables
from evidence.formats.gcp import databases, issuing, logins, workspace
from evidence.formats.gcp.callers import NOBODY, caller_named
from evidence.formats.gcp.calls import PATTERNS, of_cluster
from evidence.formats.gcp.names import monitored, realm_of
from evidence.formats.members import (
    NOTHING,
    either,
    first,
    inside,
    member,
    row,
    said,
    stated,
    text,
)
from evidence.formats.tables import Row, Table
from evidence.formats.written import Of, Remembered
from evidence.vocabulary import OUTCOME_FAILED, OUTCOME_OK, OUTCOME_REFUSED, OUTCOME_UNKNOWN

_LOG_OF = re.compile(r"(?:projects|organizations|folders|billingAccounts)/([^/]+)")
_JSONS = ("request", "response", "metadata", "serviceData")

_SUCCEEDED = (OUTCOME_OK, OUTCOME_UNKNOWN)


# --- the entry


def _opened(record: Row) -> Row:
    """BigQuery's columns as the entry they were made of."""
    columns = record.get("protopayload_auditlog")
    if type(columns) is not dict:
        return workspace.opened(record) if workspace.MARK in record else record
    payload = dict(columns)
    for name in _JSONS:
        for written in (f"{name}Json", f"{name.lower()}_json"):
            text = payload.pop(written, None)
            if type(text) is str and text:
                try:
                    payload[name] = orjson.loads(text)
                except (ValueError, RecursionError):
                    payload[name] = text
    rest = {name: value for name, value in record.items() if name != "protopayload_auditlog"}
    return rest | {"protoPayload": payload}


def _payload(record: Row) -> Row:
    found = record.get("protoPayload")
    if found is None:
        found = record.get("protopayload")
    return found if type(found) is dict else NOTHING


def _realm_of_log(log: str) -> str:
    """The realm of what wrote to a log; '' when its name does not say."""
    found = _LOG_OF.match(text(log))
    return realm_of(found[1]) if found is not None and found[1] else ""


_REALMS = Remembered(_realm_of_log)
_OBJECTS = Remembered(clusters.from_path)


def _project(record: Row) -> str:
    found = _LOG_OF.match(stated(record, "logName"))
    if found is not None and found[1]:
        return found[1]
    labels = inside(record, "resource", "labels")
    for name in ("project_id", "organization_id", "folder_id"):
        owner = text(labels.get(name))
        if owner:
            return owner
    found = _LOG_OF.search(said(_payload(record), "resourceName"))
    return found[1] if found is not None else ""


def _cluster(record: Row) -> str:
    labels = inside(record, "resource", "labels")
    parts = (_project(record), text(labels.get("location")), text(labels.get("cluster_name")))
    return clusters.realm_of("/".join(part for part in parts if part) if parts[2] else parts[0])


def _entry(record: Row) -> tuple[Any, ...]:
    """What the table below takes by its place: it stands in the same few objects."""
    payload = record.get("protoPayload")
    if type(payload) is not dict:
        payload = _payload(record)
    read = payload.get
    name, status, request = read("methodName"), read("status"), read("request")
    if type(name) is not str:
        name = stated(payload, "methodName")
    # Names as Google writes them are the rule; those of exports in lower case come afterwards.
    who, asked = read("authenticationInfo"), read("requestMetadata")
    if type(who) is not dict:
        who = row(member(payload, "authenticationInfo"))
    if type(asked) is not dict:
        asked = row(member(payload, "requestMetadata")) or inside(
            payload, "metadata", "requestMetadata"
        )
    log, number = record.get("logName"), record.get("insertId")
    realm = _REALMS[log if type(log) is str else stated(record, "logName")]
    realm = realm or realm_of(_project(record))
    # Most callers call again and again: what they are is read once.
    caller = caller_named(orjson.dumps(who)) if who else NOBODY
    principal, local, credential, agent, on_behalf, _, _ = caller
    if local:
        principal = clusters.named(local, _cluster(record))
    elif principal is None:
        username = said(request, "username")
        principal = tables.actor(realm, "user", username) if username else None
    action, in_cluster, fails, in_database, issues, warns = _METHODS[name]
    if not in_cluster and "k8s.io" in (read("serviceName"), read("servicename")):
        action, in_cluster = of_cluster(name) or name, True
    resource = read("resourceName")
    if type(resource) is not str or not resource:
        resource = stated(payload, "resourceName")
    if in_cluster and resource:
        resource = _OBJECTS[resource]
    about = None
    if warns:
        about = logins.warned_of(payload)
        principal = principal or logins.signed_in(name, about)
    session = stated(request, "databaseSessionId") if type(request) is dict else None
    if in_database:
        done = databases.statement(request, resource)
        if done is not None:
            action, resource, of_database, session = done
            principal = of_database or principal
    ended = _outcome(payload, status, fails=fails)
    issued = None
    if issues and ended in _SUCCEEDED:
        issued = issuing.issued(issues, record, payload, realm, principal, caller)
    address, client = asked.get("callerIp"), asked.get("callerSuppliedUserAgent")
    if type(address) is not str or not address:
        address = stated(asked, "callerIp") or stated(asked, "callerIP")
    at, trace, span = record.get("timestamp"), record.get("trace"), record.get("spanId")
    if span is None:
        span = record.get("spanid")
    return (
        realm,
        action or _method_elsewhere(record, payload),
        about or resource or _resource_elsewhere(record, payload),
        ended,
        principal,
        credential,
        agent,
        on_behalf,
        address,
        client if type(client) is str else stated(asked, "callerSuppliedUserAgent"),
        session,
        stated(status, "message") if status and type(status) is dict else None,
        number if type(number) is str else stated(record, "insertId"),
        text(trace).rpartition("/")[2] if trace is not None else None,
        text(span) if span is not None else None,
        at if type(at) is str and at else None,
        issued,
    )


# --- what was called


class _Method(NamedTuple):
    """What a method's name says. `fails`: Workspace's sign-ins say it in their name alone;
    `issues`: see issuing.issues; `warns`: of an account, perhaps."""

    action: str
    in_cluster: bool
    fails: bool
    in_database: bool
    issues: str
    warns: bool


def _method(name: str) -> _Method:
    in_cluster = name.startswith("io.k8s.")
    action = (of_cluster(name) if in_cluster else None) or name
    fails, in_database = name.endswith("Failure"), name in databases.METHODS
    warns = name.startswith(logins.METHODS)
    return _Method(action, in_cluster, fails, in_database, issuing.issues(name), warns)


_METHODS = Remembered(_method)


def _method_elsewhere(record: Row, payload: Row) -> str | None:
    # BigQuery's newest entries say it in their metadata; some exports lose the payload. What was
    # asked for is said by the permission as well.
    return (
        said(payload, "metadata", "methodName")
        or said(record, "methodName")
        or said(first(member(payload, "authorizationInfo")), "permission")
        or None
    )


def _resource_elsewhere(record: Row, payload: Row) -> str | None:
    asked = first(member(payload, "authorizationInfo"))
    return (
        said(asked, "resource")
        or said(asked, "resourceAttributes", "name")
        or monitored(inside(record, "resource"))
        or None
    )


def _outcome(payload: Row, status: Any, *, fails: bool) -> int:
    if not payload:
        return OUTCOME_UNKNOWN
    if status and type(status) is dict:
        code = status.get("code")
        if type(code) is str and code.isdecimal():
            code = int(code[:4])
        if type(code) is int and code:
            # google.rpc.Code: PERMISSION_DENIED and UNAUTHENTICATED.
            return OUTCOME_REFUSED if code in (7, 16) else OUTCOME_FAILED
        if text(status.get("message")) in ("PERMISSION_DENIED", "UNAUTHENTICATED"):
            return OUTCOME_REFUSED
    if fails:
        return OUTCOME_FAILED
    asked = payload.get("authorizationInfo")
    if asked is None:
        asked = payload.get("authorizationinfo")
    if asked and type(asked) is list:
        # Most ask for one thing, and get it.
        if type(asked[0]) is dict and asked[0].get("granted") is True:
            return OUTCOME_OK
        granted = [one.get("granted") for one in asked[:100] if type(one) is dict]
        if False in granted and True not in granted:
            return OUTCOME_REFUSED
    return OUTCOME_OK


TABLE = Table(
    name="gcp",
    title="Google Cloud audit logs",
    signs=(
        ("protoPayload.methodName",),
        ("protoPayload.authenticationInfo",),
        ("protoPayload.authorizationInfo",),
        ("protoPayload.serviceName",),
        ('protoPayload["@type"]^type.googleapis.com/google.cloud.audit',),
        ("protopayload.methodName",),
        ("protopayload.methodname",),
        ("protopayload.authenticationInfo",),
        ("protopayload.authenticationinfo",),
        ("protopayload_auditlog",),
        ("p_log_type=GCP.AuditLog",),
        ("operation.producer=k8s.io",),
        ("logName", "insertId", "protoPayload"),
        (workspace.MARK, "MethodName"),
    ),
    mark=b'"methodName"',
    opens=_opened,
    realm=Of(_entry, 0),
    at=(
        Of(_entry, 15),
        either("protoPayload", "timestamp"),
        either("protoPayload", "requestMetadata", "requestAttributes", "time"),
        either("receiveTimestamp"),
        either("p_event_time"),
    ),
    vendor_id=(Of(_entry, 12),),
    action=(Of(_entry, 1),),
    principal=(Of(_entry, 4),),
    credential=(Of(_entry, 5),),
    agent=(Of(_entry, 6),),
    on_behalf=(Of(_entry, 7),),
    session=(Of(_entry, 10),),
    resource=(Of(_entry, 2),),
    outcome=Of(_entry, 3),
    error=(Of(_entry, 11),),
    activities={**clusters.ACTIVITIES, **databases.ACTIVITIES},
    patterns=(*clusters.PATTERNS, *postgres.TABLE.patterns, *PATTERNS),
    issued=Of(_entry, 16),
    address=(Of(_entry, 8),),
    user_agent=(Of(_entry, 9),),
    request_id=("operation.id",),
    trace_id=(Of(_entry, 13),),
    span_id=(Of(_entry, 14),),
    content=(
        "protoPayload.request.payload",
        "protoPayload.request.parameter",
        "protoPayload.request.parameters",
        "protoPayload.request.params",
        "protoPayload.response.signedJwt",
        "protoPayload.response.signedBlob",
        "protoPayload.response.privateKeyData",
        "protoPayload.response.keyString",
        *(
            f"protoPayload.{side}.{name}"
            for side, names in (
                ("request", "instances contents prompt messages input inputs systemInstruction"),
                ("request", "queryInput query_input text plaintext ciphertext query"),
                ("response", "predictions candidates outputs output content queryResult"),
                ("response", "plaintext ciphertext"),
            )
            for name in names.split()
        ),
        *(
            f"protoPayload.{side}{place}"
            for side in ("request", "response")
            # A cluster's command is a list; that of a statement is a word which says what it does.
            for place in (f"{one}[*]" if one == ".command" else one for one in clusters.BODY)
        ),
    ),
    statements=(
        "protoPayload.metadata.jobChange.job.jobConfig.queryConfig.query",
        "protoPayload.metadata.jobInsertion.job.jobConfig.queryConfig.query",
        "protoPayload.serviceData.jobInsertRequest.resource.jobConfiguration.query.query",
        "protoPayload.serviceData.jobInsertResponse.resource.jobConfiguration.query.query",
        "protoPayload.serviceData.jobCompletedEvent.job.jobConfiguration.query.query",
        "protoPayload.serviceData.jobQueryRequest.query",
        "protoPayload.serviceData.jobQueryResponse.job.jobConfiguration.query.query",
        "protoPayload.serviceData.jobGetQueryResultsResponse.job.jobConfiguration.query.query",
        "protoPayload.request.sql",
        "protoPayload.request.statement",
        "protoPayload.request.statements[*].sql",
        "protoPayload.request.filter",
        # Lines of a database, where a person says that they are this.
        "textPayload",
    ),
    lacks={
        "session": "audit entries name no session; only Cloud SQL's do",
        "request id": "only long operations have one; entries are told apart by insertId",
    },
    # 3: statements in databases; every delegate of a chain. 4: as in every table.
    # 5: administration of Workspace, client certificates. 6: the account that a warning is about.
    # 7: what a permission and a monitored resource say where nothing else does, suspicious sign-ins.
    # 8: sign-ins that failed.
    version=8,
)
