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

# What is due, oldest first; of two changes on one target the earlier is sent first. While all
# outgoing writes are stopped (actions/outgoing.py) only what has been sent is looked at. An account
# that does not answer is left alone, or one row tries it.
CLAIM = """
UPDATE identities_revocation SET leased_until = %(lease)s, attempts = attempts + 1
WHERE id = (
    SELECT r.id FROM identities_revocation r
    WHERE r.state IN ('requested', 'sending', 'sent', 'confirmed') AND r.not_before <= %(now)s
      AND (r.state IN ('sent', 'confirmed') OR NOT EXISTS (
          SELECT 1 FROM identities_outgoingswitch w WHERE w.state = 'in_force' AND w.to = 'stopped'))
      AND (r.leased_until IS NULL OR r.leased_until <= %(now)s)
      AND (r.state <> 'requested' OR NOT EXISTS (
          SELECT 1 FROM identities_revocation o
          WHERE o.identity_id = r.identity_id AND o.system = r.system
            AND o.target->>'name' = r.target->>'name' AND o.number < r.number
            AND o.state IN ('requested', 'sending')))
      AND NOT EXISTS (
          SELECT 1 FROM identities_circuit c
          WHERE c.system = r.system AND c.account = r.target->>'account'
            AND (c.open_until > %(now)s OR c.trial_until > %(now)s))
    ORDER BY r.not_before, r.number LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id, EXISTS (
    SELECT 1 FROM identities_circuit c
    WHERE c.system = identities_revocation.system
      AND c.account = identities_revocation.target->>'account')
"""


class Claimed(NamedTuple):
    """A row, the lease that it is held under, and whether its account failed to answer before."""

    row: Revocation
    lease: datetime
    failed_before: bool


def claim(*, now: datetime) -> Claimed | None:
    """What a worker moves next; None when nothing is due that may be asked for now."""
    lease = now + LEASE
    while True:
        with connection.cursor() as cursor:
            cursor.execute(CLAIM, {"now": now, "lease": lease})
            found = cursor.fetchone()
        if found is None:
            return None
        key, failed = found
        row = Revocation.objects.select_related("identity", "credential", "credential__actor").get(
            pk=key
        )
        if not failed or circuits.may_ask(row.system, account_of(row), now=now):
            return Claimed(row, lease, failed)
        Revocation.objects.filter(pk=row.pk, leased_until=lease).update(
            leased_until=None, not_before=now + AGAIN, attempts=row.attempts - 1
        )


def account_of(row: Revocation) -> str:
    """The account its target is in, as the row says it."""
    return str(row.target.get("account", ""))
