"""Proposals of bindings: what exact links show, counted and asked of people; and whose a key may
be that records name with several.

The pairs come from what judging remembers of agents and credentials, so the cost follows the
number of pairs and not of events; the counts in the sentences look at each agent's newest runs.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from evidence import locks
from evidence.locks import Lock
from evidence.models import Actor
from evidence.queries import agents
from evidence.vocabulary import EXACT, PLANE_AI
from identities.bindings import Count, Proposal, Shared, propose, propose_shared
from identities.judging.key_users import IS_USER
from identities.models import Binding

# How far back a sentence counts: "at least", and so bounded for the busiest agent.
MOST_RUNS = 200
MOST_AGENTS = 500
MOST_KEYS = 500

# Agents that a run was seen to use some credential with, and whose side is not settled.
UNSETTLED = f"""
SELECT DISTINCT ca.agent_actor
FROM identities_credentialagent ca
JOIN evidence_actor c ON c.id = ca.credential_actor
LEFT JOIN LATERAL (SELECT i.issued_to_id FROM evidence_issuance i
    WHERE i.credential_id = c.id AND i.issued_to_id IS NOT NULL LIMIT 1) issued ON true
LEFT JOIN evidence_actor t ON t.id = issued.issued_to_id
LEFT JOIN evidence_actor g ON g.id = ca.agent_actor
WHERE (NOT EXISTS (SELECT 1 FROM identities_binding b
        WHERE b.actor_id IN (ca.agent_actor, g.parent_id)
        AND b.state = 'confirmed' AND b.superseded_at IS NULL AND b.during @> %(now)s)
   OR NOT EXISTS (SELECT 1 FROM identities_binding b
        WHERE b.actor_id IN (c.id, c.parent_id, t.id, t.parent_id)
        AND b.state = 'confirmed' AND b.superseded_at IS NULL AND b.during @> %(now)s))
  AND {IS_USER.format(row="ca")}
ORDER BY ca.agent_actor LIMIT %(most)s
"""  # noqa: S608 - our own words; values are parameters

# Of those, and of everybody who uses the same credentials: who made how many calls with what. An
# agent of which its sender states an id is asked about by its name, as a session is by its role.
COUNTS = f"""
SELECT used.agent, used.principal, used.credential, count(*) FROM (
    SELECT DISTINCT coalesce(g.parent_id, g.id) AS agent,
           coalesce(p.parent_id, p.id, cp.parent_id, cp.id) AS principal,
           coalesce(cp.parent_id, cp.id) AS credential, e.at, e.id
    FROM unnest(%(agents)s::bigint[]) AS a (id)
    CROSS JOIN LATERAL (
        (SELECT trace, source_id, agent_id, service_id FROM evidence_run
         WHERE agent_id = a.id ORDER BY first_at DESC LIMIT %(runs)s)
        UNION ALL
        (SELECT trace, source_id, agent_id, service_id FROM evidence_run
         WHERE agent_id IS NULL AND service_id = a.id LIMIT %(runs)s)
    ) r
    JOIN evidence_event s ON s.trace = r.trace AND s.source_id = r.source_id
     AND s.plane = %(ai)s
    LEFT JOIN evidence_actor g ON g.id = coalesce({agents.of("s")}, r.agent_id, r.service_id)
    JOIN evidence_link l ON l.cause_at = s.at AND l.cause_id = s.id AND l.strength = %(exact)s
    JOIN evidence_event e ON e.at = l.effect_at AND e.id = l.effect_id
    LEFT JOIN evidence_actor p ON p.id = e.principal_id
    LEFT JOIN evidence_actor cp ON cp.id = e.credential_id
    WHERE p.id IS NOT NULL OR cp.id IS NOT NULL
) used WHERE used.agent IS NOT NULL
GROUP BY used.agent, used.principal, used.credential
"""  # noqa: S608 - our own names; values are parameters

COMPANIONS = f"""
SELECT DISTINCT o.agent_actor FROM identities_credentialagent m
JOIN evidence_actor mc ON mc.id = m.credential_actor
JOIN evidence_actor oc ON oc.id = mc.id OR oc.parent_id = mc.parent_id
JOIN identities_credentialagent o ON o.credential_actor = oc.id
WHERE m.agent_actor = ANY(%(agents)s) AND {IS_USER.format(row="o")} LIMIT %(most)s
"""  # noqa: S608 - our own words; values are parameters

# Keys of several principals that nobody has bound, and those that were and are asked about still.
KEYS = """
SELECT k.actor FROM (
    SELECT s.credential_actor AS actor FROM identities_credentialprincipal s
    GROUP BY 1 HAVING count(*) > 1
    UNION SELECT b.actor_id FROM identities_binding b
    JOIN identities_credentialprincipal s ON s.credential_actor = b.actor_id
    WHERE b.state = 'proposed' AND b.superseded_at IS NULL AND b.basis = 'observed'
) k WHERE NOT EXISTS (SELECT 1 FROM identities_binding b WHERE b.actor_id = k.actor
    AND b.state = 'confirmed' AND b.superseded_at IS NULL AND b.during @> %(now)s)
