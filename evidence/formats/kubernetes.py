"""Kubernetes audit events: raw, from EKS (CloudWatch) and from AKS (diagnostic settings).

Owns the meaning of audit.k8s.io/v1 and the one vocabulary of calls, ``verb resource/subresource``,
which Google's wrapped entries share (gcp.py). Sources: kubernetes.io, reference of the audit
API and of authentication (extra attributes of bound tokens, KEP-4193); EKS, AKS: their guides to
control plane logs. Read in real events: EKS and AKS shapes; not verified: columns of AKSAudit.

An event names no cluster. What wraps it does: the log group of EKS, the resource id of AKS, a
member ``cluster`` or ``cluster_name`` that the sender adds. Without it all clusters share the
realm ``k8s``.

A request is logged in stages; each is an event of its own (the vendor id names the stage), and
only what ends a request says how it ended and what it issued. Pure.
"""

import re
from functools import lru_cache
from typing import Any

import orjson

from evidence.formats import aws, tables, times
from evidence.formats.members import first, inside, member, said
from evidence.formats.record import ActorName, Issued
from evidence.formats.tables import Row, Table, Unreadable
from evidence.vocabulary import (
    CHANGE,
    ISSUANCE,
    OUTCOME_FAILED,
    OUTCOME_OK,
    OUTCOME_REFUSED,
    OUTCOME_UNKNOWN,
    REVOCATION,
    USE,
)

URLS = "nonResourceURLs"
SERVICE_ACCOUNT = "system:serviceaccount:"
_CREDENTIAL = "authentication.kubernetes.io/credential-id"
_ISSUED = "authentication.kubernetes.io/issued-credential-id"
_POD_UID = "authentication.kubernetes.io/pod-uid"
_POD_NAME = "authentication.kubernetes.io/pod-name"
# What a wrapping says of the event inside.
_ABOUT = (
    "resourceId",
    "_ResourceId",
    "logGroup",
    "owner",
    "cluster",
    "cluster_name",
    "clusterName",
    "time",
    "p_source_label",
    "p_event_time",
)
_NOBODY = frozenset({"system:anonymous", "system:unauthenticated"})
_OF_AKS = frozenset({"aksService", "acsService", "masterclient", "nodeclient"})
_LOG_GROUP = re.compile(r"/aws/eks/([^/]+)/")
_AKS = re.compile(
    r"/subscriptions/([^/]+)/resource-?groups/([^/]+)/.*?/managedclusters/([^/]+)", re.IGNORECASE
)
_URI = re.compile(
    r"/(?:api/[^/?]+|apis/[^/?]+/[^/?]+)(?:/namespaces/(?P<namespace>[^/?]+)(?=/[^/?]))?"
    r"/(?P<resource>[^/?]+)(?:/(?P<name>[^/?]+)(?:/(?P<subresource>[^/?]+))?)?"
)


# --- where it happened


def _opened(record: Row) -> Row:
    """The event in an AKS log entry or a CloudWatch event, with what names its cluster."""
    if member(record, "verb") is not None:
        return record
    outer = member(record, "properties")
    text = member(outer, "log") if type(outer) is dict else member(record, "message")
    if type(text) is str:
        try:
            text = orjson.loads(text)
        except (ValueError, RecursionError):
            return record
    if type(text) is not dict or not text:
        return record
    about = {name: record[name] for name in _ABOUT if type(record.get(name)) is str}
    return about | text


def _realm(record: Row) -> str:
    group = _LOG_GROUP.match(said(record, "logGroup"))
    if group is not None:
        if "message" in record:
            raise Unreadable("is a line of a control plane's own log, not an audit event")
        owner = said(record, "owner")
        return realm_of(f"{owner}/{group[1]}" if owner else group[1])
    aks = _AKS.search(said(record, "resourceId") or said(record, "_ResourceId"))
    if aks is not None:
        return realm_of("/".join(aks.groups()))
    for name in ("cluster_name", "cluster", "clusterName", "p_source_label"):
        cluster = said(record, name)
        if cluster:
            return realm_of(cluster)
    return "k8s"


@lru_cache(maxsize=4096)
def realm_of(cluster: str) -> str:
    """The realm of a cluster's names."""
    return f"k8s:{cluster.lower()}"[:200] if cluster else "k8s"


# --- what was called


@lru_cache(maxsize=16_384)
def called(verb: str, resource: str, subresource: str = "") -> str:
    """``create pods/exec``: the vocabulary of all clusters."""
    return (
        f"{verb.lower()} {resource}/{subresource}" if subresource else f"{verb.lower()} {resource}"
    )


def place(namespace: str, resource: str, name: str) -> str:
    """``namespaces/default/pods/web-1``; of a whole cluster: ``clusterroles/reader``."""
    within = f"namespaces/{namespace}/" if namespace and resource != "namespaces" else ""
    return f"{within}{resource}/{name}" if name else f"{within}{resource}"


