"""Deposits that wait for a consumer: claimed, handled once, tried again (docs/decisions, 5).

Owns every move of `Progress`. The row is the queue: the database itself writes one for each
consumer in the transaction that brings the deposit, so that nothing is searched for and nothing
that commits late is lost; a consumer that comes `after` another gets its row when the first is
done. Must not know what a consumer does.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import QuerySet, Value
from django.db.models.functions import Coalesce

from evidence import locks
from evidence.locks import Lock
from evidence.models import Consumer, Progress

log = logging.getLogger(__name__)

LONGEST_WHY = 1000
# The lease doubles with each attempt that failed, up to so many times.
MOST_DOUBLINGS = 8

# SKIP LOCKED: two workers that look at once take two deposits. progress_waiting serves it.
CLAIM = """
UPDATE evidence_progress SET leased_until = %(until)s, attempts = attempts + 1
WHERE id = (
    SELECT id FROM evidence_progress
    WHERE consumer = %(consumer)s AND done_at IS NULL
      AND (leased_until IS NULL OR leased_until <= %(now)s)
    ORDER BY turn, deposit_id LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id
"""
# What a row says once its deposit is done or put back.
NOT_FAILED: dict[str, Any] = {"failed_why": "", "failed_since": None}


def claim(consumer: str, *, lease: timedelta, now: datetime) -> Progress | None:
    """The deposit whose turn it is, of those that wait for this consumer and that nobody holds;
    leased to the caller."""
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, {"consumer": consumer, "now": now, "until": now + lease})
        found = cursor.fetchone()
    return Progress.objects.select_related("deposit").get(pk=found[0]) if found else None


def finish(held: Progress, *, now: datetime) -> bool:
    """Done, in the transaction of the work itself.

    False, and it goes on waiting, when the lease is no longer the caller's: somebody else has
    it, or the deposit was put back while it was being handled.
    """
    return bool(_still(held).update(done_at=now, leased_until=None, **NOT_FAILED))


def _still(held: Progress) -> QuerySet[Progress]:
    """The row, if the claim that gave it out still stands."""
    return Progress.objects.filter(
        pk=held.pk, attempts=held.attempts, leased_until=held.leased_until, done_at=None
    )


def handle_next(
    consumer: str,
    work: Callable[[Progress], None],
    *,
    lease: timedelta,
    now: datetime,
) -> int:
    """Claim one deposit and have it handled; its id, or 0 when none waits.

    `work` calls `finish` in its last transaction. When it fails, the row says why and waits
    longer each time, so that it holds up nobody else.
    """
    held = claim(consumer, lease=lease, now=now)
    if held is None:
        return 0
    try:
        with readings_stay():
            work(held)
    except Exception as problem:
        log.exception("deposit %s was not handled by %s", held.deposit_id, consumer)
        _still(held).update(
            failed_why=f"{type(problem).__name__}: {problem}"[:LONGEST_WHY].replace("\0", ""),
            failed_since=Coalesce("failed_since", Value(now)),
            leased_until=now + lease * 2 ** min(held.attempts - 1, MOST_DOUBLINGS),
        )
    return held.deposit_id


@contextmanager
def readings_stay() -> Iterator[None]:
    """While somebody works on deposits, no reading of one is replaced (`settled`): what is
    concluded from the old one would outlive it."""
    with connection.cursor() as cursor:
        locks.take_shared_for_session(cursor, Lock.READINGS)
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            locks.release_shared(cursor, Lock.READINGS)


def settled() -> None:
    """Wait until nobody works on deposits; who comes waits until this transaction is over."""
    with connection.cursor() as cursor:
        locks.take(cursor, Lock.READINGS)


def put_back(deposits: Sequence[int]) -> None:
    """These deposits wait again for those who are first, and then for whoever comes after them."""
    first = Consumer.objects.filter(after="").values("name")
    rows = Progress.objects.filter(deposit_id__in=deposits)
    # Their rows come again when the first are done (docs/decisions/0005).
    rows.exclude(consumer__in=first).delete()
    rows.filter(consumer__in=first).update(
        done_at=None, leased_until=None, attempts=0, **NOT_FAILED
    )
