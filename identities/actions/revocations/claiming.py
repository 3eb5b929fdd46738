"""Which revocation a worker moves next, and that no other one moves it meanwhile.

Owns the claim: what is due, in which order, and the lease it is made under. What happens to the
row is carrying.py's, whether its system answers circuits.py's.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import connection

from identities.models import Revocation

from . import circuits

# Longer than the enforcer's own timeouts with their retries.
LEASE = timedelta(minutes=5)
# One that found that somebody else is trying whether its system answers.
AGAIN = timedelta(seconds=1)
# What comes after another (Revocation.after) waits for it so long, and then goes without it.
LONGEST_AFTER = timedelta(minutes=2)

# What is due, oldest first; of two changes on one target the earlier is sent first. While all
# outgoing writes are stopped (actions/outgoing.py) only what has been sent is looked at. An account
# that does not answer is left alone, or one row tries it. That it goes out is committed with the
# claim, where nothing has to be asked before.
CLAIM = """
WITH due AS MATERIALIZED (
    SELECT r.id, r.state, r.state = 'requested' AND r.entitlement IS NULL AS out, EXISTS (
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
    ORDER BY r.not_before, r.number LIMIT 1 FOR UPDATE OF r SKIP LOCKED)
UPDATE identities_revocation t SET leased_until = %(lease)s, attempts = attempts + 1,
    state = CASE WHEN due.out AND NOT due.failed THEN 'sending' ELSE t.state END,
    sending_at = CASE WHEN due.out AND NOT due.failed THEN %(now)s ELSE t.sending_at END
FROM due WHERE t.id = due.id RETURNING t.id, due.state, due.failed
"""


class Claimed(NamedTuple):
    """A row, where it stood, the lease that it is held under, and whether its account failed to
    answer before."""

    row: Revocation
    stood: str
    lease: datetime
    failed_before: bool


def claim(*, now: datetime) -> Claimed | None:
    """What a worker moves next; None when nothing is due that may be asked for now."""
    lease = now + LEASE
    while True:
        with connection.cursor() as cursor:
            facts = {"now": now, "lease": lease, "waited": now - LONGEST_AFTER}
            cursor.execute(CLAIM, facts)
            found = cursor.fetchone()
        if found is None:
            return None
        key, stood, failed = found
        row = Revocation.objects.select_related("identity", "credential", "credential__actor").get(
            pk=key
        )
        if not failed or circuits.may_ask(row.system, account_of(row), now=now):
            return Claimed(row, stood, lease, failed)
        Revocation.objects.filter(pk=row.pk, leased_until=lease).update(
            leased_until=None, not_before=now + AGAIN, attempts=row.attempts - 1
        )


def account_of(row: Revocation) -> str:
    """The account its target is in, as the row says it."""
    return str(row.target.get("account", ""))
