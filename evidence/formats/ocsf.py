"""OCSF events, versions 1.0 to 1.9: identity and access (3001-3008), API (6003), datastore (6005).

Owns the meaning of the schema's attributes. Source: ocsf/ocsf-schema, events and objects (read:
api_activity, authentication, account_change, actor, user, session, ai_agent, trace, metadata).
Other classes are read as far as these attributes go. No recorded events were at hand.

Names are of the realm that the event's product issues: AWS's are written as CloudTrail's own
format writes them, so that a lake's copy and the log itself name the same actors. Pure.
"""

import re
from functools import lru_cache
from typing import Any, NamedTuple

from evidence.formats import aws, tables, times
from evidence.formats import ocsf_classes as classes
from evidence.formats.cloudtrail import activities as of_aws
from evidence.formats.members import NOTHING, first, remembered, row, text
from evidence.formats.ocsf_classes import whole
from evidence.formats.record import ActorName, Issued
from evidence.formats.tables import Row, Shared, Table
from evidence.vocabulary import (
    OUTCOME_FAILED,
    OUTCOME_OK,
    OUTCOME_REFUSED,
    OUTCOME_UNKNOWN,
)

# Vendors by the first word of the realm that their names have in other formats.
_VENDORS = {
    "aws": "aws",
    "amazon": "aws",
    "amazon web services": "aws",
    "google": "gcp",
    "google cloud": "gcp",
    "gcp": "gcp",
    "microsoft": "entra",
    "microsoft corporation": "entra",
    "okta": "okta",
    "github": "github",
    "hashicorp": "vault",
}
_REFUSALS = re.compile(
    r"access.?denied|unauthori[sz]ed|forbidden|not.?authori[sz]ed|permission.?denied|denied|\b40[13]\b",
    re.IGNORECASE,
)

# Where a change or a call says on what, the most telling first.
_THINGS = (
    *("resource", "entity", "database", "databucket", "table", "group", "role", "policy"),
    "service",
    "dst_endpoint",
)


@lru_cache(maxsize=4096)
def _vendor(vendor: str, product: str) -> str:
    for name in (vendor.lower(), product.lower()):
        found = _VENDORS.get(name)
        if found is not None:
            return found
    return re.sub(r"[^a-z0-9]+", "-", (vendor or product).lower()).strip("-") or "ocsf"


def _of(metadata: Row) -> str:
    product = row(metadata.get("product"))
    return _vendor(text(product.get("vendor_name"))[:100], text(product.get("name"))[:100])


def _realm(record: Row) -> str:
    """Who issues the names of this event: its product's tenant, organisation or account."""
    metadata = row(record.get("metadata"))
    tenant = text(metadata.get("tenant_uid")) or _tenant(record)
    vendor = _of(metadata)
    return f"{vendor}:{tenant.lower()}"[:200] if tenant else vendor


def _tenant(record: Row) -> str:
    user = row(row(record.get("actor")).get("user")) or row(record.get("user"))
    cloud = row(record.get("cloud"))
    return (
        text(row(user.get("org")).get("uid"))
        or text(row(cloud.get("account")).get("uid"))
        or text(row(user.get("account")).get("uid"))
        or text(row(cloud.get("org")).get("uid"))
    )


# --- what was done


def _action(record: Row) -> str | None:
    api = record.get("api")
    if type(api) is dict and (operation := text(api.get("operation"))):
        service = text(row(api.get("service")).get("name"))
        if service.endswith(".amazonaws.com"):
            return f"{service.removesuffix('.amazonaws.com')}:{operation}"
        return operation
    metadata = record.get("metadata")
    if type(metadata) is dict and (code := text(metadata.get("event_code"))):
        return code
    caption: str | None = record["decided"].caption
    return caption


def _activity(record: Row, action: str) -> int | None:
    decided: _Decided = record["decided"]
    return of_aws.activity(action, {}) if decided.of_aws else decided.activity


def _called(thing: Row) -> str:
    name = text(thing.get("uid")) or text(thing.get("name")) or text(thing.get("hostname"))
    return aws.bucket_path(name) if name.startswith("arn:aws:s3:::") else name


def _resource(record: Row) -> str | None:
    resources = record.get("resources")
    if type(resources) is list and (name := _called(row(first(resources)))):
        return name
    for thing in _THINGS:
        here = record.get(thing)
        if type(here) is dict and (name := _called(here)):
            return name
    changed: str | None = record["decided"].changed
    return changed


def _changed(record: Row) -> str | None:
    """Of a change to a user, that user is the object."""
    if whole(record, "class_uid") not in (3001, 3005, 3007):
        return None
    user = row(record.get("user"))
    return text(user.get("uid")) or text(user.get("name")) or None


def _answer(record: Row) -> Row:
    api = record.get("api")
    return row(api.get("response")) if type(api) is dict else NOTHING


