"""Looking whether the target shows what people state: their word is not the last one.

Owns Statement rows from the moment they count. A target that can be read is read until it shows the
change (seen) or, some minutes later still, something else (contradicted): then the revocation is
not effective any more, and who stated it must act. One that cannot be read is tried rarer and rarer.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from django.db import connection, transaction

from evidence import ledger
from identities.acting import COUNTERSIGN
from identities.enforcers.contract import (
    PermanentFailure,
    Permission,
    Seen,
    Step,
    Target,
    TemporaryFailure,
    confirms,
)
from identities.models import Revocation, Statement

from . import late, marking, reach

LEASE = timedelta(minutes=5)
# Targets show a change late: only after this their showing something else counts.
GRACE, BETWEEN = timedelta(minutes=10), timedelta(minutes=2)
SOONEST, RAREST, LONGEST = timedelta(hours=1), timedelta(days=1), timedelta(days=30)

# Two workers take two rows. An account that does not answer is left alone (circuits.py).
CLAIM = """
UPDATE identities_statement SET leased_until = %(lease)s WHERE id = (
    SELECT s.id FROM identities_statement s
    JOIN identities_revocation r ON r.id = s.revocation_id
    WHERE s.look_at <= %(now)s AND (s.leased_until IS NULL OR s.leased_until <= %(now)s)
      AND NOT EXISTS (SELECT 1 FROM identities_circuit c WHERE c.system = r.system
          AND c.account = r.target->>'account' AND c.open_until > %(now)s)
    ORDER BY s.look_at, s.id LIMIT 1 FOR UPDATE OF s SKIP LOCKED)
RETURNING id
"""


def look_next(*, now: datetime) -> bool:
    """Look at one target that people state something of; False when none is due."""
    lease = now + LEASE
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, {"now": now, "lease": lease})
        claimed = cursor.fetchone()
    if claimed is None:
        return False
    found = Statement.objects.select_related("revocation__identity", "revocation__credential").get(
        pk=claimed[0]
    )
    if not _holds(found):
        _write(found, lease, state="over", look_at=None)
        return True
    try:
        seen = _look(found.revocation, now)
    except (TemporaryFailure, PermanentFailure) as problem:
        _not_read(found, lease, problem.reason, now)
        return True
    _read(found, lease, seen, now)
    return True


def _holds(found: Statement) -> bool:
    """Whether it is still why the revocation is effective."""
    row = found.revocation
    return (
        found.state == "stands"
        and row.state == "effective"
        and row.effective_at == found.counted_at
    )


def _look(row: Revocation, now: datetime) -> Seen:
    target = Target.from_json(row.target)
    if row.step == "hold":
        target = replace(target, extra={"hold": row.key, **target.extra})
    left = [
        Permission(tuple(one["actions"]), tuple(one["resources"]))
        for one in row.target.get("permissions", [])
    ]
    step: Step = row.step  # type: ignore[assignment]  # a constraint keeps it to these
    enforcer = reach.enforcer(row.system, target.account)
    return enforcer.verify(target, step=step, now=now, permissions=left)


def _not_read(found: Statement, lease: datetime, why: str, now: datetime) -> None:
    age = now - (found.counted_at or now)
    again = None if age >= LONGEST else now + max(SOONEST, min(age, RAREST))
    said = f"It could not be looked at: {why}"
    _write(found, lease, look_at=again, looked_at=now, detail=said[:500])


def _read(found: Statement, lease: datetime, seen: Seen, now: datetime) -> None:
    row = found.revocation
    step: Step = row.step  # type: ignore[assignment]  # a constraint keeps it to these
    if confirms(seen, step=step, delete=bool(row.target.get("delete", True))):
        with transaction.atomic():
            if _write(found, lease, look_at=None, looked_at=now, seen_at=now, detail=seen.detail):
                marking.mark(row, Target.from_json(row.target), now=now)
                _note(
                    row, "revocation.seen", f"the target shows what was stated: {seen.detail}", now
                )
        return
    if seen.state == "unknown" or now - (found.counted_at or now) < GRACE:
        _write(found, lease, look_at=now + BETWEEN, looked_at=now, detail=seen.detail)
        return
    why = f"{found.stated_by_name} stated that it was done, but the target shows: {seen.detail}"
    with transaction.atomic():
        if not _write(
            found, lease, state="contradicted", look_at=None, looked_at=now, detail=seen.detail
        ):
            return
        Revocation.objects.filter(
            pk=row.pk, state="effective", effective_at=found.counted_at
        ).update(
            state="failed",
            effective_at=None,
            failed_why=why,
            who_must_act=found.stated_by_name or "who stated it",
        )
        if marking.STATES.get(row.step) in ("held", "revoked"):
            because = f"{row.key}: the target shows otherwise"
            marking.mark(row, Target.from_json(row.target), now=now, because=because, as_="active")
        _note(row, "revocation.contradicted", f"not effective: {why}", now)
        if row.credential is not None:
            # What had issued it is not effective either.
            late.look_above([row.credential.actor_id], said=row.key, now=now)


def _write(found: Statement, lease: datetime, **fields: object) -> bool:
    """Only while the lease is ours."""
    rows = Statement.objects.filter(pk=found.pk, leased_until=lease)
    return bool(rows.update(leased_until=None, **fields))


def _note(row: Revocation, act: str, said: str, now: datetime) -> None:
    ledger.append(
        at=now,
        by=COUNTERSIGN.ref,
        by_name=COUNTERSIGN.name,
        act=act,
        subject=row.identity.key,
        words=f"{row.key}: {row.words}: {said}",
        data={"revocation": row.key, "case": row.case_key},
    )
