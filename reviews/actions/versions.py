"""What cases do to delegations: bring into force, keep, narrow, end, stop and let go again.

The only place that makes authority true (product.md, rule 3). Version rows: the old stretch
stays as it was, the new one begins at `now`; nothing is overwritten. What was passed on from a
delegation is brought back within it in the same act (below.py). Many delegations are read, locked
and written in as many statements as one, and each act sees what those before it did.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.db.models import Max

from identities import authority, judging
from identities.judging.verdicts import grant_of
from identities.models import Delegation, DelegationVersion
from identities.permissions import NotPossible
from reviews.models import Case

from . import below

CONTENT = ("actions", "resources", "conditions", "purpose", "task", "on_behalf")
LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)
# Rows with arrays are written as one document: as one placeholder for each value of a thousand
# rows, reading the statement took longer than carrying it out.
WRITE = """
INSERT INTO identities_delegationversion (delegation_id, version, state, actions, resources,
    conditions, purpose, task, on_behalf, during, revoked_at, imported, signed, "case",
    superseded_at, recorded_at, "by")
SELECT n.*, %(now)s, %(by)s FROM jsonb_to_recordset(%(rows)s::jsonb) AS n (delegation_id uuid,
    version int, state text, actions text[], resources text[], conditions jsonb, purpose text,
    task text, on_behalf text, during tstzrange, revoked_at timestamptz, imported boolean,
    signed boolean, "case" uuid, superseded_at timestamptz)
