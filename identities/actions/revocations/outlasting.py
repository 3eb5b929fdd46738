"""What lives on after a stop that its target shows, and until when; effective when that is nothing.

Owns the last step of a revocation. What evidence says of sessions is remains.py's, what its
credential issued late.py's; what the target says is the enforcer's.
"""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import Case, Value, When

from identities.enforcers.contract import Residual, Seen
from identities.issued import Below
from identities.models import Revocation

from . import late, reach, remains, tries
from .calling import Work
from .stepping import LONGEST_WAIT, fail, save


def outlast(work: Work) -> None:
    """What still lives, and until when; effective when that is nothing."""
    row, now = work.row, work.now
    if row.step in ("release", "resume", "narrow") or row.entitlement is not None:
        effective(work, "nothing is left to wait for")
        return
    since = row.sent_at or row.requested_at
    sessions = remains.sessions(row, since=since, now=now)
    issued = late.living(row, now=now)
    seen = reach.probe(work.target, now=now)
    if seen is not None:
        tries.note(row, now, "probe", seen.state, seen.detail)
        if seen.state != "denied":
            why = f"The target shows it, but a real use was answered: {seen.detail}"
            fail(row, work.lease, now=now, why=why, who=reach.ADMINISTRATOR)
            return
        if not sessions and not issued:
            effective(work, "a real use was refused, and no session of it is known")
            return
    elif (
        work.target.kind == "access_key"
        and not sessions
        and not issued
        and remains.complete(row, since)
    ):
        effective(work, "its log is complete and shows no session that lives")
        return
    lives = work.enforcer.residual(work.target, since=since, now=now, sessions=sessions)
    lives = [*lives, *_not_named(issued, lives)]
    if not lives:
        effective(work, "nothing of it lives on")
        return
    ends = [item.until for item in lives]
    until = None if None in ends else max(end for end in ends if end is not None)
    # Looked at again sooner than the bound: complete logs may show that nothing was opened.
    again = now + LONGEST_WAIT if until is None else min(until, now + LONGEST_WAIT)
    save(
        work,
        residual=[_as_json(item) for item in lives],
        residual_until=until,
        # Whoever became effective during the look has woken it (late.wake), and may not have been seen.
        not_before=Case(When(not_before=row.not_before, then=Value(again)), default=Value(now)),
        leased_until=None,
        attempts=0,
        failed_why="",
    )


def record_probe(*, revocation: Revocation, seen: Seen, now: datetime) -> bool:
    """A real use that somebody tried and its answer; True when it makes the row effective."""
    with transaction.atomic():
        row = Revocation.objects.select_for_update().get(pk=revocation.pk)
        tries.note(row, now, "probe", seen.state, seen.detail)
        since = row.sent_at or row.requested_at
        if row.state != "confirmed" or seen.state != "denied":
            return False
        if remains.sessions(row, since=since, now=now) or late.known(row, now=now):
            return False
        Revocation.objects.filter(pk=row.pk).update(
            state="effective",
            effective_at=now,
            residual=[],
            residual_until=None,
            leased_until=None,
        )
        tries.record(row, now, "revocation.effective", "effective: a real use was refused")
        late.wake(row, now=now)
    return True


def effective(work: Work, why: str) -> None:
    """Nothing of it lives on; what waited for it is looked at again."""
    with transaction.atomic():
        if save(
            work,
            state="effective",
            effective_at=work.now,
            residual=[],
            residual_until=None,
            leased_until=None,
            failed_why="",
        ):
            tries.record(work.row, work.now, "revocation.effective", f"effective: {why}")
            late.wake(work.row, now=work.now)


def _not_named(issued: Sequence[Below], lives: Sequence[Residual]) -> list[Residual]:
    """What was issued with it and lives, where the target has not named it."""
    named = " ".join(one.what for one in lives)
    return [
        Residual(f"{one.words}, issued with it", one.ends)
        for one in issued
        if one.value not in named
    ]


def _as_json(item: Residual) -> dict[str, str | None]:
    return {"what": item.what, "until": None if item.until is None else item.until.isoformat()}
