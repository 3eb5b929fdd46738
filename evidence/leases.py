"""Jobs under a lease: claimed, renewed with each page, put off after a failure, ended.

Owns these moves for every kind of job that asks a source for pages: pulls, and readings of
inventories. A page is kept in the transaction that renews the lease, so a crash between two pages
repeats one and leaves out none; whoever finds its lease gone stops. Must not know what is asked
nor what becomes of it: a kind says that in a `Kind` and in what carries it on.
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from evidence.models import Job, LeasedJob, Plan, Source
from evidence.sources.failures import WAITING, Later, Stopped

log = logging.getLogger(__name__)

# After a failure: doubled with each one, up to this.
LONGEST_WAIT = timedelta(hours=1)
# A server that asks for more is asked again after this.
LONGEST_ASKED = timedelta(hours=6)
LONGEST_SAID = 2000
# A lease is renewed so often while a source keeps its job waiting.
HEARTBEAT = timedelta(seconds=5)
MOST_DUE = 200


@dataclass(frozen=True, slots=True)
class Kind[J: LeasedJob]:
    """One kind of leased job, and its times."""

    rows: type[J]
    plans: type[Plan]
    wake: Callable[[], None]  # says the nudge
    lease: timedelta
    first_wait: timedelta
    # A job that never got further is given up; what follows begins where it stood.
    most_retries: int
    gave_up: str  # what to do then
    wanted: Q = field(default_factory=Q)  # of rows that are not cancelled


class Turn(Exception):
    """This run's time is over; the rest of the job is for the next one."""


class Lost(Exception):
    """Somebody else has this job now, or it was cancelled."""


def ask[J: LeasedJob](kind: Kind[J], *, source: Source, now: datetime, **said: Any) -> J:
    """The live job of a source, made when there is none."""
    rows = kind.rows._default_manager
    try:
        with transaction.atomic():
            row = rows.create(source=source, asked_at=now, **said)
    except IntegrityError:
        live = rows.filter(source=source, state__in=LeasedJob.LIVE).first()
        if live is None:
            raise
        # A person who asks does not wait for the retry of a machine.
        rows.filter(pk=live.pk, leased_until=None).update(not_before=None)
        row = live
    kind.wake()
    return row


def due[J: LeasedJob](kind: Kind[J], *, now: datetime) -> list[Source]:
    """Sources whose time has come and that have no live job; a constraint settles races."""
    live = kind.rows._default_manager.filter(source=OuterRef("source"), state__in=LeasedJob.LIVE)
    plans = kind.plans._default_manager.filter(
        ~Exists(live), paused=False, next_at__lte=now, source__connection__paused=False
    )
    return [plan.source for plan in plans.select_related("source").order_by("next_at")[:MOST_DUE]]


def run_next[J: LeasedJob](
    kind: Kind[J],
    *,
    clock: Callable[[], datetime],
    source: Source | None,
    carry_on: Callable[[J], None],
) -> int:
    """Claim one job and carry it on, to its end or to what stops it; its id, or 0."""
    row = _claim(kind, now=clock(), source=source)
    if row is None:
        return 0
    try:
        carry_on(row)
    except Lost:
        pass
    except Turn:
        _mine(row).update(state=LeasedJob.WAITING, leased_until=None, not_before=None)
        kind.wake()
    except Stopped as problem:
        with suppress(Lost):
            end(kind, row, LeasedJob.FAILED, now=clock(), what=problem.what, fix=problem.fix)
    except Later as problem:
        _wait(kind, row, clock(), problem)
    except Exception as problem:
        log.exception("%s failed", row)
        _wait(kind, row, clock(), Later(f"{type(problem).__name__}: {problem}"))
    return int(row.pk)


def first_free[J: Job](rows: QuerySet[J]) -> J | None:
    """The first of these that nobody has locked; ours until the transaction is over."""
    return rows.select_for_update(of=("self",), skip_locked=True).first()


def held[J: LeasedJob](row: J) -> J:
    """The row as it stands, locked and still this run's. Raises Lost."""
    found = type(row)._default_manager.select_for_update(of=("self",)).get(pk=row.pk)
    if found.state != LeasedJob.RUNNING or found.attempts != row.attempts:
        raise Lost
    return found


