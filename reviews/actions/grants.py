"""What is in force of one delegation and what is proposed of it, and a hold of it for a while.

Owns the reading; what a case does to delegations is versions.py.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from identities import authority
from identities.judging.verdicts import grant_of
from identities.models import Delegation, DelegationVersion
from identities.permissions import NotPossible

from .versions import Versions


def locked(pk: UUID | None) -> Delegation:
    """The delegation's row, locked: versions are added one after the other."""
    if pk is None:
        raise NotPossible("This item names no delegation.")
    return (
        Delegation.objects.select_for_update(of=("self",))
        .select_related("grantee__service", "parent")
        .get(pk=pk)
    )


def in_force(delegation: Delegation, *, now: datetime) -> DelegationVersion | None:
    """What it says at `now`, or from later on when nothing is true at `now`."""
    rows = delegation.versions.filter(
        superseded_at__isnull=True, state="in_force", revoked_at__isnull=True
    ).order_by("during")
    for row in rows:
        if row.during.upper is None or row.during.upper > now:
            return row
    return None


def proposed(delegation: Delegation) -> DelegationVersion | None:
    """Its open proposal."""
    return (
        delegation.versions.filter(superseded_at__isnull=True, state="proposed")
        .order_by("-version")
        .first()
    )


def stop(
    current: DelegationVersion, left: Mapping[str, Any] | None, *, by: str, now: datetime
) -> dict[str, int]:
    """Hold one reversibly, with what was passed on from it (`Versions.stop`)."""
    known = Versions([current.delegation_id], by=by, now=now)
    standing = known.in_force(current.delegation_id)
    stopped = {} if standing is None else known.stop(standing, left)
    known.write()
    return stopped


def let_go(stopped: Mapping[str, int], *, by: str, now: datetime) -> None:
    """Undo a stop: what was true before is true again, until its own end."""
    known = Versions(alone=[UUID(pk) for pk in stopped], by=by, now=now)
    known.let_go(stopped)
    known.write()


def wider_than_parent(
    delegation: Delegation, version: DelegationVersion, *, now: datetime
) -> list[str]:
    """What a version would widen beyond its parent; empty without one."""
    if delegation.parent is None:
        return []
    above = [
        grant_of(row)
        for row in delegation.parent.versions.filter(
            superseded_at__isnull=True, state="in_force"
        ).select_related("delegation")
        if row.during.upper is None or row.during.upper > now
    ]
    return authority.narrower([grant_of(version)], above)
