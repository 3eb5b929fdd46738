"""Events and findings of ours as OCSF 1.6 objects, for lakes and SIEMs.

Owns the mapping outwards; ocsf.py reads what others send. Source: ocsf/ocsf-schema, the classes'
required attributes and constraints: API Activity 6003, Authentication 3002, IAM Analysis
Finding 2008, Detection Finding 2004, Incident Finding 2005. What is not known is left out; where the schema requires a
value, it says "not stated". Pure: rows come as mappings of names, times as microseconds UTC.
"""

from collections.abc import Mapping
from typing import Any

from evidence.formats.record import ActorName
from evidence.formats.tables import NOT_STATED
from evidence.vocabulary import (
    ACTIVITIES,
    AUTHENTICATION,
    CHANGE,
    INFERRED,
    ISSUANCE,
    KEY,
    OUTCOME_FAILED,
    OUTCOME_OK,
    OUTCOME_REFUSED,
    OUTCOMES,
    PLANES,
    REVOCATION,
    SIGN_IN_WITHOUT_MFA,
    STRENGTHS,
)

VERSION = "1.6.0"
_PRODUCT = {"name": "Countersign", "vendor_name": "Countersign"}
_API, _LOGON = 6003, 3002
_IAM_FINDING, _DETECTION, _INCIDENT = 2008, 2004, 2005
_STATUS = {
    OUTCOME_OK: (1, "Success"),
    OUTCOME_FAILED: (2, "Failure"),
    OUTCOME_REFUSED: (2, "Failure"),
}
# Our activities as API Activity's; 99 is "other", whose name the schema wants said.
_ACTS = {ISSUANCE: 1, CHANGE: 3, REVOCATION: 4}
# actor kinds that are machines: user.type_id 4, service; others are not judged here.
_MACHINES = frozenset(
    [
        "service",
        "service_account",
        "service_principal",
        "managed_identity",
        "app",
        "agent",
        "agent_id",
        "arn",
        "role_session",
        "pod",
    ]
)
_FINDING_STATES = {
    "open": 1,
    "confirmed": 2,
    "expected": 3,
    "false": 3,
    "duplicate": 5,
    "withdrawn": 4,
}
_SEVERITIES = {"low": (2, "Low"), "medium": (3, "Medium"), "high": (4, "High")} | {
    "critical": (5, "Critical")
}
# States of an incident: in progress until it is over; cancelled is "other", in our own word.
_INCIDENT_STATES = {"draft": 1, "open": 1, "closed": 5, "cancelled": 99}
_CONFIDENCES = {INFERRED: (1, "Low"), KEY: (2, "Medium")}
# Rules that only evidence from runs can break are detections; the others judge authority.
_DETECTIONS = frozenset(
    {"shared_credential", "no_run", "left_task", "interactive_use", "conflicting_trace"}
)


