"""Google Cloud audit logs: LogEntry with protoPayload AuditLog, of every service and of GKE.

Owns the meaning of AuditLog's fields. Source: cloud.google.com, reference of AuditLog,
AuthenticationInfo and LogEntry; "Audit logs for service accounts"; GKE's calls are read into the
words of clusters.py. Also read: exports in lower case, and BigQuery's columns
(protopayload_auditlog with requestJson, responseJson, metadataJson). Real entries of 60 methods
were read; not verified on real entries: agents' principals, ExchangeToken, BigQuery's columns.

Whose realm a name is of is gcp/names.py's, who called gcp/callers.py's, what a method does
gcp/calls.py's, what a statement in a database does gcp/databases.py's.

A token of GenerateAccessToken has no id in any log. What its later uses do show is the service
account and who borrowed it over which others, so that is the credential: ``<account> by <first
caller> via <the others>``. Not verified: that uses list the delegates that the issuance names.
Long operations log two entries (operation.first, operation.last); both are events. Pure.
"""

import re
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from evidence.formats import clusters, postgres, tables, times
from evidence.formats.gcp import databases
from evidence.formats.gcp.callers import NOBODY, caller_named, chain
from evidence.formats.gcp.calls import PATTERNS, of_cluster
from evidence.formats.gcp.names import (
    borrowed,
    by_way_of,
    key_of,
    named,
    realm_of,
)
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
from evidence.formats.record import ActorName, Issued
from evidence.formats.tables import Row, Table
from evidence.formats.written import Of, Remembered
from evidence.vocabulary import OUTCOME_FAILED, OUTCOME_OK, OUTCOME_REFUSED, OUTCOME_UNKNOWN

_LOG_OF = re.compile(r"(?:projects|organizations|folders|billingAccounts)/([^/]+)")
_ACCOUNT = re.compile(r"serviceAccounts/([^/]+)")
_JSONS = ("request", "response", "metadata", "serviceData")


# --- the entry


def _opened(record: Row) -> Row:
    """BigQuery's columns as the entry they were made of."""
    columns = record.get("protopayload_auditlog")
    if type(columns) is not dict:
        return record
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


@lru_cache(maxsize=16_384)
def _realm_of_log(log: str) -> str:
    """The realm of what wrote to a log; '' when its name does not say."""
    found = _LOG_OF.match(log)
    return realm_of(found[1]) if found is not None and found[1] else ""


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
    payload = _payload(record)
    method = payload.get("methodName")
    if type(method) is not str or "\0" in method:
        method = stated(payload, "methodName")
    status, request = payload.get("status"), payload.get("request")
    trace, span = record.get("trace"), record.get("spanId")
    if span is None:
        span = record.get("spanid")
    # Names as Google writes them are the rule; those of exports in lower case come afterwards.
    who, asked = payload.get("authenticationInfo"), payload.get("requestMetadata")
    if type(who) is not dict:
        who = row(member(payload, "authenticationInfo"))
    if type(asked) is not dict:
        asked = row(member(payload, "requestMetadata"))
    realm = _realm_of_log(stated(record, "logName")) or realm_of(_project(record))
    # Most callers call again and again: what they are is read once.
    caller = caller_named(orjson.dumps(who)) if who else NOBODY
    principal = caller.principal
    if caller.of_cluster:
        principal = clusters.named(caller.of_cluster, _cluster(record))
    elif principal is None:
        username = said(request, "username")
        principal = tables.actor(realm, "user", username) if username else None
    action, in_cluster, fails, in_database = _METHODS[method]
    if not in_cluster and "k8s.io" in (payload.get("serviceName"), payload.get("servicename")):
        action, in_cluster = of_cluster(method) or method, True
    resource = payload.get("resourceName")
    if type(resource) is not str or not resource or "\0" in resource:
        resource = stated(payload, "resourceName")
    if in_cluster and resource:
        resource = clusters.from_path(resource)
    session = stated(request, "databaseSessionId") if type(request) is dict else None
    if in_database:
        done = databases.statement(request, resource)
        if done is not None:
            action, resource, of_database, session = done
            principal = of_database or principal
    address, client = asked.get("callerIp"), asked.get("callerSuppliedUserAgent")
    if type(address) is not str or not address:
        address = stated(asked, "callerIp") or stated(asked, "callerIP")
    return (
        realm,
        action or _method_elsewhere(record, payload),
        resource or _resource_elsewhere(payload),
        _outcome(payload, status, fails=fails),
        principal,
        caller.credential,
        caller.agent,
        caller.on_behalf,
        address,
        client if type(client) is str else stated(asked, "callerSuppliedUserAgent"),
        session,
        stated(status, "message") if status and type(status) is dict else None,
        stated(record, "insertId"),
        text(trace).rpartition("/")[2] if trace is not None else None,
        text(span) if span is not None else None,
    )


