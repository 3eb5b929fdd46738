"""What one person proposes and another signs: the columns of both signatures, written once.

Owns how a row of identities/models/signed.py is proposed and settled, and that nobody settles
their own. Who else may, and what comes of it, is each table's own.
"""

from datetime import datetime
from typing import Any

from identities.acting import By, acting
from identities.models import User
from identities.models.signed import TwoSigned
from identities.permissions import NOBODY, NotAllowed

OWN = "You proposed it: a second person signs."


def proposal(*, by: User, now: datetime, reason: str) -> dict[str, Any]:
    """The columns of a row that this person proposes. NotAllowed for a login without a person."""
    if by.person is None:
        raise NotAllowed(NOBODY)
    return {
        "reason": reason,
        "proposed_at": now,
        "proposed_by": by.ref,
        "proposed_by_name": by.called,
        "proposed_person": by.person,
    }


def settle(row: TwoSigned, state: str, *, by: By, now: datetime, reason: str = "") -> None:
    """Sign ("in_force") or refuse a locked row; `reason`: why it is refused."""
    who = acting(by)
    row.state, row.settled_reason = state, reason
    row.settled_at, row.settled_by, row.settled_by_name = now, who.ref, who.name
    row.settled_person = None if who.user is None else who.user.person
    row.save()


def why_not_open(row: TwoSigned) -> str | None:
    """Why nothing can be signed or refused in this row any more."""
    if row.state == "proposed":
        return None
    who = row.settled_by_name or "Countersign"
    return f"{row} is {row.state.replace('_', ' ')} already, by {who}."


def why_not_second(user: User, row: TwoSigned) -> str | None:
    """Why this person is not the second one of this row."""
    why = why_not_open(row)
    if why is None and row.proposed_person_id == user.person_id:
        return OWN
    return why
