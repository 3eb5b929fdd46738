"""Access keys: held, released, deleted, and looked at afterwards.

Owns what a key's state means and what outlives it; must not know who asked.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from .aws_failures import ACCOUNT, Absent, Refused
from .aws_principals import LastUse, Principals
from .contract import Residual, Seen, Sent, Target, plain

# GetSessionToken and GetFederationToken give a user's key up to 36 hours (STS reference).
LONGEST_TOKEN = timedelta(hours=36)
# A role allows at most 12 hours (IAM: MaxSessionDuration).
LONGEST_ROLE_SESSION = timedelta(hours=12)
# The last use of a key is shown with a delay; within it, what is shown may be an older use.
DELAY = timedelta(minutes=15)


def set_key(known: Principals, target: Target, *, active: bool = False) -> Sent:
    user, reference = _made(
        known, target, lambda user: known.set_key(user, target.name, active=active)
    )
    if reference is None:
        if active:
            raise Absent(f"Key {target.name} of {user} is not there.", who_must_act=ACCOUNT)
        return Sent(reference="", detail=f"{target.name} is already gone.")
    word = "active" if active else "held (Inactive)"
    return Sent(reference=reference, detail=f"{target.name} of {user} is {word}.")


def delete_key(known: Principals, target: Target) -> Sent:
    user, reference = _made(known, target, lambda user: known.delete_key(user, target.name))
    if reference is None:
        return Sent(reference="", detail=f"{target.name} is already gone.")
    return Sent(reference=reference, detail=f"{target.name} of {user} is deleted.")


def _made(
    known: Principals, target: Target, change: Callable[[str], str]
) -> tuple[str, str | None]:
    """(whose key it is, AWS's reference of the change; None where there is no such key).

    A key stays its user's for ever, so whoever the target names is tried first; where they have no
    such key, AWS is asked whose it is.
    """
    said = target.extra.get("user", "")
    if said:
        try:
            return said, change(said)
        except Absent:
            pass
    user = known.owner(target.name, said=said)
    if user == said:
        return user, None
    try:
        return user, change(user)
    except Absent:
        return user, None


def seen_key(known: Principals, target: Target, now: datetime) -> Seen:
    said = target.extra.get("user", "")
    if said:
        try:
            shown = _status(known, said, target.name)
        except Absent:
            shown = None
        if shown is not None:
            return _seen(target, said, shown, now)
    owner, told = said, True
    try:
        owner = known.last_use(target.name).user or said
    except Absent:
        pass
    except Refused:
        told = False
    if not owner:
        if told:
            return Seen("gone", f"AWS knows no key {target.name}.", now)
        return Seen("unknown", f"AWS does not tell whose key {target.name} is.", now)
    try:
        status = _status(known, owner, target.name)
    except Absent:
        if told:
            return Seen("gone", f"There is no user {owner}.", now)
        return Seen("unknown", f"There is no user {owner}, and its owner is not told.", now)
    if status is None:
        return Seen("gone", f"{target.name} is not in the list of {owner}.", now)
    return _seen(target, owner, status, now)


def _status(known: Principals, user: str, name: str) -> str | None:
    return {key.access_key_id: key.status for key in known.keys(user)}.get(name)


def _seen(target: Target, user: str, status: str, now: datetime) -> Seen:
    if status == "Active":
        return Seen("active", f"{target.name} of {user} is Active.", now)
    return Seen("held", f"{target.name} of {user} is {plain(status)}.", now)


def last_use(known: Principals, access_key_id: str) -> LastUse | None:
    try:
        return known.last_use(access_key_id)
    except (Absent, Refused):
        return None


def after_key(use: LastUse | None, since: datetime, now: datetime) -> list[Residual]:
    """Tokens and sessions opened with a key outlive it: AWS offers no way to end them by it.

    The ends are bounds: the step's moment plus the longest life, or the key's last use plus the
    longest life once AWS's showing of the last use has settled. A use that is not shown is not
    a use that was not made.
    """
    latest = since
    if use is not None and use.used_at is not None and now >= since + DELAY:
        latest = min(since, use.used_at)
    return [
        Residual(
            "tokens of GetSessionToken or GetFederationToken opened with this key: only a deny on "
            "its user ends them",
            latest + LONGEST_TOKEN,
        ),
        Residual(
            "role sessions opened with this key: only a deny on the role ends them",
            latest + LONGEST_ROLE_SESSION,
        ),
    ]
