"""What others go by follows the lists: states of credentials, and what identities may do.

Owns the differences between what was read and what is recorded elsewhere, found as sets; each is
then carried over by the action that owns the other side. Nothing here claims anything: only a
confirmed binding makes a principal's rights an identity's.
"""

from datetime import datetime, timedelta
from typing import Any

import orjson
from django.db import connection, transaction

from evidence.models import Source
from identities.actions import credentials, entitlements
from identities.models import Credential, Entitlement, Identity

MOST_AT_ONCE = 1_000
# An entitlement that comes from a list; an enforcer's own reading has the digest alone.
MARK = "list:"
# A reading of the enforcer is left alone for so long: it asks the same system itself.
ITS_OWN_FOR = timedelta(hours=24)

# The newest list says otherwise than the credential's row, and was read after that was so. What
# is revoked stays revoked; expiry is read from the end itself.
STATES = """
SELECT c.id, d.status, CASE WHEN lower(d.during) > c.state_at THEN lower(d.during)
                            ELSE d.read_at END, d.kind, d.expires_at
FROM identities_discovery d JOIN identities_credential c ON c.actor_id = d.actor_id
WHERE d.source_id = %(source)s AND d.credential AND d.superseded_at IS NULL
  AND upper_inf(d.during) AND c.state NOT IN ('revoked', d.status) AND d.read_at >= c.state_at
  AND NOT (c.state = 'expired' AND c.expires_at <= %(now)s)
  AND NOT EXISTS (SELECT 1 FROM identities_discovery o WHERE o.actor_id = d.actor_id
      AND o.superseded_at IS NULL AND upper_inf(o.during)
      AND (o.read_at, o.id) > (d.read_at, d.id))
ORDER BY c.number LIMIT %(most)s
"""
# Gone from its list, and a later whole reading of the same list has not shown it either: one
# answer that left something out takes nothing away for good.
GONE = """
SELECT DISTINCT ON (c.id) c.id, upper(d.during), d.kind, c.expires_at
FROM identities_discovery d JOIN identities_credential c ON c.actor_id = d.actor_id
WHERE d.source_id = %(source)s AND d.credential AND d.superseded_at IS NULL
  AND NOT upper_inf(d.during) AND c.state IN ('active', 'held')
  AND c.state_at < upper(d.during)
  AND NOT EXISTS (SELECT 1 FROM identities_discovery o WHERE o.actor_id = d.actor_id
      AND o.superseded_at IS NULL AND upper_inf(o.during))
  AND EXISTS (SELECT 1 FROM identities_inventoryread r
      WHERE r.source_id = d.source_id AND r.realm = d.realm AND r.state IN ('done', 'partial')
        AND r.started_at >= upper(d.during) AND r.parts -> d.part ->> 'state' = 'done'
        AND NOT coalesce(r.parts -> d.part -> 'unread', '[]') ? d.scope)
ORDER BY c.id, upper(d.during) DESC LIMIT %(most)s
"""
# Of each bound principal what the newest list allows it, beside what its identity has. A binding
# covers what hangs below the bound name: an application's service principal.
POSSIBLE = """
SELECT DISTINCT ON (b.identity_id, a.id)
       b.identity_id, a.value, r.id AS rights, r.digest, lower(r.during) AS since, r.read_at
FROM identities_discoveredrights r
JOIN evidence_actor a ON a.id = r.actor_id
LEFT JOIN evidence_actor p ON p.id = a.parent_id
CROSS JOIN LATERAL (VALUES (a.id), (a.parent_id), (p.parent_id)) AS n (id)
JOIN identities_binding b ON b.actor_id = n.id
     AND b.state = 'confirmed' AND b.superseded_at IS NULL AND b.during @> %(now)s
WHERE r.superseded_at IS NULL AND upper_inf(r.during)
ORDER BY b.identity_id, a.id, r.read_at DESC
"""
UNLIKE = f"""
SELECT w.identity_id, q.system, w.value, r.possible, r.missing, w.digest,
       CASE WHEN lower(e.during) >= w.since THEN w.read_at ELSE w.since END, w.read_at
FROM ({POSSIBLE}) w
JOIN identities_discoveredrights r ON r.id = w.rights
JOIN identities_inventoryread q ON q.id = r.read_id
LEFT JOIN identities_entitlement e ON e.identity_id = w.identity_id AND e.principal = w.value
     AND e.superseded_at IS NULL AND upper_inf(e.during)
WHERE e.id IS NULL
   OR (starts_with(e.digest, %(mark)s)
       AND (e.digest <> %(mark)s || w.digest OR e.read_at < w.read_at))
   OR (NOT starts_with(e.digest, %(mark)s) AND e.read_at < %(stale)s AND e.read_at < w.read_at)
LIMIT %(most)s
"""  # noqa: S608 - two statements of ours, one inside the other
# What a list gave an identity and gives it no more: the principal is gone, or bound elsewhere.
OVER = f"""
SELECT e.id FROM identities_entitlement e
WHERE e.superseded_at IS NULL AND upper_inf(e.during) AND starts_with(e.digest, %(mark)s)
  AND NOT EXISTS (SELECT 1 FROM ({POSSIBLE}) w
      WHERE w.identity_id = e.identity_id AND w.value = e.principal)
ORDER BY e.id LIMIT %(most)s
"""  # noqa: S608 - the same


