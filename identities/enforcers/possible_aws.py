"""What policies of AWS add up to: allowed, denied, or not known. Pure.

Owns the judging of statements that were read, and what they allow beyond a delegation. It never
guesses: a condition, a policy variable or a policy that could not be read makes the answer "not
known" wherever it could change it. Rules of "Policy evaluation logic" (IAM User Guide): an
explicit deny wins; without an allow it is denied; a boundary must allow as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from .contract import Permission
from .patterns import covers, overlaps

Answer = Literal["allowed", "denied", "not known"]
_Fit = Literal["yes", "maybe", "no"]

_VARIABLE = re.compile(r"\$\{[^}]*\}")


@dataclass(frozen=True, slots=True)
class Possible:
    """One statement of one policy.

    `effect` is allow, deny, eligible for what is allowed once somebody activates it, or unknown
    for what could not be read. `via` says which policy it comes from, `layer` whether it grants
    (identity) or limits (boundary).
    """

    effect: str
    actions: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    conditions: Mapping[str, Any] = field(default_factory=dict)
    via: str = ""
    not_actions: tuple[str, ...] = ()
    not_resources: tuple[str, ...] = ()
    layer: str = "identity"

    @classmethod
    def unread(cls, *, via: str, layer: str = "identity") -> Possible:
        return cls(effect="unknown", via=via, layer=layer)

    def as_json(self) -> dict[str, Any]:
        return {
            "effect": self.effect,
            "actions": list(self.actions),
            "not_actions": list(self.not_actions),
            "resources": list(self.resources),
            "not_resources": list(self.not_resources),
            "conditions": dict(self.conditions),
            "via": self.via,
            "layer": self.layer,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Possible:
        return cls(
            effect=str(data["effect"]),
            actions=tuple(data.get("actions", ())),
            not_actions=tuple(data.get("not_actions", ())),
            resources=tuple(data.get("resources", ())),
            not_resources=tuple(data.get("not_resources", ())),
            conditions=dict(data.get("conditions", {})),
            via=str(data.get("via", "")),
            layer=str(data.get("layer", "identity")),
        )


def possible_matches(possible: Iterable[Possible], action: str, resource: str) -> Answer:
    """Whether these policies allow an action on a resource.

    Both may be patterns; "allowed" then means all of it, "denied" none of it. What has to be
    activated first is neither.
    """
    statements = list(possible)
    deny, layers = "no", {"identity": "no"}
    unread = False
    for one in statements:
        if one.layer not in layers:
            layers[one.layer] = "no"
        if one.effect == "unknown":
            unread = True
            layers[one.layer] = _better(layers[one.layer], "maybe")
            continue
        fit = _fit(one, action, resource)
        if one.effect == "deny":
            deny = _better(deny, fit)
        else:
            layers[one.layer] = _better(layers[one.layer], fit)
    if deny == "yes" or "no" in layers.values():
        return "denied"
    if deny == "maybe" or unread or "maybe" in layers.values():
        return "not known"
    return "allowed"


def _better(one: str, other: str) -> str:
    return max(one, other, key=("no", "maybe", "yes").index)


def _fit(one: Possible, action: str, resource: str) -> _Fit:
    """How much of an action on a resource the statement is about."""
    about = (
        _named(one.actions, one.not_actions, action, fold=True),
        _named(one.resources, one.not_resources, resource, fold=False),
    )
    if "no" in about:
        return "no"
    sure = about == ("yes", "yes") and not one.conditions and one.effect != "eligible"
    return "yes" if sure else "maybe"


def _named(patterns: Sequence[str], excepted: Sequence[str], value: str, *, fold: bool) -> _Fit:
    """Whether a value is among the patterns, or outside the excepted ones."""
    if fold:
        patterns, excepted = [p.lower() for p in patterns], [p.lower() for p in excepted]
        value = value.lower()
    if excepted:
        fit = _among(excepted, value)
        return {"yes": "no", "maybe": "maybe", "no": "yes"}[fit]  # type: ignore[return-value]  # a table of the three words, which mypy reads as str
    return _among(patterns, value)


def _among(patterns: Sequence[str], value: str) -> _Fit:
    fit: _Fit = "no"
    for pattern in patterns:
        # What a variable stands for is known per request only: it may be anything.
        open_ended = _VARIABLE.sub("*", pattern) if "${" in pattern else pattern
        if open_ended == pattern and covers(pattern, value):
            return "yes"
        if overlaps(open_ended, value):
            fit = "maybe"
    return fit


@dataclass(frozen=True, slots=True)
class Beyond:
    """What is possible beyond a delegation: families of actions, and in words.

    `known` is False where something could not be read, so that the count is a lower bound.
    `later` are families that have to be activated first, beyond the others.
    """

    count: int
    families: tuple[str, ...]
    known: bool
    words: str
    later: tuple[str, ...] = ()


def summary(
    possible: Iterable[Possible], delegated: Sequence[Permission], *, whose: str = "AWS allows"
) -> Beyond:
    """How many action patterns AWS allows beyond the delegated permissions.

    A pattern counts once however many resources it reaches. It is not beyond when one delegated
    permission covers it with all its resources, or when a deny without a condition covers it.
    Allows with conditions count: what is possible under a condition is possible.
    """
    statements = list(possible)
    families = _beyond("allow", statements, delegated)
    later = _beyond("eligible", statements, delegated) - families
    known = not any(s.effect == "unknown" for s in statements)
    return Beyond(
        count=len(families),
        families=tuple(sorted(families)),
        known=known,
        words=_words(len(families), known=known, whose=whose)
        + (f", {len(later)} more after activation" if later else ""),
        later=tuple(sorted(later)),
    )


def _beyond(
    effect: str, statements: Sequence[Possible], delegated: Sequence[Permission]
) -> set[str]:
    families: set[str] = set()
    for one in statements:
        if one.effect != effect or one.layer != "identity":
            continue
        resources = one.resources or ("*",)
        for action in one.actions:
            for resource in resources:
                shown = _VARIABLE.sub("*", resource)
                if _delegated(delegated, action, shown) or _ruled_out(statements, action, shown):
                    continue
                named = any(_covers_action(p.actions, action) for p in delegated)
                families.add(_family(action) + (" on more resources" if named else ""))
        if one.not_actions:
            families.add(f"all actions but {', '.join(sorted(one.not_actions))}")
    return families


def _words(count: int, *, known: bool, whose: str) -> str:
    if not known:
        return "possible: not known in full" + (f", at least {count} more" if count else "")
    if count == 0:
        return "nothing more than delegated"
    return f"{whose} {count} {'action family' if count == 1 else 'action families'} more"


def _covers_action(patterns: Iterable[str], action: str) -> bool:
    return any(covers(pattern.lower(), action.lower()) for pattern in patterns)


def _delegated(delegated: Sequence[Permission], action: str, resource: str) -> bool:
    return any(
        _covers_action(permission.actions, action)
        and any(covers(pattern, resource) for pattern in permission.resources)
        for permission in delegated
    )


def _ruled_out(statements: Sequence[Possible], action: str, resource: str) -> bool:
    """Whether a deny, or a boundary that was read, leaves nothing of it."""
    if any(s.effect == "deny" and _fit(s, action, resource) == "yes" for s in statements):
        return True
    boundary = [s for s in statements if s.layer == "boundary" and s.effect != "deny"]
    return bool(boundary) and all(
        s.effect == "allow" and _fit(s, action, resource) == "no" for s in boundary
    )


def _family(action: str) -> str:
    service, _, name = action.partition(":")
    if action == "*":
        return "all actions of all services"
    return f"all actions of {service}" if name == "*" else action