def _target(record: Row) -> tuple[str, str, str, str]:
    """(namespace, resource, name, subresource); a resource of '' is a path of no resource."""
    target = inside(record, "objectRef")
    resource = said(target, "resource")
    if resource:
        name = said(target, "name")
        if not name and said(record, "verb") == "create":
            # Names that the server makes are only in its answer.
            name = said(record, "responseObject", "metadata", "name") or said(
                record, "requestObject", "metadata", "name"
            )
        return said(target, "namespace"), resource, name, said(target, "subresource")
    found = _URI.match(said(record, "requestURI"))
    if found is None:
        return "", "", "", ""
    namespace, resource, name, subresource = found.groups("")
    return namespace, resource, name, subresource


def _action(record: Row) -> str | None:
    verb = said(record, "verb")
    if not verb:
        return None
    _, resource, _, subresource = _target(record)
    if not resource and not member(record, "requestURI"):
        return None
    return called(verb, resource or URLS, subresource)


def _resource(record: Row) -> str | None:
    namespace, resource, name, _ = _target(record)
    if resource:
        return place(namespace, resource, name)
    return said(record, "requestURI").split("?", 1)[0] or None


def _outcome(record: Row) -> int:
    code = member(inside(record, "responseStatus"), "code")
    if type(code) is str and code.isdigit():
        code = int(code[:4])
    if type(code) is int and code:
        if code in (401, 403):
            return OUTCOME_REFUSED
        return OUTCOME_OK if code < 400 else OUTCOME_FAILED
    if said(record, "stage") == "Panic":
        return OUTCOME_FAILED
    decision = said(record, "annotations", "authorization.k8s.io/decision")
    return OUTCOME_REFUSED if decision == "forbid" else OUTCOME_UNKNOWN


# --- who called


@lru_cache(maxsize=65_536)
def named(username: str, realm: str) -> ActorName:
    """A user name as the cluster knows it; what AWS authenticated is AWS's name."""
    if username.startswith(SERVICE_ACCOUNT):
        return tables.actor(realm, "service_account", username)
    if username.startswith("arn:"):
        return of_aws(username)
    if username in _NOBODY:
        return tables.actor(realm, "user", username)
    if username.startswith(("system:", "eks:")) or username in _OF_AKS:
        return tables.actor(realm, "service", username)
    return tables.actor(realm, "user", username)


@lru_cache(maxsize=65_536)
def of_aws(arn: str, role: str = "") -> ActorName:
    """AWS's name as its own audit log writes it."""
    return aws.role_session(arn, role) if ":assumed-role/" in arn else aws.arn_actor(arn)


def _extra(record: Row, name: str) -> str:
    """What the authenticator adds; some exports rewrite the names' dots and slashes."""
    extra = inside(record, "user", "extra")
    if not extra:
        return ""
    value = member(extra, name)
    if value is None:
        value = member(extra, name.replace("/", "_slash_").replace(".", "_"))
    if value is None and "/" in name:
        value = member(extra, name.replace(".", "_").replace("/", "_slash_", 1))
        if value is None:
            value = member(extra, name.replace(".", "_").replace("/", "_"))
    value = first(value)
    return value.replace("\0", "") if type(value) is str else ""


def _principal(record: Row, realm: str) -> ActorName | None:
    username = said(record, "user", "username")
    if not username:
        return None
    if username.startswith("arn:"):
        return of_aws(username, _extra(record, "canonicalArn"))
    return named(username, realm)


def _on_behalf(record: Row, realm: str) -> ActorName | None:
    username = said(record, "impersonatedUser", "username")
    return named(username, realm) if username else None


def _holder(record: Row, realm: str) -> ActorName | None:
    """The service account whose token or pod this is: what people bind."""
    username = said(record, "user", "username")
    return named(username, realm) if username.startswith(SERVICE_ACCOUNT) else None


@lru_cache(maxsize=65_536)
def _stated(credential: str, realm: str, holder: ActorName | None) -> ActorName:
    kind, _, value = credential.partition("=")
    if kind == "JTI":
        return tables.actor(realm, "token", value, holder)
    if kind == "X509SHA256":
        return tables.actor(realm, "certificate", value)
    return tables.actor(realm, "session", credential)


def _pod(record: Row, realm: str) -> ActorName | None:
    uid = _extra(record, _POD_UID)
    if not uid:
        name = _extra(record, _POD_NAME)
        if not name:
            return None
        namespace = said(record, "user", "username").removeprefix(SERVICE_ACCOUNT).split(":", 1)[0]
        uid = f"{namespace}/{name}"
    return tables.actor(realm, "pod", uid, _holder(record, realm))


def _credential(record: Row, realm: str) -> ActorName | None:
    """The token or certificate; AWS's key or session; else, before Kubernetes 1.29, the pod."""
    stated = _extra(record, _CREDENTIAL)
    if stated:
        return _stated(stated, realm, _holder(record, realm))
    arn = _extra(record, "arn")
    if arn.startswith("arn:"):
        role = _extra(record, "canonicalArn")
        key = _extra(record, "accessKeyId")
        caller = of_aws(arn, role)
        return aws.access_key(key, caller.parent or caller) if key else caller
    return _pod(record, realm)