def event(row: Mapping[str, Any]) -> dict[str, Any]:
    """One event as Authentication (3002) or API Activity (6003).

    `row` has the names of Record (formats/record.py): at, activity, outcome, action, resource,
    principal, credential, agent, on_behalf (ActorName or None), request_id, trace_id, span_id,
    parent_span_id (bytes or None), address, user_agent, error, conversation, vendor_id, plane;
    and `uid`, our own key of the event, when there is one. Raises KeyError without `at`,
    `activity`, `outcome` and `action`.
    """
    activity = row["activity"]
    logon = activity in (AUTHENTICATION, SIGN_IN_WITHOUT_MFA)
    number = _LOGON if logon else _API
    act = 1 if logon else _ACTS.get(activity, 99)
    status, status_name = _STATUS.get(row["outcome"], (0, "Unknown"))
    made: dict[str, Any] = {
        "class_uid": number,
        "category_uid": number // 1000,
        "activity_id": act,
        "type_uid": number * 100 + act,
        "severity_id": 1,
        "time": row["at"] // 1000,
        "status_id": status,
        "status": status_name,
        "metadata": _metadata(row),
        "actor": _actor(row),
        "src_endpoint": _endpoint(row.get("address")),
        "unmapped": _rest(row),
    }
    if act == 99:
        made["activity_name"] = ACTIVITIES.get(activity, NOT_STATED)
    if row["outcome"] == OUTCOME_REFUSED:
        # The schema has no status for it: refused is a failure that was meant.
        made["status_detail"] = "refused"
    if row.get("error"):
        made["status_code"] = row["error"]
    if row.get("user_agent"):
        made["http_request"] = {"user_agent": row["user_agent"]}
    service, _, operation = str(row["action"]).partition(":")
    api: dict[str, Any] = {"operation": operation or service}
    if operation:
        api["service"] = {"name": service}
    if row.get("request_id"):
        api["request"] = {"uid": row["request_id"]}
    made["api"] = api
    if logon:
        made["user"] = _user(row.get("principal"), row.get("credential"))
        made["service"] = {"name": row.get("resource") or service or NOT_STATED}
        del made["api"]
        if row.get("request_id"):
            made.setdefault("http_request", {})["uid"] = row["request_id"]
    elif row.get("resource"):
        made["resources"] = [{"name": row["resource"]}]
    agent = row.get("agent")
    profiles = []
    if agent is not None and not logon:
        profiles.append("ai_operation")
        made["ai_agent"] = {"uid": f"{agent.realm}/{agent.value}", "name": agent.value}
        if row.get("conversation"):
            made["ai_agent"]["instance_uid"] = row["conversation"]
    if row.get("trace_id") and not logon:
        profiles.append("trace")
        made["trace"] = {"uid": row["trace_id"].hex()}
        if row.get("span_id"):
            made["trace"]["span"] = {"uid": row["span_id"].hex()}
            if row.get("parent_span_id"):
                made["trace"]["span"]["parent_uid"] = row["parent_span_id"].hex()
    if profiles:
        made["metadata"]["profiles"] = profiles
    return made


