"""Readings of a source's lists, as rows that outlive every crash.

Owns the moves of InventoryRead and InventoryPlan. A page's rows, the list's cursor and the
lease are kept in one transaction, so that a crash at any point goes on at the page after the
last one kept. A list ends what it no longer shows only when it was read to its end; one that is
refused ends nothing, and the other lists are read all the same.
"""

import logging
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.db import IntegrityError, connection, transaction

from evidence import ledger, nudge
from evidence.models import Connection, Source
from evidence.sources.contract import Asked, Http
from evidence.sources.failures import Later, Stopped
from identities.acting import COUNTERSIGN
from identities.inventory import following, storing
from identities.inventory.contract import Absent, Batch, Part, Reader, System
from identities.inventory.systems import SYSTEMS, system_of
from identities.models import InventoryPlan, InventoryRead

log = logging.getLogger(__name__)

LEASE = timedelta(minutes=5)
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=10), timedelta(hours=1)
LONGEST_ASKED = timedelta(hours=6)
MOST_RETRIES = 8
LONGEST_SAID = 2_000
# Where a list goes on is good for so long: systems forget their page marks, and a list read in
# two halves too far apart would miss what moved between them.
GOES_ON_WITHIN = timedelta(hours=1)
DONE, REFUSED, ABSENT = "done", "refused", "absent"

CLAIM = """
UPDATE identities_inventoryread SET state = 'running', leased_until = %(until)s,
    attempts = attempts + 1, started_at = coalesce(started_at, %(now)s)
WHERE id = (
    SELECT id FROM identities_inventoryread WHERE state IN ('waiting', 'running')
      AND (not_before IS NULL OR not_before <= %(now)s)
      AND (leased_until IS NULL OR leased_until <= %(now)s)
      AND (%(source)s::bigint IS NULL OR source_id = %(source)s)
    ORDER BY asked_at, id LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id
"""
DUE = """
SELECT p.source_id FROM identities_inventoryplan p
JOIN evidence_connection c ON c.source_id = p.source_id AND NOT c.paused
WHERE NOT p.paused AND p.next_at <= %s AND NOT EXISTS (
    SELECT 1 FROM identities_inventoryread r WHERE r.source_id = p.source_id
      AND r.state IN ('waiting', 'running'))
ORDER BY p.next_at LIMIT 200
"""


class Turn(Exception):
    """This run's time is over; the rest of the reading is for the next one."""


class Lost(Exception):
    """Somebody else has this reading now."""


class Step(NamedTuple):
    """Where a reading stands after a page."""

    part: str
    pages: int
    found: int
    new: int


def plan_all(*, now: datetime) -> int:
    """A plan for every connected source whose system has lists; how many are new."""
    made = 0
    for link in Connection.objects.filter(source__inventory_plan=None).order_by("pk"):
        if system_of(link) is not None:
            _, new = InventoryPlan.objects.get_or_create(
                source_id=link.source_id, defaults={"next_at": now}
            )
            made += new
    return made


def ask(*, source: Source, by: str, now: datetime, by_name: str = "") -> InventoryRead:
    """The live reading of a source, made when there is none. Raises Stopped when it has no
    lists."""
    link = Connection.objects.filter(source=source).first()
    system = None if link is None else system_of(link)
    if system is None:
        raise Stopped(
            f"{source.name} has no lists that could be read.",
            f"Connect it to one of: {', '.join(one.title for one in SYSTEMS)}.",
        )
    try:
        with transaction.atomic():
            read = InventoryRead.objects.create(
                source=source, system=system.name, asked_at=now, asked_by=by, asked_name=by_name
            )
            InventoryPlan.objects.get_or_create(source=source)
            nudge.after_commit("inventory.asked")
    except IntegrityError:
        live = InventoryRead.objects.filter(source=source, state__in=InventoryRead.LIVE).first()
        if live is None:
            raise
        # A person who asks does not wait for the retry of a machine.
        InventoryRead.objects.filter(pk=live.pk, leased_until=None).update(not_before=None)
        nudge.after_commit("inventory.asked")
        return live
    return read


def ask_due(*, now: datetime) -> int:
    """Readings of all sources whose time has come; how many were asked for."""
    plan_all(now=now)
    with connection.cursor() as cursor:
        cursor.execute(DUE, [now])
        numbers = [row[0] for row in cursor.fetchall()]
    for source in Source.objects.filter(pk__in=numbers):
        try:
            ask(source=source, by="schedule", now=now)
        except Stopped:
            # It is connected to something else now.
            InventoryPlan.objects.filter(source=source).delete()
    return len(numbers)


