"""Who signs a link as well: the owners of other identities that the actor is of already; where there
are none, a second person for the identity itself (docs/decisions/0100-nobody-links-alone.md).

Reads only. A claimed link counts for nothing here, as everywhere (docs/decisions/0092).
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from evidence.queries import agents
from evidence.vocabulary import EXACT, KEY, PLANE_IDENTITY
from identities import permissions
from identities.acting import COMMAND, By, acting
from identities.models import Identity

# So many of an actor's newest calls are looked at for runs of others.
MOST_CALLS = 200
MOST_SESSIONS = 50

# Linked to it now, or holder of it through what it hangs below; and whose runs called with it.
USERS = f"""
SELECT b.actor_id, b.identity_id FROM identities_binding b
WHERE b.actor_id = ANY(%(actors)s) AND b.state = 'confirmed' AND b.superseded_at IS NULL
  AND b.during && tstzrange(%(now)s, NULL)
UNION
SELECT c.actor_id, c.identity_id FROM identities_credential c
WHERE c.actor_id = ANY(%(actors)s) AND c.identity_id IS NOT NULL
UNION
SELECT w.id, u.identity
FROM unnest(%(actors)s::bigint[]) AS w (id)
CROSS JOIN LATERAL (
    (SELECT at, id FROM evidence_event WHERE principal_id = w.id AND plane = %(plane)s
     ORDER BY at DESC LIMIT %(most)s)
    UNION
    (SELECT at, id FROM evidence_event WHERE credential_id = w.id AND plane = %(plane)s
     ORDER BY at DESC LIMIT %(most)s)
    UNION
    (SELECT k.at, k.id FROM (SELECT id FROM evidence_actor WHERE parent_id = w.id
                             ORDER BY id DESC LIMIT %(sessions)s) s
     JOIN evidence_event k ON k.principal_id = s.id AND k.plane = %(plane)s
     ORDER BY k.at DESC LIMIT %(most)s)
) e
JOIN evidence_shownlink l ON l.effect_at = e.at AND l.effect_id = e.id
    AND l.strength = ANY(%(strengths)s)
JOIN evidence_event s ON s.at = l.cause_at AND s.id = l.cause_id
LEFT JOIN evidence_run r ON r.source_id = s.source_id AND r.trace = s.trace
CROSS JOIN LATERAL unnest(coalesce(
    identities_of_actor(coalesce({agents.of("s")}, r.agent_id), e.at),
    identities_of_actor(coalesce(s.principal_id, r.service_id), e.at))) AS u (identity)
"""  # noqa: S608 - our own words; values are parameters


def users_of(actors: Collection[int], *, now: datetime) -> dict[int, set[UUID]]:
    """The identities that each of these actors is linked to, held by or used by already."""
    if not actors:
        return {}
    facts: dict[str, Any] = {
        "actors": sorted(set(actors)),
        "now": now,
        "plane": PLANE_IDENTITY,
        "most": MOST_CALLS,
        "sessions": MOST_SESSIONS,
        "strengths": [KEY, EXACT],
    }
    found: dict[int, set[UUID]] = {}
    with connection.cursor() as cursor:
        cursor.execute(USERS, facts)
        for actor, identity in cursor.fetchall():
            found.setdefault(actor, set()).add(identity)
    return found


def to_sign(
    pairs: Iterable[tuple[UUID, int]], *, by: By, now: datetime
) -> dict[tuple[UUID, int], list[Identity]]:
    """Of each (identity, actor) the identities for which somebody else has to sign the link: others
    that use the actor and that `by` does not answer for, or, where there are none, the identity
    itself. Whoever runs a command on the server needs nobody."""
    wanted = set(pairs)
    if not wanted or by == COMMAND:
        return {}
    users = users_of({actor for _, actor in wanted}, now=now)
    others = {pair: users.get(pair[1], set()) - {pair[0]} for pair in wanted}
    rows = Identity.objects.select_related("service").in_bulk(set().union(*others.values()))
    user = acting(by).user
    theirs = {
        pk
        for pk, row in rows.items()
        if user is not None and permissions.answers_for(user, row, now=now)
    }
    found = {
        pair: sorted((rows[pk] for pk in ids - theirs), key=lambda row: row.name)
        for pair, ids in others.items()
    }
    if user is not None:
        own = [pair for pair, those in found.items() if not those]
        itself = Identity.objects.select_related("service").in_bulk({pk for pk, _ in own})
        found |= {pair: [itself[pair[0]]] for pair in own}
    return {pair: those for pair, those in found.items() if those}


def sentence(identity: UUID, actor: str, others: Sequence[Identity]) -> str:
    """Why the link waits for somebody."""
    if [one.pk for one in others] == [identity]:
        return f"A second person signs that {actor} is {others[0].name}: who answers for it, or a reviewer."
    names = [one.name for one in others]
    said = ", ".join(names[:5]) + (f" and {len(names) - 5:,} more" if len(names) > 5 else "")
    return f"{actor} is used by {said} as well: whoever answers for it signs this link too."
