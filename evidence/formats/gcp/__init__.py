"""Google Cloud audit logs: LogEntry with protoPayload AuditLog, of every service and of GKE.

Owns the meaning of AuditLog's fields. Source: cloud.google.com, reference of AuditLog,
AuthenticationInfo and LogEntry; "Audit logs for service accounts"; GKE's calls are read into the
vocabulary of kubernetes.py. Also read: exports in lower case, and BigQuery's columns
(protopayload_auditlog with requestJson, responseJson, metadataJson). Real entries of 60 methods
were read; not verified on real entries: agents' principals, ExchangeToken, BigQuery's columns.

Whose realm a name is of is gcp/names.py's.

A token of GenerateAccessToken has no id in any log. What its later uses do show is the service
account and who borrowed it, so that pair is the credential: ``<account> by <first caller>``.
Long operations log two entries (operation.first, operation.last); both are events. Pure.
"""

import re
from functools import lru_cache
from typing import Any

import orjson

from evidence.formats import kubernetes, tables, times
from evidence.formats.gcp.names import (
    MEMBER_KINDS,
    borrowed,
    key_of,
    named,
    of_subject,
    realm_of,
)
from evidence.formats.members import either, first, inside, member, said
from evidence.formats.record import ActorName, Issued
from evidence.formats.tables import Row, Table
from evidence.vocabulary import (
    AUTHENTICATION,
    CHANGE,
    ISSUANCE,
    OUTCOME_FAILED,
    OUTCOME_OK,
    OUTCOME_REFUSED,
    OUTCOME_UNKNOWN,
    REVOCATION,
    USE,
)

_VERSION = re.compile(r"v\d+(?:(?:alpha|beta)\d+)?$")
_VERBS = frozenset(
    [
        "get",
        "list",
        "watch",
        "create",
        "update",
        "patch",
        "delete",
        "deletecollection",
        "proxy",
        "connect",
    ]
)
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


def _payload(record: Row) -> dict[str, Any]:
    found = record.get("protoPayload")
    if type(found) is dict:
        return found
    return inside(record, "protoPayload") or inside(record, "protopayload_auditlog")


def _project(record: Row) -> str:
    found = _LOG_OF.match(said(record, "logName"))
    if found is not None:
        return found[1]
    labels = inside(record, "resource", "labels")
    for name in ("project_id", "organization_id", "folder_id"):
        stated = said(labels, name)
        if stated:
            return stated
    found = _LOG_OF.search(said(_payload(record), "resourceName"))
    return found[1] if found is not None else ""


def _realm(record: Row) -> str:
    return realm_of(_project(record))


def _cluster(record: Row) -> str:
    """The realm of a GKE cluster's own names."""
    labels = inside(record, "resource", "labels")
    parts = (_project(record), said(labels, "location"), said(labels, "cluster_name"))
    return kubernetes.realm_of("/".join(part for part in parts if part) if parts[2] else parts[0])


# --- what was called


@lru_cache(maxsize=16_384)
def _of_cluster(method: str) -> str | None:
    """``io.k8s.core.v1.pods.exec.create`` as ``create pods/exec``."""
    parts = method.removeprefix("io.k8s.").split(".")
    if parts[-1] not in _VERBS:
        return None
    at = next((place for place, part in enumerate(parts) if _VERSION.match(part)), -1)
    named = parts[at + 1 : -1]
    if not named:
        return kubernetes.called(parts[-1], kubernetes.URLS)
    return kubernetes.called(parts[-1], named[0], "/".join(named[1:]))


def _is_cluster(payload: dict[str, Any], method: str) -> bool:
    return method.startswith("io.k8s.") or said(payload, "serviceName") == "k8s.io"


def _action(record: Row) -> str | None:
    payload = _payload(record)
    method = said(payload, "methodName")
    if not method:
        # BigQuery's newest entries say it in their metadata; some exports lose the payload.
        return said(payload, "metadata", "methodName") or said(record, "methodName") or None
    if _is_cluster(payload, method):
        return _of_cluster(method) or method
    return method


def _resource(record: Row) -> str | None:
    payload = _payload(record)
    name = said(payload, "resourceName")
    if name:
        if _is_cluster(payload, said(payload, "methodName")):
            return kubernetes.from_path(name)
        return name
    asked = first(member(payload, "authorizationInfo"))
    return said(asked, "resource") or said(asked, "resourceAttributes", "name") or None


def _outcome(record: Row) -> int:
    payload = _payload(record)
    if not payload:
        return OUTCOME_UNKNOWN
    code = member(inside(payload, "status"), "code")
    if type(code) is str and code.isdigit():
        code = int(code[:4])
    if type(code) is int and code:
        # google.rpc.Code: PERMISSION_DENIED and UNAUTHENTICATED.
        return OUTCOME_REFUSED if code in (7, 16) else OUTCOME_FAILED
    if said(payload, "methodName").endswith("Failure"):
        return OUTCOME_REFUSED  # Workspace's sign-ins say it in their name alone
    if said(payload, "status", "message") in ("PERMISSION_DENIED", "UNAUTHENTICATED"):
        return OUTCOME_REFUSED
    asked = member(payload, "authorizationInfo")
    if type(asked) is list and asked:
        granted = [one.get("granted") for one in asked[:100] if type(one) is dict]
        if False in granted and True not in granted:
            return OUTCOME_REFUSED
    return OUTCOME_OK


# --- who called


