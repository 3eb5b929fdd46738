"""Pushing what waits: one claimed stream at a time, its SETs in order, each recorded as it is taken.

Owns the claim and its lease, the order, back-off, and when a SET that its receiver cannot digest
is set aside. Nothing is recorded before a receiver has answered: after a crash in between the same
SET goes out again, with the same `jti`, by which its receiver knows it.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from time import monotonic
from typing import NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F

from identities.enforcers import signal_keys
from identities.enforcers.addresses import WHO
from identities.enforcers.contract import PermanentFailure, TemporaryFailure
from identities.enforcers.signal_push import NotTaken, push
from identities.models import SignalSet, SignalStream

from . import vocabulary

LEASE = timedelta(minutes=5)
# Then another stream has its turn; well within the lease, however slow its receiver is.
TURN_SECONDS = 30.0
PAGE = 50
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=5), timedelta(minutes=30)
# A SET that failed so often is passed over once: where the next one is taken, it is the SET.
MOST_ATTEMPTS = 5

# While all outgoing writes are stopped (actions/outgoing.py) nothing is pushed.
CLAIM = """
UPDATE identities_signalstream SET leased_until = %(lease)s WHERE id = (
    SELECT s.id FROM identities_signalstream s
    JOIN identities_signalreceiver r ON r.id = s.receiver_id AND r.ended_at IS NULL
    WHERE s.delivery = 'push' AND s.deleted_at IS NULL AND s.not_before <= %(now)s
      AND (s.leased_until IS NULL OR s.leased_until <= %(now)s)
      AND NOT EXISTS (
        SELECT 1 FROM identities_outgoingswitch w WHERE w.state = 'in_force' AND w.to = 'stopped')
      AND EXISTS (
        SELECT 1 FROM identities_signalset x WHERE x.stream_id = s.id AND x.state = 'waiting'
          AND (x.control OR s.status = 'enabled'))
    ORDER BY s.not_before, s.id LIMIT 1 FOR UPDATE OF s SKIP LOCKED)
RETURNING id
"""


class Claimed(NamedTuple):
    """A stream, and the lease that it is held under."""

    row: SignalStream
    lease: datetime


def push_next(*, now: datetime) -> bool:
    """Claim a stream with something to send and send for a while; False when there is none."""
    lease = now + LEASE
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, {"lease": lease, "now": now})
        found = cursor.fetchone()
    if found is None:
        return False
    row = SignalStream.objects.select_related("receiver").get(pk=found[0])
    claimed = Claimed(row, lease)
    try:
        key = signal_keys.keys()[0]
        authorization = signal_keys.opened(row.authorization) if row.authorization else ""
        _turn(claimed, key, authorization, now=now)
    except TemporaryFailure as problem:
        wait = max(timedelta(seconds=problem.retry_after), back_off(row.failures))
        _failed(claimed, problem.reason, "", wait, now=now)
    except PermanentFailure as problem:
        # Somebody has to act, and then it goes on by itself.
        wait = max(back_off(row.failures), timedelta(minutes=1))
        _failed(claimed, problem.reason, problem.who_must_act or WHO, wait, now=now)
    return True


def back_off(failures: int) -> timedelta:
    """The pause after so many failures, one after the other."""
    return min(LONGEST_WAIT, FIRST_WAIT * float(1 << min(failures, 12)))


def _turn(claimed: Claimed, key: signal_keys.Key, authorization: str, *, now: datetime) -> None:
    ends = monotonic() + TURN_SECONDS
    passed: list[tuple[SignalSet, TemporaryFailure]] = []
    for one in waiting(claimed.row):
        if monotonic() > ends:
            break
        try:
            push(
                claimed.row.endpoint,
                token(one, claimed.row, key),
                authorization=authorization,
            )
        except NotTaken as problem:
            settle(claimed.row.pk, one.pk, "refused", now=now, err=problem.err, said=problem.said)
        except TemporaryFailure as problem:
            SignalSet.objects.filter(pk=one.pk).update(attempts=F("attempts") + 1)
            if one.attempts + 1 < MOST_ATTEMPTS or passed:
                raise
            passed.append((one, problem))
            continue
        else:
            settle(claimed.row.pk, one.pk, "taken", now=now, event=one.event.kind)
            _goes_on(claimed)
        for poison, why in passed:
            said = f"{MOST_ATTEMPTS} times; what came after it was answered. {why.reason}"
            settle(claimed.row.pk, poison.pk, "refused", now=now, err="not_taken", said=said)
        passed.clear()
    if passed:
        raise passed[0][1]
    SignalStream.objects.filter(pk=claimed.row.pk, leased_until=claimed.lease).update(
        leased_until=None
    )


def waiting(stream: SignalStream) -> Iterator[SignalSet]:
    """What waits on a stream, in order and page by page; of one that is not enabled, what is about
    the stream itself. Its status is read with each page."""
    after = 0
    while True:
        rows = SignalSet.objects.filter(stream=stream, state="waiting", id__gt=after)
        if SignalStream.objects.values_list("status", flat=True).get(pk=stream.pk) != "enabled":
            rows = rows.filter(control=True)
        page = list(rows.select_related("event").order_by("id")[:PAGE])
        yield from page
        if len(page) < PAGE:
            return
        after = page[-1].pk


def token(one: SignalSet, stream: SignalStream, key: signal_keys.Key) -> str:
    """The SET of a row: the same claims whenever it is made."""
    event = one.event
    return signal_keys.signed(
        vocabulary.claims(
            issuer=settings.BASE_URL,
            audience=stream.receiver.audience,
            jti=one.jti,
            made_at=int(event.made_at.timestamp()),
            kind=event.kind,
            payload=event.payload,
            sub_id=vocabulary.subject(event.names, stream.receiver.named_by),
            txn=event.txn,
        ),
        key,
    )


def settle(
    stream: UUID,
    pk: int,
    state: str,
    *,
    now: datetime,
    event: str = "",
    err: str = "",
    said: str = "",
) -> None:
    """One SET was taken or refused, and its receiver is there."""
    with transaction.atomic():
        rows = SignalSet.objects.filter(pk=pk, state="waiting")
        if rows.update(state=state, settled_at=now, err=err, said=said) and state == "taken":
            taken(stream, verified=event == vocabulary.VERIFICATION, now=now)


def taken(stream: UUID, *, verified: bool, now: datetime) -> None:
    """Remember that a receiver took something, and whether that was a verification."""
    more = {"verified_at": now} if verified else {}
    SignalStream.objects.filter(pk=stream).update(taken_at=now, **more)


def _goes_on(claimed: Claimed) -> None:
    """The receiver answers: its circuit is closed."""
    if claimed.row.failures:
        SignalStream.objects.filter(pk=claimed.row.pk, leased_until=claimed.lease).update(
            failures=0, failed_why="", who_must_act=""
        )
        claimed.row.failures = 0


def _failed(claimed: Claimed, why: str, who: str, wait: timedelta, *, now: datetime) -> None:
    """Asked again later; whoever took the stream meanwhile knows better."""
    SignalStream.objects.filter(pk=claimed.row.pk, leased_until=claimed.lease).update(
        leased_until=None,
        failures=F("failures") + 1,
        failed_why=why[:1_000],
        who_must_act=who,
        not_before=now + min(wait, LONGEST_WAIT),
    )
