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
from .contract import PermanentFailure, Residual, Seen, Sent, Step, Target

# Whose policy denies the sessions of each kind of target; of a password, the user's.
OF: dict[str, Kind] = {"role_sessions": "role", "user_sessions": "user", "login_profile": "user"}


def deny_sessions(known: Principals, target: Target, *, now: datetime, hold: bool = False) -> Sent:
    """For good, or `hold`: until they are released."""
    kind, name = OF[target.kind], policies.HELD_SESSIONS if hold else policies.OLDER_SESSIONS
    try:
        _, clock = known.look(kind, target.name)
    except Absent:
        return Sent(reference="", detail=f"{target.name} is already gone.")
    # Where our clock is behind AWS's, `now` would spare the newest sessions.
    before = moment_of(target) or (max(now, clock) if clock else now)
    document = policies.older_sessions(before, known.policy(kind, target.name, name))
    reference = known.put_policy(kind, target.name, name, document)
    moment = policies.sessions_denied_before(document)
    return Sent(
        reference=reference,
        detail=f"Sessions of {target.name} issued before {moment:%Y-%m-%d %H:%M:%S} UTC are "
        "denied everything.",
    )


def seen_sessions(
    known: Principals, target: Target, *, step: Step, since: datetime | None, now: datetime
) -> Seen:
    name = policies.OLDER_SESSIONS if step == "revoke" else policies.HELD_SESSIONS
    found = known.policy(OF[target.kind], target.name, name)
    moment = policies.sessions_denied_before(found) if found else None
    wanted = None if step == "release" else since or moment_of(target)
    if moment is None or (wanted is not None and moment < wanted):
        return Seen("active", f"{name} does not deny up to then.", now)
    return Seen("denied", f"Sessions issued before {moment:%Y-%m-%d %H:%M:%S} UTC are denied.", now)


def end_password(known: Principals, target: Target, *, now: datetime) -> Sent:
    """No more sign-ins with it, and what was signed in with it is denied."""
    try:
        known.delete_password(target.name)
        done = f"The password of {target.name} is deleted."
    except Absent:
        done = f"{target.name} has no password any more."
    sent = deny_sessions(known, target, now=now)
    return Sent(reference=sent.reference, detail=f"{done} {sent.detail}")


def seen_password(
    known: Principals, target: Target, *, since: datetime | None, now: datetime
) -> Seen:
    try:
        known.look("user", target.name)
    except Absent:
        return Seen("gone", f"There is no user {target.name}.", now)
    if known.has_password(target.name):
        return Seen("active", f"{target.name} may sign in with a password.", now)
    return seen_sessions(known, target, step="revoke", since=since, now=now)


def after_sessions(known: Principals, target: Target, since: datetime) -> list[Residual]:
    try:
        role, _ = known.look(OF[target.kind], target.name)
    except Absent:
        return []
    if OF[target.kind] == "user":
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
