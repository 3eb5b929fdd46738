"""The one compiler: grants of one grantee in, one parsed Cedar policy set out (decisions 10).

Owns the policy text and the cache of parsed sets, kept by the digest of their text. Time is
never part of a key: a window is data in the policy, compared with the moment of the request, so
a set stays right for ever.

What a grant says becomes one `permit` in five clauses. Each clause can be lifted by the request
(`context.lifted`), which is how the judge learns why the answer is no without a second set of
rules that could say something else.

Task (decisions 9): when a request names a task that some grant of the grantee is for, only that
task's grants count. A task no grant is for is covered by the grants that are for no task. When
no task is named, the union counts. So naming a task never gives more than naming none.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

from cedarpy import PolicySet

from . import names, patterns
from .terms import MOST_PATTERNS, AuthorityError, Forbid, Grant, micros, shown

# How much policy text is kept parsed: some 13,000 delegations of usual length. Parsed it takes
# about twenty times the room; what is not there any more is parsed again in a fraction of a
# millisecond.
MOST_TEXT = 8 * 1024 * 1024
# Written clauses remembered, of actions and of resources.
MOST_WRITTEN = 16_384
CONDITIONS = ("address", "mfa")
PRINCIPAL = "Countersign::Identity"
# In the shape that a request has; Cedar reads that faster than its own syntax.
ACTION = {"type": "Countersign::Action", "id": "use"}
RESOURCE = {"type": "Countersign::Resource", "id": "any"}
SCOPE = 'action == Countersign::Action::"use", resource'


@dataclass(frozen=True, slots=True)
class Slice:
    """The compiled authority of one grantee."""

    grantee: str
    grants: tuple[Grant, ...]
    forbids: tuple[Forbid, ...]
    text: str
    digest: str
    policies: PolicySet
    instants: tuple[datetime, ...]
    networks: tuple[IPv4Network | IPv6Network, ...]


class _Parsed:
    """The sets parsed last, by the digest of their text. Safe between threads."""

    def __init__(self, most: int) -> None:
        self.most = most  # characters of text
        self.held = 0
        self.lock = threading.Lock()
        self.sets: OrderedDict[str, tuple[PolicySet, int]] = OrderedDict()

    def get(self, digest: str, text: str) -> PolicySet:
        with self.lock:
            found = self.sets.get(digest)
            if found is not None:
                self.sets.move_to_end(digest)
                return found[0]
        # Parsed outside the lock: twice the work at worst, never a queue behind a large one.
        parsed = PolicySet.from_str(text)
        with self.lock:
            if digest not in self.sets:
                self.sets[digest] = (parsed, len(text))
                self.held += len(text)
            while self.held > self.most and len(self.sets) > 1:
                self.held -= self.sets.popitem(last=False)[1][1]
        return parsed


_parsed = _Parsed(MOST_TEXT)


def compile_slice(grantee: str, grants: Sequence[Grant], forbids: Sequence[Forbid] = ()) -> Slice:
    """Compile the grants and stops of one grantee; AuthorityError names what cannot be."""
    patterns.text(grantee, "grantee")
    tasks = tuple(sorted({grant.task for grant in grants if grant.task is not None}))
    principal = f"principal == {PRINCIPAL}::{patterns.literal(grantee)}"
    written = [
        f'@id("g{number}")\n@delegation({patterns.literal(f"{grant.key} v{grant.version}")})\n'
        f"permit ({principal}, {SCOPE}) when {{\n  "
        + " &&\n  ".join(_clauses(grant, tasks))
        + "\n};"
        for number, grant in enumerate(grants)
    ]
    written += [
        f'@id("f{number}")\n@stop({patterns.literal(forbid.key)})\n'
        f"forbid ({principal}, {SCOPE}) when {{\n  " + " &&\n  ".join(_stop(forbid)) + "\n};"
        for number, forbid in enumerate(forbids)
    ]
    text = "\n".join(written)
    digest = sha256(text.encode()).hexdigest()
    networks: dict[IPv4Network | IPv6Network, None] = {}
    for grant in grants:
        networks.update(dict.fromkeys(addresses(grant)))
    return Slice(
        grantee=grantee,
        grants=tuple(grants),
        forbids=tuple(forbids),
        text=text,
        digest=digest,
        policies=_parsed.get(digest, text),
        instants=tuple(instants(grants, forbids)),
        networks=tuple(networks),
    )


def instants(grants: Iterable[Grant], forbids: Iterable[Forbid] = ()) -> list[datetime]:
    """The stored moments at which an answer may change, in order; between two it is constant."""
    found: set[datetime | None] = set()
    for grant in grants:
        found |= {grant.starts_at, grant.over_at}
    for forbid in forbids:
        found |= {forbid.starts_at, forbid.ends_at}
    return sorted(moment for moment in found if moment is not None)


def addresses(grant: Grant) -> tuple[IPv4Network | IPv6Network, ...]:
    """The networks a grant asks for; empty when it asks for none."""
    if "address" not in grant.conditions:
        return ()
    where = _field(grant.key, "conditions.address")
    given = grant.conditions["address"]
    given = [given] if isinstance(given, str) else given
    if not isinstance(given, (list, tuple)) or not given:
        raise AuthorityError(where, 'is not a list of networks; write ["10.0.0.0/8"]')
    if len(given) > MOST_PATTERNS:
        raise AuthorityError(where, f"has {len(given):,} networks; write at most {MOST_PATTERNS}")
    return tuple(_network(str(one), where) for one in given)


@lru_cache(maxsize=1_024)
def _network(written: str, where: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(written)
    except ValueError:
        try:
            meant = ip_network(written, strict=False)
        except ValueError:
            raise AuthorityError(
                where, f"{shown(written)!r} is no network; write one like 10.0.0.0/8"
            ) from None
        raise AuthorityError(
            where, f"{shown(written)!r} is an address inside a network; write {meant}"
        ) from None


def wants_mfa(grant: Grant) -> bool:
    """Whether a second factor is asked for."""
    asked = grant.conditions.get("mfa", False)
    if not isinstance(asked, bool):
        raise AuthorityError(_field(grant.key, "conditions.mfa"), "is no yes or no; write true")
    return asked


def _clauses(grant: Grant, tasks: tuple[str, ...]) -> list[str]:
    key = shown(patterns.text(grant.key, "key"))
    clauses = {
        "time": _window(grant.starts_at, grant.over_at, key),
        "action": _actions(tuple(grant.actions), key),
        "task": _task(grant.task, tasks, key),
        "resource": _resources(tuple(grant.resources), key),
        "conditions": _conditions(grant, key),
    }
    return [
        f'(context.lifted == "{lift}" || {clause})'
        for lift, clause in clauses.items()
        # What asks for nothing needs no lifting, and every policy is kept in memory.
        if clause != "true"
    ] or ["true"]


def _stop(forbid: Forbid) -> list[str]:
    # A stop is never lifted: it was looked at before any question about the reason is asked.
    key = shown(patterns.text(forbid.key, "key"))
    return [
        _window(forbid.starts_at, forbid.ends_at, key),
        _actions(tuple(forbid.actions), key),
        _resources(tuple(forbid.resources), key),
    ]


def _window(starts: datetime | None, ends: datetime | None, key: str) -> str:
    said = []
    if starts is not None:
        said.append(f"context.now >= {micros(starts, _field(key, 'starts_at'))}")
    if ends is not None:
        said.append(f"context.now < {micros(ends, _field(key, 'ends_at'))}")
    return f"({' && '.join(said)})" if said else "true"


@lru_cache(maxsize=MOST_WRITTEN)
def _actions(written: tuple[str, ...], key: str) -> str:
    found: dict[str, None] = {}
    for number, one in enumerate(_counted(written, _field(key, "actions"))):
        pattern = patterns.pattern(one, _field(key, f"actions[{number}]"))
        found[names.written_action(pattern)] = None
    if "*" in found:
        return "true"
    return _any([(field, one) for one in found for field in ("action", "permission")])


@lru_cache(maxsize=MOST_WRITTEN)
def _resources(written: tuple[str, ...], key: str) -> str:
    found: dict[str, None] = {}
    for number, one in enumerate(_counted(written, _field(key, "resources"))):
        pattern = patterns.pattern(one, _field(key, f"resources[{number}]"))
        found.update(dict.fromkeys(names.written_resource(pattern)))
    if "*" in found:
        return "true"
    return _any([(field, one) for one in found for field in names.fields_of(one)])


def _any(compared: Sequence[tuple[str, str]]) -> str:
    """One of these; as a balanced tree, because Cedar's evaluator recurses into each `||`."""
    if len(compared) == 1:
        field, pattern = compared[0]
        return f"context.{field} like {patterns.like(pattern)}"
    half = len(compared) // 2
    return f"({_any(compared[:half])} || {_any(compared[half:])})"