def _workload(record: Row, realm: str) -> ActorName | None:
    """The pod that holds the token, where the token itself is the credential."""
    return _pod(record, realm) if _extra(record, _CREDENTIAL) else None


def _session(record: Row) -> str | None:
    return _extra(record, "sessionName") or _extra(record, _POD_UID) or None


def _issued(record: Row, realm: str, _: ActorName | None) -> Issued | None:
    """The token of a TokenRequest: the annotation is what its later uses show."""
    stated = said(record, "annotations", _ISSUED)
    if not stated:
        return None
    namespace, resource, name, subresource = _target(record)
    holder = None
    if resource == "serviceaccounts" and subresource == "token" and name:
        holder = named(f"{SERVICE_ACCOUNT}{namespace}:{name}", realm)
    expires = said(record, "responseObject", "status", "expirationTimestamp")
    return Issued(_stated(stated, realm, holder), holder, False, times.moment(expires))


def _number(record: Row) -> str | None:
    number = said(record, "auditID")
    stage = said(record, "stage")
    return f"{number}/{stage}" if number and stage else number or None


def _bodies(*places: str) -> tuple[str, ...]:
    return tuple(
        f"{body}{place}" for body in ("requestObject", "responseObject") for place in places
    )


# What a body holds besides the names, roles and subjects that a review looks at.
BODY = (
    ".data",
    ".stringData",
    ".binaryData",
    ".spec",
    ".command",
    ".template",
    ".items",
    ".status.token",
    '.metadata.annotations["kubectl.kubernetes.io/last-applied-configuration"]',
    ".metadata.managedFields",
    "[*].value",
)

ACTIVITIES = {
    "create serviceaccounts/token": ISSUANCE,
    "update certificatesigningrequests/approval": ISSUANCE,
    "patch certificatesigningrequests/approval": ISSUANCE,
    "delete serviceaccounts": REVOCATION,
    "deletecollection serviceaccounts": REVOCATION,
}
PATTERNS = (
    # Calls that ask, connect or report: nothing is changed by them.
    (r"\w+ (?:token|(?:self|local)?subject\w*)reviews", USE),
    (r"\w+ (?:pods|services|nodes)/(?:exec|attach|portforward|proxy|log)", USE),
    (r"\w+ (?:leases|events)(?:/|$)|\w+ \w+/status", USE),
    (r"(?:create|update|patch|delete|deletecollection|post|put) ", CHANGE),
)

TABLE = Table(
    name="kubernetes",
    title="Kubernetes audit",
    signs=(
        ("apiVersion^audit.k8s.io", "kind=Event"),
        ("auditID", "stage", "verb"),
        ("auditID", "stage", "requestURI"),
        ("kind=Event", "verb", "objectRef"),
        ("verb", "objectRef.resource", "user.username"),
        ("category=kube-audit|kube-audit-admin",),
        ("logGroup^/aws/eks/", "message"),
        ("p_log_type=Amazon.EKS.Audit",),
    ),
    # Not quoted: inside a wrapping it stands in text.
    mark=b"auditID",
    any_case=True,
    opens=_opened,
    realm=_realm,
    at=(
        "requestReceivedTimestamp",
        "stageTimestamp",
        "RequestReceivedTime",
        "StageReceivedTime",
        "TimeGenerated",
        "time",
        "p_event_time",
    ),
    vendor_id=(_number,),
    action=(_action,),
    principal=(_principal,),
    credential=(_credential,),
    agent=(_workload,),
    on_behalf=(_on_behalf,),
    session=(_session,),
    resource=(_resource,),
    outcome=_outcome,
    error=("responseStatus.reason", "responseStatus.message"),
    activities=ACTIVITIES,
    patterns=PATTERNS,
    issued=_issued,
    address=("sourceIPs[0]", "sourceIPs"),
    user_agent=("userAgent",),
    request_id=("auditID",),
    content=_bodies(*BODY),
    lacks={
        "cluster": "an event names none; the log group, the resource id or `cluster` does",
        "credential": "tokens carry an id since Kubernetes 1.29; before, the pod stands in",
    },
)


def from_path(path: Any) -> str:
    """``core/v1/namespaces/a/pods/b/exec``, as Google writes it, in this vocabulary."""
    parts = path.split("/") if type(path) is str else []
    if len(parts) < 3 or not re.fullmatch(r"v\d+(?:(?:alpha|beta)\d+)?", parts[1]):
        return path if type(path) is str else ""
    rest = parts[2:]
    if rest[0] == "namespaces" and len(rest) > 2:
        return place(rest[1], rest[2], rest[3] if len(rest) > 3 else "")
    return place("", rest[0], rest[1] if len(rest) > 1 else "")
