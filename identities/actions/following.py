"""Credentials follow the evidence: one consumer of deposits (docs/decisions, 1).

For each stored deposit: whose keys it shows, births, changes of keys that the log tells, use of what
should be dead, and what was issued with what is stopped. Owns only the order of these; the rules are in the modules it calls.
"""

from datetime import datetime, timedelta

from django.db import connection, transaction

from evidence import consumers
from evidence.formats.record import ActorName
from evidence.models import Deposit, Progress
from evidence.names import actor_ids
from evidence.stores import bodies
from identities import judging, keychanges
from identities.actions import credentials, keyholding, makings, revocations
from identities.models import Identity

CONSUMER = "credentials"
LEASE = timedelta(minutes=10)


def follow_next(*, now: datetime) -> bool:
    """Claim one deposit and follow it; False when there is nothing to do."""
    return bool(
        consumers.handle_next(CONSUMER, lambda held: _follow(held, now), lease=LEASE, now=now)
    )


def _follow(held: Progress, now: datetime) -> None:
    deposit = held.deposit
    used, paired = keyholding.note(deposit)
    makings.note(deposit, now=now)
    while credentials.born(now=now, deposit=deposit, used=used):
        pass
    credentials.hand_out(paired, now=now)
    changes = _told(deposit)
    # Names are made before the transaction, so that the memory of names holds committed ids.
    actors = actor_ids({change.credential for change in changes}, now=now)
    with transaction.atomic():
        _mark(changes, actors, now=now)
        revocations.reopen_on_use(deposit=deposit, now=now)
        revocations.take_along(deposit=deposit, changed=actors.values(), now=now)
        consumers.finish(held, now=now)


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
