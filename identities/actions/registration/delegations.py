"""Delegations of a registration file: proposed, or on a first load imported and unsigned."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from identities import authority
from identities.acting import acting
from identities.models import Delegation, DelegationVersion, Identity, Party
from identities.register import DelegationEntry

from .identities import of_actor
from .run import ADDED, CHANGED, Run

type Named = dict[tuple[str, str], Delegation]


def apply_delegations(run: Run, entries: Iterable[DelegationEntry]) -> None:
    """Parents first, so that a child can be held against what its parent says."""
    rows = list(entries)
    grantees: dict[str, Identity | None] = {}
    for entry in rows:
        if entry.grantee not in grantees:
            grantees[entry.grantee] = _grantee(run, entry)
    named: Named = {}
    waiting = rows
    while waiting:
        ready = [row for row in waiting if not _waits(row, waiting)]
        if not ready:
            for row in waiting:
                run.wrong(f"{row.path}.parent", "its parents go in a circle")
            return
        for row in ready:
            grantee = grantees[row.grantee]
            if grantee is not None:
                _delegation(run, row, grantee, named)
        waiting = [row for row in waiting if row not in ready]


def _waits(row: DelegationEntry, others: Iterable[DelegationEntry]) -> bool:
    return bool(row.parent) and any(
        other is not row and row.parent in (other.slug, f"{other.grantee}/{other.slug}")
        for other in others
    )


def _grantee(run: Run, entry: DelegationEntry) -> Identity | None:
    known = Identity.objects.filter(name=entry.grantee).first()
    if known is not None:
        return known
    if entry.grantee_actor is not None:
        return of_actor(run, entry.grantee_actor, f"{entry.path}.grantee")
    run.wrong(
        f"{entry.path}.grantee",
        f"no identity is called {entry.grantee[:120]!r}: add it to identities, or write a whole"
        " ARN or access key id",
    )
    return None


def _delegation(run: Run, entry: DelegationEntry, grantee: Identity, named: Named) -> None:
    problem = _unreadable(entry, run.now)
    if problem is not None:
        run.wrong(entry.path, problem)
        return
    grantor = run.party(entry.grantor, f"{entry.path}.grantor") if entry.grantor else None
    parent = _parent(run, entry, named)
    row = (
        Delegation.objects.select_for_update(of=("self",))
        .filter(grantee=grantee, slug=entry.slug)
        .first()
    )
    if parent is not None and row is not None and row.parent_id != parent.pk:
        run.wrong(f"{entry.path}.parent", "cannot change: give the delegation another slug")
        return
    versions = [] if row is None else list(row.versions.order_by("version"))
    current = [version for version in versions if version.superseded_at is None]
    said = _said(entry, current, run.now)
    if parent is not None and not _narrows(run, entry, parent, said):
        return
    subject = f"delegation {grantee.name}/{entry.slug}"
    if row is None:
        row = _new(entry, grantee, grantor, parent, run.now)
        run.touched.add(grantee.pk)
        imported = _imports(run, grantee, subject)
        _add(run, row, said, version=1, kind=ADDED, subject=subject, imported=imported)
    else:
        _change(run, row, grantee, versions, said, subject)
    named[entry.grantee, entry.slug] = named["", entry.slug] = row


def _imports(run: Run, grantee: Identity, subject: str) -> bool:
    """Whether a new version is imported: only before the first signed delegation of its grantee."""
    if not run.imported:
        return False
    if not DelegationVersion.objects.filter(delegation__grantee=grantee, signed=True).exists():
        return True
    run.notes.append(
        f"{subject}: {grantee.name} has a signed delegation already, so this one is proposed, not"
        " imported"
    )
    return False


def _new(
    entry: DelegationEntry,
    grantee: Identity,
    grantor: Party | None,
    parent: Delegation | None,
    now: datetime,
) -> Delegation:
    row = Delegation(
        slug=entry.slug, grantee=grantee, grantor=grantor, parent=parent, created_at=now
    )
    row.save(force_insert=True)
    row.refresh_from_db(fields=["number"])
    return row


def _change(
    run: Run,
    row: Delegation,
    grantee: Identity,
    versions: list[DelegationVersion],
    said: dict[str, Any],
    subject: str,
) -> None:
    """What a file says now against what is known: kept, imported anew, or proposed."""
    current = [version for version in versions if version.superseded_at is None]
    same = [version for version in current if _content(version) == said]
    in_force = [version for version in current if version.state == "in_force"]
    rejected_or_in_force = any(version.state in ("in_force", "rejected") for version in same)
    imported = not rejected_or_in_force and _imports(run, grantee, subject)
    if rejected_or_in_force or (same and not imported):
        if same[0].state == "rejected":
            run.notes.append(f"{subject}: was rejected; write other permissions to ask again")
        run.kept(subject)
        return
    # A proposal replaces an open proposal; only an import replaces what is in force.
    stale = [version.pk for version in current if version.state == "proposed"]
    if imported:
        stale += [version.pk for version in in_force]
    DelegationVersion.objects.filter(pk__in=stale).update(superseded_at=run.now)
    run.touched.add(row.grantee_id)
    _add(
        run,
        row,
        said,
        version=versions[-1].version + 1 if versions else 1,
        kind=CHANGED,
        subject=subject,
        imported=imported,
    )


def _add(
    run: Run,
    row: Delegation,
    said: dict[str, Any],
    *,
    version: int,
    kind: str,
    subject: str,
    imported: bool,
) -> None:
    DelegationVersion.objects.create(
        delegation=row,
        version=version,
        state="in_force" if imported else "proposed",
        imported=imported,
        signed=False,
        recorded_at=run.now,
        by=acting(run.by).ref,
        **said,
    )
    what = f"{', '.join(said['actions'][:4])} on {', '.join(said['resources'][:4])}"[:300]
    words = (
        f"imported, unsigned: {what}"
        if imported
        else f"proposed, comes into force through an access request: {what}"
    )
    run.done(
        kind,
        subject,
        words,
        about=row.key,
        data={
            "version": version,
            "actions": said["actions"],
            "resources": said["resources"],
            "imported": imported,
        },
    )


def _said(
    entry: DelegationEntry, current: list[DelegationVersion], now: datetime
) -> dict[str, Any]:
    """The version's fields as the file says them; relative moments count from the first load."""
    known = current[-1].during if current else None
    starts = None if entry.starts is None else entry.starts.moment(now)
    ends = None if entry.ends is None else entry.ends.moment(now)
    if known is not None and entry.starts is not None and entry.starts.at is None:
        starts = known.lower or starts
    if known is not None and entry.ends is not None and entry.ends.at is None:
        ends = known.upper or ends
    return {
        "actions": list(entry.actions),
        "resources": list(entry.resources),
        "conditions": entry.conditions,
        "purpose": entry.purpose,
        "task": entry.task,
        "on_behalf": entry.on_behalf,
        "during": (starts, ends),
    }


