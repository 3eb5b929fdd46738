"""Which revocation a worker moves next, and that no other one moves it meanwhile.

Owns the claim: what is due, in which order, and the lease it is made under. What happens to the
row is carrying.py's, whether its system answers circuits.py's.
"""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection

from identities.models import Revocation

from . import circuits, leasing

# Longer than the enforcer's own timeouts with their retries. A worker that is seen to be dead loses
# it at once (leasing.py).
LEASE = timedelta(minutes=5)
# One that found that somebody else is trying whether its system answers.
AGAIN = timedelta(seconds=1)
# What comes after another (Revocation.after) waits for it so long, and then goes without it.
LONGEST_AFTER = timedelta(minutes=2)

# Keys of one account are claimed together, because their clients may be used by many threads
# (enforcers/aws_clients.py). More at once are only refused more often.
MOST = 8

# What is due: what is urgent first, then the oldest, and all before what only has to be outlasted; of
# two changes on one target the earlier is sent first. While all outgoing writes are stopped
# (actions/outgoing.py) only what has been sent is looked at. An account that does not answer is left
# alone, or one row tries it. That it goes out is committed with the claim, where nothing has to be
# asked before.
CLAIM = """
WITH due AS MATERIALIZED (
    SELECT r.id, r.state, r.urgent, r.not_before, r.number, r.target->>'account' AS account,
        r.state = 'requested' AND r.entitlement IS NULL AS out,
        r.state <> 'confirmed' AND r.credential_id IS NOT NULL AND r.system = 'aws'
            AND r.target->>'kind' = 'access_key' AS a_key,
        EXISTS (
            SELECT 1 FROM identities_circuit c
            WHERE c.system = r.system AND c.account = r.target->>'account') AS failed
    FROM identities_revocation r
    WHERE r.state IN ('requested', 'sending', 'sent', 'confirmed') AND r.not_before <= %(now)s
      AND (r.state IN ('sent', 'confirmed') OR NOT EXISTS (
          SELECT 1 FROM identities_outgoingswitch w WHERE w.state = 'in_force' AND w.to = 'stopped'))
      AND (r.leased_until IS NULL OR r.leased_until <= %(now)s)
      AND (r.state <> 'requested' OR NOT EXISTS (
          SELECT 1 FROM identities_revocation o
          WHERE o.identity_id = r.identity_id AND o.system = r.system
            AND o.target->>'name' = r.target->>'name' AND o.number < r.number
            AND o.state IN ('requested', 'sending')))
      AND (r.state <> 'requested' OR r.after_id IS NULL OR r.requested_at <= %(waited)s
           OR NOT EXISTS (SELECT 1 FROM identities_revocation p
               WHERE p.id = r.after_id AND p.state IN ('requested', 'sending')))
      AND NOT EXISTS (
          SELECT 1 FROM identities_circuit c
          WHERE c.system = r.system AND c.account = r.target->>'account'
            AND (c.open_until > %(now)s OR c.trial_until > %(now)s))
    ORDER BY r.state = 'confirmed', NOT r.urgent, r.not_before, r.number
    LIMIT %(most)s FOR UPDATE OF r SKIP LOCKED),
first AS (
    SELECT * FROM due ORDER BY state = 'confirmed', NOT urgent, not_before, number LIMIT 1)
UPDATE identities_revocation t SET leased_until = %(lease)s, attempts = attempts + 1,
    leased_by = pg_backend_pid(), lost_at = NULL,
    state = CASE WHEN due.out AND NOT due.failed THEN 'sending' ELSE t.state END,
    sending_at = CASE WHEN due.out AND NOT due.failed THEN %(now)s ELSE t.sending_at END
FROM due, first WHERE t.id = due.id AND (due.id = first.id
    OR (due.a_key AND first.a_key AND due.account = first.account AND NOT due.failed))
RETURNING t.id, due.state, due.failed
"""


class Claimed(NamedTuple):
    """A row, where it stood, the lease that it is held under, and whether its account failed to
    answer before."""

    row: Revocation
    stood: str
    lease: datetime
    failed_before: bool


def claim(*, now: datetime) -> list[Claimed]:
    """What a worker moves next: one row, or keys of one account; none when nothing is due that may
    be asked for now."""
    lease = now + LEASE
    leasing.look()
    while True:
        with connection.cursor() as cursor:
            facts: dict[str, Any] = {
                "now": now,
                "lease": lease,
                "waited": now - LONGEST_AFTER,
                "most": MOST,
            }
            cursor.execute(CLAIM, facts)
            found = {key: said for key, *said in cursor.fetchall()}
        if not found:
            return []
        rows = (
            Revocation.objects.select_related("identity", "credential", "credential__actor")
            .filter(pk__in=found)
            .order_by("number")
        )
        claimed = [Claimed(row, found[row.pk][0], lease, found[row.pk][1]) for row in rows]
        first = claimed[0]
        # Of an account that has failed, one row is claimed.
        account = account_of(first.row)
        if not first.failed_before or circuits.may_ask(first.row.system, account, now=now):
            return claimed
        Revocation.objects.filter(pk=first.row.pk, leased_until=lease).update(
            leased_until=None, not_before=now + AGAIN, attempts=first.row.attempts - 1
        )


def account_of(row: Revocation) -> str:
    """The account its target is in, as the row says it."""
    return str(row.target.get("account", ""))
