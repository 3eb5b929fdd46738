"""What became of a change at its target is the state of its credentials from then on.

Owns which credentials those are. Whether the target shows it is carrying.py's and looking.py's.
"""

from collections.abc import Iterable
from datetime import datetime

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


def mark(
    row: Revocation, target: Target, *, now: datetime, because: str = "", as_: str = ""
) -> None:
    """The credentials of this change are what it makes of them, or `as_`."""
    ended: Iterable[Credential]
    state = STATES.get(row.step)
    if state is None or row.entitlement is not None:
        return
    if state == "revoked" and row.target.get("delete") is False:
        state = "held"
    if target.kind == "role_sessions":
        ended = Credential.objects.filter(
            actor__parent__value__endswith=f":role/{target.name}",
            actor__parent__realm=f"aws:{target.account}",
            standing=False,
            state="active",
            issued_at__lte=row.sent_at or now,
        )
        state = "revoked"
    elif row.credential is not None:
        ended = [row.credential]
    else:
        ended = Credential.objects.filter(
            pk__in=reach.credentials_in(row.system, row.identity, now=now)
        )
    for credential in ended:
        credentials.mark(
            credential=credential,
            state=as_ or state,
            at=now,
            now=now,
            because=because or f"{row.key}: {row.words}",
        )
    judging.again(identities=[row.identity], now=now)