RETURNING delegation_id, version, id
"""


class Versions:
    """Delegations and what stands of them, locked unless they are only `read`.

    `whole`: those that may change together with all that was passed on from them; `alone`: those
    of which only the row itself may change. What is gone is left out.
    """

    def __init__(
        self,
        whole: Iterable[UUID] = (),
        alone: Iterable[UUID] = (),
        *,
        by: str,
        now: datetime,
        read: bool = False,
    ) -> None:
        self.by, self.now = by, now
        rows = Delegation.objects.select_related("grantee", "parent")
        if not read:
            rows = rows.select_for_update(of=("self",))
        self.rows: dict[UUID, Delegation] = {}
        level, deeper = set(whole) | set(alone), set(whole)
        while level:
            # Parents before their children, each in the order of their ids.
            self.rows |= {one.pk: one for one in rows.filter(pk__in=level).order_by("pk")}
            children = Delegation.objects.filter(parent__in=deeper).values_list("pk", flat=True)
            level = deeper = set(children) - self.rows.keys() if deeper else set()
        self.below: dict[UUID | None, list[Delegation]] = {}
        for one in sorted(self.rows.values(), key=lambda one: one.number):
            self.below.setdefault(one.parent_id, []).append(one)
        self._standing: dict[UUID, list[DelegationVersion]] = {}
        above = {one.parent_id: one.parent for one in self.rows.values() if one.parent is not None}
        for row in DelegationVersion.objects.filter(
            delegation__in={*self.rows, *above},
            superseded_at__isnull=True,
            state__in=["in_force", "proposed"],
        ):
            row.delegation = self.rows.get(row.delegation_id) or above[row.delegation_id]
            self._standing.setdefault(row.delegation_id, []).append(row)
        last = DelegationVersion.objects.filter(delegation__in=self.rows).values("delegation")
        self._last: dict[UUID, int] = (
            {}
            if read
            else dict(last.annotate(last=Max("version")).values_list("delegation", "last"))
        )
        self._superseded: list[int] = []
        self._added: list[DelegationVersion] = []

    # What stands.

    def row(self, pk: UUID | None) -> Delegation:
        """NotPossible where there is none."""
        if pk is None:
            raise NotPossible("This item names no delegation.")
        if pk not in self.rows:
            raise NotPossible("Its delegation is gone.")
        return self.rows[pk]

    def children(self, pk: UUID) -> list[Delegation]:
        """What was passed on from it directly, the oldest first."""
        return self.below.get(pk, [])

    def in_force(self, pk: UUID) -> DelegationVersion | None:
        """What it says at `now`, or from later on when nothing is true at `now`."""
        found = [
            one
            for one in self._standing.get(pk, ())
            if one.state == "in_force" and one.revoked_at is None and not self._over(one)
        ]
        return min(found, key=_begins, default=None)

    def proposed(self, pk: UUID) -> DelegationVersion | None:
        """Its open proposal."""
        found = [one for one in self._standing.get(pk, ()) if one.state == "proposed"]
        return max(found, key=lambda one: one.version, default=None)

    def _over(self, row: DelegationVersion) -> bool:
        return row.during.upper is not None and row.during.upper <= self.now

    def wider_than_parent(self, version: DelegationVersion) -> list[str]:
        """What a version would widen beyond its parent; empty without one."""
        parent = version.delegation.parent_id
        if parent is None:
            return []
        above = [
            grant_of(row)
            for row in self._standing.get(parent, ())
            if row.state == "in_force" and not self._over(row)
        ]
        return authority.narrower([grant_of(version)], above)

    # What a case does.

    def bring_into_force(
        self, proposal: DelegationVersion, case: Case
    ) -> tuple[DelegationVersion, list[str]]:
        """A proposal signed by all seats of this case becomes true from `now` on.

        The new version, and what became of what had been passed on from an earlier one.
        """
        upper = proposal.during.upper
        if self._over(proposal):
            raise NotPossible(
                f"What was asked for ended on {upper:%Y-%m-%d %H:%M} UTC, before it was signed."
            )
        if wider := self.wider_than_parent(proposal):
            raise NotPossible(f"It would go beyond its parent: {'; '.join(wider)[:500]}.")
        self._supersede(proposal)
        current = self.in_force(proposal.delegation_id)
        if current is not None:
            self._cut(current)
        lower = proposal.during.lower
        row = self._add(
            proposal,
            state="in_force",
            during=(self.now if lower is None or lower < self.now else lower, upper),
            case=case.pk,
            signed=True,
            imported=False,
        )
        return row, self._within(row, case)

    def reject(self, pk: UUID, case: Case) -> None:
        """A denied proposal stays in the record, and asks nobody any more."""
        proposal = self.proposed(pk)
        if proposal is not None:
            self._supersede(proposal)
            self._add(proposal, state="rejected", case=case.pk)

    def attest(self, current: DelegationVersion, case: Case) -> None:
        """Keep: what was imported unsigned is signed by the case from `now` on."""
        if not current.signed:
            self._split(current, case=case.pk, signed=True, imported=False)

    def narrow(
        self, current: DelegationVersion, left: Mapping[str, Any], case: Case
    ) -> tuple[DelegationVersion, list[str]]:
        """From `now` on only these actions on these resources; the rest ends.

        The new version, and what became of what was passed on from it.
        """
        row = self._split(
            current,
            case=case.pk,
            actions=list(left["actions"]),
            resources=list(left["resources"]),
            signed=True,
            imported=False,
        )
        return row, self._within(row, case)

    def end_at(self, current: DelegationVersion, at: datetime, case: Case) -> list[str]:
        """From now on it has this end, or its own where that is earlier: the stored end decides,
        whether a worker runs then or not. What became of what was passed on from it."""
        lower, upper = current.during.lower, current.during.upper
        begins = self.now if lower is None or lower < self.now else lower
        ends = at if upper is None or at < upper else upper
        if ends <= begins:
            return self.end(current.delegation_id, case)
        row = self._split(current, case=case.pk, during=(begins, ends), signed=True, imported=False)
        return self._within(row, case)

    def end(self, pk: UUID, case: Case) -> list[str]:
        """Revoke it with what was passed on from it: the keys of what was in force of these, in
        the order in which it ends. Its open proposal is rejected."""
        keys = self._end_all(self.rows[pk], case, set())
        self.reject(pk, case)
        return list(dict.fromkeys(keys))

    def _end_all(self, row: Delegation, case: Case, seen: set[UUID]) -> list[str]:
        seen.add(row.pk)
        keys = []
        for one in sorted(self._standing.get(row.pk, ()), key=_begins):
            if one.state == "in_force" and one.revoked_at is None and not self._over(one):
                self._end(one, case)
                keys.append(row.key)
        for child in self.children(row.pk):
            if child.pk not in seen:
                keys += self._end_all(child, case, seen)
        return keys

    def _within(self, row: DelegationVersion, case: Case) -> list[str]:
        """Narrow or end every child that is wider than this version of its parent now is."""
        plan = below.plan(self, row.delegation, grant_of(row), now=self.now)
        for one in plan:
            # A child that ends takes along what was passed on from it: those are in the plan, too.
            current = self.in_force(one.delegation.pk)
            if current is None:
                continue
            if one.left is None:
                self._end(current, case)
            else:
                self._split(current, case=case.pk, **below.fields(one.left))
        return below.words(plan)

    def _end(self, current: DelegationVersion, case: Case) -> None:
        lower = current.during.lower
        begun = lower is None or lower < self.now
        self._supersede(current)
        self._add(
            current,
            # What had not begun never will: it keeps its time, and says that it was revoked.
            during=(lower, self.now if begun else current.during.upper),
            revoked_at=self.now,
            case=current.case or case.pk,
        )

    # What is held for a while.

    def stop(self, current: DelegationVersion, left: Mapping[str, Any] | None) -> dict[str, int]:
        """Hold reversibly what two seats disagree on, and what was passed on from it.

        `left` is what the stricter answer would leave; None: nothing. The versions to come back
        to, by the delegations' ids, the held one first.
        """
        above = None
        if left is None:
            self._cut(current)
        else:
            fields = {"actions": list(left["actions"]), "resources": list(left["resources"])}
            above = grant_of(self._split(current, **fields))
        stopped = {str(current.delegation_id): current.version}
        for one in below.plan(self, current.delegation, above, now=self.now):
            child = self.in_force(one.delegation.pk)
            if child is None:
                continue
            stopped[str(one.delegation.pk)] = child.version
            if one.left is None:
                self._cut(child)
            else:
                self._split(child, **below.fields(one.left))
        return stopped

    def let_go(self, *those: Mapping[str, int]) -> None:
        """Undo these stops: what was true before is true again, until its own end."""
        stopped = [one for each in those for one in each.items()]
        rows = DelegationVersion.objects.filter(
            delegation__in={pk for pk, _ in stopped}, version__in={number for _, number in stopped}
        )
        before = {(str(row.delegation_id), row.version): row for row in rows}
        for one in stopped:
            row = before[one]
            row.delegation = self.rows[row.delegation_id]
            if self._over(row):
                continue
            current = self.in_force(row.delegation_id)
            if current is not None:
                self._cut(current)
            lower = row.during.lower
            starts = self.now if lower is None or lower < self.now else lower
            self._add(row, during=(starts, row.during.upper))

    # How it is written.

    def _split(self, current: DelegationVersion, **fields: Any) -> DelegationVersion:
        """The stretch until `now` as it was, the one after it with these fields."""
        lower, upper = current.during.lower, current.during.upper
        if lower is not None and lower >= self.now:
            self._supersede(current)
            return self._add(current, **fields)
        self._cut(current)
        return self._add(current, **({"during": (self.now, upper)} | fields))

    def _cut(self, current: DelegationVersion) -> None:
        """End a stretch at `now`; one that had not begun is only superseded."""
        self._supersede(current)
        lower = current.during.lower
        if lower is None or lower < self.now:
            self._add(current, during=(lower, self.now))

    def _supersede(self, row: DelegationVersion) -> None:
        self._standing[row.delegation_id].remove(row)
        row.superseded_at = self.now
        if row.pk is not None:
            self._superseded.append(row.pk)

    def _add(self, row: DelegationVersion, **fields: Any) -> DelegationVersion:
        """A further version of the same delegation, like `row` but for these fields."""
        pk = row.delegation_id
        self._last[pk] = self._last.get(pk, 0) + 1
        lower, upper = fields.pop("during", (row.during.lower, row.during.upper))
        values = {name: getattr(row, name) for name in (*CONTENT, *SAID)} | fields
        made = DelegationVersion(
            delegation=self.rows[pk],
            version=self._last[pk],
            during=DateTimeTZRange(lower, upper),
            recorded_at=self.now,
            by=self.by,
            **values,
        )
        self._added.append(made)
        if made.state != "rejected":
            self._standing.setdefault(pk, []).append(made)
        return made

    def write(self) -> None:
        """Everything that was done, and what happened since then and came in earlier is judged by
        what is true now."""
        if self._superseded:
            superseded = DelegationVersion.objects.filter(pk__in=self._superseded)
            superseded.update(superseded_at=self.now)
        if not self._added:
            return
        self._insert()
        changed = {row.delegation_id for row in self._added}
        grantees = {self.rows[pk].grantee_id: self.rows[pk].grantee for pk in changed}
        judging.again(identities=grantees.values(), since=self.now, now=self.now)
        self._superseded, self._added = [], []

    def _insert(self) -> None:
        names = ("delegation_id", "version", *CONTENT, *SAID, "superseded_at")
        rows = [
            {name: getattr(one, name) for name in names} | {"during": _written(one.during)}
            for one in self._added
        ]
        said = json.dumps(rows, default=str)
        with connection.cursor() as cursor:
            cursor.execute(WRITE, {"rows": said, "now": self.now, "by": self.by})
            made = {(pk, version): row for pk, version, row in cursor.fetchall()}
        for one in self._added:
            one.pk = made[one.delegation_id, one.version]


SAID = ("state", "revoked_at", "imported", "signed", "case")


def _written(during: DateTimeTZRange) -> str:
    return f"[{during.lower or ''},{during.upper or ''})"


def _begins(row: DelegationVersion) -> tuple[datetime, int]:
    return row.during.lower or LONG_AGO, row.version