# --- what was called


class _Method(NamedTuple):
    """What a method's name says. `fails`: Workspace's sign-ins say it in their name alone."""

    action: str
    in_cluster: bool
    fails: bool
    in_database: bool


def _method(name: str) -> _Method:
    in_cluster = name.startswith("io.k8s.")
    action = (of_cluster(name) if in_cluster else None) or name
    return _Method(action, in_cluster, name.endswith("Failure"), name in databases.METHODS)


_METHODS = Remembered(_method)


def _method_elsewhere(record: Row, payload: Row) -> str | None:
    # BigQuery's newest entries say it in their metadata; some exports lose the payload.
    return said(payload, "metadata", "methodName") or said(record, "methodName") or None


def _resource_elsewhere(payload: Row) -> str | None:
    asked = first(member(payload, "authorizationInfo"))
    return said(asked, "resource") or said(asked, "resourceAttributes", "name") or None


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
        return OUTCOME_REFUSED
    asked = payload.get("authorizationInfo")
    if asked is None:
        asked = payload.get("authorizationinfo")
    if asked and type(asked) is list:
        granted = [one.get("granted") for one in asked[:100] if type(one) is dict]
        if False in granted and True not in granted:
            return OUTCOME_REFUSED
    return OUTCOME_OK


# --- what was issued


def _issued(record: Row, realm: str, who: ActorName | None) -> Issued | None:
    payload = _payload(record)
    method = stated(payload, "methodName")
    if not method.endswith(_ISSUING):
        return None
    method = method.rpartition(".")[2]
    if method not in _ISSUING:
        return None
    answer = row(payload.get("response"))
    account = text(inside(record, "resource", "labels").get("email_id"))
    if not account:
        name = said(payload, "request", "name") or said(payload, "resourceName")
        found = _ACCOUNT.search(name)
        account = found[1] if found is not None else ""
    holder = named(account, "service_account") if account else None
    if method in ("CreateServiceAccountKey", "UploadServiceAccountKey"):
        made = key_of(text(answer.get("name")))
        expires = answer.get("valid_before_time") or member(answer, "validBeforeTime")
        if type(expires) is dict:
            expires = expires.get("seconds")
        return None if made is None else Issued(made, holder or who, True, times.moment(expires))
    if method == "CreateKey":
        inner = inside(answer, "response") or answer
        number = said(inner, "name")
        if "/keys/" not in number:
            return None
        return Issued(tables.actor(realm, "key", number), who, True, None)
    if holder is None or who is None:
        return None
    if method.startswith("Sign"):
        signed = key_of(f"serviceAccounts/{account}/keys/{said(answer, 'keyId')}")
        return Issued(signed, holder, False, None) if signed and said(answer, "keyId") else None
    # Whoever holds the token next came by way of all of these.
    listed = member(row(payload.get("request")), "delegates")
    over = map(_ACCOUNT.search, map(text, listed[:50] if type(listed) is list else ()))
    delegates = [named(one[1], "service_account") for one in over if one is not None]
    way = (*chain(row(member(payload, "authenticationInfo"))), who, *delegates)
    return Issued(borrowed(holder, by_way_of(way)), holder, False, None)


_ISSUING = (
    *("CreateServiceAccountKey", "UploadServiceAccountKey", "CreateKey"),
    *("GenerateAccessToken", "SignJwt", "SignBlob"),
)
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
    ),
    mark=b'"methodName"',
    opens=_opened,
    realm=Of(_entry, 0),
    at=(
        either("timestamp"),
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
    issued=_issued,
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
                ("request", "queryInput query_input text plaintext ciphertext"),
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
        "protoPayload.request.query",
        "protoPayload.request.sql",
        "protoPayload.request.statement",
    ),
    lacks={
        "session": "audit entries name no session; only Cloud SQL's do",
        "request id": "only long operations have one; entries are told apart by insertId",
    },
    version=3,  # 3: statements in databases; every delegate of a chain
)