ORDER BY k.actor LIMIT %(most_keys)s
"""
SHARED = """
SELECT credential_actor, principal_actor FROM identities_credentialprincipal
WHERE credential_actor = ANY(%(keys)s) ORDER BY 1, 2
"""


def propose_from_links(*, now: datetime) -> int:
    """Write what the evidence suggests and nobody has settled; how many proposals are new.

    A proposal is a question and has no meaning of its own yet, so its count is brought up to
    date in place; a person's answer is a row that stays.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        if not locks.try_take(cursor, Lock.BINDING_PROPOSALS):
            return 0
        facts: dict[str, Any] = {
            "now": now,
            "most": MOST_AGENTS,
            "runs": MOST_RUNS,
            "most_keys": MOST_KEYS,
            "ai": PLANE_AI,
            "exact": EXACT,
        }
        cursor.execute(UNSETTLED, facts)
        agents = {row[0] for row in cursor.fetchall()}
        counts = _counts(cursor, agents, facts) if agents else []
        cursor.execute(KEYS, facts)
        keys = {row[0] for row in cursor.fetchall()}
        if not counts and not keys:
            return 0
        cursor.execute(SHARED, {"keys": sorted(keys)})
        pairs = [Shared(*row) for row in cursor.fetchall()]
        actors = {actor for row in counts for actor in row[:3] if actor is not None} | keys
        everybody = actors | {pair.principal for pair in pairs}
        bound, names, settled = _bound(everybody, now), _names(everybody), _settled(actors)
        wanted = propose_shared(pairs, bound, names, settled=settled)
        wanted += propose(counts, bound, names, settled=settled)
        # What runs show of a key, with its numbers, says more than that it is shared.
        once = {(proposal.actor, proposal.identity): proposal for proposal in wanted}
        return _write(list(once.values()), actors, now=now)


def _counts(cursor: Any, agents: set[int], facts: dict[str, Any]) -> list[Count]:
    cursor.execute(COMPANIONS, facts | {"agents": sorted(agents)})
    agents = agents | {row[0] for row in cursor.fetchall()}
    cursor.execute(COUNTS, facts | {"agents": sorted(agents)})
    return [Count(*row) for row in cursor.fetchall()]


def _bound(actors: Iterable[int], now: datetime) -> dict[int, frozenset[str]]:
    found: dict[int, set[str]] = defaultdict(set)
    for actor, identity in Binding.objects.filter(
        actor_id__in=list(actors),
        state="confirmed",
        superseded_at__isnull=True,
        during__contains=now,
    ).values_list("actor_id", "identity_id"):
        found[actor].add(str(identity))
    return {actor: frozenset(identities) for actor, identities in found.items()}


def _settled(actors: Iterable[int]) -> frozenset[tuple[int, str]]:
    rows = Binding.objects.filter(
        actor_id__in=list(actors), state__in=["confirmed", "rejected"], superseded_at__isnull=True
    ).values_list("actor_id", "identity_id")
    return frozenset((actor, str(identity)) for actor, identity in rows)


def _names(actors: Iterable[int]) -> dict[int, str]:
    return dict(Actor.objects.filter(pk__in=list(actors)).values_list("pk", "value"))


def _write(wanted: list[Proposal], actors: set[int], *, now: datetime) -> int:
    there = {
        (row.actor_id, str(row.identity_id)): row
        for row in Binding.objects.select_for_update(of=("self",)).filter(
            actor_id__in=actors, state="proposed", superseded_at__isnull=True
        )
    }
    new = 0
    for proposal in wanted:
        row = there.pop((proposal.actor, proposal.identity), None)
        if row is None:
            Binding.objects.create(
                identity_id=proposal.identity,
                actor_id=proposal.actor,
                basis="observed",
                state="proposed",
                shared=proposal.shared,
                reason=proposal.reason,
                seen=proposal.seen,
                during=(None, None),
                recorded_at=now,
                by="countersign",
                by_name="Countersign",
            )
            new += 1
        elif (row.seen, row.reason, row.shared) != (
            proposal.seen,
            proposal.reason,
            proposal.shared,
        ):
            Binding.objects.filter(pk=row.pk).update(
                seen=proposal.seen, reason=proposal.reason, shared=proposal.shared
            )
    # What the evidence suggests no longer, because somebody bound the other side meanwhile.
    stale = [row.pk for row in there.values() if row.basis == "observed"]
    Binding.objects.filter(pk__in=stale).update(superseded_at=now)
    return new
