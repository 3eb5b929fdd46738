"""What people and commands do to inventories: read one now, say how often, pause, go on.

Owns the permission and the ledger's rows about it. Knows who acts as a reader of evidence: a
source is theirs to administer.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from evidence import ledger, permissions, second_person
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
    """How often its lists are read by themselves, and whether. A second person signs first that
    those of a source that holds evidence are not (`propose_pause`)."""
    permissions.require(by.why_not_administer)
    if paused:
        second_person.require(source, by)
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


class _Pause:
    """Not reading the lists of a source by themselves any more."""

    @staticmethod
    def lines(document: Mapping[str, Any]) -> list[tuple[str, str]]:
        row = second_person.source_of(document)
        return [(f"source {row.name}", "its lists are read no more, until that is resumed")]

    @staticmethod
    def apply(document: Mapping[str, Any], *, by: Reader, now: datetime) -> None:
        plan(source=second_person.source_of(document), paused=True, by=by, now=now)


second_person.ACTS["inventory_pause"] = _Pause()


def pause(*, source: Source, paused: bool, by: Reader, now: datetime, reason: str = "") -> str:
    """Stop reading its lists, or go on; the key of the proposal, "" where it is done."""
    if paused and second_person.waits(source, by):
        reason = reason or f"pausing the lists of {source.name}"
        return propose_pause(source=source, by=by, now=now, reason=reason)
    plan(source=source, paused=paused, by=by, now=now)
    return ""


def propose_pause(*, source: Source, by: Reader, now: datetime, reason: str) -> str:
    """Ask a second person to stop reading its lists; the key of the proposal."""
    permissions.require(by.why_not_administer)
    return second_person.propose(
        "inventory_pause",
        source.name,
        {},
        by=by,
        now=now,
        reason=reason,
        title=f"pausing the lists of source {source.name}",
    )
