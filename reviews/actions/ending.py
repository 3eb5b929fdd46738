"""Ending delegations, with what was passed on from them: many in as many statements as one.

Owns which versions that supersedes and adds. What a version says when it ends is grants.py.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Max

from identities import judging
from identities.models import Delegation, DelegationVersion
from identities.permissions import NotPossible
from reviews.models import Case

from . import grants


class Ended(NamedTuple):
    """A delegation that is not in force any more, and the keys of all that ended now."""

    key: str
    keys: list[str]


def end_all(
    wanted: Sequence[tuple[UUID | None, Case]], *, by: str, now: datetime
) -> list[Ended | NotPossible]:
    """Revoke each of these for its case, with what was passed on from it; its open proposal is
    rejected. What is gone is a refusal that keeps nothing else from ending."""
    ending = _Ending([pk for pk, _ in wanted if pk is not None], by=by, now=now)
    found: list[Ended | NotPossible] = []
    for pk, case in wanted:
        row = None if pk is None else ending.rows.get(pk)
        if pk is None:
            found.append(NotPossible("This item names no delegation."))
        elif row is None:
            found.append(NotPossible("Its delegation is gone."))
        else:
            keys = ending.end(row, case, set())
            ending.reject(row, case)
            found.append(Ended(row.key, list(dict.fromkeys(keys))))
    ending.write()
    return found


class _Ending:
    """Locked delegations with everything below them, and what is to be written of them."""

    def __init__(self, pks: Iterable[UUID], *, by: str, now: datetime) -> None:
        self.by, self.now = by, now
        self.rows: dict[UUID, Delegation] = {}
        level = set(pks)
        while level:
            # Parents before their children, each in the order of their ids.
            locked = Delegation.objects.select_for_update(of=("self",)).select_related("grantee")
            self.rows |= {one.pk: one for one in locked.filter(pk__in=level).order_by("pk")}
            children = Delegation.objects.filter(parent__in=level).values_list("pk", flat=True)
            level = set(children) - self.rows.keys()
        self.below: dict[UUID | None, list[Delegation]] = {}
        for one in sorted(self.rows.values(), key=lambda one: one.number):
            self.below.setdefault(one.parent_id, []).append(one)
        versions = DelegationVersion.objects.filter(delegation__in=self.rows)
        self.standing: dict[UUID, list[DelegationVersion]] = {}
        for row in versions.filter(
            superseded_at__isnull=True, state__in=["in_force", "proposed"]
        ).order_by("during", "version"):
            self.standing.setdefault(row.delegation_id, []).append(row)
        last = versions.values("delegation").annotate(last=Max("version"))
        self.last: dict[UUID, int] = dict(last.values_list("delegation", "last"))
        self.superseded: list[int] = []
        self.added: list[DelegationVersion] = []

    def end(self, row: Delegation, case: Case, seen: set[UUID]) -> list[str]:
        """The keys of what was in force of it and below it, in the order in which it ends."""
        seen.add(row.pk)
        keys = []
        for one in list(self.standing.get(row.pk, ())):
            upper = one.during.upper
            over = upper is not None and upper <= self.now
            if one.state == "in_force" and one.revoked_at is None and not over:
                self._replace(one, **grants.ended(one, case, now=self.now))
                keys.append(row.key)
        for child in self.below.get(row.pk, ()):
            if child.pk not in seen:
                keys += self.end(child, case, seen)
        return keys

    def reject(self, row: Delegation, case: Case) -> None:
        """Its open proposal asks nobody any more."""
        proposed = [one for one in self.standing.get(row.pk, ()) if one.state == "proposed"]
        if proposed:
            newest = max(proposed, key=lambda one: one.version)
            self._replace(newest, state="rejected", case=case.pk)

    def _replace(self, row: DelegationVersion, **fields: Any) -> None:
        self.standing[row.delegation_id].remove(row)
        self.superseded.append(row.pk)
        number = self.last[row.delegation_id] = self.last.get(row.delegation_id, 0) + 1
        self.added.append(grants.following(row, number, by=self.by, now=self.now, **fields))

    def write(self) -> None:
        if not self.added:
            return
        superseded = DelegationVersion.objects.filter(pk__in=self.superseded)
        superseded.update(superseded_at=self.now)
        DelegationVersion.objects.bulk_create(self.added)
        # What happened since then, and came in earlier, is judged by what is true now.
        changed = {row.delegation_id for row in self.added}
        grantees = {self.rows[pk].grantee_id: self.rows[pk].grantee for pk in changed}
        judging.again(identities=grantees.values(), since=self.now, now=self.now)
