"""A child may only narrow its parent: what it would widen, and what is left of it within.

Owns the comparison of grants with grants. It is conservative: what cannot be seen to be
contained in one grant of the parent is named as wider, never the other way round.
"""

from collections.abc import Sequence
from datetime import datetime

from . import names, patterns
from .compiling import addresses, wants_mfa
from .terms import Grant, shown, written


def narrower(child: Sequence[Grant], parent: Sequence[Grant]) -> list[str]:
    """What the child would widen, one sentence each; empty when it only narrows."""
    found: dict[str, None] = {}
    for grant in child:
        # A child that is refused as a whole is refused by the compiler's own words.
        addresses(grant)
        for action in grant.actions:
            for resource in grant.resources:
                over = [one for one in parent if _reaches(one, action, resource)]
                what = f"{shown(action)} on {shown(resource)}"
                if not over:
                    found[f"{what} is not delegated by the parent"] = None
                    continue
                wider = [_wider(grant, one) for one in over]
                if all(wider):
                    # The parent's grant that comes nearest says what is too much.
                    for problem in min(wider, key=len):
                        found[f"{what} {problem}"] = None
    return list(found)


def meet(child: Grant, parent: Grant) -> Grant | None:
    """What is left of a child within its parent; None when nothing can be seen to be left.

    The result is never wider than either: where two conditions cannot be joined, nothing is.
    """
    actions = [one for one in child.actions if _has_action(parent, one)]
    actions += [one for one in parent.actions if one not in actions and _has_action(child, one)]

    def held(outer: Grant, resource: str) -> bool:
        return all(_has_resource(outer, action, resource) for action in actions)

    resources = [one for one in child.resources if held(parent, one)]
    resources += [one for one in parent.resources if one not in resources and held(child, one)]
    if not actions or not resources:
        return None
    starts = [one for one in (child.starts_at, parent.starts_at) if one is not None]
    ends = [one for one in (child.ends_at, parent.over_at) if one is not None]
    left = child._replace(
        actions=tuple(actions),
        resources=tuple(resources),
        task=child.task or parent.task,
        on_behalf=child.on_behalf or parent.on_behalf,
        conditions={**parent.conditions, **child.conditions},
        starts_at=max(starts, default=None),
        ends_at=min(ends, default=None),
    )
    if left.starts_at is not None and left.ends_at is not None and left.ends_at <= left.starts_at:
        return None
    return None if narrower([left], [parent]) or narrower([left], [child]) else left


def _reaches(parent: Grant, action: str, resource: str) -> bool:
    return _has_action(parent, action) and _has_resource(parent, action, resource)


def _has_action(parent: Grant, action: str) -> bool:
    inner = names.written_action(action)
    # A whole name is also reached by the permission that AWS checks for it.
    called = {inner} if "*" in inner else {inner, names.action(inner)[1]}
    return any(
        patterns.covers(names.written_action(outer), one)
        for outer in parent.actions
        for one in called
    )


def _has_resource(parent: Grant, action: str, resource: str) -> bool:
    service = names.lower(action).partition(":")[0]
    outer = [form for one in parent.resources for form in names.written_resource(one)]
    return all(
        any(
            patterns.covers(whole, one)
            for whole in outer
            for one in names.equivalents(inner, service)
        )
        for inner in names.written_resource(resource)
    )


def _wider(child: Grant, parent: Grant) -> list[str]:
    """In what else but permissions the child goes beyond this grant of the parent."""
    found = []
    if parent.starts_at is not None and _before(child.starts_at, parent.starts_at):
        found.append(f"begins before the parent does ({written(parent.starts_at)})")
    ends = parent.over_at
    if ends is not None and (child.over_at is None or child.over_at > ends):
        found.append(f"lasts longer than the parent ({written(ends)})")
    if parent.task is not None and child.task != parent.task:
        found.append(f"is not limited to the parent's task ({shown(parent.task)})")
    if parent.on_behalf is not None and child.on_behalf != parent.on_behalf:
        found.append(f"is not limited to acting on behalf of {shown(parent.on_behalf)}")
    outer = addresses(parent)
    inner = addresses(child)
    if outer and not (inner and all(any(_within(one, whole) for whole in outer) for one in inner)):
        found.append("may be used from other addresses than the parent")
    if wants_mfa(parent) and not wants_mfa(child):
        found.append("does not ask for a second factor, as the parent does")
    return found


def _before(moment: datetime | None, other: datetime) -> bool:
    return moment is None or moment < other


def _within(one: object, whole: object) -> bool:
    # subnet_of refuses to compare the two families.
    return one.version == whole.version and one.subnet_of(whole)  # type: ignore[attr-defined,no-any-return]  # both are networks of one family
