"""What one reading of a system's permissions allows beyond an earlier one.

Statements are as Entitlement.possible has them (identities/enforcers/possible_aws.py). Conservative:
what cannot be seen to be allowed before is named as wider; it is only asked about.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from reviews.shown import covers

type Statement = Mapping[str, Any]  # {effect, actions, resources, conditions, via, layer}

MOST_WORDS = 10
GRANTS = "identity"  # the layer that grants; each other one limits what it does


def wider(before: Sequence[Statement], after: Sequence[Statement]) -> list[str]:
    """One sentence for each thing that `after` allows and `before` did not; at most ten."""
    found: dict[str, None] = {}
    allowed = [one for one in before if _allows(one)]
    limited = {_layer(one) for one in allowed}
    for one in after:
        # A limit where there was none takes something away.
        if not _allows(one) or one in allowed or _layer(one) not in {GRANTS, *limited}:
            continue
        later = ", after activation" if one["effect"] == "eligible" else ""
        for action in one.get("actions", []) or _all_but(one, "not_actions"):
            for resource in one.get("resources", []) or _all_but(one, "not_resources"):
                if not any(_covers(old, one, action, resource) for old in allowed):
                    found[f"{action} on {resource}{later}"] = None
                if len(found) == MOST_WORDS:
                    return list(found)
    limits = {_layer(one) for one in after}
    for old in before:
        if len(found) == MOST_WORDS:
            break
        if old["effect"] == "deny" and old not in after:
            actions = ", ".join(old.get("actions", [])[:3])
            on = ", ".join(old.get("resources", [])[:3])
            found[f"no longer denied: {actions} on {on}"] = None
        elif _layer(old) not in {GRANTS, *limits}:
            found[f"no longer limited by {old.get('via') or _layer(old)}"] = None
    return list(found)


def _allows(one: Statement) -> bool:
    return one["effect"] in ("allow", "eligible")


def _layer(one: Statement) -> str:
    return str(one.get("layer", GRANTS))


def _all_but(one: Statement, member: str) -> list[str]:
    return [f"all but {', '.join(one[member][:3])}"] if one.get(member) else []


def _covers(old: Statement, new: Statement, action: str, resource: str) -> bool:
    """The old statement allowed this as freely: without conditions, or under the same; what had
    to be activated first was not."""
    if (old["effect"], new["effect"]) == ("eligible", "allow") or _layer(old) != _layer(new):
        return False
    if old.get("conditions") and old.get("conditions") != new.get("conditions"):
        return False
    return covers(old.get("actions", []), action) and covers(old.get("resources", []), resource)
