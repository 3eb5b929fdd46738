"""Who may turn consequences on and off, and the sentence why not: two people on, one back."""

from datetime import datetime

from identities.models import User
from identities.permissions import cannot_sign
from reviews.mode_rules import lower
from reviews.models import ModeRule

CHANGING = frozenset({"reviewer", "administrator"})
BACK = CHANGING | {"responder"}


def why_not_propose_mode(user: User, *, now: datetime) -> str | None:
    """Propose that a scope goes to another mode."""
    said = "Only a reviewer or an administrator may change what a scope's findings lead to."
    return cannot_sign(user, CHANGING, said, now=now)


def why_not_sign_mode(user: User, rule: ModeRule, *, now: datetime) -> str | None:
    """Put a proposed rule in force: somebody else than who proposed it."""
    why = why_not_propose_mode(user, now=now) or _why_not_open(rule)
    if why is not None:
        return why
    if rule.proposed_person_id == user.person_id:
        return "You proposed it: a second person signs."
    return None


def why_not_refuse_mode(user: User, rule: ModeRule, *, now: datetime) -> str | None:
    """Refuse a proposed rule; who proposed it may take it back the same way."""
    return why_not_propose_mode(user, now=now) or _why_not_open(rule)


def why_not_step_back(user: User, rule: ModeRule, mode: str, *, now: datetime) -> str | None:
    """Take a scope back to a mode with fewer consequences: one person, at once."""
    said = "Only a reviewer, a responder or an administrator may take a scope back."
    why = cannot_sign(user, BACK, said, now=now)
    if why is not None:
        return why
    if rule.state != "in_force":
        return f"{rule.key} is {rule.state.replace('_', ' ')}: only what is in force is taken back."
    if mode not in lower(rule.mode):
        return f"From {rule.mode} there is no step back to {mode[:20]!r}."
    return None


def _why_not_open(rule: ModeRule) -> str | None:
    if rule.state == "proposed":
        return None
    who = rule.settled_by_name or "Countersign"
    return f"{rule.key} is {rule.state.replace('_', ' ')} already, by {who}."
