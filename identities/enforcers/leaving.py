"""How much of what a binding, role or scope gives is left to somebody. Pure.

Owns the judgement that whoever can only take away whole things needs: what gives both what is left
and more is neither taken nor kept. Must not know any one system.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from .contract import Permission, plain
from .patterns import covers, overlaps
from .possible_aws import Possible

# Of what is given: all of it is left, nothing, or some.
Judged = Literal["within", "beyond", "mixed"]
MOST_NAMED = 5


class Right(NamedTuple):
    """One thing that a directory lets somebody do, and that is taken away whole.

    `kind`: scope, app role and the like. `actions`: any of its names; of one that its owner made
    (`own`) all that it allows. `on`: the names of what it is allowed on. `place`: its address.
    """

    kind: str
    actions: tuple[str, ...]
    on: tuple[str, ...]
    place: str
    own: bool = False

    @property
    def words(self) -> str:
        return f"{self.kind} {self.actions[0]} on {self.on[0]}"


def judged(rights: Sequence[Possible], left: Sequence[Permission]) -> Judged:
    """How much of these rights is left. What cannot be read is not."""
    pairs = [
        (action, resource)
        for one in rights
        for action in one.actions or ("*",)
        for resource in one.resources or ("*",)
    ]
    inside = [any(_covers(one, *pair) for one in left) for pair in pairs]
    if all(inside):
        return "within"
    touched = any(inside) or any(_touches(one, *pair) for one in left for pair in pairs)
    known = [one for one in rights if one.effect == "allow"]
    return "mixed" if touched and known else "beyond"


def judged_right(right: Right, left: Sequence[Permission]) -> Judged:
    """How much of it is left. Where what stays is named on something smaller, it is some of it."""
    touched = False
    for one in left:
        if any(
            overlaps(pattern.lower(), action.lower())
            for pattern in one.actions
            for action in right.actions
        ):
            touched = True
            if _has(right, one) and any(
                covers(on, name) for on in one.resources for name in right.on
            ):
                return "within"
    return "mixed" if touched else "beyond"


def _has(right: Right, left: Permission) -> bool:
    """Whether all of it is among these actions: by any of its names, or everything it does."""
    fits = [
        any(covers(pattern.lower(), action.lower()) for pattern in left.actions)
        for action in right.actions
    ]
    return all(fits) if right.own else any(fits)


def unknown(left: Sequence[Permission], names: Iterable[str]) -> list[str]:
    """The words of what is left that a system has no meaning for: they would be cut, and were signed
    to stay. `names`: in lower case."""
    known = list(names)
    return sorted(
        {
            action
            for one in left
            for action in one.actions
            if not any(overlaps(action.lower(), name) for name in known)
        }
    )


def listed(some: Sequence[Right]) -> str:
    """The first of these, in words."""
    return plain(", ".join(one.words for one in some[:MOST_NAMED]))


def _covers(left: Permission, action: str, resource: str) -> bool:
    return any(covers(one.lower(), action.lower()) for one in left.actions) and any(
        covers(one, resource) for one in left.resources
    )


def _touches(left: Permission, action: str, resource: str) -> bool:
    return any(overlaps(one.lower(), action.lower()) for one in left.actions) and any(
        overlaps(one, resource) for one in left.resources
    )
