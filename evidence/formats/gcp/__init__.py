"""Google Cloud audit logs: LogEntry with protoPayload AuditLog, of every service and of GKE.

Owns the meaning of AuditLog's fields. Source: cloud.google.com, reference of AuditLog,
AuthenticationInfo and LogEntry; "Audit logs for service accounts"; GKE's calls are read into the
words of clusters.py. Also read: exports in lower case, and BigQuery's columns
(protopayload_auditlog with requestJson, responseJson, metadataJson). Real entries of 60 methods
were read; not verified on real entries: agents' principals, ExchangeToken, BigQuery's columns.

Whose realm a name is of is gcp/names.py's, what a method does gcp/calls.py's.

A token of GenerateAccessToken has no id in any log. What its later uses do show is the service
account and who borrowed it, so that pair is the credential: ``<account> by <first caller>``.
Long operations log two entries (operation.first, operation.last); both are events. Pure.
"""

import re

import orjson

from evidence.formats import clusters, tables, times
from evidence.formats.gcp.calls import PATTERNS, of_cluster
from evidence.formats.gcp.names import (
    MEMBER_KINDS,
    borrowed,
    key_of,
    named,
    of_subject,
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
    text,
    told,
    ways,
)
from evidence.formats.record import ActorName, Issued
from evidence.formats.tables import Row, Table
from evidence.vocabulary import OUTCOME_FAILED, OUTCOME_OK, OUTCOME_REFUSED, OUTCOME_UNKNOWN

_LOG_OF = re.compile(r"(?:projects|organizations|folders|billingAccounts)/([^/]+)")
_ACCOUNT = re.compile(r"serviceAccounts/([^/]+)")
_ADDRESS, _USER_AGENT = ways("callerIp", "callerIP"), ways("callerSuppliedUserAgent")
_KEY = ways("serviceAccountKeyName")
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


def _part(record: Row, name: str) -> Row:
    # Names as Google writes them are the rule; those of exports in lower case come afterwards.
    payload = record.get("protoPayload")
    if type(payload) is not dict:
        payload = _payload(record)
    found = payload.get(name)
    return found if type(found) is dict else row(member(payload, name))


def _method(payload: Row) -> str:
    found = payload.get("methodName")
    if type(found) is str and "\0" not in found:
        return found
    return text(member(payload, "methodName"))


def _project(record: Row) -> str:
    found = _LOG_OF.match(text(member(record, "logName")))
    if found is not None:
        return found[1]
    labels = inside(record, "resource", "labels")
    for name in ("project_id", "organization_id", "folder_id"):
        stated = text(labels.get(name))
        if stated:
            return stated
    found = _LOG_OF.search(said(_payload(record), "resourceName"))
    return found[1] if found is not None else ""


def _realm(record: Row) -> str:
    return realm_of(_project(record))


def _cluster(record: Row) -> str:
    labels = inside(record, "resource", "labels")
    parts = (_project(record), text(labels.get("location")), text(labels.get("cluster_name")))
    return clusters.realm_of("/".join(part for part in parts if part) if parts[2] else parts[0])


# --- what was called


def _is_cluster(payload: Row, method: str) -> bool:
    service = payload.get("serviceName")
    if type(service) is not str or "\0" in service:
        service = text(member(payload, "serviceName"))
    return service == "k8s.io" or method.startswith("io.k8s.")


def _action(record: Row) -> str | None:
    payload = _payload(record)
    method = _method(payload)
    if not method:
        # BigQuery's newest entries say it in their metadata; some exports lose the payload.
        return said(payload, "metadata", "methodName") or said(record, "methodName") or None
    if _is_cluster(payload, method):
        return of_cluster(method) or method
    return method


def _resource(record: Row) -> str | None:
    payload = _payload(record)
    name = text(member(payload, "resourceName"))
    if name:
        if _is_cluster(payload, _method(payload)):
            return clusters.from_path(name)
        return name
    asked = first(member(payload, "authorizationInfo"))
    return said(asked, "resource") or said(asked, "resourceAttributes", "name") or None


