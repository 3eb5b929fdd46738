"""OCSF events, versions 1.0 to 1.9: identity and access (3001-3008), API (6003), datastore (6005).

Owns the meaning of the schema's attributes. Source: ocsf/ocsf-schema, events and objects (read:
api_activity, authentication, account_change, actor, user, session, ai_agent, trace, metadata).
Other classes are read as far as these attributes go. No recorded events were at hand.

Names are of the realm that the event's product issues: AWS's are written as CloudTrail's own
format writes them, so that a lake's copy and the log itself name the same actors. Pure.
"""

import re
from functools import lru_cache

from evidence.formats import aws, tables, times
from evidence.formats.cloudtrail import activities as of_aws
from evidence.formats.members import first, inside, member, said
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
_CLASSES = {
    3001: "Account Change",
    3002: "Authentication",
    3003: "Authorize Session",
    3004: "Entity Management",
    3005: "User Access Management",
    3006: "Group Management",
    3007: "User Management",
    3008: "Role Management",
    6003: "API Activity",
    6005: "Datastore Activity",
}
# Captions of activities, for senders that give numbers alone.
_CAPTIONS: dict[int, tuple[str, ...]] = {
    3001: (
        *("Create", "Enable", "Password Change", "Password Reset", "Disable", "Delete"),
        *("Attach Policy", "Detach Policy", "Lock", "MFA Factor Enable", "MFA Factor Disable"),
    ),
    3002: (
        *("Logon", "Logoff", "Authentication Ticket", "Service Ticket Request"),
        *("Service Ticket Renew", "Preauth", "Account Switch"),
    ),
    3003: ("Assign Privileges", "Assign Groups"),
    3004: ("Create", "Read", "Update", "Delete"),
    3005: ("Assign Privileges", "Revoke Privileges"),
    6003: ("Create", "Read", "Update", "Delete"),
}
# What a class's activities are: by class and activity_id, then by class.
_ACTIVITIES = {
    (3001, 5): REVOCATION,  # disable
    (3001, 6): REVOCATION,  # delete
    (3001, 9): REVOCATION,  # lock
    (3002, 3): ISSUANCE,  # authentication ticket
    (3002, 4): ISSUANCE,  # service ticket
    (3002, 5): ISSUANCE,  # renew
    (3007, 18): ISSUANCE,  # add programmatic credentials
    (3007, 19): REVOCATION,
    (3008, 10): ISSUANCE,
    (3008, 11): REVOCATION,
    (6003, 2): USE,
}
_OF_CLASS = {
    3001: CHANGE,
    3002: AUTHENTICATION,
    3003: AUTHENTICATION,
    3004: CHANGE,
    3005: CHANGE,
    3006: CHANGE,
    3007: CHANGE,
    3008: CHANGE,
    6003: CHANGE,
    6005: USE,
}
_REFUSALS = re.compile(
    r"access.?denied|unauthori[sz]ed|forbidden|not.?authori[sz]ed|permission.?denied|denied|\b40[13]\b",
    re.IGNORECASE,
)


def _number(record: Row, name: str) -> int:
    value = member(record, name)
    if type(value) is str and value.isdigit() and len(value) < 10:
        return int(value)
    return value if type(value) is int else -1


@lru_cache(maxsize=4096)
def _vendor(vendor: str, product: str) -> str:
    for name in (vendor.lower(), product.lower()):
        found = _VENDORS.get(name)
        if found is not None:
            return found
    return re.sub(r"[^a-z0-9]+", "-", (vendor or product).lower()).strip("-") or "ocsf"


def _of(record: Row) -> str:
    product = inside(record, "metadata", "product")
    return _vendor(said(product, "vendor_name")[:100], said(product, "name")[:100])


def _realm(record: Row) -> str:
    """Who issues the names of this event: its product's tenant, organisation or account."""
    user = inside(record, "actor", "user") or inside(record, "user")
    tenant = (
        said(record, "metadata", "tenant_uid")
        or said(user, "org", "uid")
        or said(record, "cloud", "account", "uid")
        or said(user, "account", "uid")
        or said(record, "cloud", "org", "uid")
    )
    vendor = _of(record)
    return f"{vendor}:{tenant.lower()}"[:200] if tenant else vendor