def renew[J: LeasedJob](kind: Kind[J], row: J, now: datetime) -> None:
    """A page is kept: the lease begins anew. The caller saves."""
    row.pages += 1
    row.leased_until, row.retries = now + kind.lease, 0
    row.problem, row.fix = "", ""


def looking[J: LeasedJob](
    kind: Kind[J], row: J, clock: Callable[[], datetime]
) -> Callable[[], None]:
    """What a job calls as often as it likes while it waits for its source: every few seconds the
    lease begins anew, as long as it is this run's and nobody cancelled it. Raises Lost."""
    last = clock()

    def look() -> None:
        nonlocal last
        now = clock()
        if now - last < HEARTBEAT:
            return
        last = now
        if not _mine(row).filter(kind.wanted).update(leased_until=now + kind.lease):
            # Nobody wants it any more: whoever ends it need not wait for the lease.
            _mine(row).update(leased_until=None)
            raise Lost

    return look


def end[J: LeasedJob](
    kind: Kind[J],
    row: J,
    state: str,
    *,
    now: datetime,
    what: str = "",
    fix: str = "",
    **more: Any,
) -> None:
    """The job is over, and the next one of its source has its time. Raises Lost."""
    with transaction.atomic():
        if not _mine(row).update(
            state=state,
            ended_at=now,
            leased_until=None,
            problem=said(what),
            fix=said(fix),
            **more,
        ):
            raise Lost
        for plan in kind.plans._default_manager.filter(source_id=row.source_id):
            # One that was put off meanwhile stays that.
            after = now + timedelta(seconds=plan.every_seconds)
            plan.next_at = max(plan.next_at or after, after)
            plan.save(update_fields=["next_at"])


def said(words: str) -> str:
    """What a system said, as a row can hold it."""
    return words[:LONGEST_SAID].replace("\0", "")


def _claim[J: LeasedJob](kind: Kind[J], *, now: datetime, source: Source | None) -> J | None:
    rows = (
        kind.rows._default_manager.filter(
            Q(not_before=None) | Q(not_before__lte=now),
            Q(leased_until=None) | Q(leased_until__lte=now),
            Q() if source is None else Q(source=source),
            state__in=LeasedJob.LIVE,
        )
        .select_related("source__connection")
        .order_by("asked_at", "pk")
    )
    with transaction.atomic():
        row = first_free(rows)
        if row is None:
            return None
        row.state, row.leased_until = LeasedJob.RUNNING, now + kind.lease
        if row.started_at is None or not row.pages:
            # How fast it is, and how long it still needs, is counted from when it could read.
            row.started_at = now
        row.attempts += 1
        row.save(update_fields=["state", "leased_until", "started_at", "attempts"])
    return row


def _mine[J: LeasedJob](row: J) -> QuerySet[J]:
    return type(row)._default_manager.filter(
        pk=row.pk, state=LeasedJob.RUNNING, attempts=row.attempts
    )


def _wait[J: LeasedJob](kind: Kind[J], row: J, now: datetime, why: Later) -> None:
    """Try again later: when the system says, else longer each time."""
    with suppress(Lost), transaction.atomic():
        row = held(row)
        # A job that is tried again by itself needs nobody to say so.
        fix = "" if why.fix == WAITING else why.fix
        if row.retries >= kind.most_retries:
            end(kind, row, LeasedJob.FAILED, now=now, what=why.what, fix=fix or kind.gave_up)
            return
        wait = min(LONGEST_WAIT, kind.first_wait * 2**row.retries)
        if why.seconds is not None:
            wait = min(LONGEST_ASKED, max(timedelta(seconds=why.seconds), timedelta(seconds=1)))
        row.state, row.problem, row.fix = LeasedJob.WAITING, said(why.what), said(fix)
        row.not_before, row.leased_until = now + wait, None
        row.retries += 1
        row.save(update_fields=["state", "problem", "fix", "not_before", "leased_until", "retries"])
