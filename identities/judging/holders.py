"""Whose event is it: from actors to identities by confirmed bindings (decisions 5).

Reads bindings and evidence's actors; writes nothing.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from evidence.models import Actor, Issuance
from evidence.vocabulary import PLANE_AI, PLANE_IDENTITY
from identities.models import Binding
from identities.models.behaviour import (
    AS_AGENT,
    AS_CREDENTIAL,
    AS_ON_BEHALF,
    AS_PRINCIPAL,
    BY_EXACT,
    BY_KEY,
    ONE_OF,
)

from .scope import Cause, Seen


class Bound(NamedTuple):
    identity: int  # Identity.number
    binding: int
    shared: bool
    since: datetime | None
    until: datetime | None


class Attributed(NamedTuple):
    """One row of Attribution before its verdict."""

    identity: int
    binding: int
    role: int
    strength: int


def agree(
    named: Iterable[Bound],
    accounts: Iterable[Bound],
    *,
    realm: str | None,
    realms: Collection[str],
) -> bool:
    """Whether an agent and the account that called are linked to one identity, and the agent's
    source may speak for the account's realm: what makes a claim exact. The database says the same
    (identities_caller_agrees); a property test compares them."""
    return (not realms or realm in realms) and bool(_numbers(named) & _numbers(accounts))


def differ(named: Iterable[Bound], accounts: Iterable[Bound]) -> bool:
    """Whether both are linked, and to other identities: what is not linked yet is no difference.
    The database says the same (identities_caller_differs)."""
    ones, others = _numbers(named), _numbers(accounts)
    return bool(ones and others) and ones.isdisjoint(others)


def _numbers(bound: Iterable[Bound]) -> set[int]:
    return {one.identity for one in bound}


class Holders:
    """The bindings that matter to a set of events, loaded with a constant number of queries."""

    def __init__(self, actors: Iterable[int]) -> None:
        wanted = set(actors)
        above: dict[int, int] = {}
        level = wanted
        # Key -> session -> role: three steps cover every format there is.
        for _ in range(3):
            parents = dict(
                Actor.objects.filter(pk__in=level, parent__isnull=False).values_list(
                    "pk", "parent_id"
                )
            )
            issued = dict(
                Issuance.objects.filter(
                    credential_id__in=level - parents.keys(), issued_to__isnull=False
                ).values_list("credential_id", "issued_to_id")
            )
            fresh = {**issued, **{child: p for child, p in parents.items() if p is not None}}
            above.update(fresh)
            level = set(fresh.values()) - above.keys()
            if not level:
                break
        everybody = wanted | set(above.values())
        self.above = above
        self.lines: dict[int | None, list[int]] = {None: []}
        self.bound: dict[int, list[Bound]] = {}
        self.once: dict[int, set[int]] = {}
        rows = Binding.objects.filter(
            actor_id__in=everybody, superseded_at__isnull=True, state="confirmed"
        ).values_list("actor_id", "identity__number", "pk", "shared", "during")
        for actor, identity, binding, shared, during in rows:
            self.bound.setdefault(actor, []).append(
                Bound(identity, binding, shared, during.lower, during.upper)
            )
        # Identities that were ever bound to an actor: their stale attributions are taken back.
        for actor, identity in Binding.objects.filter(actor_id__in=everybody).values_list(
            "actor_id", "identity__number"
        ):
            self.once.setdefault(actor, set()).add(identity)

    def line(self, actor: int | None) -> list[int]:
        """The actor and those above it."""
        found = self.lines.get(actor)
        if found is None:
            found, here = [], actor
            while here is not None and here not in found:
                found.append(here)
                here = self.above.get(here)
            self.lines[actor] = found
        return found

    def at(self, actor: int | None, moment: datetime) -> list[Bound]:
        """Who this actor is at that moment: its own binding first, else the nearest above."""
        for here in self.line(actor):
            found = [
                bound
                for bound in self.bound.get(here, ())
                if (bound.since is None or bound.since <= moment)
                and (bound.until is None or moment < bound.until)
            ]
            if found:
                return found
        return []

    def ever(self, *actors: int | None) -> set[int]:
        """Every identity that any of these actors was ever bound to."""
        return {
            identity
            for actor in actors
            for here in self.line(actor)
            for identity in self.once.get(here, ())
        }


def actors_of(
    events: Iterable[Seen], causes: Mapping[tuple[datetime, int], list[Cause]]
) -> set[int]:
    """All actors that an attribution of these events may rest on."""
    found: set[int | None] = set()
    for seen in events:
        found |= {seen.principal, seen.credential, seen.agent, seen.on_behalf}
    for behind in causes.values():
        for cause in behind:
            found |= {cause.agent, cause.service}
    found.discard(None)
    return {actor for actor in found if actor is not None}


def attribute(
    seen: Seen, causes: list[Cause], holders: Holders
) -> tuple[list[Attributed], list[int]]:
    """The attributions of one event, and the identities whose authority it was done with.

    Authority holders are the identities of the principal; of a shared credential the one that
    an exact link names, else all that share it.
    """
    rows: dict[int, Attributed] = {}

    def add(bound: Bound, role: int, strength: int) -> None:
        there = rows.get(bound.identity)
        if there is None or strength > there.strength:
            rows[bound.identity] = Attributed(bound.identity, bound.binding, role, strength)

    if seen.plane == PLANE_AI:
        by_agent = holders.at(seen.agent, seen.at)
        for bound in by_agent:
            add(bound, AS_AGENT, ONE_OF if len(by_agent) > 1 else BY_EXACT)
        if not by_agent:
            by_service = holders.at(seen.principal, seen.at)
            for bound in by_service:
                add(bound, AS_PRINCIPAL, ONE_OF if len(by_service) > 1 else BY_KEY)
        for bound in holders.at(seen.on_behalf, seen.at):
            add(bound, AS_ON_BEHALF, BY_KEY)
        return list(rows.values()), []
    run: list[Bound] = []
    for cause in causes:
        named = holders.at(cause.agent, seen.at) or holders.at(cause.service, seen.at)
        for bound in named:
            if len(named) == 1:
                add(bound, AS_AGENT, BY_EXACT)
                run.append(bound)
    role = AS_PRINCIPAL
    by_log = holders.at(seen.principal, seen.at)
    if not by_log:
        role, by_log = AS_CREDENTIAL, holders.at(seen.credential, seen.at)
    named_here = {bound.identity for bound in run}
    told = [bound for bound in by_log if bound.identity in named_here]
    if len(by_log) > 1 and told:
        by_log = told
    for bound in by_log:
        add(bound, role, ONE_OF if len(by_log) > 1 else BY_KEY)
    if seen.plane == PLANE_IDENTITY:
        for bound in holders.at(seen.on_behalf, seen.at):
            add(bound, AS_ON_BEHALF, BY_KEY)
    authority = [bound.identity for bound in by_log] or list(named_here)
    return list(rows.values()), authority
