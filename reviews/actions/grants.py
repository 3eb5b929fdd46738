"""What a case does to delegations: bring into force, narrow, stop and let go again.

The only place that makes authority true (product.md, rule 3). Version rows: the old stretch
stays as it was, the new one begins at `now`; nothing is overwritten. What was passed on from a
delegation is brought back within it in the same act (below.py). Ending them is ending.py.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Max

from identities import authority, judging
from identities.judging.verdicts import grant_of
from identities.models import Delegation, DelegationVersion
from identities.permissions import NotPossible
from reviews.models import Case

from . import below

CONTENT = ("actions", "resources", "conditions", "purpose", "task", "on_behalf")


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


def bring_into_force(
    proposal: DelegationVersion, *, case: Case, by: str, now: datetime
) -> tuple[DelegationVersion, list[str]]:
    """A proposal signed by all seats of this case becomes true from `now` on.

    The new version, and what became of what had been passed on from an earlier one.
    """
    delegation = locked(proposal.delegation_id)
    upper = proposal.during.upper
    if upper is not None and upper <= now:
        raise NotPossible(
            f"What was asked for ended on {upper:%Y-%m-%d %H:%M} UTC, before it was signed."
        )
    wider = wider_than_parent(delegation, proposal, now=now)
    if wider:
        raise NotPossible(f"It would go beyond its parent: {'; '.join(wider)[:500]}.")
    _supersede(proposal, now)
    current = in_force(delegation, now=now)
    if current is not None:
        _cut(current, by=by, now=now)
    lower = proposal.during.lower
    row = _add(
        proposal,
        by=by,
        now=now,
        state="in_force",
        during=(now if lower is None or lower < now else lower, upper),
        case=case.pk,
        signed=True,
        imported=False,
    )
    return row, _within(row, case=case, by=by, now=now)


def reject(proposal: DelegationVersion, *, case: Case, by: str, now: datetime) -> None:
    """A denied proposal stays in the record, and asks nobody any more."""
    locked(proposal.delegation_id)
    _supersede(proposal, now)
    _add(proposal, by=by, now=now, state="rejected", case=case.pk)


def attest(current: DelegationVersion, *, case: Case, by: str, now: datetime) -> DelegationVersion:
    """Keep: what was imported unsigned is signed by the case from `now` on."""
    locked(current.delegation_id)
    if current.signed:
        return current
    return _next(current, case=case, by=by, now=now, signed=True, imported=False)


def narrow(
    current: DelegationVersion, left: Mapping[str, Any], *, case: Case, by: str, now: datetime
) -> tuple[DelegationVersion, list[str]]:
    """From `now` on only these actions on these resources; the rest ends.

    The new version, and what became of what was passed on from it.
    """
    locked(current.delegation_id)
    row = _next(
        current,
        case=case,
        by=by,
        now=now,
        actions=list(left["actions"]),
        resources=list(left["resources"]),
        signed=True,
        imported=False,
    )
    return row, _within(row, case=case, by=by, now=now)


def _within(row: DelegationVersion, *, case: Case, by: str, now: datetime) -> list[str]:
    """Narrow or end every child that is wider than this version of its parent now is."""
    plan = below.plan(row.delegation, grant_of(row), now=now)
    for one in plan:
        # A child that ends takes along what was passed on from it: those are in the plan, too.
        current = in_force(locked(one.delegation.pk), now=now)
        if current is None:
            continue
        if one.left is None:
            _end(current, case=case, by=by, now=now)
        else:
            _next(current, case=case, by=by, now=now, **below.fields(one.left))
    return below.words(plan)


def _end(current: DelegationVersion, *, case: Case, by: str, now: datetime) -> None:
    _supersede(current, now)
    _add(current, by=by, now=now, **ended(current, case, now=now))


def ended(current: DelegationVersion, case: Case, *, now: datetime) -> dict[str, Any]:
    """What the version says that ends this one."""
    lower = current.during.lower
    over = lower is not None and lower >= now
    return {
        # What had not begun never will: it keeps its time, and says that it was revoked.
        "during": (lower, current.during.upper) if over else (lower, now),
        "revoked_at": now,
        "case": current.case or case.pk,
    }


def stop(
    current: DelegationVersion, left: Mapping[str, Any] | None, *, by: str, now: datetime
) -> dict[str, int]:
    """Hold reversibly what two seats disagree on, and what was passed on from it.

    `left` is what the stricter answer would leave; None: nothing. The versions to come back to,
    by the delegations' ids, the held one first.
    """
    delegation = locked(current.delegation_id)
    above = None
    if left is None:
        _cut(current, by=by, now=now)
    else:
        row = _split(
            current,
            by=by,
            now=now,
            actions=list(left["actions"]),
            resources=list(left["resources"]),
        )
        above = grant_of(row)
    stopped = {str(delegation.pk): current.version}
    for one in below.plan(delegation, above, now=now):
        child = in_force(locked(one.delegation.pk), now=now)
        if child is None:
            continue
        stopped[str(one.delegation.pk)] = child.version
        if one.left is None:
            _cut(child, by=by, now=now)
        else:
            _split(child, by=by, now=now, **below.fields(one.left))
    return stopped


def let_go(stopped: Mapping[str, int], *, by: str, now: datetime) -> None:
    """Undo a stop: what was true before is true again, until its own end."""
    for pk, version in stopped.items():
        _let_go(locked(UUID(pk)), version, by=by, now=now)


def _let_go(row: Delegation, version: int, *, by: str, now: datetime) -> None:
    before = row.versions.get(version=version)
    if before.during.upper is not None and before.during.upper <= now:
        return
    current = in_force(row, now=now)
    if current is not None:
        _cut(current, by=by, now=now)
    lower = before.during.lower
    starts = now if lower is None or lower < now else lower
    _add(before, by=by, now=now, during=(starts, before.during.upper))


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


def _next(
    current: DelegationVersion, *, case: Case, by: str, now: datetime, **fields: Any
) -> DelegationVersion:
    return _split(current, by=by, now=now, case=case.pk, **fields)


def _split(
    current: DelegationVersion, *, by: str, now: datetime, **fields: Any
) -> DelegationVersion:
    """The stretch until `now` as it was, the one after it with these fields."""
    lower, upper = current.during.lower, current.during.upper
    if lower is not None and lower >= now:
        _supersede(current, now)
        return _add(current, by=by, now=now, **fields)
    _cut(current, by=by, now=now)
    return _add(current, by=by, now=now, **({"during": (now, upper)} | fields))


def _cut(current: DelegationVersion, *, by: str, now: datetime) -> None:
    """End a stretch at `now`; one that had not begun is only superseded."""
    _supersede(current, now)
    lower = current.during.lower
    if lower is None or lower < now:
        _add(current, by=by, now=now, during=(lower, now))


def _supersede(row: DelegationVersion, now: datetime) -> None:
    row.superseded_at = now
    row.save(update_fields=["superseded_at"])


def _add(row: DelegationVersion, *, by: str, now: datetime, **fields: Any) -> DelegationVersion:
    """A further version of the same delegation, like `row` but for these fields."""
    number = DelegationVersion.objects.filter(delegation=row.delegation_id).aggregate(
        last=Max("version")
    )["last"]
    made = following(row, (number or 0) + 1, by=by, now=now, **fields)
    made.save(force_insert=True)
    made.refresh_from_db()
    # What happened since then, and came in earlier, is judged by what is true now.
    judging.again(identities=[made.delegation.grantee], since=now, now=now)
    return made


def following(
    row: DelegationVersion, number: int, *, by: str, now: datetime, **fields: Any
) -> DelegationVersion:
    """The version with this number, not saved: like `row` but for these fields."""
    values = {name: getattr(row, name) for name in CONTENT} | {
        "state": row.state,
        "during": (row.during.lower, row.during.upper),
        "revoked_at": row.revoked_at,
        "imported": row.imported,
        "signed": row.signed,
        "case": row.case,
    }
    return DelegationVersion(
        delegation_id=row.delegation_id,
        version=number,
        recorded_at=now,
        by=by,
        **(values | fields),
    )
