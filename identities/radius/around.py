"""Who stands around a start: who shares its key, role or address, who is of its system, what hangs
on it, and to whom its authority was passed on.

Reads bindings, issuances and what exact links showed; in a constant number of queries. Which of
these identities the reader may see is theirs to say: others of a shared key are counted, and all
other others are left out (docs/decisions, 0080).
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection

from evidence.models import Actor
from identities.models import Binding, CredentialAgent, DelegationVersion, Identity

from .rows import EXACT, INFERRED, KEY, ONE_OF, REACHABLE, Row
from .starting import Start, short

MOST = 500
MOST_ROLE_SESSIONS = 20_000

# What was passed on from an identity's delegations, and what of that was passed on again.
BELOW = """
WITH RECURSIVE below AS (
    SELECT d.id, 0 AS depth, ARRAY[d.id] AS path
    FROM identities_delegation d WHERE d.grantee_id = ANY(%(roots)s::uuid[])
    UNION ALL
    SELECT d.id, b.depth + 1, b.path || d.id
    FROM below b JOIN identities_delegation d ON d.parent_id = b.id
    WHERE d.id <> ALL(b.path) AND b.depth < 12
)
SELECT DISTINCT ON (id) id, depth FROM below WHERE depth > 0 ORDER BY id, depth LIMIT %(most)s
"""
# Who else got sessions of these roles: by the credential that asked for them.
SAME_ROLE = """
WITH RECURSIVE role AS (
    SELECT unnest(%(roles)s::bigint[]) AS id
    UNION SELECT a.id FROM evidence_actor a JOIN role ON a.parent_id = role.id
), issued AS MATERIALIZED (
    SELECT i.by_credential_id AS by, i.at FROM role JOIN evidence_issuance i ON i.issued_to_id = role.id
    WHERE i.by_credential_id IS NOT NULL AND i.by_credential_id <> ALL(%(mine)s::bigint[])
      AND i.at <= %(at)s LIMIT %(walked)s
)
SELECT c.identity_id, count(*), min(n.at), max(n.at) FROM issued n
JOIN identities_credential c ON c.actor_id = n.by
WHERE c.identity_id IS NOT NULL GROUP BY c.identity_id ORDER BY max(n.at) DESC LIMIT %(most)s
"""
# Whose keys runs used from the same addresses.
SAME_ADDRESS = """
SELECT c.identity_id, count(DISTINCT u.address_id), min(u.first_at),
    max(u.last_at) FILTER (WHERE u.last_at <= %(at)s)
FROM identities_credentialagent u JOIN identities_credential c ON c.actor_id = u.credential_actor
WHERE u.address_id = ANY(%(addresses)s::bigint[]) AND u.credential_actor <> ALL(%(mine)s::bigint[])
  AND u.first_at <= %(at)s AND c.identity_id IS NOT NULL
