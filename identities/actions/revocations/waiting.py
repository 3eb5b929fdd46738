"""Looks that wait for others: which row a worker holds, and giving it back until it is worth a look.

Owns the one way in which an enforcer's look may leave a row alone: waiting for a person over there is
no look that showed nothing, so it neither counts as one nor as an account that does not answer. What
the worker writes afterwards names a lease that is over, and changes nothing (carrying.py). Must not
know any one system.
"""

from collections.abc import Callable
from datetime import datetime

from django.db import transaction

from identities.enforcers.contract import Target
from identities.models import Revocation

from .claiming import LEASE

HELD = ("sending", "sent", "confirmed")


def held(target: Target, *, step: str, now: datetime) -> Revocation | None:
    """The row of this target that a worker claimed at `now`: its lease says which one."""
    return (
        Revocation.objects.filter(
            system=target.system,
            step=step,
            state__in=HELD,
            leased_until=now + LEASE,
            target__account=target.account,
            target__kind=target.kind,
            target__name=target.name,
            target__extra__realm=target.extra.get("realm", ""),
        )
        .order_by("number")
        .first()
    )


def give_back(
    key: str,
    *,
    until: datetime,
    why: str,
    now: datetime,
    unless: Callable[[Revocation], bool] = lambda _row: False,
) -> bool:
    """Leave the row alone until then. False, and nothing changed, where `unless` says so of it."""
    number = int(key.removeprefix("REV-"))
    with transaction.atomic():
        row = (
            Revocation.objects.select_for_update()
            .filter(number=number, leased_until=now + LEASE)
            .first()
        )
        if row is None:
            return True  # somebody else's by now
        if unless(row):
            return False
        row.not_before, row.leased_until = until, None
        row.attempts, row.failed_why = 0, why
        row.save(update_fields=["not_before", "leased_until", "attempts", "failed_why"])
    return True