def _outcome(record: Row) -> int:
    payload = _payload(record)
    if not payload:
        return OUTCOME_UNKNOWN
    status = payload.get("status")
    if type(status) is not dict:
        status = NOTHING
    code = status.get("code")
    if type(code) is str and code.isdecimal():
        code = int(code[:4])
    if type(code) is int and code:
        # google.rpc.Code: PERMISSION_DENIED and UNAUTHENTICATED.
        return OUTCOME_REFUSED if code in (7, 16) else OUTCOME_FAILED
    if _method(payload).endswith("Failure"):
        return OUTCOME_REFUSED  # Workspace's sign-ins say it in their name alone
    if text(status.get("message")) in ("PERMISSION_DENIED", "UNAUTHENTICATED"):
        return OUTCOME_REFUSED
    asked = member(payload, "authorizationInfo")
    if type(asked) is list and asked:
        granted = [one.get("granted") for one in asked[:100] if type(one) is dict]
        if False in granted and True not in granted:
            return OUTCOME_REFUSED
    return OUTCOME_OK


# --- who called


def _principal(record: Row, realm: str) -> ActorName | None:
    who = _part(record, "authenticationInfo")
    address, subject = who.get("principalEmail"), who.get("principalSubject")
    if type(address) is not str or "\0" in address:
        address = text(member(who, "principalEmail"))
    if type(subject) is not str or "\0" in subject:
        subject = text(member(who, "principalSubject"))
    if address.startswith("system:"):
        return clusters.named(address, _cluster(record))
    if subject.startswith("principal"):
        return of_subject(subject)
    if address:
        return named(address, MEMBER_KINDS.get(subject.partition(":")[0], ""))
    if subject:
        return of_subject(subject)
    other = said(who, "authoritySelector")
    if other:
        return clusters.named(other, _cluster(record))
    username = said(_payload(record), "request", "username")
    return tables.actor(realm, "user", username) if username else None


def _borrower(who: Row) -> ActorName | None:
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
    who = _part(record, "authenticationInfo")
    key = told(who, _KEY)
    if key:
        return key_of(key)
    origin = _borrower(who)
    if origin is not None:
        address = text(member(who, "principalEmail"))
        if address:
            return borrowed(named(address, "service_account"), origin.value)
    client = member(who, "oauthInfo")
    if type(client) is not dict:
        return None
    number = text(member(client, "oauthClientId"))
    return tables.actor("gcp", "app", number) if number else None


def _on_behalf(record: Row, _: str) -> ActorName | None:
    return _borrower(_part(record, "authenticationInfo"))


def _agent(record: Row, _: str) -> ActorName | None:
    """An agent's own identity (a SPIFFE id under agents.global…)."""
    subject = text(member(_part(record, "authenticationInfo"), "principalSubject"))
    return of_subject(subject) if "://agents." in subject else None


def _address(record: Row) -> str | None:
    return told(_part(record, "requestMetadata"), _ADDRESS) or None


def _user_agent(record: Row) -> str | None:
    return told(_part(record, "requestMetadata"), _USER_AGENT) or None


def _session(record: Row) -> str | None:
    asked = _payload(record).get("request")
    return (text(member(asked, "databaseSessionId")) or None) if type(asked) is dict else None


def _trace(record: Row) -> str | None:
    trace = text(record.get("trace"))
    return (trace.rpartition("/")[2] or None) if trace else None


# --- what was issued


def _issued(record: Row, realm: str, who: ActorName | None) -> Issued | None:
    payload = _payload(record)
    method = _method(payload).rpartition(".")[2]
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
    origin = _borrower(_part(record, "authenticationInfo")) or who
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
    session=(_session,),
    resource=(_resource,),
    outcome=_outcome,
    error=(either("protoPayload", "status", "message"),),
    activities=clusters.ACTIVITIES,
    patterns=(*clusters.PATTERNS, *PATTERNS),
    issued=_issued,
    address=(_address,),
    user_agent=(_user_agent,),
    request_id=("operation.id",),
    trace_id=(_trace,),
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
            for place in clusters.BODY
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