GROUP BY c.identity_id ORDER BY max(u.last_at) DESC LIMIT %(most)s
"""


class Around(NamedTuple):
    """Rows by relation; `others`: identities that share a key and stay unnamed."""

    shares: list[Row]
    same_system: list[Row]
    depends: list[Row]
    passed_on: list[Row]
    others: int


class Seen(NamedTuple):
    """Which identities the reader may see; None: all."""

    identities: frozenset[UUID] | None

    def __contains__(self, pk: object) -> bool:
        return self.identities is None or pk in self.identities


def of(
    start: Start,
    *,
    own: Collection[UUID],
    roles: Collection[int],
    minted: Collection[int],
    addresses: Iterable[int],
    seen: Seen,
) -> Around:
    """`own`: the identities that one started with, which share nothing with themselves."""
    acting = sorted(start.actors)
    holders, others = _holders(acting, own, start.at, seen)
    mine = sorted({*acting, *minted})
    of_roles = _counted(SAME_ROLE, {"roles": sorted(roles), "mine": mine}, start) if roles else []
    places = sorted({*addresses, *([start.term] if start.term else [])})
    near = _counted(SAME_ADDRESS, {"addresses": places, "mine": mine}, start) if places else []
    systems = _systems(own)
    wanted = {pk for pk, *_ in [*of_roles, *near]} - set(own)
    named = Identity.objects.in_bulk([pk for pk in wanted if pk in seen])
    shares = [*holders]
    shares += _sharing(of_roles, named, own, "role", "role", KEY, "got sessions of the same role")
    shares += _sharing(near, named, own, "address", "address", INFERRED, "seen at the same address")
    passed = _passed_on(own, start.at, seen)
    agents = _agents(acting, start.at)
    return Around(
        shares,
        _siblings(systems, own, start.at, seen),
        [*agents, *_services(systems, own), *_grantees(passed), *_holding(holders)],
        passed,
        others,
    )


def _counted(sql: str, facts: dict[str, Any], start: Start) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, {**facts, "at": start.at, "most": MOST, "walked": MOST_ROLE_SESSIONS})
        found: list[tuple[Any, ...]] = cursor.fetchall()
    return found


def _holders(
    acting: Sequence[int], own: Collection[UUID], at: datetime, seen: Seen
) -> tuple[list[Row], int]:
    """Other identities to which one of these keys or names is bound as well."""
    rows = (
        Binding.objects.filter(
            actor__in=acting, state="confirmed", superseded_at__isnull=True, during__contains=at
        )
        .exclude(identity__in=list(own))
        .select_related("identity", "actor")
        .order_by("identity__number", "pk")[: MOST * 4]
    )
    made: dict[UUID, Row] = {}
    others = set()
    for one in rows:
        if one.identity_id not in seen:
            others.add(one.identity_id)
            continue
        made.setdefault(
            one.identity_id,
            Row(
                "shares",
                "identity",
                key=f"key {one.identity.key}",
                name=one.identity.name,
                note=f"bound to {short(one.actor.value)} as well",
                state=REACHABLE,
                first_at=one.during.lower,
                strength=ONE_OF if one.shared else KEY,
                ref=one.identity.key,
            ),
        )
    return list(made.values()), len(others)


def _sharing(
    found: Iterable[tuple[Any, ...]],
    named: dict[UUID, Identity],
    own: Collection[UUID],
    what: str,
    kind: str,
    strength: str,
    words: str,
) -> list[Row]:
    return [
        Row(
            "shares",
            kind,
            key=f"{what} {named[pk].key}",
            name=named[pk].name,
            note=words,
            state=REACHABLE,
            first_at=first,
            last_at=last,
            count=count,
            strength=strength,
            ref=named[pk].key,
        )
        for pk, count, first, last in found
        if pk in named and pk not in own
    ]


def _systems(own: Collection[UUID]) -> list[Identity]:
    rows = Identity.objects.filter(pk__in=list(own), service__isnull=False)
    return list(rows.select_related("service").order_by("number")[:MOST])


def _siblings(
    systems: Sequence[Identity], own: Collection[UUID], at: datetime, seen: Seen
) -> list[Row]:
    rows = (
        Identity.objects.filter(service__in={one.service_id for one in systems}, created_at__lte=at)
        .exclude(pk__in=list(own))
        .select_related("service")
        .order_by("number")
    )
    if seen.identities is not None:
        rows = rows.filter(pk__in=list(seen.identities))
    return [
        Row(
            "same_system",
            "agent" if one.kind == "agent" else "identity",
            key=one.key,
            name=one.name,
            note=f"{one.kind.replace('_', ' ')} of {one.service}",
            state=REACHABLE,
            first_at=one.created_at,
            strength=EXACT,
            ref=one.key,
        )
        for one in rows[:MOST]
        if one.service is not None
    ]


def _services(systems: Sequence[Identity], own: Collection[UUID]) -> list[Row]:
    services = {one.service_id: one.service for one in systems if one.pk in own}
    return [
        Row(
            "depends",
            "service",
            key=f"service {one.slug}",
            name=one.name,
            note="AI system it serves" if one.ai_system else "service it serves",
            state=REACHABLE,
            strength=EXACT,
            ref=one.slug,
        )
        for one in services.values()
        if one is not None
    ]


def _agents(acting: Sequence[int], at: datetime) -> list[Row]:
    """Agents whose runs were seen to use these keys: they stop with it."""
    found: dict[int, list[datetime]] = {}
    rows = CredentialAgent.objects.filter(credential_actor__in=acting, first_at__lte=at)
    for agent, first, last in rows.order_by("-last_at").values_list(
        "agent_actor", "first_at", "last_at"
    )[: MOST * 4]:
        there = found.setdefault(agent, [first, last])
        there[:] = [min(there[0], first), max(there[1], last)]
    named = Actor.objects.in_bulk(list(found))
    return [
        Row(
            "depends",
            "agent",
            key=f"agent {pk}",
            name=named[pk].value,
            note="its runs use the key",
            first_at=first,
            # Later uses have overwritten which was the last by then.
            last_at=last if last <= at else None,
            strength=EXACT,
            actor=pk,
        )
        for pk, (first, last) in found.items()
        if pk in named
    ]


def _passed_on(own: Collection[UUID], at: datetime, seen: Seen) -> list[Row]:
    """Delegations in force then that come from one of the start's."""
    with connection.cursor() as cursor:
        cursor.execute(BELOW, {"roots": list(own), "most": MOST})
        depths = dict(cursor.fetchall())
    if not depths:
        return []
    rows = DelegationVersion.objects.filter(
        delegation__in=depths, state="in_force", superseded_at__isnull=True, during__contains=at
    ).select_related("delegation__grantee")
    return [
        Row(
            "passed_on",
            "delegation",
            key=one.delegation.key,
            name=f"{one.delegation.key} to {one.delegation.grantee.name}",
            note=f"{', '.join(one.actions)[:200]} on {', '.join(one.resources)[:200]}",
            state=REACHABLE,
            first_at=one.during.lower,
            strength=EXACT,
            ref=one.delegation.grantee.key,
            action=one.delegation.grantee.name,
        )
        for one in rows.order_by("delegation__number")
        if one.delegation.grantee_id in seen and (one.revoked_at is None or one.revoked_at > at)
    ]


def _grantees(passed: Iterable[Row]) -> list[Row]:
    return [
        Row(
            "depends",
            "identity",
            key=f"delegation {row.ref}",
            name=name,
            note="holds authority passed on from it",
            state=REACHABLE,
            first_at=row.first_at,
            strength=EXACT,
            ref=row.ref,
        )
        for name, row in {row.action: row for row in passed}.items()
    ]


def _holding(holders: Iterable[Row]) -> list[Row]:
    return [
        Row(
            "depends",
            "identity",
            key=f"key {row.ref}",
            name=row.name,
            note="uses the same key",
            state=REACHABLE,
            first_at=row.first_at,
            strength=row.strength,
            ref=row.ref,
        )
        for row in holders
    ]
