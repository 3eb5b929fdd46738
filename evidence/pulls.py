"""Pulls: sources that are asked, page by page, as rows that outlive every crash.

Owns the moves of Pull and Connection. A page is stored first and its cursor kept after it, so a
crash between the two fetches the page again, and what was stored is stored once. Claimed with a
lease that each page renews; whoever finds its lease gone stops. Knows no system: what is asked
and how stands in evidence/sources.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange

from evidence import intake, nudge
from evidence.models import Connection, Gap, Pull, Source
from evidence.sources import CONNECTORS
from evidence.sources.contract import Asked, Check, Connector, Http, Page
from evidence.sources.failures import Later, Stopped

log = logging.getLogger(__name__)

LEASE = timedelta(minutes=3)
# After a failure: doubled with each attempt, from the first to the longest.
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=5), timedelta(hours=1)
# A server that asks for more is asked again after this.
LONGEST_ASKED = timedelta(hours=6)
# A pull that never got further is given up; what follows begins at the same cursor.
MOST_RETRIES = 12
LONGEST_SAID = 2000

CLAIM = """
UPDATE evidence_pull SET state = 'running', leased_until = %(until)s, attempts = attempts + 1,
    started_at = coalesce(started_at, %(now)s)
WHERE id = (
    SELECT id FROM evidence_pull WHERE state IN ('waiting', 'running')
      AND (not_before IS NULL OR not_before <= %(now)s)
      AND (leased_until IS NULL OR leased_until <= %(now)s)
      AND (%(source)s::bigint IS NULL OR source_id = %(source)s)
    ORDER BY asked_at, id LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id
"""
# One row for each source that is due and has no live pull; the unique constraint settles races.
DUE = """
SELECT c.source_id FROM evidence_connection c
WHERE NOT c.paused AND c.next_at <= %s AND NOT EXISTS (
    SELECT 1 FROM evidence_pull p WHERE p.source_id = c.source_id
      AND p.state IN ('waiting', 'running'))
ORDER BY c.next_at LIMIT 200
"""


class Turn(Exception):
    """This run's time is over; the rest of the pull is for the next one."""


class Lost(Exception):
    """Somebody else has this pull now, or it was cancelled."""


class Step(NamedTuple):
    """Where a pull stands after a page; what progress bars show."""

    pages: int
    records: int
    total: int | None
    share: float | None  # 0 to 1, by event time


def ask(*, source: Source, by: str, now: datetime, by_name: str = "") -> Pull:
    """The live pull of a source, made when there is none."""
    link = Connection.objects.get(source=source)
    since = source.watermark if link.cursor and source.watermark else None
    try:
        with transaction.atomic():
            pull = Pull.objects.create(
                source=source,
                asked_at=now,
                asked_by=by,
                asked_name=by_name,
                since=since or now - timedelta(days=link.first_days),
                until=now,
            )
            nudge.after_commit("pull.asked")
    except IntegrityError:
        live = Pull.objects.filter(source=source, state__in=Pull.LIVE).first()
        if live is None:
            raise
        # A person who asks does not wait for the retry of a machine.
        Pull.objects.filter(pk=live.pk, leased_until=None).update(not_before=None)
        nudge.after_commit("pull.asked")
        return live
    return pull


def ask_due(*, now: datetime) -> int:
    """Pulls of all sources whose time has come; how many were asked for."""
    with connection.cursor() as cursor:
        cursor.execute(DUE, [now])
        numbers = [row[0] for row in cursor.fetchall()]
    for source in Source.objects.filter(pk__in=numbers):
        ask(source=source, by="schedule", now=now)
    return len(numbers)


def cancel(*, pull: Pull, now: datetime) -> bool:
    """End a pull after the page it is at; False when it is over already."""
    asked = Pull.objects.filter(pk=pull.pk, state__in=Pull.LIVE).update(cancel=True)
    # Nobody is at it: it ends here.
    Pull.objects.filter(pk=pull.pk, state__in=Pull.LIVE, leased_until=None).update(
        state=Pull.CANCELLED, ended_at=now
    )
    return bool(asked)


def run_next(
    *,
    clock: Callable[[], datetime],
    source: Source | None = None,
    on_step: Callable[[Step], None] = lambda _: None,
    enough: Callable[[], bool] = lambda: False,
) -> int:
    """Claim one pull and carry it on to its end; its id, or 0 when none waits.

    `enough` is asked after each page: when it says so, the rest is left to the next run.
    """
    now = clock()
    with connection.cursor() as cursor:
        cursor.execute(
            CLAIM,
            {"now": now, "until": now + LEASE, "source": None if source is None else source.pk},
        )
        found = cursor.fetchone()
    if found is None:
        return 0
    pull = Pull.objects.select_related("source__connection").get(pk=found[0])
    try:
        _carry_on(pull, clock, on_step, enough)
    except Lost:
        pass
    except Turn:
        _mine(pull).update(state=Pull.WAITING, leased_until=None, not_before=None)
        nudge.after_commit("pull.asked")
    except Stopped as problem:
        _end(pull, Pull.FAILED, clock(), problem.what, problem.fix)
    except Later as problem:
        _wait(pull, clock(), problem.what, problem.seconds)
    except intake.NotTaken as problem:
        _end(pull, Pull.FAILED, clock(), str(problem), "Name the format in the source's settings.")
    except Exception as problem:
        log.exception("pull %s of %s failed", pull.pk, pull.source)
        _wait(pull, clock(), f"{type(problem).__name__}: {problem}", None)
    return pull.pk


def connector_of(link: Connection) -> Connector:
    """The connector of a connection. Raises Stopped when this version has it no more."""
    found = CONNECTORS.get(link.connector)
    if found is None:
        raise Stopped(
            f"There is no connector named {link.connector[:80]!r}.",
            f"Connect the source with one of: {', '.join(sorted(CONNECTORS))}.",
        )
    return found


def check(*, source: Source, now: datetime, clock: Callable[[], datetime]) -> list[Check]:
    """What "test connection" says; never raises for what the source does."""
    link = Connection.objects.get(source=source)
    done: list[Check] = []
    try:
        connector = connector_of(link)
        with Http(allow_private=bool(settings.ALLOW_PRIVATE), clock=clock) as http:
            asked = Asked(link.settings, {}, now - timedelta(hours=1), now, http)
            done.extend(connector.check(asked))
    except Stopped as problem:
        done.append(Check("connection", ok=False, said=problem.what, fix=problem.fix))
    except Later as problem:
        done.append(Check("connection", ok=False, said=problem.what, fix="Try again in a while."))
    except Exception as problem:
        log.exception("the connection of %s could not be tested", source)
        done.append(
            Check("connection", ok=False, said=f"{type(problem).__name__}: {problem}"[:500])
        )
    return done


def _carry_on(
    pull: Pull,
    clock: Callable[[], datetime],
    on_step: Callable[[Step], None],
    enough: Callable[[], bool],
) -> None:
    source = pull.source
    link = source.connection
    connector = connector_of(link)
    by = f"pull:{pull.pk}"
    with Http(allow_private=bool(settings.ALLOW_PRIVATE), clock=clock) as http:
        asked = Asked(link.settings, link.cursor, pull.since, pull.until, http)
        with closing(_generator(connector.pages(asked))) as pages:
            for page in pages:
                taken = None
                if page.body:
                    taken = intake.take(
                        source=source,
                        body=page.body,
                        by=by,
                        now=clock(),
                        format=page.format or connector.format,
                        name=page.name,
                    )
                on_step(_keep(pull, page, taken, http.skew, clock()))
                if enough():
                    raise Turn
    _finish(pull, connector, clock())


def _generator(pages: Iterator[Page]) -> Any:
    """An iterator that can be closed, whatever the connector made."""
    yield from pages


def _keep(
    pull: Pull, page: Page, taken: intake.Taken | None, skew: float | None, now: datetime
) -> Step:
    """The cursor and the counts of a page that is on disk; renews the lease. Raises Lost."""
    with transaction.atomic():
        held = Pull.objects.select_for_update().get(pk=pull.pk)
        if held.state != Pull.RUNNING or held.attempts != pull.attempts:
            raise Lost
        Connection.objects.filter(source_id=held.source_id).update(
            cursor=page.cursor,
            **({} if skew is None else {"skew_seconds": skew, "skew_at": now}),
        )
        if page.silent is not None and page.silent.begins < page.silent.ends:
            Gap.objects.get_or_create(
                source_id=held.source_id,
                during=DateTimeTZRange(page.silent.begins, page.silent.ends, "[)"),
                defaults={"reason": page.silent.reason[:LONGEST_SAID], "recorded_at": now},
            )
        held.pages += 1
        held.leased_until = now + LEASE
        held.retries = 0
        held.problem = ""
        held.reached = page.reached or held.reached
        held.total = page.total if page.total is not None else held.total
        held.received_bytes += len(page.body)
        if taken is not None:
            held.records += taken.records
            held.events += 0 if taken.repeat else taken.events
            held.duplicates += taken.records - taken.rejects if taken.repeat else taken.duplicates
            held.rejects += taken.rejects
        if held.cancel:
            held.state, held.ended_at, held.leased_until = Pull.CANCELLED, now, None
        held.save()
    if held.cancel:
        raise Lost
    return Step(held.pages, held.records, held.total, share(held))


def share(pull: Pull) -> float | None:
    """How much of a pull is done, 0 to 1: by records where the source counts, else by time."""
    if pull.state == Pull.DONE:
        return 1.0
    if pull.total:
        return min(1.0, pull.records / pull.total)
    whole = (pull.until - pull.since).total_seconds()
    if pull.reached is None or whole <= 0:
        return None
    return max(0.0, min(1.0, (pull.reached - pull.since).total_seconds() / whole))


def seconds_left(pull: Pull, *, now: datetime) -> float | None:
    """What a running pull still needs at its pace so far; None when nothing can be said."""
    done = share(pull)
    if not done or pull.started_at is None or pull.state != Pull.RUNNING:
        return None
    return (now - pull.started_at).total_seconds() * (1 - done) / done


def _mine(pull: Pull) -> Any:
    return Pull.objects.filter(pk=pull.pk, state=Pull.RUNNING, attempts=pull.attempts)


def _finish(pull: Pull, connector: Connector, now: datetime) -> None:
    with transaction.atomic():
        if not _mine(pull).update(
            state=Pull.DONE, ended_at=now, leased_until=None, reached=pull.until
        ):
            raise Lost
        _next(pull, now)
        row = Source.objects.select_for_update().get(pk=pull.source_id)
        # What its own delay still holds back has not been handed out yet.
        reached = pull.until - timedelta(seconds=max(row.lag_seconds, connector.late_seconds))
        if (
            connector.gap_free
            and row.sampling == 1.0
            and (row.watermark is None or row.watermark < reached)
        ):
            row.watermark, row.completeness = reached, "cursor"
            row.save(update_fields=["watermark", "completeness"])
            # What waited for the absence of this source's events can be judged now.
            nudge.after_commit("evidence.linked")


def _next(pull: Pull, now: datetime) -> None:
    link = Connection.objects.get(source_id=pull.source_id)
    link.next_at = now + timedelta(seconds=link.every_seconds)
    link.save(update_fields=["next_at"])


def _end(pull: Pull, state: str, now: datetime, what: str, fix: str) -> None:
    with transaction.atomic():
        if _mine(pull).update(
            state=state,
            ended_at=now,
            leased_until=None,
            problem=what[:LONGEST_SAID].replace("\0", ""),
            fix=fix[:LONGEST_SAID],
        ):
            _next(pull, now)


def _wait(pull: Pull, now: datetime, what: str, seconds: float | None) -> None:
    """Try again later: when the source says, else longer each time."""
    with transaction.atomic():
        held = Pull.objects.select_for_update().get(pk=pull.pk)
        if held.state != Pull.RUNNING or held.attempts != pull.attempts:
            return
        held.retries += 1
        if held.retries > MOST_RETRIES:
            _end(pull, Pull.FAILED, now, what, "It was tried again many times; see the source.")
            return
        wait = min(LONGEST_WAIT, FIRST_WAIT * 2 ** (held.retries - 1))
        if seconds is not None:
            wait = min(LONGEST_ASKED, max(timedelta(seconds=seconds), timedelta(seconds=1)))
        held.state = Pull.WAITING
        held.problem = what[:LONGEST_SAID].replace("\0", "")
        held.not_before = now + wait
        held.leased_until = None
        if held.cancel:
            held.state, held.ended_at = Pull.CANCELLED, now
        held.save()
