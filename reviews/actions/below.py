"""What was passed on from a delegation, when less of it is left: what becomes of each child.

Owns the plan, read-only, so that a dry run and the act show the same. Writing it is versions.py.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from identities import authority
from identities.authority import Grant, phrases
from identities.judging.verdicts import grant_of
from identities.models import Delegation, DelegationVersion


class Child(NamedTuple):
    """A delegation in force that is wider than its parent will be; `left` None: it ends."""

    delegation: Delegation
    left: Grant | None


class Known(Protocol):
    """Delegations with everything below them, and what is in force of them (versions.py)."""

    def children(self, pk: UUID) -> Sequence[Delegation]: ...

    def in_force(self, pk: UUID) -> DelegationVersion | None: ...


def plan(
    known: Known, delegation: Delegation, above: Grant | None, *, now: datetime
) -> list[Child]:
    """Every delegation below this one that has to change, parents first.

    `above`: what will be in force of the delegation; None: nothing.
    """
    return _plan(known, delegation, above, now=now, seen={delegation.pk})


def _plan(
    known: Known, delegation: Delegation, above: Grant | None, *, now: datetime, seen: set[UUID]
) -> list[Child]:
    found = []
    for child in known.children(delegation.pk):
        current = known.in_force(child.pk)
        if child.pk in seen or current is None:
            continue
        seen.add(child.pk)
        have = _from_now(grant_of(current), now)
        left = None if above is None else _left(have, _from_now(above, now))
        if left == have:
            continue
        found += [Child(child, left), *_plan(known, child, left, now=now, seen=seen)]
    return found


def _left(child: Grant, parent: Grant) -> Grant | None:
    """The child itself when it is within already; None when nothing is left that can be read."""
    try:
        return child if not authority.narrower([child], [parent]) else authority.meet(child, parent)
    except authority.AuthorityError:
        return None


def _from_now(grant: Grant, now: datetime) -> Grant:
    """What is past stays as it was: only what comes has to lie within the parent."""
    starts = grant.starts_at
    return grant._replace(starts_at=now if starts is None or starts < now else starts)


def fields(left: Grant) -> dict[str, Any]:
    """The fields of a version that says this."""
    return {
        "actions": list(left.actions),
        "resources": list(left.resources),
        "conditions": dict(left.conditions),
        "task": left.task or "",
        "on_behalf": left.on_behalf or "",
        "during": (left.starts_at, left.ends_at),
    }


def words(children: list[Child]) -> list[str]:
    """One sentence for each child, as the dry run and the outcome say it."""
    return [
        f"{one.delegation.key}, passed on from it, ends"
        if one.left is None
        else f"{one.delegation.key}, passed on from it, is narrowed to:"
        f" {phrases.phrase(one.left.actions, one.left.resources)}"[:300]
        for one in children
    ]
