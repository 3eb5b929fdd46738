"""Who may stop the clock's cuts for a time, and the sentence why not: two people, and one ends it."""

from datetime import datetime

from identities.models import User
from identities.permissions import cannot_sign
from reviews.models import Freeze

CHANGING = frozenset({"reviewer", "administrator"})
# Who may be asked in place of the clock: who may release what is held.
ASKED = CHANGING | {"responder"}


def why_not_propose_freeze(user: User, *, now: datetime) -> str | None:
    """Propose that silence cuts nothing of a scope for a time."""
    said = "Only a reviewer or an administrator may freeze what silence does."
    return cannot_sign(user, CHANGING, said, now=now)


def why_not_sign_freeze(user: User, freeze: Freeze, *, now: datetime) -> str | None:
    """Put a proposed freeze in force: somebody else than who proposed it."""
    why = why_not_propose_freeze(user, now=now) or _why_not_open(freeze)
    if why is not None:
        return why
    if freeze.proposed_person_id == user.person_id:
        return "You proposed it: a second person signs."
    if freeze.until <= now:
        return f"It would have been over on {freeze.until:%-d %b %Y %H:%M} UTC: refuse it."
    return None


def why_not_refuse_freeze(user: User, freeze: Freeze, *, now: datetime) -> str | None:
    """Refuse a proposed freeze; who proposed it may take it back the same way."""
    return why_not_propose_freeze(user, now=now) or _why_not_open(freeze)


def why_not_end_freeze(user: User, freeze: Freeze, *, now: datetime) -> str | None:
    """End a freeze before its time: one person. What it holds stays held."""
    why = why_not_propose_freeze(user, now=now)
    if why is not None:
        return why
    if freeze.state != "in_force":
        said = freeze.state.replace("_", " ")
        return f"{freeze.key} is {said}: only what is in force is ended."
    if freeze.until <= now:
        return f"{freeze.key} was over on {freeze.until:%-d %b %Y %H:%M} UTC."
    return None


def _why_not_open(freeze: Freeze) -> str | None:
    if freeze.state == "proposed":
        return None
    return f"{freeze.key} is {freeze.state.replace('_', ' ')} already, by {freeze.settled_by_name}."
