"""Which answers an item takes, and what each has to bring: a table and its checks. Pure.

Owns no row: the shapes here are what forms and the API may send.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from identities import authority
from identities.permissions import NotPossible

# In the order of the keys 1 to 5 on the page. A credential cannot be narrowed at the target.
OF_KIND: dict[str, tuple[str, ...]] = {
    "delegation": ("keep", "narrow", "revoke", "dont_know", "replace"),
    "entitlement": ("keep", "narrow", "revoke", "dont_know"),
    "credential": ("keep", "replace", "revoke", "dont_know"),
    "binding": ("keep", "revoke", "dont_know"),
    "grant": ("approve", "deny"),
    "step": ("approve", "deny"),
    "use": ("keep", "revoke", "dont_know"),
    "identity": ("keep", "revoke", "dont_know"),
    "manifest": ("approve", "deny"),
}
WORDS = {
    "keep": "Keep",
    "narrow": "Narrow",
    "replace": "Replace by a date",
    "revoke": "Revoke",
    "dont_know": "Don't know",
    "approve": "Approve",
    "deny": "Deny",
}
# These go out at commit and are guarded by re-authentication; the others can be taken back
# for eight seconds (decisions 19).
AT_ONCE = frozenset({"revoke", "approve", "deny"})
UNDO = timedelta(seconds=8)
FURTHEST = timedelta(days=366)
MOST_PATTERNS = 100


def check(
    kind: str, answer: str, proposal: Mapping[str, Any], offered: Mapping[str, Any], now: datetime
) -> dict[str, Any]:
    """The proposal to store with this answer, or NotPossible with what is missing.

    `offered` is the item's own proposal, taken when a narrowing names nothing itself.
    """
    allowed = OF_KIND.get(kind, ())
    if answer not in allowed:
        raise NotPossible(
            f"{WORDS.get(answer, answer)!r} is no answer to a {kind}:"
            f" choose one of {', '.join(WORDS[one] for one in allowed)}."
        )
    if answer == "replace":
        return _plan(proposal, now)
    if answer == "narrow" and kind == "delegation":
        return _left(proposal, offered)
    return {}


def _plan(proposal: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    plan = str(proposal.get("plan", "")).strip()
    control = str(proposal.get("control", "")).strip()
    by = proposal.get("by")
    if not plan:
        raise NotPossible("Say the plan: what replaces it, and who does it.")
    if not control:
        raise NotPossible("Say the compensating control: what protects it until it is replaced.")
    if not isinstance(by, datetime):
        raise NotPossible("Say by when it is replaced: a date and time.")
    if not now < by <= now + FURTHEST:
        raise NotPossible("The date of a replacement must lie within the next 366 days.")
    return {"plan": plan[:2_000], "control": control[:2_000], "by": by.isoformat()}


def _left(proposal: Mapping[str, Any], offered: Mapping[str, Any]) -> dict[str, Any]:
    left = {}
    for name in ("actions", "resources"):
        value = proposal.get(name) or offered.get(name) or []
        if (
            not isinstance(value, Sequence)
            or isinstance(value, str)
            or not all(isinstance(one, str) and one.strip() for one in value)
        ):
            raise NotPossible(f"Write the {name} that are left as a list of patterns.")
        if not value:
            raise NotPossible(f"Say which {name} are left: with none left it is a revocation.")
        if len(value) > MOST_PATTERNS:
            raise NotPossible(f"At most {MOST_PATTERNS} {name} are possible.")
        left[name] = [one.strip() for one in value]
    return left


def common(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any] | None:
    """What two narrowings both leave, a pattern within another one counted as the narrower one;
    None when they share nothing, or nothing that can be written as patterns."""
    both = authority.meet(_grant(first), _grant(second))
    if both is None:
        return None
    return {"actions": list(both.actions), "resources": list(both.resources)}


def _grant(left: Mapping[str, Any]) -> authority.Grant:
    """A narrowing as the judge of authority reads it."""
    return authority.Grant(
        key="",
        version=0,
        actions=tuple(left.get("actions", ())),
        resources=tuple(left.get("resources", ())),
    )
