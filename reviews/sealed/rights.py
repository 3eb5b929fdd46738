"""Who may declare a sealed credential, announce a drill, and look back at a use; and why not."""

from datetime import datetime

from identities.models import User
from identities.permissions import AUDITOR, LEFT, NOBODY, cannot_decide, cannot_sign, groups
from reviews.models import SealedCredential, SealedUse

CHANGING = frozenset({"reviewer", "administrator"})
LOOKING = frozenset({"reviewer", "responder", "administrator"})
WHO = "Only a reviewer or an administrator may change which credentials are sealed."
WHO_LOOKS = "Only a reviewer, a responder or an administrator does this."


def why_not_propose_sealed(user: User, *, now: datetime) -> str | None:
    """Declare a sealed credential, or change what is declared: never in force by one person."""
    return cannot_sign(user, CHANGING, WHO, now=now)


def why_not_sign_sealed(user: User, row: SealedCredential, *, now: datetime) -> str | None:
    """Put a proposed declaration in force: somebody else than who proposed it."""
    why = why_not_propose_sealed(user, now=now) or _why_not_open(row)
    if why is not None:
        return why
    if row.proposed_person_id == user.person_id:
        return "You proposed it: a second person signs."
    return None


def why_not_refuse_sealed(user: User, row: SealedCredential, *, now: datetime) -> str | None:
    """Refuse a proposed declaration; who proposed it may take it back the same way."""
    return why_not_propose_sealed(user, now=now) or _why_not_open(row)


def why_not_announce(user: User, *, now: datetime) -> str | None:
    """Say beforehand that a sealed credential is practised."""
    return cannot_sign(user, LOOKING, WHO_LOOKS, now=now)


def why_not_explain_use(user: User, use: SealedUse, *, now: datetime) -> str | None:
    """Say who opened the envelope, and why: whoever knows it and sees the case."""
    if why := cannot_decide(user):
        return why
    if "auditor" in groups(user):
        return AUDITOR
    if user.person is None:
        return NOBODY
    if user.person.left_at is not None and user.person.left_at <= now:
        return LEFT
    if use.reviewed_at is not None:
        return "It has been looked at already."
    if use.explained_at is not None:
        return "Who used it is said already."
    return None


def why_not_look_at_use(user: User, use: SealedUse, *, now: datetime) -> str | None:
    """Say what a use was: never who says that they used it, nor who announced it as a drill."""
    why = cannot_sign(user, LOOKING, WHO_LOOKS, now=now)
    if why is not None:
        return why
    if use.reviewed_at is not None:
        return "It has been looked at already."
    if user.person_id == use.explained_person_id:
        return "You say who used it: somebody else looks back at it."
    if use.drill is not None and user.person_id == use.drill.person_id:
        return "You announced the drill: somebody else looks back at it."
    return None


def _why_not_open(row: SealedCredential) -> str | None:
    if row.state == "proposed":
        return None
    return f"{row} is {row.state.replace('_', ' ')} already, by {row.settled_by_name}."
