"""Readings of a source's lists, as rows that outlive every crash.

Owns what a page does to an InventoryRead; claims and leases are evidence/leases.py's. A page's
rows, the list's cursor and the lease are kept in one transaction, so that a crash at any point
goes on at the page after the last one kept. A list ends what it no longer shows only when it was read to its end; one that is
refused ends nothing, and the other lists are read all the same.
"""

from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.db import transaction

from evidence import leases, ledger, nudge
from evidence.models import Connection, Source
from evidence.sources.contract import Asked, Http
from evidence.sources.failures import Later, Stopped
from identities.acting import COUNTERSIGN
from identities.inventory import following, storing
from identities.inventory.contract import Absent, Batch, Part, Reader, System
from identities.inventory.systems import SYSTEMS, system_of
from identities.models import InventoryPlan, InventoryRead

# Renewed while a system is waited for.
LEASE = timedelta(minutes=2)
MOST_RETRIES = 8
KIND = leases.Kind(
    rows=InventoryRead,
    plans=InventoryPlan,
    wake=lambda: nudge.after_commit("inventory.asked"),
    lease=LEASE,
    first_wait=timedelta(seconds=10),
    most_retries=MOST_RETRIES,
    gave_up="It was tried again many times; see the connection of this source.",
)
# Where a list goes on is good for so long: systems forget their page marks, and a list read in
# two halves too far apart would miss what moved between them.
GOES_ON_WITHIN = timedelta(hours=1)
# So often is a list that may be left out waited for.
OPTIONAL_RETRIES = 3
DONE, REFUSED, ABSENT = "done", "refused", "absent"


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
    InventoryPlan.objects.get_or_create(source=source)
    return leases.ask(
        KIND, source=source, now=now, system=system.name, asked_by=by, asked_name=by_name
    )


def ask_due(*, now: datetime) -> int:
    """Readings of all sources whose time has come; how many were asked for."""
    plan_all(now=now)
    sources = leases.due(KIND, now=now)
    for source in sources:
        try:
            ask(source=source, by="schedule", now=now)
        except Stopped:
            # It is connected to something else now.
            InventoryPlan.objects.filter(source=source).delete()
    return len(sources)


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
    return leases.run_next(
        KIND,
        clock=clock,
        source=source,
        carry_on=lambda read: _carry_on(read, clock, on_step, enough),
    )


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
    look = leases.looking(KIND, read, clock)
    http = Http(
        allow_private=bool(settings.ALLOW_PRIVATE),
        clock=clock,
        look=look,
        ca_file=link.settings.get("ca_file", ""),
    )
    with http, http.discreetly():
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
        leases.held(read)
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
                # After a list's last page its end is the next step, or it would begin anew.
                if batch.cursor and enough():
                    raise leases.Turn
    except Stopped as problem:
        if goes_on:
            # The mark may have been forgotten there: the list is tried once from its beginning.
            read.parts[part.name] = {}
            return _part(read, part, reader, clock, on_step, enough)
        state = ABSENT if isinstance(problem, Absent) else REFUSED
        return _settle(read, part, clock(), state=state, said=problem.what, fix=problem.fix)
    except Later as problem:
        # What may be left out is not waited for for ever: the lists after it are read.
        patience = OPTIONAL_RETRIES if problem.seconds is None else MOST_RETRIES - 1
        if not part.optional or read.retries < patience:
            raise
        said = f"It stayed away: {problem.what}"
        return _settle(read, part, clock(), state=REFUSED, said=said, fix=problem.fix)
    return _settle(read, part, clock(), state=DONE)


def _generator(part: Part, reader: Reader, cursor: Mapping[str, Any]) -> Any:
    """An iterator that can be closed, whatever the system made."""
    yield from part.read(reader, cursor)


def _keep(read: InventoryRead, part: Part, batch: Batch, at: datetime, now: datetime) -> Step:
    """The rows and the place of one page; renews the lease. Raises Lost."""
    with transaction.atomic():
        leases.held(read)
        kept = storing.keep(read=read, part=part.name, found=batch.found, now=at)
        said = read.parts.setdefault(part.name, {})
        for name, number in (("found", kept.found), ("new", kept.new), ("changed", kept.changed)):
            said[name] = said.get(name, 0) + number
        said["cursor"], said["at"] = dict(batch.cursor), at.isoformat()
        said["unread"] = sorted({*said.get("unread", ()), *batch.unread})
        said["said"] = said.get("said") or leases.said(batch.said)
        leases.renew(KIND, read, now)
        read.found += kept.found
        read.new += kept.new
        read.changed += kept.changed
        read.save(
            update_fields=["pages", "found", "new", "changed", "parts", "leased_until", "retries",
                           "problem", "fix"]
        )  # fmt: skip
    return Step(part.name, read.pages, read.found, read.new)


def _settle(
    read: InventoryRead, part: Part, now: datetime, *, state: str, said: str = "", fix: str = ""
) -> None:
    """A list is over. Only one that was read to its end ends what it does not show."""
    with transaction.atomic():
        leases.held(read)
        known = read.parts.setdefault(part.name, {})
        known["cursor"] = {}
        known["state"] = state
        if state == DONE:
            gone = storing.end(read=read, part=part.name, unread=known.get("unread", []), now=now)
            known["gone"] = gone
            read.gone += gone
        else:
            known["said"], known["fix"] = leases.said(said), leases.said(fix)
        read.leased_until = now + LEASE
        read.save(update_fields=["parts", "gone", "leased_until"])


def _finish(read: InventoryRead, system: System, now: datetime) -> None:
    optional = {part.name for part in system.parts if part.optional}
    refused = [
        name
        for name, said in read.parts.items()
        if (said.get("state") == REFUSED and name not in optional) or said.get("unread")
    ]
    state, why = (InventoryRead.PARTIAL if refused else InventoryRead.DONE), {}
    if refused and all(said.get("state") != DONE for said in read.parts.values()):
        state, why = InventoryRead.FAILED, read.parts[refused[0]]
    with transaction.atomic():
        leases.end(KIND, read, state, now=now, what=why.get("said", ""), fix=why.get("fix", ""))
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
