"""Kubernetes audit events: raw, from EKS (CloudWatch) and from AKS (diagnostic settings).

Owns the meaning of audit.k8s.io/v1; how a cluster's calls and users are named is clusters.py's.
Sources: kubernetes.io, reference of the audit API and of authentication (extra attributes of bound
tokens, KEP-4193); EKS, AKS: their guides to control plane logs. Read in real events: EKS and AKS
shapes; not verified: columns of AKSAudit, of which Log Analytics writes those that hold objects
as texts.

An event names no cluster. What wraps it does: the log group of EKS, the resource id of AKS, a
member ``cluster`` or ``cluster_name`` that the sender adds. Without it all clusters share the
realm ``k8s``.

A request is logged in stages; each is an event of its own (the vendor id names the stage), and
only what ends a request says how it ended and what it issued. Pure.
"""

import re
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from evidence.formats import aws, tables, times
from evidence.formats.clusters import (
    ACTIVITIES,
    BODY,
    PATTERNS,
    SERVICE_ACCOUNT,
    URLS,
    called,
    named,
    of_aws,
    place,
    realm_of,
    with_terminal,
)
from evidence.formats.members import NOTHING, first, member, remembered, row, text, told, ways
from evidence.formats.microsoft import loaded
from evidence.formats.record import ActorName, Issued
from evidence.formats.tables import Row, Table, Unreadable
from evidence.formats.written import Of
from evidence.vocabulary import (
    OUTCOME_FAILED,
    OUTCOME_OK,
    OUTCOME_REFUSED,
    OUTCOME_UNKNOWN,
)

_CREDENTIAL = "authentication.kubernetes.io/credential-id"
_ISSUED = "authentication.kubernetes.io/issued-credential-id"
_POD_UID = "authentication.kubernetes.io/pod-uid"
_POD_NAME = "authentication.kubernetes.io/pod-name"
# What a wrapping says of the event inside.
_ABOUT = (
    *("resourceId", "ResourceId", "_ResourceId", "logGroup", "owner", "cluster", "cluster_name"),
    *("clusterName", "time", "TimeGenerated", "p_source_label", "p_event_time"),
)
_LOGS, _RESOURCE_ID = ways("logGroup"), ways("resourceId", "_ResourceId", "ResourceId")
_CLUSTER = ways("cluster_name", "cluster", "clusterName", "p_source_label")
_PLACES = frozenset(
    name for known in (_LOGS, _RESOURCE_ID, _CLUSTER) for way in known for name in way
)
_NOWHERE = realm_of("")
_LOG_GROUP = re.compile(r"/aws/eks/([^/]+)/")
_AKS = re.compile(
    r"/subscriptions/([^/]+)/resource-?groups/([^/]+)/.*?/managedclusters/([^/]+)", re.IGNORECASE
)
_URI = re.compile(
    r"/(?:api/[^/?]+|apis/[^/?]+/[^/?]+)(?:/namespaces/(?P<namespace>[^/?]+)(?=/[^/?]))?"
    r"/(?P<resource>[^/?]+)(?:/(?P<name>[^/?]+)(?:/(?P<subresource>[^/?]+))?)?"
)


# An event's own names, by the same in lower case: columns of a table are written otherwise.
_NAMES = {
    name.lower(): name
    for name in (
        *("annotations", "apiVersion", "auditID", "impersonatedUser", "kind", "level", "objectRef"),
        *("requestObject", "requestURI", "responseObject", "responseStatus", "sourceIPs", "stage"),
        *("user", "userAgent", "verb", "requestReceivedTimestamp", "stageTimestamp"),
        *("RequestReceivedTime", "StageReceivedTime", "TimeGenerated"),
    )
}


# --- where it happened


def _of_columns(record: Row) -> Row:
    """A row of a table as the event it was: each column under its own name, texts of JSON read."""
    return {_NAMES.get(name.lower(), name): loaded(value) for name, value in record.items()}


def _opened(record: Row) -> Row:
    """The event in an AKS log entry or a CloudWatch event, with what names its cluster; what was
    run in a container apart from the path, so that it can be dropped."""
    found = _event(record)
    path = found.get("requestURI")
    if type(path) is not str or "command=" not in path:
        return found
    path, _, asked = path.partition("?")
    said = asked.split("&")
    kept = "&".join(part for part in said if not part.startswith("command="))
    run = "&".join(part for part in said if part.startswith("command="))
    return {**found, "requestURI": f"{path}?{kept}" if kept else path, "command": run}


def _event(record: Row) -> Row:
    if record.get("verb") is not None:
        return _of_columns(record) if type(record.get("user")) is str else record
    if "Verb" in record and "AuditId" in record:
        return _of_columns(record)
    outer = record.get("properties")
    event = outer.get("log") if type(outer) is dict else record.get("message")
    if event is None:
        event = record.get("log_s")
    if type(event) is str:
        try:
            event = orjson.loads(event)
        except (ValueError, RecursionError):
            return record
    if type(event) is not dict or not event:
        return record
    about = {name: record[name] for name in _ABOUT if type(record.get(name)) is str}
    return about | event


