"""Credentials follow the evidence: one consumer of deposits (docs/decisions, 1).

For each stored deposit: births, changes of keys that the log tells, and use of what should be
dead. Owns only the order of these and the claim; the rules are in the modules it calls.
"""

from datetime import datetime, timedelta

from django.db import connection, transaction

from evidence.formats.record import ActorName
from evidence.models import Deposit, Progress
from evidence.names import actor_ids
from evidence.stores import bodies
from identities import judging, keychanges
from identities.actions import credentials, revocations
from identities.models import Identity

CONSUMER = "credentials"
LEASE = timedelta(minutes=10)
MOST_CLAIMED = 32


def follow_next(*, now: datetime) -> bool:
    """Claim one deposit and follow it; False when there is nothing to do."""
    deposit = _claim(now)
    if deposit is None:
        return False
    while credentials.born(now=now, deposit=deposit):
        pass
    changes = _told(deposit)
    # Names are made before the transaction, so that the memory of names holds committed ids.
    actors = actor_ids({change.credential for change in changes}, now=now)
    with transaction.atomic():
        _mark(changes, actors, now=now)
        revocations.reopen_on_use(deposit=deposit, now=now)
        Progress.objects.filter(consumer=CONSUMER, deposit=deposit).update(
            done_at=now, leased_until=None, failed_why=""
        )
    return True


def _claim(now: datetime) -> Deposit | None:
    """An anti-join, not a watermark: a deposit that commits late is found as well."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT d.id FROM evidence_deposit d WHERE NOT EXISTS (SELECT 1 FROM"
            " evidence_progress p WHERE p.consumer = %s AND p.deposit_id = d.id"
            " AND (p.done_at IS NOT NULL OR p.leased_until > %s)) ORDER BY d.id LIMIT %s",
            [CONSUMER, now, MOST_CLAIMED],
        )
        for (number,) in cursor.fetchall():
            cursor.execute(
                "INSERT INTO evidence_progress (consumer, deposit_id, leased_until, attempts,"
                " failed_why) VALUES (%s, %s, %s, 1, '')"
                " ON CONFLICT (consumer, deposit_id) DO UPDATE"
                " SET leased_until = excluded.leased_until,"
                " attempts = evidence_progress.attempts + 1"
                " WHERE evidence_progress.done_at IS NULL"
                " AND (evidence_progress.leased_until IS NULL"
                "      OR evidence_progress.leased_until <= %s) RETURNING id",
                [CONSUMER, number, now + LEASE, now],
            )
            if cursor.fetchone():
                return Deposit.objects.get(pk=number)
    return None


def _told(deposit: Deposit) -> list[keychanges.KeyChange]:
    """The changes of keys in this deposit; only one that has such events is opened."""
    if deposit.format not in keychanges.READERS or deposit.first_at is None:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT 1 FROM evidence_event e JOIN evidence_term t"
            " ON t.id = e.action_id AND t.value = ANY(%s)"
            " WHERE e.at BETWEEN %s AND %s AND e.deposit_id = %s)",
            [list(keychanges.ACTIONS), deposit.first_at, deposit.last_at, deposit.pk],
        )
        if not cursor.fetchone()[0]:
            return []
    try:
        kept = bodies.unpack(deposit)
    except FileNotFoundError:
        # Erased or ended by retention: its rows stay, what stood only in the bytes is gone.
        return []
    return keychanges.read(deposit.format, kept)


def _mark(
    changes: list[keychanges.KeyChange], actors: dict[ActorName, int], *, now: datetime
) -> None:
    touched = set()
    for change in changes:
        credential = credentials.known(actor=actors[change.credential], now=now)
        new = credentials.mark(
            credential=credential,
            state=change.state,
            at=change.at,
            now=now,
            because=change.because,
        )
        if new and credential.identity_id is not None:
            touched.add(credential.identity_id)
    if touched:
        judging.again(identities=Identity.objects.filter(pk__in=touched), now=now)