# --- what was done


def _action(record: Row) -> str | None:
    operation = said(record, "api", "operation")
    if operation:
        service = said(record, "api", "service", "name")
        if service.endswith(".amazonaws.com"):
            return f"{service.removesuffix('.amazonaws.com')}:{operation}"
        return operation
    code = said(record, "metadata", "event_code")
    if code:
        return code
    whole = said(record, "type_name")
    if whole:
        return whole
    number = _number(record, "class_uid")
    kind = said(record, "class_name") or _CLASSES.get(
        number, f"class {number}" if number > 0 else ""
    )
    act = said(record, "activity_name") or said(record, "activity")
    place = _number(record, "activity_id")
    if not act and place >= 0:
        captions = _CAPTIONS.get(number, ())
        act = captions[place - 1] if 0 < place <= len(captions) else str(place)
    return f"{kind}: {act}" if kind and act else kind or None


def _activity(record: Row, action: str) -> int | None:
    number = _number(record, "class_uid")
    if number == 6003 and _of(record) == "aws":
        return of_aws.activity(action, {})
    act = _number(record, "activity_id")
    return _ACTIVITIES.get((number, act), _OF_CLASS.get(number))


def _resource(record: Row) -> str | None:
    resources = member(record, "resources")
    one = first(resources) if type(resources) is list else None
    for here in (
        one,
        inside(record, "resource"),
        inside(record, "entity"),
        inside(record, "database"),
        inside(record, "databucket"),
        inside(record, "table"),
        inside(record, "group"),
        inside(record, "policy"),
        inside(record, "service"),
        inside(record, "dst_endpoint"),
    ):
        name = said(here, "uid") or said(here, "name") or said(here, "hostname")
        if name:
            return aws.bucket_path(name) if name.startswith("arn:aws:s3:::") else name
    # Of a change to a user, that user is the object.
    if _number(record, "class_uid") in (3001, 3005, 3007):
        user = inside(record, "user")
        return said(user, "uid") or said(user, "name") or None
    return None


def _error(record: Row) -> str | None:
    return (
        said(record, "api", "response", "error")
        or said(record, "status_code")
        or said(record, "status_detail")
        or said(record, "api", "response", "error_message")
        or None
    )


def _outcome(record: Row) -> int:
    status = _number(record, "status_id")
    words = said(record, "status").lower()
    if _number(record, "action_id") == 2 or said(record, "disposition").lower() == "blocked":
        return OUTCOME_REFUSED
    if status == 1 or (status < 0 and words in ("success", "succeeded", "ok")):
        return OUTCOME_OK
    problem = said(record, "api", "response", "error") or said(record, "api", "response", "message")
    if status == 2 or (status < 0 and words in ("failure", "failed", "error")) or problem:
        told = f"{problem} {said(record, 'status_code')} {said(record, 'status_detail')}"
        return OUTCOME_REFUSED if _REFUSALS.search(told[:400]) else OUTCOME_FAILED
    return OUTCOME_UNKNOWN


# --- who did it


@lru_cache(maxsize=65_536)
def _arn(arn: str, role: str) -> ActorName:
    if ":assumed-role/" in arn:
        return aws.role_session(arn, role if ":role/" in role else "")
    return aws.arn_actor(arn)


def _user(user: Row, session: Row, realm: str) -> ActorName | None:
    for name in ("uid", "uid_alt", "name"):
        value = said(user, name)
        if value.startswith("arn:"):
            return _arn(value, said(session, "issuer"))
    value = said(user, "email_addr") or said(user, "name") or said(user, "uid")
    if not value or value == tables.NOT_STATED:
        return None
    kind = "service_account" if _number(user, "type_id") == 4 else "user"
    if realm.startswith("aws") and value.endswith(".amazonaws.com"):
        return aws.service_actor(value)
    return tables.actor(realm, kind, value)


