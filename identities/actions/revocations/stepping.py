"""Writes to a claimed row: only while its lease is ours, and how long it waits after each.

Owns that one rule for whoever moves a row (carrying.py, outlasting.py). Must not know what moves it.
"""

import secrets
from datetime import datetime, timedelta

from django.db import transaction

from identities.models import Revocation

from . import tries
from .calling import Work

LONGEST_WAIT = timedelta(minutes=15)


def save(work: Work, **fields: object) -> bool:
    """Write only while the lease is ours and the row is where we left it."""
    return bool(
        Revocation.objects.filter(
            pk=work.row.pk, leased_until=work.lease, state=work.row.state
        ).update(**fields)
    )


def later(row: Revocation, lease: datetime, *, now: datetime, wait: timedelta, why: str) -> None:
    """Try again after a wait; where it stands says whether it may have gone out."""
    Revocation.objects.filter(pk=row.pk, leased_until=lease).update(
        not_before=now + wait, leased_until=None, failed_why=why
    )
    did = "send" if row.state in ("requested", "sending") else "verify"
    tries.note(row, now, did, "temporary", why)


def fail(row: Revocation, lease: datetime, *, now: datetime, why: str, who: str) -> None:
    with transaction.atomic():
        if Revocation.objects.filter(pk=row.pk, leased_until=lease).update(
            state="failed", failed_why=why, who_must_act=who, leased_until=None
        ):
            did = "send" if row.state in ("requested", "sending") else "verify"
            tries.note(row, now, did, "permanent", why)
            tries.record(row, now, "revocation.failed", f"failed: {why} {who} must act.")


def back_off(attempts: int) -> timedelta:
    """2, 4, 8 … seconds and up to half as much again, so that many rows do not come at once."""
    seconds = min(2.0 ** min(attempts, 10), LONGEST_WAIT.total_seconds())
    return timedelta(seconds=seconds * (1 + secrets.randbelow(500) / 1000))
