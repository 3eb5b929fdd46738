"""What of a delegation a policy of AWS can keep apart, and where it has to leave more. Pure.

Owns the plan of a narrowing: permissions instead of operations, ARNs instead of short names, and
sentences about what stays beyond the delegation. A narrowing that leaves too much says so; one
that cuts what was left on purpose must not be written. Must not know how a document is spelt.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from identities.authority import names

from .aws_arns import ANY, LOOKS_IN, Place, written
from .aws_permissions import EVERYTHING, Needed, needed, published
from .contract import Permission
from .patterns import covers

MOST_NAMED = 6
# Until here each permission is named; what is longer is said by its beginnings.
NAMED_IN_FULL = 8


@dataclass(slots=True)
class Kept:
    """`patterns` of actions that stay, and the ARNs that single permissions stay on (None: all).

    `broad` are the permissions that only a pattern names. The others are what stays wider than
    delegated, by the delegation's own words.
    """

    patterns: list[str] = field(default_factory=list)
    left: dict[str, tuple[str, ...] | None] = field(default_factory=dict)
    broad: set[str] = field(default_factory=set)
    anywhere: dict[str, None] = field(default_factory=dict)  # all resources stay for these words
    in_part: dict[str, None] = field(default_factory=dict)  # for some permissions of these
    besides: dict[str, tuple[str, ...]] = field(default_factory=dict)  # on things not named
    unplaced: dict[str, None] = field(default_factory=dict)
    listed: dict[str, None] = field(default_factory=dict)  # buckets, although a prefix was asked

    @property
    def everything(self) -> bool:
        return EVERYTHING in self.patterns

    def groups(self, *, broad: bool = True) -> list[tuple[list[str], tuple[str, ...]]]:
        """(actions, the ARNs they stay on), in a fixed order; without `broad`, only of what is
        named permission by permission."""
        found: dict[tuple[str, tuple[str, ...]], list[str]] = {}
        for permission, arns in sorted(self.left.items()):
            if arns is not None and (broad or permission not in self.broad):
                # KMS by itself: its statement has a condition.
                apart = "kms" if permission.startswith("kms:") else ""
                found.setdefault((apart, arns), []).append(permission)
        return [(self._short(those), arns) for (_, arns), those in found.items()]

    def _short(self, those: list[str]) -> list[str]:
        """The same actions in fewer characters; nothing else that stays is reached by them."""
        if len(those) <= NAMED_IN_FULL:
            return those
        others = [one.lower() for one in self.left if one not in those]
        found: list[str] = []
        for _, same in groupby(those, key=lambda one: one.partition(":")[0]):
            found += _beginnings(list(same), others)
        return found

    def sentences(self, *, broad: bool = True) -> list[str]:
        """What stays beyond what is delegated; empty: nothing does."""
        anywhere = [*self.anywhere, *([] if broad else self._by_pattern())]
        in_part = [one for one in self.in_part if one not in anywhere]
        said = []
        if anywhere:
            said.append(f"all resources stay for {_some(anywhere)}")
        if in_part:
            said.append(f"all resources stay for part of {_some(in_part)}")
        said += [
            f"{word} keeps {_some(also)} on all resources"
            for word, also in list(self.besides.items())[:MOST_NAMED]
        ]
        said += [
            f"AWS has no permission known by {word}: all of {_service(word)} stays"
            for word in list(self.unplaced)[:MOST_NAMED]
        ]
        if self.listed:
            said.append(f"whole buckets stay to be listed: {_some(list(self.listed))}")
        return said

    def _by_pattern(self) -> list[str]:
        return [one for one in self.patterns if "*" in one and self.broad]


def _service(word: str) -> str:
    service = word.partition(":")[0]
    return names.PREFIXES.get(service, service)


def _some(those: Sequence[str]) -> str:
    more = f" and {len(those) - MOST_NAMED} more" if len(those) > MOST_NAMED else ""
    return f"{', '.join(those[:MOST_NAMED])}{more}"


def kept(permissions: Sequence[Permission], place: Place) -> Kept:
    """The plan for these permissions; no patterns in it: nothing of AWS is left."""
    found = Kept()
    asked: dict[str, bool] = {}  # permission -> whether it was named by itself
    patterns: list[str] = []
    for one in permissions:
        if not one.resources:
            continue
        for word in one.actions:
            need = needed(word)
            patterns += need.patterns
            _take(found, asked, need, word, one.resources, place)
    found.patterns = least(patterns)
    found.broad = {name for name, alone in asked.items() if not alone}
    if found.everything:
        found.left = {}
    loose = {f"{_service(word)}:" for word in found.unplaced}
    for name in found.left:
        if name[: name.index(":") + 1] in loose:
            found.left[name] = None
    return found


def _take(
    found: Kept,
    asked: dict[str, bool],
    need: Needed,
    word: str,
    resources: Sequence[str],
    place: Place,
) -> None:
    every = ANY in resources
    if need.unplaced:
        found.unplaced[word] = None
    elif EVERYTHING in need.patterns and not every:
        found.anywhere[word] = None
    alone = "*" not in word and "?" not in word
    wide = 0
    for name in need.permissions:
        asked[name] = asked.get(name, False) or alone
        arns = None if every else _arns(name, resources, place)
        wide += arns is None
        _join(found, name, arns)
        if arns is not None and name.lower() in LOOKS_IN:
            found.listed |= dict.fromkeys(one for one in resources if _has_prefix(one))
    if wide and not every:
        (found.anywhere if wide == len(need.permissions) else found.in_part)[word] = None
    for name in need.elsewhere:
        asked[name] = True
        _join(found, name, None)
    if need.elsewhere:
        found.besides[word] = need.elsewhere


def _arns(permission: str, resources: Sequence[str], place: Place) -> tuple[str, ...] | None:
    result: list[str] = []
    for one in resources:
        arns = written(permission, one, place)
        if arns is None:
            return None
        result += arns
    # Where nothing is of its service, nobody can say what was meant.
    return tuple(least(result)) or None


def _join(found: Kept, name: str, arns: tuple[str, ...] | None) -> None:
    before = found.left.get(name, ())
    joined = arns is not None and before is not None
    found.left[name] = tuple(least([*(before or ()), *(arns or ())])) if joined else None


def _has_prefix(resource: str) -> bool:
    """Whether it asks for less than a bucket."""
    path = resource.partition(":::")[2] or resource
    inside = path.partition("/")[2]
    return inside not in ("", "*")


def least(patterns: Iterable[str]) -> list[str]:
    """The patterns without those another one covers."""
    all_of = sorted(set(patterns))
    return [
        one
        for i, one in enumerate(all_of)
        if not any(
            covers(other, one) and (not covers(one, other) or j < i)
            for j, other in enumerate(all_of)
            if j != i
        )
    ]


def _beginnings(those: list[str], others: Sequence[str]) -> list[str]:
    """Patterns that reach all of `those`, which are of one service, and none of the others."""
    service = those[0].partition(":")[0]
    away = [one for one in others if one.startswith(f"{service}:")]
    if not away and len(those) == len(published().get(service, ())):
        return [f"{service}:*"]
    found, left = [], sorted(those, key=str.lower)
    while left:
        first = left[0].lower()
        start = next(
            (
                first[:size]
                for size in range(len(service) + 2, len(first))
                if not any(one.startswith(first[:size]) for one in away)
            ),
            first,
        )
        same = [one for one in left if one.lower().startswith(start)] or left[:1]
        if start == first or len(same) == 1:
            # A whole name reaches itself only, not what begins with it.
            found.append(left[0])
            left = left[1:]
            continue
        found.append(f"{_common(same)}*")
        left = [one for one in left if one not in same]
    return found


def _common(those: Sequence[str]) -> str:
    size = min(len(one) for one in those)
    low = [one.lower() for one in those]
    while any(one[:size] != low[0][:size] for one in low):
        size -= 1
    return those[0][:size]
