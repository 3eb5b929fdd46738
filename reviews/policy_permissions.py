"""Who may change a review policy, and the sentence why not: always two people, never one."""

from datetime import datetime

from identities.models import User
from identities.permissions import cannot_sign
from reviews.models import ReviewPolicy

CHANGING = frozenset({"reviewer", "administrator"})
WHO = "Only a reviewer or an administrator may change a review policy."


def why_not_propose_policy(user: User, *, now: datetime) -> str | None:
    """Propose a version of a policy."""
    return cannot_sign(user, CHANGING, WHO, now=now)


def why_not_sign_policy(user: User, policy: ReviewPolicy, *, now: datetime) -> str | None:
    """Put a proposed version in force: somebody else than who proposed it."""
    why = why_not_propose_policy(user, now=now) or _why_not_open(policy)
    if why is not None:
        return why
    if policy.proposed_person_id == user.person_id:
        return "You proposed it: a second person signs."
    return None


def why_not_refuse_policy(user: User, policy: ReviewPolicy, *, now: datetime) -> str | None:
    """Refuse a proposed version; who proposed it may take it back the same way."""
    return why_not_propose_policy(user, now=now) or _why_not_open(policy)


def _why_not_open(policy: ReviewPolicy) -> str | None:
    if policy.state == "proposed":
        return None
    return f"{policy} is {policy.state} already, by {policy.settled_by_name or 'Countersign'}."
