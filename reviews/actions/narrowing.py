"""What is left of a delegation when it is narrowed: whether it only narrows, and what it refuses.

Owns the sentences. The comparison and the judging are identities/authority's: the same compiler
that rules afterwards. Reads nothing: what is compared is given.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from identities import authority
from identities.authority import Grant
from identities.authority.terms import WRONG_RESOURCE
from identities.enforcers.patterns import overlaps
from identities.judging.verdicts import grant_of
from identities.models import DelegationVersion
from identities.permissions import NotPossible
from reviews.used import Use

MOST_SAID = 10
# Where the compiler found something: "DLG-3: actions[2]".
PLACE = re.compile(r"(actions|resources)\[(\d+)\]")
S3 = re.compile(r"^arn:[^:]*:s3:::")


class Problem(NamedTuple):
    """One written pattern that cannot stay, and why."""

    pattern: str
    words: str


class Effect(NamedTuple):
    """What of the last 90 days' calls inside the delegation would have been refused.

    `unsure`: the daily sums hold families of resources, and part of one would be left.
    """

    calls: int
    refused: list[Use]
    unsure: list[Use]


def narrowed(before: Grant, left: Mapping[str, Any]) -> Grant:
    """The grant with only these actions and resources."""
    return before._replace(actions=tuple(left["actions"]), resources=tuple(left["resources"]))


def problems(before: Grant, left: Mapping[str, Any]) -> list[Problem]:
    """What of it cannot be compiled, or reaches beyond `before`; empty when it only narrows."""
    child = narrowed(before, left)
    try:
        authority.compile_slice(before.key, [child])
        wider = authority.narrower([child], [before])
    except authority.AuthorityError as problem:
        place = PLACE.search(problem.field)
        pattern = left[place[1]][int(place[2])] if place else ""
        return [Problem(pattern, problem.what)]
    if not wider:
        return []
    found = _at_fault(before, child)
    return found[:MOST_SAID] or [Problem("", "; ".join(wider)[:500])]


def _at_fault(before: Grant, child: Grant) -> list[Problem]:
    """The actions, and the resources, that are too wide whatever they are put together with."""

    def fits(actions: Sequence[str], resources: Sequence[str]) -> bool:
        one = child._replace(actions=tuple(actions), resources=tuple(resources))
        return not authority.narrower([one], [before])

    found = [
        Problem(one, f"goes beyond it: {before.key} has {_some(before.actions)}")
        for one in child.actions
        if not any(fits([one], [resource]) for resource in before.resources)
    ]
    return found + [
        Problem(one, f"goes beyond it: {before.key} has {_some(before.resources)}")
        for one in child.resources
        if not any(fits([action], [one]) for action in before.actions)
    ]


def _some(patterns: Sequence[str]) -> str:
    more = f" and {len(patterns) - 3} more" if len(patterns) > 3 else ""
    return f"{', '.join(patterns[:3])}{more}"


def refuse(before: DelegationVersion, left: Mapping[str, Any]) -> None:
    """NotPossible, naming what reaches beyond the delegation in force."""
    found = problems(grant_of(before), left)
    if found:
        said = "; ".join(f"{one.pattern} {one.words}".strip() for one in found)
        raise NotPossible(f"This is wider than {before.delegation.key}: {said[:600]}.")


def effect(
    before: DelegationVersion,
    left: Mapping[str, Any],
    *,
    others: Sequence[DelegationVersion],
    used: Sequence[Use],
    now: datetime,
) -> Effect:
    """What of the use would have been refused, had only this been left all the time.

    `others`: the identity's other delegations in force, which may allow it as well. Times, tasks
    and conditions stay as they are, so they are not asked about here.
    """
    was = _timeless(grant_of(before))
    beside = [_timeless(grant_of(row)) for row in others]
    own = authority.compile_slice("was", [was])
    stays = authority.compile_slice("stays", [narrowed(was, left), *beside])
    mine = [one for one in used if one.called and one.lately]
    asked = [authority.Request(action=one.action, resource=one.family) for one in mine]
    refused: list[Use] = []
    unsure: list[Use] = []
    calls = 0
    for one, had, has in zip(
        mine,
        authority.judge_many(own, asked, now=now),
        authority.judge_many(stays, asked, now=now),
        strict=True,
    ):
        if not had.allowed and had.reason != WRONG_RESOURCE:
            continue
        touched = any(touch(pattern, one.family) for pattern in was.resources)
        if not had.allowed and not touched:
            continue
        calls += one.lately
        if has.allowed:
            continue
        part = has.reason == WRONG_RESOURCE and any(
            touch(pattern, one.family) for pattern in left["resources"]
        )
        (unsure if part else refused).append(one)
    return Effect(calls, refused, unsure)


def _timeless(grant: Grant) -> Grant:
    return grant._replace(
        task=None, on_behalf=None, conditions={}, starts_at=None, ends_at=None, revoked_at=None
    )


def touch(pattern: str, family: str) -> bool:
    """Whether some resource of the family may be one of the pattern's."""
    return overlaps(S3.sub("", pattern), S3.sub("", family))