def follow(*, source: Source, now: datetime) -> int:
    """Carry over what the lists of one source changed; how many credentials moved."""
    facts = {"source": source.pk, "now": now, "most": MOST_AT_ONCE}
    moved = 0
    for number, status, at, kind, expires_at in _rows(STATES, facts):
        if status == "expired" and expires_at is not None:
            at = min(at, expires_at)  # noqa: PLW2901 - it ended when it says, not when it was read
        moved += _mark(number, status, at, now, f"the list shows this {kind} as {status}")
    for number, at, kind, expires_at in _rows(GONE, facts):
        ended = expires_at is not None and expires_at <= at
        moved += _mark(
            number,
            "expired" if ended else "revoked",
            expires_at if ended else at,
            now,
            f"two readings of the list do not show this {kind} any more",
        )
    return moved


def follow_recent(*, now: datetime) -> int:
    """The same for every source whose reading ended lately: one that died before it got here."""
    recent = Source.objects.filter(inventory_reads__ended_at__gte=now - timedelta(minutes=10))
    return sum(follow(source=source, now=now) for source in recent.distinct().order_by("pk"))


def hand_on(*, now: datetime) -> int:
    """Make what the lists allow bound principals what their identities may do; how many changed.

    The rows say what is left: the schedule calls it again.
    """
    facts = {"now": now, "most": MOST_AT_ONCE, "mark": MARK, "stale": now - ITS_OWN_FOR}
    found = _rows(UNLIKE, facts)
    identities = Identity.objects.in_bulk({row[0] for row in found})
    for owner, system, principal, possible, missing, digest, since, read_at in found:
        entitlements.keep(
            identity=identities[owner],
            system=system,
            principal=principal,
            possible=orjson.loads(possible),
            keys=[],
            missing=missing,
            digest=f"{MARK}{digest}",
            since=since,
            now=read_at,
        )
    ended = [row[0] for row in _rows(OVER, facts)]
    for number in ended:
        entitlements.end(entitlement=Entitlement.objects.get(pk=number), now=now)
    return len(found) + len(ended)


def _rows(statement: str, facts: dict[str, Any]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, facts)
        return list(cursor.fetchall())


def _mark(number: Any, state: str, at: datetime, now: datetime, because: str) -> bool:
    with transaction.atomic():
        row = Credential.objects.get(pk=number)
        return credentials.mark(credential=row, state=state, at=at, now=now, because=because)