def _error(record: Row) -> str | None:
    answer = _answer(record)
    if not answer and "status_code" not in record and "status_detail" not in record:
        return None
    return (
        text(answer.get("error"))
        or text(record.get("status_code"))
        or text(record.get("status_detail"))
        or text(answer.get("error_message"))
        or None
    )


def _outcome(record: Row) -> int:
    if "action_id" in record and whole(record, "action_id") == 2:
        return OUTCOME_REFUSED
    if "disposition" in record and text(record["disposition"]).lower() == "blocked":
        return OUTCOME_REFUSED
    status = whole(record, "status_id")
    if status == 1:
        return OUTCOME_OK
    words = text(record.get("status")).lower() if status < 0 else ""
    if words in ("success", "succeeded", "ok"):
        return OUTCOME_OK
    answer = _answer(record)
    problem = text(answer.get("error")) or text(answer.get("message"))
    code = whole(answer, "code")
    if status == 2 or words in ("failure", "failed", "error") or problem or code >= 400:
        told = f"{problem} {text(record.get('status_code'))} {text(record.get('status_detail'))}"
        return OUTCOME_REFUSED if code in (401, 403) or _refuses(told[:400]) else OUTCOME_FAILED
    return OUTCOME_OK if code >= 200 else OUTCOME_UNKNOWN


@lru_cache(maxsize=4096)
def _refuses(told: str) -> bool:
    return _REFUSALS.search(told) is not None


# --- who did it


@lru_cache(maxsize=65_536)
def _arn(arn: str, role: str) -> ActorName:
    if ":assumed-role/" in arn:
        return aws.role_session(arn, role if ":role/" in role else "")
    return aws.arn_actor(arn)


def _user(user: Any, actor: Row, record: Row, realm: str) -> ActorName | None:
    if type(user) is not dict:
        return None
    said = (text(user.get("uid")), text(user.get("name")))
    number, name = ("" if one in ("-", "NULL SID") else one for one in said)  # Windows' nobody
    for value in (number, text(user.get("uid_alt")), name):
        if value.startswith("arn:"):
            session = row(actor.get("session")) or row(record.get("session"))
            return _arn(value, text(session.get("issuer")))
    value = text(user.get("email_addr")) or name or number
    if not value or value == tables.NOT_STATED:
        return None
    kind = "service_account" if whole(user, "type_id") == 4 else "user"
    if realm.startswith("aws") and value.endswith(".amazonaws.com"):
        return aws.service_actor(value)
    return tables.actor(realm, kind, value)


def _principal(record: Row, realm: str) -> ActorName | None:
    actor = row(record.get("actor"))
    found = _user(actor.get("user"), actor, record, realm)
    if found is None and whole(record, "class_uid") in (3002, 3003):
        found = _user(record.get("user"), actor, record, realm)
    return found if found is not None or not actor else _software(actor, realm)


def _software(actor: Row, realm: str) -> ActorName | None:
    service = text(actor.get("invoked_by"))
    if service.endswith(".amazonaws.com"):
        return aws.service_actor(service)
    for value in (text(actor.get("app_uid")), text(actor.get("app_name")), service):
        if value and value != tables.NOT_STATED:
            return tables.actor(realm, "app", value)
    held = row(actor.get("iam_role"))
    role = text(held.get("uid")) or text(held.get("name"))
    return tables.actor(realm, "service_account", role) if role else None


def _credential(record: Row, realm: str) -> ActorName | None:
    actor = row(record.get("actor"))
    user = actor.get("user")
    for holder in (user, actor.get("session"), record.get("session")):
        if type(holder) is dict and (found := text(holder.get("credential_uid"))):
            return _key(found, record, realm)
    if type(user) is not dict or not user:
        found = text(row(record.get("user")).get("credential_uid"))
        if found:
            return _key(found, record, realm)
    certificate = record.get("certificate")
    if type(certificate) is not dict:
        return None
    serial = text(certificate.get("fingerprints")) or text(certificate.get("serial_number"))
    return tables.actor(realm, "certificate", serial) if serial else None


def _key(value: str, record: Row, realm: str) -> ActorName:
    if value.startswith(("AKIA", "ASIA")):
        who = _principal(record, realm)
        return aws.access_key(value, None if who is None else who.parent or who)
    return tables.actor(realm, "token", value)


def _agent(record: Row, realm: str) -> ActorName | None:
    for agent in (record.get("ai_agent"), row(record.get("actor")).get("ai_agent")):
        if type(agent) is dict:
            value, name = text(agent.get("uid")), text(agent.get("name"))
            if value or name:
                return tables.actor(realm, "agent_id" if value else "agent", value or name)
    return None


def _on_behalf(record: Row, realm: str) -> ActorName | None:
    """Of an account switch (3002, activity 7): the user that was switched to by another."""
    if whole(record, "class_uid") != 3002 or not row(row(record.get("actor")).get("user")):
        return None
    other = _user(record.get("user"), NOTHING, record, realm)
    return other if other != _principal(record, realm) else None


