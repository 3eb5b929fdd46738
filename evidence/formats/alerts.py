"""Alerts as a detection tool posts them: a small shape of our own, and hits of Sigma rules.

Owns which members there are and what is wrong with one; docs/alerts.md says them to senders. Source
of the second: the Sigma specification (rule id, title, level), and how its engines write a hit: the
rule beside the record that it matched. An alert tells what somebody concluded: like a signal it
lies on a plane of its own, and nobody's authority is judged by it. Pure.
"""

import re
from typing import Any

from evidence.formats import aws
from evidence.formats.record import ActorName
from evidence.formats.tables import NOT_STATED, Row, Table, actor
from evidence.vocabulary import DECISION, OUTCOME_UNKNOWN, PLANE_POLICY

NAME = "alerts"
# The prefix of an alert's action, by which it is told from signals on the same plane.
ACTION = "alert:"
MOST_NAMES, LONGEST = 20, 2_048
SEVERITIES = ("unknown", "low", "medium", "high", "critical")
# Words that tools have for them.
LEVELS = {
    "informational": "low",
    "info": "low",
    "minor": "low",
    "moderate": "medium",
    "major": "high",
    "fatal": "critical",
    **{one: one for one in SEVERITIES},
}
_KEY = re.compile(r"A[KS]IA[A-Z0-9]{16}")
_ARN = re.compile(r"arn:[\w-]+:[\w-]*:[\w-]*:\d{12}:.{1,1900}")


def rule_of(record: Row) -> dict[str, Any]:
    """The rule of a hit: a member of its own, or beside the event."""
    rule = record.get("rule")
    if type(rule) is dict:
        return rule
    return {
        "id": record.get("rule_id", rule),
        "title": record.get("rule_title", record.get("rule_name")),
        "level": record.get("level", record.get("severity")),
    }


def is_sigma(record: Row) -> bool:
    """Whether it is the hit of a rule, not the small shape."""
    return "alert_id" not in record


def name_of(said: Any) -> ActorName | None:
    """One of `names`: an access key or ARN of AWS, which name themselves, or all three parts."""
    if type(said) is str:
        if _KEY.fullmatch(said):
            return aws.access_key(said)
        if ":assumed-role/" in said and _ARN.fullmatch(said):
            return aws.role_session(said)
        return aws.arn_actor(said) if _ARN.fullmatch(said) else None
    if type(said) is not dict:
        return None
    realm, kind, value = (said.get(part) for part in ("realm", "kind", "value"))
    if not (type(realm) is type(kind) is type(value) is str and realm and kind and value):
        return None
    return actor(realm, kind, value) if kind and len(value) <= LONGEST else None


def names_of(record: Row) -> list[ActorName]:
    """Whom an alert names, and whom the AWS record names that a rule matched."""
    said = record.get("names")
    found = [name_of(one) for one in (said if type(said) is list else [])[:MOST_NAMES]]
    event = record.get("event")
    who = event.get("userIdentity") if type(event) is dict else None
    if type(who) is dict:
        found += [name_of(who.get("accessKeyId")), name_of(who.get("arn"))]
    return list(dict.fromkeys(one for one in found if one is not None))


def _action(record: Row) -> str:
    rule = rule_of(record)
    for said in (rule.get("id"), rule.get("title"), record.get("title")):
        if type(said) is str and said:
            return f"{ACTION}{said[:200]}"
    return f"{ACTION}{NOT_STATED}"


def _credential(record: Row, realm: str) -> ActorName | None:  # noqa: ARG001 - the shape of a table's function
    return next((one for one in names_of(record) if one.kind == "access_key"), None)


def _principal(record: Row, realm: str) -> ActorName | None:  # noqa: ARG001 - the shape of a table's function
    return next((one for one in names_of(record) if one.kind != "access_key"), None)


TABLE = Table(
    name=NAME,
    title="Alerts (our own shape, hits of Sigma rules)",
    signs=(
        ("alert_id", "title", "time"),
        ("rule.id", "rule.level", "event"),
        ("rule_id", "level", "event"),
    ),
    lists=("alerts",),
    plane=PLANE_POLICY,
    realm=lambda _: "",
    at=("time", "timestamp", "event.eventTime"),
    vendor_id=("alert_id", "id"),
    action=(_action,),
    activity=lambda *_: DECISION,
    principal=(_principal,),
    credential=(_credential,),
    resource=("title", "rule.title", "rule_title"),
    outcome=lambda _: OUTCOME_UNKNOWN,
    address=("event.sourceIPAddress",),
    user_agent=("event.userAgent",),
    request_id=("event.requestID",),
    content=("event.requestParameters", "event.responseElements", "event.CommandLine"),
    lacks={
        "agent": "an alert is about an account or key",
        "on behalf": "an alert is about an account or key",
        "session": "an alert is about an account or key",
        "outcome": "an alert is an opinion about what happened",
    },
)
