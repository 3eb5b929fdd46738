"""What people and commands do to inventories: read one now, say how often, pause, go on.

Owns the permission and the ledger's rows about it. Knows who acts as a reader of evidence: a
source is theirs to administer.
"""

from datetime import datetime

from django.db import transaction

from evidence import ledger, permissions
from evidence.models import Source
from evidence.permissions import NotPossible, Reader
from evidence.sources.failures import Stopped
from identities.inventory import reading
from identities.models import InventoryPlan, InventoryRead

SHORTEST_EVERY, LONGEST_EVERY = 300, 31 * 86_400


def read_now(*, source: Source, by: Reader, now: datetime) -> InventoryRead:
    """Ask for a reading, whatever the plan says."""
    permissions.require(by.why_not_administer)
    try:
        return reading.ask(source=source, by=by.ref, by_name=by.name, now=now)
    except Stopped as problem:
        raise NotPossible(f"{problem.what} {problem.fix}") from None


def plan(
    *,
    source: Source,
    by: Reader,
    now: datetime,
    every_seconds: int | None = None,
    paused: bool | None = None,
) -> InventoryPlan:
    """How often its lists are read by themselves, and whether."""
    permissions.require(by.why_not_administer)
    if every_seconds is not None and not SHORTEST_EVERY <= every_seconds <= LONGEST_EVERY:
        raise NotPossible(f"Lists are read every {SHORTEST_EVERY:,} to {LONGEST_EVERY:,} seconds.")
    with transaction.atomic():
        row = InventoryPlan.objects.select_for_update().filter(source=source).first()
        if row is None:
            raise NotPossible(f"{source.name} has no lists that are read by themselves.")
        if every_seconds is not None:
            row.every_seconds = every_seconds
        if paused is not None:
            row.paused = paused
        row.next_at = None if row.paused else now
        row.save()
        ledger.append(
            at=now,
            by=by.ref,
            by_name=by.name,
            act="inventory.planned",
            subject=f"source:{source.name}",
            words=f"the lists of {source.name} "
            + (
                "are not read by themselves"
                if row.paused
                else f"are read every {row.every_seconds} s"
            ),
            data={"every_seconds": row.every_seconds, "paused": row.paused},
        )
    return row
