"""Pulls: sources that are asked, page by page, as rows that outlive every crash.

Owns what a page does to Pull and Connection. A page is stored first and its cursor kept after it,
so a crash between the two fetches the page again, and what was stored is stored once. Claims and
leases are evidence/leases.py's. Knows no system: what is asked and how stands in evidence/sources.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.db.models import Q

from evidence import intake, leases, nudge, watermarks
from evidence.models import Connection, Gap, Pull, Source
from evidence.sources import CONNECTORS
from evidence.sources.contract import Asked, Check, Connector, Http, Page
from evidence.sources.failures import Later, Stopped

log = logging.getLogger(__name__)

# Renewed while a source is waited for; a page of the largest size is stored within it.
LEASE = timedelta(minutes=1)
LONGEST_CHECK = timedelta(seconds=60)
MOST_RETRIES = 12
KIND = leases.Kind(
    rows=Pull,
    plans=Connection,
    wake=lambda: nudge.after_commit("pull.asked"),
    lease=LEASE,
    first_wait=timedelta(seconds=5),
    most_retries=MOST_RETRIES,
    gave_up="It was tried again many times; see the source.",
    wanted=Q(cancel=False),
)


class Step(NamedTuple):
    """Where a pull stands after a page; what progress bars show."""

    pages: int
    records: int
    total: int | None
    share: float | None  # 0 to 1, by event time


def ask(*, source: Source, by: str, now: datetime, by_name: str = "") -> Pull:
    """The live pull of a source, made when there is none."""
    link = Connection.objects.get(source=source)
    return leases.ask(
        KIND,
        source=source,
        now=now,
        asked_by=by,
        asked_name=by_name,
        since=_since(source, link) or now - timedelta(days=link.first_days),
        until=now,
    )


def _since(source: Source, link: Connection) -> datetime | None:
    """From when on a pull has to bring everything: what its cursor goes on from. None: anew."""
    if not link.cursor:
        return None
    last = Pull.objects.filter(source=source).order_by("-asked_at", "-pk").first()
    # What ended early left its beginning to whoever goes on.
    if last is not None and last.state in (Pull.FAILED, Pull.CANCELLED):
        return last.since
    return source.watermark


def ask_due(*, now: datetime) -> int:
    """Pulls of all sources whose time has come; how many were asked for."""
    asked = 0
    for source in leases.due(KIND, now=now):
        if lists_only(source.connection):
            # Connected before this was known of its connector.
            Connection.objects.filter(source=source).update(next_at=None)
        else:
            ask(source=source, by="schedule", now=now)
            asked += 1
    return asked


def lists_only(link: Connection) -> bool:
    """Whether a connection is there for lists alone (identities/inventory), without a log."""
    known = CONNECTORS.get(link.connector)
    return known is not None and known.lists_only


def cancel(*, pull: Pull, now: datetime) -> bool:
    """End a pull after the page it is at, or while it waits for one; False when it is over
    already. The next one has its time from now on."""
    asked = Pull.objects.filter(pk=pull.pk, state__in=Pull.LIVE).update(cancel=True)
    if asked:
        # Else the schedule would ask for the same again at once.
        for link in Connection.objects.filter(source=pull.source_id, next_at__lte=now):
            link.next_at = now + timedelta(seconds=link.every_seconds)
            link.save(update_fields=["next_at"])
    _end_cancelled(pull.pk, now)
    return bool(asked)


def _end_cancelled(number: int, now: datetime) -> None:
    """Nobody is at it: it ends here."""
    Pull.objects.filter(pk=number, state__in=Pull.LIVE, cancel=True, leased_until=None).update(
        state=Pull.CANCELLED, ended_at=now
    )


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
    number = leases.run_next(
        KIND,
        clock=clock,
        source=source,
        carry_on=lambda pull: _carry_on(pull, clock, on_step, enough),
    )
    # It was cancelled meanwhile, and waits.
    _end_cancelled(number, clock())
    return number


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
        http = Http(
            allow_private=bool(settings.ALLOW_PRIVATE),
            clock=clock,
            look=_patience(clock, now),
            ca_file=link.settings.get("ca_file", ""),
            needs=connector.needs,
        )
        with http, http.discreetly():
            asked = Asked(link.settings, {}, now - timedelta(hours=1), now, http)
            done.extend(
                one._replace(said=http.clean(one.said), fix=http.clean(one.fix))
                for one in connector.check(asked)
            )
    except Stopped as problem:
        done.append(Check("connection", ok=False, said=problem.what, fix=problem.fix))
    except Later as problem:
        done.append(Check("connection", ok=False, said=problem.what, fix=problem.fix))
    except Exception as problem:
        log.exception("the connection of %s could not be tested", source)
        done.append(
            Check("connection", ok=False, said=f"{type(problem).__name__}: {problem}"[:500])
        )
    return done


def _patience(clock: Callable[[], datetime], began: datetime) -> Callable[[], None]:
    """Whoever tests a connection waits for it before a page."""

    def look() -> None:
        if clock() - began > LONGEST_CHECK:
            raise Later(f"The test was ended after {LONGEST_CHECK.seconds} s: the answers are slow")

    return look


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
    look = leases.looking(KIND, pull, clock)
    http = Http(
        allow_private=bool(settings.ALLOW_PRIVATE),
        clock=clock,
        look=look,
        ca_file=link.settings.get("ca_file", ""),
        needs=connector.needs,
    )
    with http, http.discreetly():
        asked = Asked(link.settings, link.cursor, pull.since, pull.until, http)
        with closing(_generator(connector.pages(asked))) as pages:
            for page in pages:
                taken = None
                if page.body:
                    taken = _store(source, page, page.format or connector.format, by, clock())
                on_step(_keep(pull, page, taken, http, clock()))
                if enough():
                    raise leases.Turn
    _finish(pull, connector, asked.horizon, clock())


def _generator(pages: Iterator[Page]) -> Any:
    """An iterator that can be closed, whatever the connector made."""
    yield from pages


def _store(source: Source, page: Page, reads_as: str, by: str, now: datetime) -> intake.Taken:
    try:
        return intake.take(
            source=source, body=page.body, by=by, now=now, format=reads_as, name=page.name
        )
    except intake.NotTaken as problem:
        raise Stopped(str(problem), "Name the format in the source's settings.") from problem


def _keep(pull: Pull, page: Page, taken: intake.Taken | None, http: Http, now: datetime) -> Step:
    """The cursor and the counts of a page that is on disk; renews the lease. Raises Lost."""
    with transaction.atomic():
        held = leases.held(pull)
        Connection.objects.filter(source_id=held.source_id).update(
            cursor=page.cursor,
            **({} if http.skew is None else {"skew_seconds": http.skew, "skew_at": now}),
        )
        if page.silent is not None and page.silent.begins < page.silent.ends:
            Gap.objects.get_or_create(
                source_id=held.source_id,
                during=DateTimeTZRange(page.silent.begins, page.silent.ends, "[)"),
                defaults={
                    "reason": leases.said(http.clean(page.silent.reason)),
                    "recorded_at": now,
                },
            )
        leases.renew(KIND, held, now)
        held.reached = page.reached or held.reached
        held.total = page.total if page.total is not None else held.total
        held.received_bytes += len(page.body)
        if taken is not None:
            held.records += taken.records
            held.events += taken.new
            held.duplicates += taken.known
            held.rejects += taken.rejects
        if held.cancel:
            held.state, held.ended_at, held.leased_until = Pull.CANCELLED, now, None
        held.save()
    if held.cancel:
        raise leases.Lost
    return step_of(held)


def step_of(pull: Pull) -> Step:
    """Where a pull stands."""
    return Step(pull.pages, pull.records, pull.total, share(pull))


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


def _finish(pull: Pull, connector: Connector, until: datetime, now: datetime) -> None:
    """The end of a pull that has brought everything there is `until` then."""
    with transaction.atomic():
        leases.end(KIND, pull, Pull.DONE, now=now, reached=until)
        row = Source.objects.select_for_update().get(pk=pull.source_id)
        if connector.gap_free and row.sampling == 1.0:
            _unasked(row, pull, now)
        # What its own delay still holds back has not been handed out yet.
        reached = until - timedelta(seconds=max(row.lag_seconds, connector.late_seconds))
        if (
            connector.gap_free
            and row.sampling == 1.0
            and (row.watermark is None or row.watermark < reached)
        ):
            row.watermark, row.completeness = reached, "cursor"
            row.save(update_fields=["watermark", "completeness"])
            # What waited for the absence of this source's events can be judged now.
            nudge.after_commit("evidence.linked")


def _unasked(row: Source, pull: Pull, now: datetime) -> None:
    """What lies before the first pull, or between the last one and one that began anew, was asked
    for by nobody: its absence shows nothing."""
    if row.watermark is None:
        begins = pull.since - timedelta(days=row.retention_days)
        reason = watermarks.BEFORE_ALL
    else:
        begins = row.watermark
        reason = "the source was connected anew and not asked for this"
    if begins < pull.since:
        Gap.objects.get_or_create(
            source=row,
            during=DateTimeTZRange(begins, pull.since, "[)"),
            defaults={"reason": reason, "recorded_at": now},
        )
