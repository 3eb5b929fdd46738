"""Positive rules: from judged events to findings (decisions 8). Pure.

A positive rule is judged at once and says the same whatever order events arrive in: every
candidate is a function of one event or of one run's events. Rules on absence (no run behind it)
and on sharing look at a credential's whole history and live in identities/judging/.

Control ids: OWASP Top 10 for Agentic Applications 2026 (ASI..) and OWASP NHI Top 10 2025 (NHI..).
"""

from collections.abc import Iterable
from typing import NamedTuple

# Stored on attributions as small numbers: only ever append.
REASONS = (
    "",
    "inside",
    "none",
    "wrong_action",
    "wrong_resource",
    "expired",
    "not_yet",
    "revoked",
    "held",
    "task_not_covered",
    "condition",
)

# Why an event is outside -> the finding it belongs to.
RULE_OF_REASON = {
    "none": "no_authority",
    "wrong_action": "no_authority",
    "not_yet": "no_authority",
    "task_not_covered": "no_authority",
    "condition": "no_authority",
    "wrong_resource": "outside_resources",
    "expired": "after_expiry",
    "revoked": "after_revocation",
    "held": "after_revocation",
}

RULES = {
    "no_authority": "No authority",
    "outside_resources": "Outside resources",
    "after_expiry": "After expiry",
    "after_revocation": "After revocation",
    "shared_credential": "Shared credential",
    "no_run": "No run behind it",
    "left_task": "Left its task",
    "after_refusal": "After a refusal",
    "no_mfa": "Console sign-in without MFA",
    "outside_instance": "Instance credential used elsewhere",
    "conflicting_trace": "Conflicting trace",
    "interactive_use": "Interactive use of a machine credential",
}

CONTROLS = {
    "no_authority": ("ASI03", "NHI5"),
    "outside_resources": ("ASI03", "NHI5"),
    "after_expiry": ("ASI03", "NHI1"),
    "after_revocation": ("ASI03", "NHI1"),
    "shared_credential": ("ASI03", "NHI9"),
    "no_run": ("ASI03", "NHI2"),
    "left_task": ("ASI01", "ASI02", "ASI03"),
    "after_refusal": ("ASI02", "ASI03"),
    "no_mfa": ("ASI03", "NHI4"),
    "outside_instance": ("ASI03", "NHI2"),
    "conflicting_trace": ("ASI03",),
    "interactive_use": ("ASI03", "NHI10"),
}

# A trace that contradicts a log, or stands beside another trace of one request id; or two records of
# one request that disagree: the family says which sources, how, and the day (identities/judging/conflicts.py).
CONFLICT, AGAINST, BESIDE, UNLIKE = "conflicting_trace", "against", "beside", "unlike"

# Ends the reason of an event that was refused or failed, so that it is not told as done.
UNDONE = ", refused or failed"

# What a run may never do beside its task: read a secret, mint a credential. By operation name,
# in lower case, whatever the service prefix; a service in front narrows it to that service.
READS_A_SECRET = (
    "secretsmanager:getsecretvalue",
    "secretsmanager:batchgetsecretvalue",
    "ssm:getparameter",
    "ssm:getparameters",
    "ssm:getparametersbypath",
    "ssm:getparameterhistory",
    "kms:decrypt",
    "ec2:getpassworddata",
    "ecr:getauthorizationtoken",
    "rds-db:generatedbauthtoken",
)
MINTS_A_CREDENTIAL = (
    "iam:createaccesskey",
    "iam:createloginprofile",
    "iam:updateloginprofile",
    "iam:createservicespecificcredential",
    "iam:resetservicespecificcredential",
    "iam:uploadsigningcertificate",
    "iam:uploadsshpublickey",
    "iam:createuser",
    "iam:createvirtualmfadevice",
    "sts:assumerole",
    "sts:assumerolewithsaml",
    "sts:assumerolewithwebidentity",
    "sts:getfederationtoken",
    "sts:getsessiontoken",
    "ec2:createkeypair",
    "lightsail:downloaddefaultkeypair",
    "bedrock-agentcore:getworkloadaccesstoken",
)
# AWS lets everybody do these, whatever is granted or denied. What an event said before two people
# erased it cannot be told, and accuses nobody.
NEEDS_NO_AUTHORITY = ("sts:getcalleridentity", "[erased]")
SECRET, CREDENTIAL = "read a secret", "minted a credential"