def _principal(record: Row, realm: str) -> ActorName | None:
    payload = _payload(record)
    who = inside(payload, "authenticationInfo")
    address, subject = said(who, "principalEmail"), said(who, "principalSubject")
    if address.startswith("system:"):
        return kubernetes.named(address, _cluster(record))
    if subject.startswith("principal"):
        return of_subject(subject)
    if address:
        return named(address, MEMBER_KINDS.get(subject.partition(":")[0], ""))
    if subject:
        return of_subject(subject)
    other = said(who, "authoritySelector")
    if other:
        return kubernetes.named(other, _cluster(record))
    username = said(payload, "request", "username")
    return tables.actor(realm, "user", username) if username else None


def _borrower(who: dict[str, Any]) -> ActorName | None:
    """Who began the chain of service accounts: the first of them is the origin."""
    chain = member(who, "serviceAccountDelegationInfo")
    origin = first(chain) if type(chain) is list else None
    if type(origin) is not dict or not origin:
        return None
    subject = said(origin, "principalSubject")
    address = said(origin, "firstPartyPrincipal", "principalEmail")
    if subject.startswith("principal") or (subject and not address):
        return of_subject(subject)
    if address:
        return named(address)
    claims = inside(origin, "thirdPartyPrincipal", "thirdPartyClaims")
    foreign = said(claims, "sub") or said(claims, "subject")
    return tables.actor("gcp", "federated", foreign) if foreign else None


def _credential(record: Row, _: str) -> ActorName | None:
    who = inside(_payload(record), "authenticationInfo")
    key = said(who, "serviceAccountKeyName")
    if key:
        return key_of(key)
    origin = _borrower(who)
    if origin is not None:
        address = said(who, "principalEmail")
        if address:
            return borrowed(named(address, "service_account"), origin.value)
    client = said(who, "oauthInfo", "oauthClientId")
    return tables.actor("gcp", "app", client) if client else None


def _on_behalf(record: Row, _: str) -> ActorName | None:
    return _borrower(inside(_payload(record), "authenticationInfo"))


def _agent(record: Row, _: str) -> ActorName | None:
    """An agent's own identity (a SPIFFE id under agents.global…)."""
    subject = said(_payload(record), "authenticationInfo", "principalSubject")
    return of_subject(subject) if "://agents." in subject else None


# --- what was issued


def _issued(record: Row, realm: str, who: ActorName | None) -> Issued | None:
    payload = _payload(record)
    method = said(payload, "methodName").rpartition(".")[2]
    if method not in _ISSUING:
        return None
    answer = inside(payload, "response")
    name = said(payload, "resourceName")
    account = said(record, "resource", "labels", "email_id")
    if not account:
        found = _ACCOUNT.search(said(payload, "request", "name") or name)
        account = found[1] if found is not None else ""
    holder = named(account, "service_account") if account else None
    if method in ("CreateServiceAccountKey", "UploadServiceAccountKey"):
        made = key_of(said(answer, "name"))
        expires = member(answer, "valid_before_time") or member(answer, "validBeforeTime")
        if type(expires) is dict:
            expires = member(expires, "seconds")
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
    origin = _borrower(inside(payload, "authenticationInfo")) or who
    return Issued(borrowed(holder, origin.value), holder, False, None)


_ISSUING = frozenset(
    [
        "CreateServiceAccountKey",
        "UploadServiceAccountKey",
        "CreateKey",
        "GenerateAccessToken",
        "SignJwt",
        "SignBlob",
    ]
)
_LAST = r"(?:.*\.)?"
PATTERNS = (
    (_LAST + r"(?:(?:Create|Upload)ServiceAccountKey|CreateKey)$", ISSUANCE),
    (_LAST + r"(?:Generate(?:Access|Id)Token|Sign(?:Jwt|Blob)|ExchangeToken)$", ISSUANCE),
    (r"storage\.hmacKeys\.create|.*\.CreateOauthClientCredential$", ISSUANCE),
    (
        _LAST + r"(?:Delete|Disable)(?:ServiceAccount(?:Key)?|Key|OauthClientCredential)$",
        REVOCATION,
    ),
    (r"storage\.hmacKeys\.delete|.*\.(?:revoke|signOut)\w*$", REVOCATION),
    (r"google\.login\.|google\.ssh-serialport\.|google\.cloud\.oslogin\.", AUTHENTICATION),
    (r"(?:google\.)?storage\.objects\.|.*\.(?:InsertJob|InsertAll|Query)$", USE),
    (
        _LAST + r"(?i:create|insert|update|patch|delete|set|add|remove|enable|disable|undelete|move"
        r"|import|upload|restore|destroy|attach|detach|change|replace|rotate|assign)\w*$",
        CHANGE,
    ),
    (r".*(?:Created|Updated|Deleted|Changed|Added|Removed|Enabled|Disabled)$", CHANGE),
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
    realm=_realm,
    at=(
        either("timestamp"),
        either("protoPayload", "timestamp"),
        either("protoPayload", "requestMetadata", "requestAttributes", "time"),
        either("receiveTimestamp"),
        either("p_event_time"),
    ),
    vendor_id=(either("insertId"),),
    action=(_action,),
    principal=(_principal,),
    credential=(_credential,),
    agent=(_agent,),
    on_behalf=(_on_behalf,),
    session=(either("protoPayload", "request", "databaseSessionId"),),
    resource=(_resource,),
    outcome=_outcome,
    error=(either("protoPayload", "status", "message"),),
    activities=kubernetes.ACTIVITIES,
    patterns=(*kubernetes.PATTERNS, *PATTERNS),
    issued=_issued,
    address=(
        either("protoPayload", "requestMetadata", "callerIp"),
        either("protoPayload", "requestMetadata", "callerIP"),
    ),
    user_agent=(either("protoPayload", "requestMetadata", "callerSuppliedUserAgent"),),
    request_id=("operation.id",),
    trace_id=(lambda record: said(record, "trace").rpartition("/")[2] or None,),
    span_id=(either("spanId"),),
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
            for place in kubernetes.BODY
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
)