def run_next(
    *,
    clock: Callable[[], datetime],
    source: Source | None = None,
    on_step: Callable[[Step], None] = lambda _: None,
    enough: Callable[[], bool] = lambda: False,
) -> int:
    """Claim one reading and carry it on; its id, or 0 when none waits.

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
    read = InventoryRead.objects.select_related("source__connection").get(pk=found[0])
    try:
        _carry_on(read, clock, on_step, enough)
    except Lost:
        pass
    except Turn:
        _mine(read).update(state=InventoryRead.WAITING, leased_until=None, not_before=None)
        nudge.after_commit("inventory.asked")
    except Stopped as problem:
        _end(read, InventoryRead.FAILED, clock(), problem.what, problem.fix)
    except Later as problem:
        _wait(read, clock(), problem.what, problem.seconds)
    except Exception as problem:
        log.exception("inventory reading %s of %s failed", read.pk, read.source)
        _wait(read, clock(), f"{type(problem).__name__}: {problem}", None)
    return read.pk


def _carry_on(
    read: InventoryRead,
    clock: Callable[[], datetime],
    on_step: Callable[[Step], None],
    enough: Callable[[], bool],
) -> None:
    link = read.source.connection
    system = system_of(link)
    if system is None:
        raise Stopped(
            f"{read.source} is connected to something that has no lists.",
            f"Connect it to one of: {', '.join(one.title for one in SYSTEMS)}.",
        )
    with Http(allow_private=bool(settings.ALLOW_PRIVATE), clock=clock) as http:
        asked = Asked(link.settings, {}, read.asked_at, read.asked_at, http)
        with closing(system.open(asked)) as reader:
            _opened(read, system, reader)
            for part in system.parts:
                if read.parts.get(part.name, {}).get("state") not in (DONE, REFUSED, ABSENT):
                    _part(read, part, reader, clock, on_step, enough)
    _finish(read, system, clock())
    following.follow(source=read.source, now=clock())
    following.hand_on(now=clock())


def _opened(read: InventoryRead, system: System, reader: Reader) -> None:
    """Whose lists these are; a connection that leads elsewhere by now begins anew."""
    if read.realm not in ("", reader.realm) or read.system != system.name:
        read.parts = {}
    read.system, read.realm = system.name, reader.realm
    with transaction.atomic():
        _held(read)
        read.save(update_fields=["system", "realm", "parts"])


def _part(
    read: InventoryRead,
    part: Part,
    reader: Reader,
    clock: Callable[[], datetime],
    on_step: Callable[[Step], None],
    enough: Callable[[], bool],
) -> None:
    """One list, from where it was left, to its end or to what stops it."""
    known = read.parts.get(part.name, {})
    goes_on: Mapping[str, Any] = {}
    if known.get("cursor") and datetime.fromisoformat(known["at"]) > clock() - GOES_ON_WITHIN:
        goes_on = known["cursor"]
    else:
        read.parts[part.name] = {}
    try:
        with closing(_generator(part, reader, goes_on)) as batches:
            while True:
                # A list is at least as true as the moment before it was asked for.
                at = clock()
                batch = next(batches, None)
                if batch is None:
                    break
                on_step(_keep(read, part, batch, at, clock()))
                if enough():
                    raise Turn
    except Stopped as problem:
        if goes_on:
            # The mark may have been forgotten there: the list is tried once from its beginning.
            read.parts[part.name] = {}
            return _part(read, part, reader, clock, on_step, enough)
        state = ABSENT if isinstance(problem, Absent) else REFUSED
        return _settle(read, part, clock(), state=state, said=problem.what, fix=problem.fix)
    return _settle(read, part, clock(), state=DONE)


def _generator(part: Part, reader: Reader, cursor: Mapping[str, Any]) -> Any:
    """An iterator that can be closed, whatever the system made."""
    yield from part.read(reader, cursor)


def _keep(read: InventoryRead, part: Part, batch: Batch, at: datetime, now: datetime) -> Step:
    """The rows and the place of one page; renews the lease. Raises Lost."""
    with transaction.atomic():
        _held(read)
        kept = storing.keep(read=read, part=part.name, found=batch.found, now=at)
        said = read.parts.setdefault(part.name, {})
        for name, number in (("found", kept.found), ("new", kept.new), ("changed", kept.changed)):
            said[name] = said.get(name, 0) + number
        said["cursor"], said["at"] = dict(batch.cursor), at.isoformat()
        said["unread"] = sorted({*said.get("unread", ()), *batch.unread})
        said["said"] = said.get("said") or batch.said[:LONGEST_SAID]
        read.pages += 1
        read.found += kept.found
        read.new += kept.new
        read.changed += kept.changed
        read.leased_until, read.retries, read.problem = now + LEASE, 0, ""
        read.save(
            update_fields=["pages", "found", "new", "changed", "parts", "leased_until", "retries",
                           "problem"]
        )  # fmt: skip
    return Step(part.name, read.pages, read.found, read.new)


def _settle(
    read: InventoryRead, part: Part, now: datetime, *, state: str, said: str = "", fix: str = ""
) -> None:
    """A list is over. Only one that was read to its end ends what it does not show."""
    with transaction.atomic():
        _held(read)
        known = read.parts.setdefault(part.name, {})
        known["cursor"] = {}
        known["state"] = state
        if state == DONE:
            gone = storing.end(read=read, part=part.name, unread=known.get("unread", []), now=now)
            known["gone"] = gone
            read.gone += gone
        else:
            known["said"], known["fix"] = said[:LONGEST_SAID].replace("\0", ""), fix[:LONGEST_SAID]
        read.leased_until = now + LEASE
        read.save(update_fields=["parts", "gone", "leased_until"])


def _held(read: InventoryRead) -> None:
    """The row is locked and still this run's. Raises Lost."""
    row = InventoryRead.objects.select_for_update(of=("self",)).get(pk=read.pk)
    if row.state != InventoryRead.RUNNING or row.attempts != read.attempts:
        raise Lost


