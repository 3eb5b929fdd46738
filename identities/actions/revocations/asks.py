"""What is asked of a revocation, by whom it may be, and what came of the asking: the shapes.

Owns them for whoever asks (asking.py) and whoever makes rows of it (together.py, along.py).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from identities import issued, permissions
from identities.acting import By, acting
from identities.enforcers.contract import Permission
from identities.models import Credential, Entitlement, Identity, Revocation
from identities.permissions import NotAllowed, NotPossible

# What goes along is named, up to so many.
MOST_NAMED = 5
# What a row says of that.
TAKES = ("takes_issued", "takes_others", "takes_made", "spares_own")
WHY_NOT = {
    "hold": permissions.why_not_hold,
    "release": permissions.why_not_hold,
    "narrow": permissions.why_not_revoke,
    "suspend": permissions.why_not_suspend,
    "resume": permissions.why_not_resume,
    "revoke": permissions.why_not_revoke,
}


def why_not(identity: Identity | None, step: str, by: By, *, now: datetime) -> str | None:
    """Why this may not be asked for; None of what names no step and no identity."""
    asks = WHY_NOT.get(step)
    return None if identity is None or asks is None else asks(by, identity, now=now)


class Ask(NamedTuple):
    """One step on one credential, on what one principal is allowed, or on all of the identity.

    `delete=False` keeps a revoked key held at the target instead of deleting it.
    `permissions_left` is what a narrowing, or the hold of an entitlement, leaves. `held_by` is the
    key of the hold that the release or the narrowing of an entitlement ends; `allowed` what a
    release may let come into force (enforcers/widening.py), where that is not what was held.
    `by_hand`: a credential that no enforcer changes is put on the wall for people, not refused.
    `urgent`: goes before what is routine; None: it is where a person asks. `takes_issued`: what the
    credential issued is stopped with it, also what is another identity's if `takes_others`, but for
    what the identity's own runs issued or use if `spares_own`; `takes_made`: and the principals that
    it made, None: where a person asks. `cause` is the revocation that takes this one along.
    """

    identity: Identity
    step: str
    because: str
    credential: Credential | None = None
    case: UUID | None = None
    case_key: str = ""
    permissions_left: Sequence[Permission] = ()
    delegation: UUID | None = None
    delete: bool = True
    entitlement: Entitlement | None = None
    held_by: str = ""
    allowed: Mapping[str, str] | None = None
    by_hand: bool = False
    urgent: bool | None = None
    takes_issued: bool = True
    takes_others: bool = True
    spares_own: bool = False
    takes_made: bool | None = None
    cause: Revocation | None = None


class Unreachable(NotPossible):
    """No enforcer changes this, or not so: people may."""


class Made(NamedTuple):
    """The rows that stand for an ask, new or already open, and those of what goes along with it; or
    why there are none."""

    rows: list[Revocation]
    refused: NotPossible | NotAllowed | None
    along: Sequence[Revocation] = ()

    def with_it(self, *, tried: bool = False) -> str:
        """What goes along, behind a sentence of the first; "" where nothing does. What is only
        tried out has no number."""
        if not self.along:
            return ""
        those = self.along[:MOST_NAMED]
        said = ", ".join(one.words if tried else f"{one.key}: {one.words}" for one in those)
        more = len(self.along) - len(those)
        return f"; with it {said}{f' and {more:,} more' if more else ''}"


def takes(ask: Ask) -> bool:
    """Whether what its credential issued is stopped with it."""
    return ask.takes_issued and ask.credential is not None and ask.step in issued.STOPS


def complete(ask: Ask, by: By) -> Ask:
    """With what depends on who asks."""
    if ask.takes_made is not None:
        return ask
    return ask._replace(takes_made=acting(by).user is not None)


def widens(row: Revocation, ask: Ask) -> bool:
    """Let an open row take along what this asks for as well; whether that is more."""
    if not takes(ask):
        return False
    before = [getattr(row, name) for name in TAKES]
    row.spares_own = ask.spares_own and (row.spares_own or not row.takes_issued)
    row.takes_others = row.takes_others or ask.takes_others
    row.takes_made = row.takes_made or bool(ask.takes_made)
    row.takes_issued = True
    return before != [getattr(row, name) for name in TAKES]
