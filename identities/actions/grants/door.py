"""Until when our own decision endpoint allows a grant: the end of its delegation's version.

Owns that one change of version rows, with what was passed on from the delegation. What brings a
delegation into force is a case's (reviews/actions/versions.py): nothing here widens what it allows
but its time, which a signed case says.
"""

from datetime import datetime
from uuid import UUID

from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.db.models import Max

from identities import judging
from identities.models import Delegation, DelegationVersion

CONTENT = ("state", "actions", "resources", "conditions", "purpose", "task", "on_behalf")
SIGNED = ("imported", "signed", "case", "revoked_at")


def standing(delegation: UUID, *, now: datetime) -> DelegationVersion | None:
    """What is in force of it, or will be; the delegation's row is locked."""
    Delegation.objects.select_for_update().get(pk=delegation)
    rows = DelegationVersion.objects.filter(
        delegation=delegation, superseded_at__isnull=True, state="in_force", revoked_at__isnull=True
    ).select_related("delegation__grantee")
    found = [one for one in rows if one.during.upper is None or one.during.upper > now]
    return min(found, key=lambda one: one.version, default=None)


def until(delegation: UUID, at: datetime, *, by: str, now: datetime, case: UUID | None) -> None:
    """From now on it has this end, earlier or later; `case`: what signed that, None: nothing new."""
    current = standing(delegation, now=now)
    if current is None:
        return
    if at <= now:
        _end(current, by=by, now=now)
        return
    lower = current.during.lower
    begun = lower is not None and lower < now
    if begun:
        _add(current, by=by, now=now, during=(lower, now))
    said = {} if case is None else {"case": case, "signed": True, "imported": False}
    _add(current, by=by, now=now, during=(now if begun else lower, at), **said)
    _again(current, now)


def end(delegation: UUID, *, by: str, now: datetime) -> None:
    """Nothing of it is allowed from now on, nor of what was passed on from it."""
    current = standing(delegation, now=now)
    if current is not None:
        _end(current, by=by, now=now)
    for child in Delegation.objects.filter(parent=delegation).values_list("pk", flat=True):
        end(child, by=by, now=now)


def _end(current: DelegationVersion, *, by: str, now: datetime) -> None:
    lower, upper = current.during.lower, current.during.upper
    begun = lower is None or lower < now
    # What had not begun never will: it keeps its time, and says that it was revoked.
    _add(current, by=by, now=now, during=(lower, now if begun else upper), revoked_at=now)
    _again(current, now)


def _add(
    row: DelegationVersion,
    *,
    by: str,
    now: datetime,
    during: tuple[datetime | None, datetime | None],
    **fields: object,
) -> None:
    """A further version like `row` but for these fields, in its place."""
    rows = DelegationVersion.objects.filter(delegation=row.delegation_id)
    rows.filter(pk=row.pk, superseded_at__isnull=True).update(superseded_at=now)
    last = rows.aggregate(last=Max("version"))["last"] or 0
    values = {name: getattr(row, name) for name in (*CONTENT, *SIGNED)} | fields
    DelegationVersion.objects.create(
        delegation_id=row.delegation_id,
        version=last + 1,
        during=DateTimeTZRange(*during),
        recorded_at=now,
        by=by,
        **values,
    )


def _again(row: DelegationVersion, now: datetime) -> None:
    """What came in early for this moment is judged by what is true now."""
    judging.again(identities=[row.delegation.grantee], since=now, now=now)