def _mine(read: InventoryRead) -> Any:
    return InventoryRead.objects.filter(
        pk=read.pk, state=InventoryRead.RUNNING, attempts=read.attempts
    )


def _finish(read: InventoryRead, system: System, now: datetime) -> None:
    optional = {part.name for part in system.parts if part.optional}
    refused = [
        name
        for name, said in read.parts.items()
        if (said.get("state") == REFUSED and name not in optional) or said.get("unread")
    ]
    with transaction.atomic():
        _held(read)
        read.state = InventoryRead.PARTIAL if refused else InventoryRead.DONE
        nothing = all(said.get("state") != DONE for said in read.parts.values())
        if nothing and refused:
            first = read.parts[refused[0]]
            read.state = InventoryRead.FAILED
            read.problem, read.fix = first.get("said", ""), first.get("fix", "")
        read.ended_at, read.leased_until = now, None
        read.save(update_fields=["state", "ended_at", "leased_until", "problem", "fix"])
        _next(read, now)
        if read.new or read.changed or read.gone:
            ledger.append(
                at=now,
                by=read.asked_by if read.asked_by != "schedule" else COUNTERSIGN.ref,
                by_name=read.asked_name or COUNTERSIGN.name,
                act="inventory.read",
                subject=f"source:{read.source.name}",
                words=f"the lists of {system.title} show {read.new} new, {read.changed} changed"
                f" and {read.gone} gone",
                data={
                    "realm": read.realm,
                    "found": read.found,
                    "new": read.new,
                    "changed": read.changed,
                    "gone": read.gone,
                    "not_read": refused,
                },
            )
        nudge.after_commit("identities.changed")


def _next(read: InventoryRead, now: datetime) -> None:
    for plan in InventoryPlan.objects.filter(source_id=read.source_id):
        plan.next_at = now + timedelta(seconds=plan.every_seconds)
        plan.save(update_fields=["next_at"])


def _end(read: InventoryRead, state: str, now: datetime, what: str, fix: str) -> None:
    with transaction.atomic():
        if _mine(read).update(
            state=state,
            ended_at=now,
            leased_until=None,
            problem=what[:LONGEST_SAID].replace("\0", ""),
            fix=fix[:LONGEST_SAID],
        ):
            _next(read, now)


def _wait(read: InventoryRead, now: datetime, what: str, seconds: float | None) -> None:
    """Try again later: when the system says, else longer each time."""
    with transaction.atomic():
        try:
            _held(read)
        except Lost:
            return
        read.retries += 1
        if read.retries > MOST_RETRIES:
            _end(
                read,
                InventoryRead.FAILED,
                now,
                what,
                "It was tried again many times; see the connection of this source.",
            )
            return
        wait = min(LONGEST_WAIT, FIRST_WAIT * 2 ** (read.retries - 1))
        if seconds is not None:
            wait = min(LONGEST_ASKED, max(timedelta(seconds=seconds), timedelta(seconds=1)))
        read.state, read.problem = InventoryRead.WAITING, what[:LONGEST_SAID].replace("\0", "")
        read.not_before, read.leased_until = now + wait, None
        read.save(update_fields=["retries", "state", "problem", "not_before", "leased_until"])