def _realm(record: Row) -> str:
    if _PLACES.isdisjoint(record):
        return _NOWHERE
    logs = told(record, _LOGS)
    if logs and "message" in record and _LOG_GROUP.match(logs):
        raise Unreadable("is a line of a control plane's own log, not an audit event")
    owner = text(record.get("owner"))
    return _realm_of(logs, owner, told(record, _RESOURCE_ID), told(record, _CLUSTER))


@lru_cache(maxsize=4096)
def _realm_of(logs: str, owner: str, number: str, cluster: str) -> str:
    group = _LOG_GROUP.match(logs)
    if group is not None:
        return realm_of(f"{owner}/{group[1]}" if owner else group[1])
    aks = _AKS.search(number)
    return realm_of(cluster if aks is None else "/".join(aks.groups()))


# --- what was called


def _reference(record: Row) -> Row:
    found = record.get("objectRef")
    return found if type(found) is dict else row(member(record, "objectRef"))


def _target(record: Row) -> tuple[str, str, str, str]:
    """(namespace, resource, name, subresource); a resource of '' is a path of no resource."""
    target = _reference(record)
    resource = text(target.get("resource"))
    if resource:
        name = text(target.get("name"))
        if not name and text(record.get("verb")) == "create":
            # Names that the server makes are only in its answer.
            name = _name_in(record, "responseObject") or _name_in(record, "requestObject")
        return text(target.get("namespace")), resource, name, text(target.get("subresource"))
    found = _URI.match(text(member(record, "requestURI")))
    if found is None:
        return "", "", "", ""
    namespace, resource, name, subresource = found.groups("")
    return namespace, resource, name, subresource


def _name_in(record: Row, body: str) -> str:
    return text(row(row(member(record, body)).get("metadata")).get("name"))


def _name_of_call(record: Row) -> tuple[str | None, str | None]:
    """(action, resource)."""
    verb = text(record.get("verb"))
    namespace, resource, name, subresource = _target(record)
    if resource:
        action = called(verb, resource, subresource) if verb else None
        return action, place(namespace, resource, name)
    uri = text(member(record, "requestURI"))
    return called(verb, URLS) if verb and uri else None, uri.split("?", 1)[0] or None


def _outcome(record: Row) -> int:
    status = member(record, "responseStatus")
    code = status.get("code") if type(status) is dict else None
    if type(code) is str and code.isdecimal():
        code = int(code[:4])
    if type(code) is int and code:
        if code in (401, 403):
            return OUTCOME_REFUSED
        return OUTCOME_OK if code < 400 else OUTCOME_FAILED
    if text(record.get("stage")) == "Panic":
        return OUTCOME_FAILED
    decision = row(record.get("annotations")).get("authorization.k8s.io/decision")
    return OUTCOME_REFUSED if text(decision) == "forbid" else OUTCOME_UNKNOWN


# --- who called


def _spellings(name: str) -> tuple[str, ...]:
    """What the authenticator adds, with its dots and slashes as exports rewrite them."""
    flat = name.replace(".", "_")
    ways = (name, flat.replace("/", "_slash_"), flat.replace("/", "_"))
    return tuple(dict.fromkeys(written for way in ways for written in (way, way.lower())))


_SPELLINGS = {
    name: _spellings(name)
    for name in (
        *(_CREDENTIAL, _POD_UID, _POD_NAME),
        *("arn", "canonicalArn", "accessKeyId", "sessionName"),
    )
}


def _extra(user: Row) -> Row:
    extra = user.get("extra")
    return extra if type(extra) is dict else NOTHING


def _added(extra: Row, name: str) -> str:
    for written in _SPELLINGS[name]:
        value = extra.get(written)
        if value is not None:
            return text(first(value))
    return ""


def _principal(user: Row, realm: str) -> ActorName | None:
    username = text(user.get("username"))
    if not username:
        return None
    if username.startswith("arn:"):
        return of_aws(username, _added(_extra(user), "canonicalArn"))
    return named(username, realm)


def _holder(user: Row, realm: str) -> ActorName | None:
    """The service account whose token or pod this is: what people bind."""
    username = text(user.get("username"))
    return named(username, realm) if username.startswith(SERVICE_ACCOUNT) else None


@lru_cache(maxsize=65_536)
def _stated(credential: str, realm: str, holder: ActorName | None) -> ActorName:
    kind, _, value = credential.partition("=")
    if kind == "JTI":
        return tables.actor(realm, "token", value, holder)
    if kind == "X509SHA256":
        return tables.actor(realm, "certificate", value)
    return tables.actor(realm, "session", credential)


