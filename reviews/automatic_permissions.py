"""Who may have findings hold by themselves, and let go what they held."""

from datetime import datetime

from identities import permissions as identity_permissions
from identities.models import User
from identities.permissions import cannot_sign
from reviews import permissions
from reviews.models import AutomaticHold, HoldRule

CHANGING = frozenset({"reviewer", "administrator"})
# Taking consequences back takes one person; a responder is one who may.
BACK = CHANGING | {"responder"}


def why_not_propose_hold_rule(user: User, *, now: datetime) -> str | None:
    """Propose that findings of some classes hold by themselves in a scope."""
    said = "Only a reviewer or an administrator may have findings hold by themselves."
    return cannot_sign(user, CHANGING, said, now=now)


def why_not_sign_hold_rule(user: User, rule: HoldRule, *, now: datetime) -> str | None:
    """Put a proposed rule in force: somebody else than who proposed it."""
    why = why_not_propose_hold_rule(user, now=now) or _why_not_open(rule)
    if why is not None:
        return why
    if rule.proposed_person_id == user.person_id:
        return "You proposed it: a second person signs."
    return None


def why_not_refuse_hold_rule(user: User, rule: HoldRule, *, now: datetime) -> str | None:
    """Refuse a proposed rule; who proposed it may take it back the same way."""
    return why_not_propose_hold_rule(user, now=now) or _why_not_open(rule)


def why_not_end_hold_rule(user: User, rule: HoldRule, *, now: datetime) -> str | None:
    """Switch a rule off: one person, at once. What it holds stays held until it is released."""
    said = "Only a reviewer, a responder or an administrator may switch automatic holds off."
    why = cannot_sign(user, BACK, said, now=now)
    if why is None and rule.state != "in_force":
        said = rule.state.replace("_", " ")
        return f"{rule.key} is {said}: only what is in force is switched off."
    return why


def why_not_release_hold(user: User, hold: AutomaticHold, *, now: datetime) -> str | None:
    """Let go what was held by itself: whoever may hold it or is asked, and is not the subject."""
    why = identity_permissions.why_not_hold(user, hold.identity, now=now)
    if why is not None and user.person_id == hold.rule.asked_id:
        why = cannot_sign(user, BACK, why, now=now)
    if why is not None:
        return why
    if user.person_id is None:
        return permissions.NOBODY
    if user.person_id in permissions.subject_persons(hold.identity):
        return "You are the subject of this hold: somebody else releases it."
    if hold.state != "held":
        return f"{hold.key} holds nothing now."
    if hold.item.outcome in ("revoke", "narrow"):
        return "It has been decided and goes out: what is revoked is issued anew."
    return None


def _why_not_open(rule: HoldRule) -> str | None:
    if rule.state == "proposed":
        return None
    return f"{rule.key} is {rule.state.replace('_', ' ')} already, by {rule.settled_by_name}."
