"""Actors that evidence or a system's own list shows and nobody has claimed, with the proposal
beside each.

Owns a list that never scans events: names come from the actors' own table, first and last use
from one index probe each, counts up to a limit.
"""

from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.db.models import QuerySet

from evidence.models import Actor
from identities.inventory import listing
from identities.models import Binding, Identity

# Kinds that people bind; sessions and session keys follow their parent.
BINDABLE = (
    "arn",
    "access_key",
    "agent",
    "agent_id",
    "service",
    "federated",
    "web_identity",
    "account",
    "user",
    "service_account",
    "app",
    "service_principal",
    "managed_identity",
)
MOST_COUNTED = 1_000


@dataclass(frozen=True, slots=True)
class Unclaimed:
    """One actor: when it was seen, how often ("1,000" means at least), and what is proposed."""

    actor: Actor
    first_at: datetime | None
    last_at: datetime | None
    count: int
    more: bool
    proposals: list[Binding]
    listed: listing.Listed | None = None  # what its own system says of it

    @property
    def cursor(self) -> str:
        """What `before` of the next page is."""
        return str(self.actor.pk)


# Nobody's: no binding of its own, of what it hangs below, or of who its key was issued to. A key
# that records name with one principal only is asked about with that principal, not beside it. What a
# list shows is there without any event: principals, and credentials whose holder no list shows;
# of an application and its service principal the one that people bind. The claim wave asks about
# the same actors (identities/claims/proposing.py).
NOBODYS = """NOT EXISTS (SELECT 1 FROM identities_binding b
      WHERE b.actor_id IN (a.id, a.parent_id, p.parent_id)
      AND b.state = 'confirmed' AND b.superseded_at IS NULL AND b.during @> %(now)s)
  AND NOT EXISTS (SELECT 1 FROM identities_credential c JOIN identities_binding b
      ON b.actor_id = c.issued_to_id AND b.state = 'confirmed' AND b.superseded_at IS NULL
      AND b.during @> %(now)s WHERE c.actor_id = a.id)
  AND NOT EXISTS (SELECT 1 FROM identities_credential c
      WHERE c.actor_id = a.id AND c.seen_with_id IS NOT NULL)
  AND (a.kind = ANY(%(kinds)s) AND a.parent_id IS NULL
    AND (EXISTS (SELECT 1 FROM evidence_event e WHERE e.principal_id = a.id)
      OR EXISTS (SELECT 1 FROM evidence_event e WHERE e.credential_id = a.id)
      OR EXISTS (SELECT 1 FROM evidence_event e WHERE e.agent_id = a.id)
      OR EXISTS (SELECT 1 FROM evidence_actor k JOIN evidence_event e ON e.principal_id = k.id
                 WHERE k.parent_id = a.id)
      OR EXISTS (SELECT 1 FROM evidence_actor k JOIN evidence_event e ON e.agent_id = k.id
                 WHERE k.parent_id = a.id AND k.kind = 'agent_id'))
    OR EXISTS (SELECT 1 FROM identities_discovery d WHERE d.actor_id = a.id
        AND d.superseded_at IS NULL AND upper_inf(d.during)
        AND NOT EXISTS (SELECT 1 FROM identities_discovery u
            WHERE u.actor_id IN (d.holder_id, a.parent_id, p.parent_id)
              AND u.superseded_at IS NULL AND upper_inf(u.during))))"""
PAGE = """
SELECT a.id FROM evidence_actor a LEFT JOIN evidence_actor p ON p.id = a.parent_id
WHERE a.id < %(before)s
  AND (%(identity)s::uuid IS NULL OR EXISTS (SELECT 1 FROM identities_binding m
      WHERE m.actor_id = a.id AND m.identity_id = %(identity)s AND m.state = 'proposed'
      AND m.superseded_at IS NULL))
  AND (%(search)s = '' OR a.value ILIKE %(like)s
    OR EXISTS (SELECT 1 FROM identities_discovery d WHERE d.actor_id = a.id
        AND d.superseded_at IS NULL AND d.title ILIKE %(like)s))
  AND (%(among)s::bigint[] IS NULL OR a.id = ANY(%(among)s::bigint[]))
  AND {nobodys}
ORDER BY a.id DESC LIMIT %(most)s
""".replace("{nobodys}", NOBODYS)