def _issued(record: Row, realm: str, who: ActorName | None) -> Issued | None:
    """Programmatic credentials that a user or role was given."""
    act = (whole(record, "class_uid"), whole(record, "activity_id"))
    if act not in classes.GIVES:
        return None
    holder = row(record.get("role" if act[0] == 3008 else "user"))
    made = row(first(holder.get("programmatic_credentials")))
    value = text(made.get("uid")) or text(holder.get("credential_uid"))
    if not value:
        return None
    to = _user(holder, NOTHING, record, realm) or who
    expires = holder.get("expiration_time")
    if value.startswith(("AKIA", "ASIA")):
        key = aws.access_key(value, to)
    else:
        key = tables.actor(realm, "token", value)
    return Issued(key, to, True, times.moment(expires))


# --- the event

# From these it is told who acted, and what the event is called.
_MEMBERS = (
    *("class_uid", "class_name", "activity_id", "activity_name", "activity", "type_name"),
    *("actor", "user", "cloud", "certificate", "role"),
)


class _Decided(NamedTuple):
    """What is the same for one identity's events of one class."""

    realm: str
    # Principal, credential, agent, on whose behalf.
    actors: tuple[ActorName | None, ...]
    issued: Issued | None
    caption: str | None
    changed: str | None
    activity: int | None
    of_aws: bool  # the action says which activity it is


@remembered
def _decided(said: tuple[list[Any], Any, Any, Row | None, Row | None]) -> _Decided:
    values, product, tenant, session, agent = said
    record = dict(zip(_MEMBERS, values, strict=True))
    metadata = {"product": product, "tenant_uid": tenant}
    record |= {"metadata": metadata, "session": session, "ai_agent": agent}
    realm = tables.realm_named(_realm(record))
    principal = _principal(record, realm)
    others = _credential(record, realm), _agent(record, realm), _on_behalf(record, realm)
    return _Decided(
        realm,
        (principal, *others),
        _issued(record, realm, principal),
        classes.caption(record),
        _changed(record),
        classes.activity(record),
        whole(record, "class_uid") == classes.API and _of(metadata) == "aws",
    )


def _actors(record: Row, _: str) -> tuple[ActorName | None, ...]:
    decided: _Decided = record["decided"]
    return decided.actors


def _view(record: Row) -> Row:
    """The event with what its class and its identities decide."""
    metadata, session, agent = record.get("metadata"), record.get("session"), record.get("ai_agent")
    product = tenant = None
    if type(metadata) is dict:
        product, tenant = metadata.get("product"), metadata.get("tenant_uid")
    if type(session) is dict:
        # A session of its own stands in every logon.
        session = {name: session.get(name) for name in ("issuer", "credential_uid")}
    if type(agent) is dict:
        agent = {name: agent.get(name) for name in ("uid", "name")}
    values = list(map(record.get, _MEMBERS))
    return {**record, "decided": _decided((values, product, tenant, session, agent))}


TABLE = Table(
    name="ocsf",
    title="OCSF events",
    signs=(
        ("class_uid", "metadata.product"),
        ("class_uid", "metadata.version"),
        ("class_uid", "category_uid"),
        ("class_uid", "type_uid"),
        ("class_uid", "activity_id"),
    ),
    mark=b'"class_uid"',
    view=_view,
    realm=lambda record: record["decided"].realm,
    at=("time", "time_dt", "start_time", "metadata.original_time", "metadata.logged_time"),
    vendor_id=("metadata.uid", "uid"),
    action=(_action,),
    principal=(Shared((_actors, _actors), 0),),
    credential=(Shared((_actors, _actors), 1),),
    agent=(Shared((_actors, _actors), 2),),
    on_behalf=(Shared((_actors, _actors), 3),),
    session=("ai_agent.instance_uid", "actor.session.uid", "session.uid"),
    resource=(_resource,),
    outcome=_outcome,
    error=(_error,),
    activity=_activity,
    issued=lambda record, *_: record["decided"].issued,
    address=("src_endpoint.ip", "src_endpoint.hostname", "src_endpoint.svc_name", "device.ip"),
    user_agent=("http_request.user_agent",),
    request_id=("api.request.uid", "http_request.uid"),
    trace_id=("trace.uid",),
    span_id=("trace.span.uid",),
    release=("ai_agent.version",),
    content=(
        "api.request.data",
        "api.response.data",
        "http_request.body",
        "http_response.body",
        "raw_data",
        "process.cmd_line",
        "process.parent_process.cmd_line",
        "actor.process.cmd_line",
        "script.script_content",
        "unmapped.requestParameters",
        "unmapped.responseElements",
    ),
    statements=("query_info.query_string", "database.query_info.query_string"),
    lacks={
        "on behalf of": "the schema's delegation object is not final; account switches have one"
    },
    version=6,  # 5: whom Windows calls nobody is nobody. 6: an API's answer by its code
)