def _counted(written: tuple[str, ...], where: str) -> tuple[str, ...]:
    if not written:
        raise AuthorityError(where, "is empty; write at least one pattern, or `*` for all")
    if len(written) > MOST_PATTERNS:
        raise AuthorityError(
            where,
            f"has {len(written):,} patterns; write at most {MOST_PATTERNS}, or use `*`",
        )
    return written


def _task(task: str | None, tasks: tuple[str, ...], key: str) -> str:
    if task is not None:
        patterns.text(task, _field(key, "task"))
        return f'(context.task == "" || context.task == {patterns.literal(task)})'
    if not tasks:
        return "true"
    named = ", ".join(patterns.literal(one) for one in tasks)
    return f"!([{named}].contains(context.task))"


def _conditions(grant: Grant, key: str) -> str:
    unknown = sorted(str(name) for name in grant.conditions if name not in CONDITIONS)
    if unknown:
        raise AuthorityError(
            _field(key, f"conditions.{shown(unknown[0])}"),
            f"is no condition that can be checked; write one of {', '.join(CONDITIONS)}",
        )
    said = []
    if grant.on_behalf is not None:
        patterns.text(grant.on_behalf, _field(key, "on_behalf"))
        person = patterns.literal(grant.on_behalf)
        said.append(f'(context.on_behalf == "" || context.on_behalf == {person})')
    networks = addresses(grant)
    if networks:
        within = " || ".join(f'context.address.isInRange(ip("{one}"))' for one in networks)
        said.append(f"(context has address && ({within}))")
    if wants_mfa(grant):
        said.append("context.mfa")
    return f"({' && '.join(said)})" if said else "true"


def _field(key: str, field: str) -> str:
    return f"{key}: {field}"


def entity(grantee: str) -> dict[str, Any]:
    """The principal of a slice, as a request names it."""
    return {"type": PRINCIPAL, "id": grantee}