def _principal(record: Row, realm: str) -> ActorName | None:
    actor = inside(record, "actor")
    session = inside(actor, "session") or inside(record, "session")
    found = _user(inside(actor, "user"), session, realm)
    if found is None and _number(record, "class_uid") in (3002, 3003):
        found = _user(inside(record, "user"), session, realm)
    if found is not None:
        return found
    service = said(actor, "invoked_by")
    if service.endswith(".amazonaws.com"):
        return aws.service_actor(service)
    for name in ("app_uid", "app_name", "invoked_by"):
        value = said(actor, name)
        if value and value != tables.NOT_STATED:
            return tables.actor(realm, "app", value)
    role = said(actor, "iam_role", "uid") or said(actor, "iam_role", "name")
    return tables.actor(realm, "service_account", role) if role else None


def _credential(record: Row, realm: str) -> ActorName | None:
    actor = inside(record, "actor")
    found = (
        said(actor, "user", "credential_uid")
        or said(actor, "session", "credential_uid")
        or said(record, "session", "credential_uid")
    )
    if not found and not inside(actor, "user"):
        found = said(record, "user", "credential_uid")
    if not found:
        serial = said(record, "certificate", "fingerprints") or said(
            record, "certificate", "serial_number"
        )
        return tables.actor(realm, "certificate", serial) if serial else None
    return _key(found, record, realm)


def _key(value: str, record: Row, realm: str) -> ActorName:
    if value.startswith(("AKIA", "ASIA")):
        who = _principal(record, realm)
        return aws.access_key(value, None if who is None else who.parent or who)
    return tables.actor(realm, "token", value)


def _agent(record: Row, realm: str) -> ActorName | None:
    for agent in (inside(record, "ai_agent"), inside(record, "actor", "ai_agent")):
        value = said(agent, "uid")
        if value:
            return tables.actor(realm, "agent_id", value)
        if said(agent, "name"):
            return tables.actor(realm, "agent", said(agent, "name"))
    return None


def _on_behalf(record: Row, realm: str) -> ActorName | None:
    """Of an account switch (3002, activity 7): the user that was switched to by another."""
    if _number(record, "class_uid") != 3002 or not inside(record, "actor", "user"):
        return None
    other = _user(inside(record, "user"), inside(record, "session"), realm)
    return other if other != _principal(record, realm) else None


def _issued(record: Row, realm: str, who: ActorName | None) -> Issued | None:
    """Programmatic credentials that a user or role was given."""
    act = (_number(record, "class_uid"), _number(record, "activity_id"))
    if act not in ((3007, 18), (3008, 10), (3001, 1)):
        return None
    holder = inside(record, "role") if act[0] == 3008 else inside(record, "user")
    made = first(member(holder, "programmatic_credentials"))
    value = said(made, "uid") or said(holder, "credential_uid")
    if not value:
        return None
    to = _user(holder, inside(record, "session"), realm) or who
    expires = member(holder, "expiration_time")
    if value.startswith(("AKIA", "ASIA")):
        key = aws.access_key(value, to)
    else:
        key = tables.actor(realm, "token", value)
    return Issued(key, to, True, times.moment(expires))


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
    realm=_realm,
    at=("time", "time_dt", "start_time", "metadata.original_time", "metadata.logged_time"),
    vendor_id=("metadata.uid", "uid"),
    action=(_action,),
    principal=(_principal,),
    credential=(_credential,),
    agent=(_agent,),
    on_behalf=(_on_behalf,),
    session=("ai_agent.instance_uid", "actor.session.uid", "session.uid"),
    resource=(_resource,),
    outcome=_outcome,
    error=(_error,),
    activity=_activity,
    issued=_issued,
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
        "unmapped.requestParameters",
        "unmapped.responseElements",
    ),
    statements=("query_info.query_string", "database.query_info.query_string"),
    lacks={
        "on behalf of": "the schema's delegation object is not final; account switches have one"
    },
)
