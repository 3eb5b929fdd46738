"""What became of a change at its target is the state of its credentials from then on.

Owns which credentials those are. Whether the target shows it is carrying.py's and looking.py's.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from identities import judging
from identities.actions import credentials
from identities.enforcers.contract import Target
from identities.models import Credential, Revocation

from . import reach

STATES = {
    "hold": "held",
    "suspend": "held",
    "release": "active",
    "resume": "active",
    "revoke": "revoked",
}


# One policy for all sessions of a role, or of a user, that were issued until then.
SESSIONS = {"role_sessions": "role", "user_sessions": "user"}
# Of several changes to one key that are seen at once, the strictest stands.
STRICTER = ("active", "held", "revoked")


def is_of_one(row: Revocation) -> bool:
    """Whether it changes one credential and nothing else."""
    return row.credential_id is not None and row.target.get("kind") not in SESSIONS


def mark_all(rows: Sequence[Revocation], *, now: datetime) -> None:
    """What the target shows of these, from now on: single credentials in as many statements as one,
    and their identities are judged again together."""
    of: dict[str, dict[UUID, str]] = {}
    judged = []
    for row in rows:
        state = _state(row)
        if not state:
            continue
        judged.append(row.identity)
        if is_of_one(row) and row.credential_id is not None:
            of.setdefault(state, {})[row.credential_id] = _because(row)
        else:
            _each(row, Target.from_json(row.target), state, at=now, because=_because(row))
    for state in sorted(of, key=STRICTER.index):
        credentials.mark_all(of[state], state=state, now=now)
    if judged:
        judging.again(identities=judged, now=now)


def mark(
    row: Revocation, target: Target, *, now: datetime, because: str = "", as_: str = ""
) -> None:
    """The credentials of this change are what it makes of them, or `as_`."""
    state = _state(row)
    if state:
        _each(row, target, as_ or state, at=now, because=because or _because(row))
        judging.again(identities=[row.identity], now=now)


def _state(row: Revocation) -> str:
    """What it makes of its credentials; "" where it is about none."""
    state = STATES.get(row.step, "")
    if row.entitlement is not None or not state:
        return ""
    return "held" if state == "revoked" and row.target.get("delete") is False else state


def _because(row: Revocation) -> str:
    return f"{row.key}: {row.words}"


def _each(row: Revocation, target: Target, state: str, *, at: datetime, because: str) -> None:
    ended: Iterable[Credential]
    if target.kind in SESSIONS:
        whose = f":{SESSIONS[target.kind]}/"
        ended = Credential.objects.filter(
            # With the path that is written between them, where there is one.
            actor__parent__value__contains=whose,
            actor__parent__value__endswith=f"/{target.name}",
            actor__parent__realm=f"aws:{target.account}",
            standing=False,
            state__in=["held"] if state == "active" else ["active", "held"],
            issued_at__lte=row.sent_at or at,
        )
    elif row.credential is not None:
        ended = [row.credential]
    else:
        ended = Credential.objects.filter(
            pk__in=reach.credentials_in(row.system, row.identity, now=at)
        )
    for credential in ended:
        credentials.mark(credential=credential, state=state, at=at, now=at, because=because)
