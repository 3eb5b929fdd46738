"""Which grant a worker moves next, and that no other one moves it meanwhile.

Owns the claim: what is due, in which order, and the lease it is made under. What happens to the row
is carrying.py's, whether its system answers is the revocations' circuits: an account that does not
answer them answers no grant either.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import connection

from identities.actions.revocations import circuits, leasing
from identities.models import Grant

# Longer than one step's requests with their retries. A worker that is seen to be dead loses it at
# once (actions/revocations/leasing.py), and a target that ends it by itself does so meanwhile.
LEASE = timedelta(minutes=2)
# One that found that somebody else is trying whether its system answers.
AGAIN = timedelta(seconds=1)

# What is due, oldest first: what begins, what ends, what is looked at again. What it is on the way to
# is committed with the claim, before anything is asked. While all outgoing writes are stopped
# (actions/outgoing.py), and from an account that does not answer, nothing is claimed.
CLAIM = """
WITH due AS MATERIALIZED (
    SELECT g.id, g.state, EXISTS (
        SELECT 1 FROM identities_circuit c
        WHERE c.system = g.system AND c.account = g.account) AS failed
    FROM identities_grant g
    WHERE g.state <> 'ended' AND g.not_before <= %(now)s
      AND (g.leased_until IS NULL OR g.leased_until <= %(now)s)
      AND (g.state = 'asked' AND g.ends_at <= %(now)s OR NOT EXISTS (
          SELECT 1 FROM identities_outgoingswitch w WHERE w.state = 'in_force' AND w.to = 'stopped'))
      AND NOT EXISTS (
          SELECT 1 FROM identities_circuit c
          WHERE c.system = g.system AND c.account = g.account
            AND (c.open_until > %(now)s OR c.trial_until > %(now)s))
    ORDER BY g.not_before, g.number LIMIT 1 FOR UPDATE OF g SKIP LOCKED)
UPDATE identities_grant t SET leased_until = %(lease)s, attempts = attempts + 1,
    leased_by = pg_backend_pid(), lost_at = NULL,
    state = CASE WHEN t.ends_at <= %(now)s AND t.granting_at IS NOT NULL THEN 'ending'
        WHEN t.state = 'asked' AND t.ends_at > %(now)s THEN 'granting' ELSE t.state END,
    granting_at = CASE WHEN t.state = 'asked' AND t.ends_at > %(now)s THEN %(now)s
        ELSE t.granting_at END,
    ending_at = CASE WHEN t.ends_at <= %(now)s AND t.granting_at IS NOT NULL
        THEN COALESCE(t.ending_at, t.ends_at) ELSE t.ending_at END
FROM due WHERE t.id = due.id RETURNING t.id, due.state, due.failed
"""


class Claimed(NamedTuple):
    """A row, where it stood, the lease that it is held under, and whether its account failed to
    answer before."""

    row: Grant
    stood: str
    lease: datetime
    failed_before: bool


def claim(*, now: datetime) -> Claimed | None:
    """What a worker moves next; None when nothing is due that may be asked for now."""
    lease = now + LEASE
    leasing.look()
    while True:
        with connection.cursor() as cursor:
            cursor.execute(CLAIM, {"now": now, "lease": lease})
            found = cursor.fetchone()
        if found is None:
            return None
        key, stood, failed = found
        row = Grant.objects.select_related("delegation__grantee").get(pk=key)
        if not failed or circuits.may_ask(row.system, row.account, now=now):
            return Claimed(row, stood, lease, failed)
        Grant.objects.filter(pk=row.pk, leased_until=lease).update(
            leased_until=None, not_before=now + AGAIN, attempts=row.attempts - 1
        )