def _pod(user: Row, extra: Row, realm: str) -> ActorName | None:
    uid = _added(extra, _POD_UID)
    if not uid:
        name = _added(extra, _POD_NAME)
        if not name:
            return None
        namespace = text(user.get("username")).removeprefix(SERVICE_ACCOUNT).split(":", 1)[0]
        uid = f"{namespace}/{name}"
    return tables.actor(realm, "pod", uid, _holder(user, realm))


def _credential(user: Row, extra: Row, stated: str, realm: str) -> ActorName | None:
    """The token or certificate; AWS's key or session; else, before Kubernetes 1.29, the pod."""
    if stated:
        return _stated(stated, realm, _holder(user, realm))
    arn = _added(extra, "arn")
    if arn.startswith("arn:"):
        role = _added(extra, "canonicalArn")
        key = _added(extra, "accessKeyId")
        caller = of_aws(arn, role)
        return aws.access_key(key, caller.parent or caller) if key else caller
    return _pod(user, extra, realm)


class _Caller(NamedTuple):
    """`workload`: the pod that holds the token, where the token itself is the credential."""

    principal: ActorName | None = None
    credential: ActorName | None = None
    workload: ActorName | None = None
    on_behalf: ActorName | None = None
    session: str | None = None


@remembered
def _caller(said: list[Any]) -> _Caller:
    """Of a realm, a user and whom it impersonates: most callers call again and again."""
    realm, user, other = said
    user = row(user)
    username = text(row(other).get("username"))
    on_behalf = named(username, realm) if username else None
    extra = _extra(user)
    if not extra:
        return _Caller(_principal(user, realm), on_behalf=on_behalf)
    stated = _added(extra, _CREDENTIAL)
    return _Caller(
        _principal(user, realm),
        _credential(user, extra, stated, realm),
        _pod(user, extra, realm) if stated else None,
        on_behalf,
        _added(extra, "sessionName") or _added(extra, _POD_UID) or None,
    )


def _entry(record: Row) -> tuple[Any, ...]:
    """What the table below takes by its place: it stands in the same few objects."""
    realm = _realm(record)
    caller = _caller([realm, record.get("user"), member(record, "impersonatedUser")])
    address = first(member(record, "sourceIPs"))
    agent = with_terminal(text(member(record, "userAgent")), text(member(record, "requestURI")))
    rest = *caller, _number(record), address, agent
    return realm, *_name_of_call(record), _outcome(record), *rest


def _issued(record: Row, realm: str, _: ActorName | None) -> Issued | None:
    """The token of a TokenRequest: the annotation is what its later uses show."""
    stated = text(row(record.get("annotations")).get(_ISSUED))
    if not stated:
        return None
    namespace, resource, name, subresource = _target(record)
    holder = None
    if resource == "serviceaccounts" and subresource == "token" and name:
        holder = named(f"{SERVICE_ACCOUNT}{namespace}:{name}", realm)
    answer = row(row(member(record, "responseObject")).get("status"))
    expires = text(member(answer, "expirationTimestamp"))
    return Issued(_stated(stated, realm, holder), holder, False, times.moment(expires))


def _number(record: Row) -> str | None:
    number = text(member(record, "auditID"))
    stage = text(record.get("stage"))
    return f"{number}/{stage}" if number and stage else number or None


def _bodies(*places: str) -> tuple[str, ...]:
    return tuple(
        f"{body}{place}" for body in ("requestObject", "responseObject") for place in places
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
    realm=Of(_entry, 0),
    at=(
        "requestReceivedTimestamp",
        "stageTimestamp",
        "RequestReceivedTime",
        "StageReceivedTime",
        "TimeGenerated",
        "time",
        "p_event_time",
    ),
    vendor_id=(Of(_entry, 9),),
    action=(Of(_entry, 1),),
    principal=(Of(_entry, 4),),
    credential=(Of(_entry, 5),),
    agent=(Of(_entry, 6),),
    on_behalf=(Of(_entry, 7),),
    session=(Of(_entry, 8),),
    resource=(Of(_entry, 2),),
    outcome=Of(_entry, 3),
    error=("responseStatus.reason", "responseStatus.message"),
    activities=ACTIVITIES,
    patterns=PATTERNS,
    issued=_issued,
    address=(Of(_entry, 10),),
    user_agent=(Of(_entry, 11),),
    request_id=("auditID",),
    content=("command", *_bodies(*BODY)),
    lacks={
        "cluster": "an event names none; the log group, the resource id or `cluster` does",
        "credential": "tokens carry an id since Kubernetes 1.29; before, the pod stands in",
    },
    # 3: columns of Log Analytics that are texts. 4: as in every table. 5: terminals in containers.
    version=5,
)
