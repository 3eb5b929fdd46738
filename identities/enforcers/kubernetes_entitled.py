"""What a service account is allowed by its own bindings: held, let go and narrowed there.

Owns which bindings a step is about and in which order. RBAC has no deny, so what is taken away is a
whole binding: one that gives both what is left and more is refused before anything is changed. A
hold is remembered in each binding under its own key, so that two holds do not know each other
(docs/decisions 51, 66). Must not know who asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from evidence.words import counted

from . import kubernetes_bindings as bindings
from . import widening
from .contract import PermanentFailure, Permission, Seen, Sent, Target, plain
from .kubernetes_cluster import Api, parted
from .kubernetes_rules import Roles
from .leaving import judged

KIND = "service_account_entitlement"
MOST_NAMED = 5


class Bound(NamedTuple):
    """The bindings of one account. `out`: none of what they give is left; `mixed`: some of it is;
    `groups`: what a group it is in gives beyond what is left, in words. Those that only remember it
    are among `out` and `within` too."""

    out: list[bindings.Binding]
    mixed: list[bindings.Binding]
    within: list[bindings.Binding]
    groups: list[str]


def bound(api: Api, target: Target, left: Sequence[Permission]) -> Bound:
    """Read and judged, binding by binding."""
    who, roles = parted(target.name, "service account"), Roles(api)
    every = bindings.every(api)
    named = bindings.naming(every, *who)
    found = Bound([], [], [], [])
    for one in [*named, *(one for one in bindings.holding(every, *who) if one not in named)]:
        how = judged(roles.gives(one), left)
        {"beyond": found.out, "mixed": found.mixed, "within": found.within}[how].append(one)
    for group, one in bindings.grouped(every, who[0]):
        if judged(roles.gives(one), left) != "within":
            found.groups.append(f"{group} by {bindings.called(one)}")
    return found


def hold(api: Api, target: Target, left: Sequence[Permission], *, key: str) -> Sent:
    """Out of every binding that gives nothing of what is left; each remembers it for this hold."""
    found, who = bound(api, target, left), parted(target.name, "service account")
    _require_whole(api, target, found)
    for one in found.out:
        bindings.take_out(api, one, who, holder=_hold(target), key=key)
    _require_own(api, target, found)
    return Sent("", f"{target.name} is held out of {_many(found.out)}.")


def narrow(api: Api, target: Target, left: Sequence[Permission], *, key: str) -> Sent:
    """The same for good. What was held before and is left now is put back last."""
    found, who = bound(api, target, left), parted(target.name, "service account")
    _require_whole(api, target, found)
    for one in found.out:
        bindings.take_out(api, one, who, holder="", key=key)
    if "hold" in target.extra:
        for one in found.within:
            bindings.put_back(api, one, who, holder=_hold(target), key=key)
    _require_own(api, target, found)
    return Sent("", f"{target.name} is taken out of {_many(found.out)}.")


def release(api: Api, target: Target, *, before: Mapping[str, str], key: str) -> Sent:
    """Back into the bindings that remember it for this hold, unless they give more by now."""
    who, holder = parted(target.name, "service account"), _hold(target)
    held = bindings.holding(bindings.every(api), *who, holder=holder)
    returns = [one for one in held if bindings.holders(one, *who) == {holder}]
    more = widening.wider(before, _allowed(api, returns))
    if more:
        named = "; ".join(more[:MOST_NAMED]) + ("; …" if len(more) > MOST_NAMED else "")
        raise PermanentFailure(
            f"The roles that {target.name} had give more than when it was held, so it stays out of"
            f" them: {named}. Take that back there and try again, or review it anew.",
            who_must_act=api.at.administrator,
        )
    for one in held:
        bindings.put_back(api, one, who, holder=holder, key=key)
    return Sent("", f"{target.name} is put back into {_many(returns)}.")


def allowed(api: Api, target: Target) -> dict[str, str]:
    """What its bindings give it, those included that only remember it: to give to `release`."""
    who, every = parted(target.name, "service account"), bindings.every(api)
    named = bindings.naming(every, *who)
    held = [one for one in bindings.holding(every, *who) if one not in named]
    return _allowed(api, [*named, *held])


def _allowed(api: Api, some: Sequence[bindings.Binding]) -> dict[str, str]:
    roles = Roles(api)
    return widening.allowed(right.as_json() for one in some for right in roles.gives(one))


def seen(api: Api, target: Target, left: Sequence[Permission], *, step: str, now: datetime) -> Seen:
    """What the bindings show. A hold is held, a narrowing denies, a release leaves it active."""
    who = parted(target.name, "service account")
    if step == "release":
        held = bindings.holding(bindings.every(api), *who, holder=_hold(target))
        if held:
            return Seen("held", f"{_listed(held)} still holds {target.name}.", now)
        return Seen("active", f"No binding holds {target.name} for this.", now)
    found = bound(api, target, left)
    named = bindings.naming([*found.out, *found.mixed], *who)
    if named:
        return Seen("active", f"{_listed(named)} names {target.name}.", now)
    if found.groups:
        return Seen("active", plain(f"More is given to {'; '.join(found.groups)}."), now)
    if step == "narrow" and "hold" in target.extra:
        held = bindings.holding(found.within, *who, holder=_hold(target))
        if held:
            return Seen("active", f"{_listed(held)} still holds {target.name}.", now)
    said = f"No binding gives {target.name} more than {counted(len(left), 'permission')}."
    return Seen("denied" if step == "narrow" else "held", said, now)


def _hold(target: Target) -> str:
    found = target.extra.get("hold", "")
    if not found.startswith("REV-"):
        raise PermanentFailure(
            f"The target does not say which hold of {target.name} it is.",
            who_must_act="the administrator of Countersign",
        )
    return found


def _require_whole(api: Api, target: Target, found: Bound) -> None:
    """Nothing is changed where a binding would have to be cut in two."""
    if found.mixed:
        raise PermanentFailure(
            f"{_listed(found.mixed)} gives {target.name} both what is left and more, and RBAC takes"
            " away whole bindings: bind a role there that gives only what is left, take the account"
            " out of this one, and try again. Nothing was changed.",
            who_must_act=api.at.administrator,
        )


def _require_own(api: Api, target: Target, found: Bound) -> None:
    """What its groups are given, no change of one account takes away."""
    if found.groups:
        raise PermanentFailure(
            f"{target.name} is out of its own bindings, but more than what is left is given to"
            f" {'; '.join(found.groups[:MOST_NAMED])}: take the group out there, and try again.",
            who_must_act=api.at.administrator,
        )


def _many(some: Sequence[bindings.Binding]) -> str:
    return counted(len(some), "role binding")


def _listed(some: Sequence[bindings.Binding]) -> str:
    names = ", ".join(bindings.called(one) for one in some[:MOST_NAMED])
    return plain(names[0].upper() + names[1:])
