"""The outbox's worker: one due notice at a time, under a lease, with back-off.

A lease is committed before anything is sent: a worker that dies leaves the notice to the next
one, which may send it a second time, under the same id. One process sends at a time, mails before
webhooks: receivers that never answer hold up nobody but other receivers. What one person is told of
many cases in the same words is one mail (gathered.py).
"""

import smtplib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import Q

from evidence import locks
from evidence.locks import Lock
from reviews.models import Notice

from . import gathered, mail, webhook
from .failures import Permanent, Temporary

LEASE = timedelta(minutes=2)
FIRST_WAIT = timedelta(seconds=30)
LONGEST_WAIT = timedelta(hours=6)
MOST_ATTEMPTS = 12
# A notice that failed for good is looked at by a person; it is never due again by itself.
NEVER = timedelta(days=36_500)


@contextmanager
def turn() -> Iterator[bool]:
    """Whether it is this process's turn to send; whoever has it finds what others would."""
    with connection.cursor() as cursor:
        mine = locks.try_take_for_session(cursor, Lock.NOTICES)
    try:
        yield mine
    finally:
        if mine:
            with connection.cursor() as cursor:
                locks.release(cursor, Lock.NOTICES)


def send_next(*, now: datetime) -> bool:
    """Send one due notice, with all that is one mail with it; False when none is due."""
    with transaction.atomic():
        waiting = Notice.objects.select_for_update(of=("self",), skip_locked=True).filter(
            Q(leased_until__isnull=True) | Q(leased_until__lt=now), sent_at__isnull=True
        )
        first = (
            waiting.filter(not_before__lte=now)
            .select_related("person")
            .order_by("channel", "not_before", "pk")
            .first()
        )
        if first is None:
            return False
        those = [first, *gathered.with_it(first, waiting, now=now)]
        for one in those:
            one.leased_until = now + LEASE
            one.attempts += 1
        Notice.objects.bulk_update(those, ["leased_until", "attempts"])
    try:
        _send(gathered.as_one(those), now=now)
    except Permanent as problem:
        _later(those, str(problem), now + NEVER)
    except Temporary as problem:
        _later(those, str(problem), _again_at(first, now))
    else:
        Notice.objects.filter(pk__in=[one.pk for one in those]).update(
            sent_at=now, leased_until=None, failed_why=""
        )
    return True


def _send(notice: Notice, *, now: datetime) -> None:
    if notice.channel == "webhook":
        webhook.send(notice, now=now)
        return
    try:
        mail.send(notice)
    except (smtplib.SMTPRecipientsRefused, smtplib.SMTPSenderRefused, ValueError) as problem:
        raise Permanent(f"{type(problem).__name__}: the mail server refused it") from problem
    except (smtplib.SMTPException, OSError) as problem:
        raise Temporary(f"{type(problem).__name__} while sending mail") from problem


def _again_at(notice: Notice, now: datetime) -> datetime:
    if notice.attempts >= MOST_ATTEMPTS:
        return now + NEVER
    wait: timedelta = FIRST_WAIT * 2 ** (notice.attempts - 1)
    return now + min(wait, LONGEST_WAIT)


def _later(those: Sequence[Notice], why: str, at: datetime) -> None:
    Notice.objects.filter(pk__in=[one.pk for one in those]).update(
        not_before=at, leased_until=None, failed_why=why[:500]
    )