class Judged(NamedTuple):
    """One event with the verdict on it, as the rules see it."""

    at: int  # microseconds
    event: int
    identity: int  # Identity.number
    action: str
    resource: str
    reason: str  # one of REASONS; "inside" when inside
    strength: int  # vocabulary: EXACT when an exact link reaches a span, else KEY
    trace: str  # hex of the run's trace; "" when no run is behind it
    run_strength: int  # how surely it is that run; 0 without one
    agent: str  # the run's agent, ""
    undone: bool = False  # it was refused, or failed


class Candidate(NamedTuple):
    """A finding that one event asks for, or one event of it."""

    identity: int | None  # None: not known, and `actor` says who it was
    rule: str
    family: str
    trace: str
    at: int
    event: int
    strength: int
    reason: str
    actor: int | None = None


def family(resource: str) -> str:
    """The resource family: findings of one family are one row with a count.

    ``invoices/2026/a.json`` -> ``invoices/*``; ``arn:aws:iam::1:user/x`` -> ``arn:aws:iam::1:user/*``;
    ``prod/db`` -> ``prod/*``; a name without parts is its own family.
    """
    if not resource:
        return ""
    if resource.startswith("arn:"):
        cut = max(resource.rfind("/"), resource.rfind(":"))
        return f"{resource[: cut + 1]}*"
    head, slash, _ = resource.partition("/")
    return f"{head}/*" if slash else head


def needs_authority(action: str) -> bool:
    """Whether the target asks for a permission at all."""
    return action.lower() not in NEEDS_NO_AUTHORITY


def sensitive(action: str) -> str:
    """What makes this action one that a run may never do beside its task, or empty."""
    lower = action.lower()
    if lower in READS_A_SECRET:
        return SECRET
    return CREDENTIAL if lower in MINTS_A_CREDENTIAL else ""


def without_mfa(
    *, identity: int | None, actor: int | None, at: int, event: int, strength: int
) -> Candidate:
    """The finding of one sign-in without MFA: one row for each identity, or actor without one."""
    return Candidate(
        identity, "no_mfa", "console", "", at, event, strength, "MFA was not used", actor
    )


def conflict_words(family: str, count: int) -> str:
    """The sentence of a conflict: both sources, and that one of them is wrong; not which."""
    if family.count(" ") != 3:
        return ""
    one, how, other, day = family.split(" ")
    calls = "1 call" if count == 1 else f"{count:,} calls"
    if how == AGAINST:
        return (
            f"on {day} traces of {one} state the request ids of {calls} and contradict what the log"
            f" {other} says of {'it' if count == 1 else 'them'}: one of the two sources is wrong"
        )
    if how == UNLIKE:
        where = f"in {one}" if one == other else f"of {one} and {other}"
        return (
            f"on {day} records {where} with the request ids of {calls} tell"
            f" {'it' if count == 1 else 'them'} differently: at most one record of each is right"
        )
    of = one if one == other else f"{one} and {other}"
    return (
        f"on {day} several traces of {of} state the request id of {calls}: at most one trace of"
        " each id is right"
    )


def candidates(judged: Iterable[Judged]) -> list[Candidate]:
    """The positive findings of these events; give all events of a run together."""
    found = []
    runs: dict[tuple[int, str], list[Judged]] = {}
    for event in judged:
        rule = RULE_OF_REASON.get(event.reason)
        if rule is None:
            continue
        found.append(
            Candidate(
                event.identity,
                rule,
                family(event.resource),
                "",
                event.at,
                event.event,
                event.strength,
                event.reason + (UNDONE if event.undone else ""),
            )
        )
        if event.trace:
            runs.setdefault((event.identity, event.trace), []).append(event)
    for (identity, trace), events in runs.items():
        if not any(sensitive(event.action) for event in events):
            continue
        found += [
            Candidate(
                identity,
                "left_task",
                trace,
                trace,
                event.at,
                event.event,
                min(event.strength, event.run_strength),
                (sensitive(event.action) or event.reason) + (UNDONE if event.undone else ""),
            )
            for event in events
        ]
    return found