def _content(version: DelegationVersion) -> dict[str, Any]:
    return {
        "actions": version.actions,
        "resources": version.resources,
        "conditions": version.conditions,
        "purpose": version.purpose,
        "task": version.task,
        "on_behalf": version.on_behalf,
        "during": (version.during.lower, version.during.upper),
    }


def _grant(key: str, version: int, said: dict[str, Any]) -> authority.Grant:
    return authority.Grant(
        key=key,
        version=version,
        actions=tuple(said["actions"]),
        resources=tuple(said["resources"]),
        task=said["task"] or None,
        on_behalf=said["on_behalf"] or None,
        conditions=said["conditions"],
        starts_at=said["during"][0],
        ends_at=said["during"][1],
        revoked_at=None,
        signed=False,
    )


def _unreadable(entry: DelegationEntry, now: datetime) -> str | None:
    """What the compiler would refuse: said now, not when somebody asks for a decision."""
    said = _said(entry, [], now)
    starts, ends = said["during"]
    if starts is not None and ends is not None and ends <= starts:
        return "`ends` lies before `starts`"
    try:
        authority.compile_slice("registration", [_grant(entry.slug, 1, said)])
    except authority.AuthorityError as problem:
        return str(problem)
    return None


def _parent(run: Run, entry: DelegationEntry, named: Named) -> Delegation | None:
    if not entry.parent:
        return None
    grantee, _, slug = entry.parent.rpartition("/")
    known = named.get((grantee, slug)) or named.get(("", entry.parent))
    if known is None:
        rows = Delegation.objects.filter(slug=slug)
        found = list((rows.filter(grantee__name=grantee) if grantee else rows)[:2])
        known = found[0] if len(found) == 1 else None
    if known is None:
        run.wrong(
            f"{entry.path}.parent",
            f"no one delegation is called {entry.parent[:120]!r}: write its slug, or"
            " `identity/slug` when several have it",
        )
    return known


def _narrows(run: Run, entry: DelegationEntry, parent: Delegation, said: dict[str, Any]) -> bool:
    above = [
        _grant(parent.key, version.version, _content(version))
        for version in parent.versions.filter(superseded_at__isnull=True).exclude(state="rejected")
    ]
    wider = authority.narrower([_grant(entry.slug, 1, said)], above)
    if wider:
        run.wrong(entry.path, f"a child may only narrow its parent: {'; '.join(wider)[:500]}")
    return not wider
