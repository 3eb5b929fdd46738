"""What one reading of a system's permissions allows beyond an earlier one.

Conservative: what cannot be seen to be allowed before is named as wider; it is only asked about.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from reviews.shown import covers

type Statement = Mapping[str, Any]  # {effect, actions, resources, conditions, via}

MOST_WORDS = 10


def wider(before: Sequence[Statement], after: Sequence[Statement]) -> list[str]:
    """One sentence for each thing that `after` allows and `before` did not; at most ten."""
    allowed = [one for one in before if _allows(one)]
    found: dict[str, None] = {}
    for one in after:
        if not _allows(one) or one in allowed:
            continue
        for action in one.get("actions", []):
            for resource in one.get("resources", []):
                if not any(_covers(old, one, action, resource) for old in allowed):
                    found[f"{action} on {resource}"] = None
                if len(found) == MOST_WORDS:
                    return list(found)
    denied = [one for one in after if not _allows(one)]
    for old in before:
        if not _allows(old) and old not in denied and len(found) < MOST_WORDS:
            actions = ", ".join(old.get("actions", [])[:3])
            found[f"no longer denied: {actions} on {', '.join(old.get('resources', [])[:3])}"] = (
                None
            )
    return list(found)


def _allows(one: Statement) -> bool:
    return bool(one.get("effect", "Allow") == "Allow")


def _covers(old: Statement, new: Statement, action: str, resource: str) -> bool:
    """The old statement allowed this as freely: without conditions, or under the same."""
    if old.get("conditions") and old.get("conditions") != new.get("conditions"):
        return False
    return covers(old.get("actions", []), action) and covers(old.get("resources", []), resource)