def finding(row: Mapping[str, Any]) -> dict[str, Any]:
    """One finding as IAM Analysis Finding (2008) or, of what runs show, Detection Finding (2004).

    `row`: key, rule, words, state, strength, count, first_at, last_at, opened_at, state_at
    (microseconds), controls (list of text), resources (list of text), strengths (a count of each),
    and of whom: identity_key and identity_name, or actor (ActorName). Raises KeyError without the
    first ten.
    """
    number = _DETECTION if row["rule"] in _DETECTIONS else _IAM_FINDING
    state = row["state"]
    status = _FINDING_STATES.get(state, 99)
    changed = row["state_at"] > row["opened_at"]
    act = 3 if state in ("expected", "false", "duplicate", "withdrawn") else 2 if changed else 1
    confidence, confidence_name = _CONFIDENCES.get(row["strength"], (3, "High"))
    made: dict[str, Any] = {
        "class_uid": number,
        "category_uid": number // 1000,
        "activity_id": act,
        "type_uid": number * 100 + act,
        # Not judged: how bad it is, is what the people of the case say.
        "severity_id": 0,
        "time": (row["state_at"] if act > 1 else row["opened_at"]) // 1000,
        "start_time": row["first_at"] // 1000,
        "end_time": row["last_at"] // 1000,
        "status_id": status,
        "status": state,
        "confidence_id": confidence,
        "confidence": confidence_name,
        "count": row["count"],
        "message": row["words"],
        "metadata": {"version": VERSION, "product": dict(_PRODUCT), "uid": row["key"]},
        "finding_info": {
            "uid": row["key"],
            "title": row["words"][:200],
            "desc": row["words"],
            "types": [row["rule"]],
            "first_seen_time": row["first_at"] // 1000,
            "last_seen_time": row["last_at"] // 1000,
            "created_time": row["opened_at"] // 1000,
            "modified_time": row["state_at"] // 1000,
            "related_events_count": row["count"],
        },
        "unmapped": {"strength": STRENGTHS.get(row["strength"], NOT_STATED)},
    }
    if row.get("strengths"):
        made["unmapped"]["strengths"] = dict(row["strengths"])
    if row.get("controls"):
        made["finding_info"]["tags"] = [{"name": "control", "values": list(row["controls"])}]
    if row.get("resources"):
        made["resources"] = [{"name": name} for name in row["resources"]]
    if number == _IAM_FINDING:
        made["user"] = _identity(row)
        # One of three analyses is required; ours is of what the identity did.
        made["identity_activity_metrics"] = {"last_seen_time": row["last_at"] // 1000}
    elif row.get("identity_key") or row.get("actor"):
        made["evidences"] = [{"actor": {"user": _identity(row)}}]
    return made


def incident(row: Mapping[str, Any]) -> dict[str, Any]:
    """One incident as Incident Finding (2005): created, updated or closed, as it is now.

    `row`: key, title, words, state, severity (low to critical, or empty), opened_at, changed_at
    (microseconds), url, outcome, and `findings`: mappings of key, words, rule. Raises KeyError
    without these.
    """
    over = row["state"] in ("closed", "cancelled")
    act = 3 if over else 2 if row["changed_at"] > row["opened_at"] else 1
    severity, severity_name = _SEVERITIES.get(row["severity"], (0, "Unknown"))
    infos = [
        {"uid": one["key"], "title": one["words"][:200], "types": [one["rule"]]}
        for one in row["findings"]
    ]
    # The schema requires one: an incident that was opened by hand is its own.
    infos = infos or [{"uid": row["key"], "title": row["title"][:200]}]
    made: dict[str, Any] = {
        "class_uid": _INCIDENT,
        "category_uid": _INCIDENT // 1000,
        "activity_id": act,
        "type_uid": _INCIDENT * 100 + act,
        "severity_id": severity,
        "severity": severity_name,
        "time": (row["opened_at"] if act == 1 else row["changed_at"]) // 1000,
        "start_time": row["opened_at"] // 1000,
        "status_id": _INCIDENT_STATES.get(row["state"], 2),
        "status": row["state"],
        "message": row["title"],
        "desc": row["words"],
        "src_url": row["url"],
        "metadata": {"version": VERSION, "product": dict(_PRODUCT), "uid": row["key"]},
        "finding_info_list": infos,
    }
    if over:
        made["end_time"] = row["changed_at"] // 1000
    if row["outcome"]:
        made["status_detail"] = row["outcome"]
    return made


def _metadata(row: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {"version": VERSION, "product": dict(_PRODUCT)}
    number = row.get("uid") or row.get("vendor_id")
    if number:
        made["uid"] = str(number)
    return made


def _actor(row: Mapping[str, Any]) -> dict[str, Any]:
    principal, credential = row.get("principal"), row.get("credential")
    made: dict[str, Any] = {}
    if principal is not None or credential is not None:
        made["user"] = _user(principal, credential)
    if row.get("conversation") or credential is not None:
        session: dict[str, Any] = {}
        if row.get("conversation"):
            session["uid"] = row["conversation"]
        if credential is not None:
            session["credential_uid"] = credential.value
        made["session"] = session
    return made or {"app_name": NOT_STATED}


def _user(name: ActorName | None, credential: ActorName | None) -> dict[str, Any]:
    if name is None:
        made: dict[str, Any] = {"name": NOT_STATED, "type_id": 0}
    else:
        made = {
            "name": name.value,
            "uid": name.value,
            "type": name.kind,
            "type_id": 4 if name.kind in _MACHINES else 1 if name.kind == "user" else 99,
            "domain": name.realm,
        }
    if credential is not None:
        made["credential_uid"] = credential.value
    return made


def _identity(row: Mapping[str, Any]) -> dict[str, Any]:
    if row.get("identity_key"):
        return {
            "uid": row["identity_key"],
            "name": row.get("identity_name") or row["identity_key"],
            "type_id": 4,
            "type": "non-human identity",
        }
    return _user(row.get("actor"), None)


def _endpoint(address: str | None) -> dict[str, Any]:
    if not address:
        return {"name": NOT_STATED}
    looks_like_one = address.replace(".", "").isdigit() or ":" in address
    return {"ip": address} if looks_like_one else {"name": address}


def _rest(row: Mapping[str, Any]) -> dict[str, Any]:
    """What the schema has no place for, under our own names."""
    rest: dict[str, Any] = {
        "action": row["action"],
        "activity": ACTIVITIES.get(row["activity"], NOT_STATED),
        "outcome": OUTCOMES.get(row["outcome"], NOT_STATED),
    }
    if row.get("plane") is not None:
        rest["plane"] = PLANES.get(row["plane"], NOT_STATED)
    other = row.get("on_behalf")
    if other is not None:
        rest["on_behalf_of"] = {"realm": other.realm, "kind": other.kind, "name": other.value}
    return rest
