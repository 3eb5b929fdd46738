"""Principals that evidence shows were made or removed, and with what: kept for each deposit.

Owns every write to Making, and the credential that stands for such a principal once it is stopped.
What an operation names is identities/making.py's, what is walked identities/issued.py's. Must not
know of revocations.
"""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.db import connection

from evidence.keys import key_of
from evidence.models import Deposit, Term
from evidence.names import actor_ids
from evidence.vocabulary import OUTCOME_OK, PLANE_IDENTITY
from identities import making
from identities.actions import credentials

# Operations that went well, of a log.
HERE = """
SELECT e.at, e.id, e.credential_id, a.value, r.value, p.realm, c.realm
FROM evidence_event e
JOIN evidence_term a ON a.id = e.action_id
JOIN evidence_term r ON r.id = e.resource_id
LEFT JOIN evidence_actor p ON p.id = e.principal_id
LEFT JOIN evidence_actor c ON c.id = e.credential_id
WHERE e.at BETWEEN %(first)s AND %(last)s AND e.deposit_id = %(deposit)s
  AND e.action_id = ANY(%(actions)s)
  AND e.plane = %(plane)s AND e.outcome = %(ok)s
"""
ACTIONS = "SELECT id FROM evidence_term WHERE key = ANY(%s)"
KEYS = [key_of(str(Term.ACTION), action) for action in making.ACTIONS]
NOTE = """
INSERT INTO identities_making
    (at, event_id, actor_id, by_credential_id, kind, thing, removed, deposit_id)
SELECT * FROM unnest(%s::timestamptz[], %s::bigint[], %s::bigint[], %s::bigint[], %s::text[],
    %s::text[], %s::boolean[], %s::bigint[])
ON CONFLICT (at, event_id) DO NOTHING
"""
# One that is stopped is stopped as a credential is: it works until somebody ends it.
STAND = """
INSERT INTO identities_credential (id, number, actor_id, kind, standing, issued_at, issued_event,
    state, state_at)
SELECT gen_random_uuid(), nextval('credential_number'), m.actor_id, m.kind, true, m.at, m.event_id,
    'active', m.at
FROM (SELECT DISTINCT ON (actor_id) * FROM identities_making
      WHERE actor_id = ANY(%s) AND NOT removed ORDER BY actor_id, at DESC, event_id) m
ON CONFLICT (actor_id) DO NOTHING RETURNING actor_id
"""
# What is removed, by whatever name it was made.
GONE = """
SELECT DISTINCT p.actor_id, p.by_credential_id FROM identities_making x
JOIN identities_making p ON p.thing = x.thing AND NOT p.removed AND p.at <= x.at
WHERE x.removed AND x.deposit_id = %s AND x.at BETWEEN %s AND %s
  AND NOT EXISTS (SELECT FROM identities_making n WHERE n.thing = x.thing AND NOT n.removed
      AND n.at > x.at)
"""
OF = "SELECT actor_id, id, identity_id FROM identities_credential WHERE actor_id = ANY(%s)"


def note(deposit: Deposit, *, now: datetime) -> None:
    """Keep what this deposit shows was made or removed."""
    if deposit.first_at is None:
        return
    with connection.cursor() as cursor:
        cursor.execute(ACTIONS, [KEYS])
        actions = [row[0] for row in cursor.fetchall()]
        if not actions:
            return
        cursor.execute(
            HERE,
            {
                "first": deposit.first_at,
                "last": deposit.last_at,
                "deposit": deposit.pk,
                "actions": actions,
                "plane": PLANE_IDENTITY,
                "ok": OUTCOME_OK,
            },
        )
        found = []
        for at, event, by, action, resource, *realms in cursor.fetchall():
            made = making.of(action, resource, [one for one in realms if one is not None])
            # Without a credential that the log names, nothing is a link of a chain.
            if made is not None and (made.removed or by is not None):
                found.append((at, event, by, made))
        if not found:
            return
        actors = actor_ids({made.name for *_, made in found}, now=now)
        rows = [
            (at, event, actors[made.name], by, made.kind, made.thing, made.removed, deposit.pk)
            for at, event, by, made in found
        ]
        cursor.execute(NOTE, [list(column) for column in zip(*rows, strict=True)])


def gone(deposit: Deposit) -> list[tuple[int, int]]:
    """The principals that were made and that this deposit shows to be removed since, each with the
    credential that it was made with; actors."""
    if deposit.first_at is None:
        return []
    with connection.cursor() as cursor:
        cursor.execute(GONE, [deposit.pk, deposit.first_at, deposit.last_at])
        return [(actor, by) for actor, by in cursor.fetchall()]


def stand_for(actors: Collection[int], *, now: datetime) -> dict[int, tuple[UUID, UUID | None]]:
    """The credential that stands for each of these principals and whose it is, made where there is
    none. Call it inside a transaction."""
    if not actors:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(STAND, [list(actors)])
        new = [row[0] for row in cursor.fetchall()]
        if new:
            credentials.stand(cursor, new, now=now)
        cursor.execute(OF, [list(actors)])
        return {actor: (pk, identity) for actor, pk, identity in cursor.fetchall()}