# A role is seen through its sessions, and an agent's name through its ids: the newest children
# stand for it.
SEEN = """
SELECT w.id, s.first_at, s.last_at, s.n FROM unnest(%(ids)s::bigint[]) AS w (id)
CROSS JOIN LATERAL (
    SELECT min(u.at) AS first_at, max(u.at) AS last_at, count(*) AS n FROM (
        SELECT at FROM (SELECT at FROM evidence_event WHERE principal_id = w.id
                        ORDER BY at DESC LIMIT %(most)s) p
        UNION ALL
        SELECT at FROM (SELECT at FROM evidence_event WHERE credential_id = w.id
                        ORDER BY at DESC LIMIT %(most)s) c
        UNION ALL
        SELECT at FROM (SELECT at FROM evidence_event WHERE agent_id = w.id
                        ORDER BY at DESC LIMIT %(most)s) g
        UNION ALL
        SELECT at FROM (SELECT at FROM evidence_agentabove WHERE agent_id = w.id
                        ORDER BY at DESC LIMIT %(most)s) v
        UNION ALL
        SELECT at FROM (SELECT e.at FROM (SELECT id FROM evidence_actor WHERE parent_id = w.id
                            ORDER BY id DESC LIMIT 50) k
                        JOIN evidence_event e ON e.principal_id = k.id LIMIT %(most)s) r
        UNION ALL
        SELECT at FROM (SELECT e.at FROM (SELECT id FROM evidence_actor WHERE parent_id = w.id
                            AND kind = 'agent_id' ORDER BY id DESC LIMIT 50) k
                        JOIN evidence_event e ON e.agent_id = k.id LIMIT %(most)s) d
        UNION ALL
        SELECT at FROM (SELECT v.at FROM (SELECT id FROM evidence_actor WHERE parent_id = w.id
                            AND kind = 'agent_id' ORDER BY id DESC LIMIT 50) k
                        JOIN evidence_agentabove v ON v.agent_id = k.id LIMIT %(most)s) n
    ) u
) s
"""

FIRST = """
SELECT w.id, least(
    (SELECT min(at) FROM evidence_event WHERE principal_id = w.id),
    (SELECT min(at) FROM evidence_event WHERE credential_id = w.id),
    (SELECT min(at) FROM evidence_event WHERE agent_id = w.id),
    (SELECT min(at) FROM evidence_agentabove WHERE agent_id = w.id))
FROM unnest(%(ids)s::bigint[]) AS w (id)
"""


def proposals() -> QuerySet[Binding]:
    """What is proposed and waits for a person's word."""
    return Binding.objects.filter(state="proposed", superseded_at__isnull=True)


def proposed_count(*, now: datetime, most: int) -> int:
    """Of how many actors a proposal waits, no further than `most`."""
    return len(_nobodys(now=now, most=most, among=proposals()))


def _nobodys(
    *,
    now: datetime,
    most: int,
    search: str = "",
    before: int | None = None,
    identity: Identity | None = None,
    among: QuerySet[Binding] | None = None,
) -> list[int]:
    pattern = search.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    wanted = None if among is None else sorted(set(among.values_list("actor_id", flat=True)))
    if wanted == []:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            PAGE,
            {
                "kinds": list(BINDABLE),
                "before": before or 2**62,
                "search": search,
                "identity": None if identity is None else identity.pk,
                "among": wanted,
                "like": f"%{pattern}%",
                "now": now,
                "most": most,
            },
        )
        return [row[0] for row in cursor.fetchall()]


def unclaimed(
    *,
    now: datetime,
    search: str = "",
    before: int | None = None,
    most: int = 50,
    identity: Identity | None = None,
    among: QuerySet[Binding] | None = None,
) -> list[Unclaimed]:
    """One page, newest actors first; `before` is the cursor of the last row of the page above.

    `identity`: only those that are proposed to be it. `among`: only those of these proposals.
    """
    ids = _nobodys(now=now, search=search, before=before, most=most, identity=identity, among=among)
    if not ids:
        return []
    with connection.cursor() as cursor:
        cursor.execute(SEEN, {"ids": ids, "most": MOST_COUNTED + 1})
        seen = {row[0]: row[1:] for row in cursor.fetchall()}
        cursor.execute(FIRST, {"ids": ids})
        first = dict(cursor.fetchall())
    actors = Actor.objects.in_bulk(ids)
    listed = listing.about(ids)
    proposals: dict[int, list[Binding]] = {}
    for row in (
        Binding.objects.filter(actor_id__in=ids, state="proposed", superseded_at__isnull=True)
        .select_related("identity", "identity__service", "actor")
        .order_by("-seen")
    ):
        proposals.setdefault(row.actor_id, []).append(row)
    return [
        Unclaimed(
            actor=actors[number],
            first_at=first.get(number) or seen[number][0],
            last_at=seen[number][1],
            count=min(seen[number][2], MOST_COUNTED),
            more=seen[number][2] > MOST_COUNTED,
            proposals=proposals.get(number, []),
            listed=listed.get(number),
        )
        for number in ids
    ]
