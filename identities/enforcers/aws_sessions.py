"""Sessions of a role, and tokens that a user's keys got: denied by the time they were issued.

Owns the moment and what lives on; must not know who asked. AWS cannot end a session: it denies
what the session asks for ("Revoking IAM role temporary security credentials"). The same deny on a
user reaches its temporary tokens alone: a request with a standing key has no time of issue.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from . import aws_policies as policies
from .aws_failures import ADMINISTRATOR, Absent
from .aws_keys import LONGEST_TOKEN
from .aws_principals import Kind, Principals
from .contract import PermanentFailure, Residual, Seen, Sent, Target

# Whose policy denies the sessions of each kind of target.
OF: dict[str, Kind] = {"role_sessions": "role", "user_sessions": "user"}


def revoke_sessions(known: Principals, target: Target, *, now: datetime) -> Sent:
    kind = OF[target.kind]
    try:
        _, clock = known.look(kind, target.name)
    except Absent:
        return Sent(reference="", detail=f"{target.name} is already gone.")
    # Where our clock is behind AWS's, `now` would spare the newest sessions.
    before = moment_of(target) or (max(now, clock) if clock else now)
    found = known.policy(kind, target.name, policies.OLDER_SESSIONS)
    document = policies.older_sessions(before, found)
    reference = known.put_policy(kind, target.name, policies.OLDER_SESSIONS, document)
    moment = policies.sessions_denied_before(document)
    return Sent(
        reference=reference,
        detail=f"Sessions of {target.name} issued before {moment:%Y-%m-%d %H:%M:%S} UTC are "
        "denied everything.",
    )


def seen_sessions(
    known: Principals, target: Target, *, since: datetime | None, now: datetime
) -> Seen:
    found = known.policy(OF[target.kind], target.name, policies.OLDER_SESSIONS)
    moment = policies.sessions_denied_before(found) if found else None
    wanted = since or moment_of(target)
    if moment is None or (wanted is not None and moment < wanted):
        return Seen("active", f"{policies.OLDER_SESSIONS} does not deny up to then.", now)
    return Seen("denied", f"Sessions issued before {moment:%Y-%m-%d %H:%M:%S} UTC are denied.", now)


def after_sessions(known: Principals, target: Target, since: datetime) -> list[Residual]:
    try:
        role, _ = known.look(OF[target.kind], target.name)
    except Absent:
        return []
    if target.kind == "user_sessions":
        return [
            Residual(
                f"tokens of {target.name}: they stay valid, every call but GetCallerIdentity is "
                "denied",
                since + LONGEST_TOKEN,
            )
        ]
    longest = timedelta(seconds=int(role.get("MaxSessionDuration", 43_200)))
    return [
        Residual(
            f"sessions of {target.name}: their tokens stay valid, every call but "
            "GetCallerIdentity is denied",
            since + longest,
        ),
        Residual(
            f"sessions of other roles opened from {target.name} before: the deny does not "
            "reach them (at most 1 hour by AWS's rule for chains)",
            since + timedelta(hours=1),
        ),
    ]


def moment_of(target: Target) -> datetime | None:
    raw = target.extra.get("issued_before")
    if not raw:
        return None
    try:
        moment = datetime.fromisoformat(raw)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise PermanentFailure(
            f"issued_before is not a moment with its zone: {raw!r}.", who_must_act=ADMINISTRATOR
        )
    return moment
