"""`make bench`: what the product promises in speed, measured, with its targets beside.

Owns the table of parts. ARGS names some of them (all but `scale` when none is named):

start       the embedded services            decisions    may this agent do this now
intake      CloudTrail beside COPY           formats      every other format beside COPY
otlp        spans through the intake         web          spans through the web server, and MLflow
pulls       buckets, a queue, paged HTTP     memory       of ingest, by the size of the file
correlation spans linked to API events       line         the line page in a growing fleet
truth       links of the recorded lab beside what is true of it: clocks apart, ids gone or copied
campaigns   20,000 reviews opened together
triggers    small reviews from events, 20,000 identities
queue       the queue's page, 100,000 items  deadlines    due, cut and denied, two workers
rooms       an incident's timeline, 50,000 events, and its room
ledger      a million rows: what an entry costs its writer, and verifying all (asked for by name)
closing     10,000 outcomes of a campaign at its end
claims      4,000 unowned identities asked about, 20 companies
freezes     10,000 silences that come due in a change freeze
expiring    10,000 attestations, credentials and delegations that end in one minute
descendants what goes along with the stop of a key, 10,000 of it
revoking    keys held at moto's AWS, asked for at once: until the target shows it
faults      1,000 faults under revocations at an OAuth server: each ends once (asked for by name)
automatic   a finding stored until its automatic hold is sent, at moto's AWS
scale       many events: size, pace, the first look, and 100 M by extrapolation

`--rows N` bounds rooms (default 50,000), line (default 5,000,000: several minutes, 4 GB under
var/) and scale (default 20,000,000: hours, 30 GB); `--megabytes N` is the largest file of memory; `--seeds 1,2` are
those of truth (default 0,1,2,3; 0 is the lab as it was recorded).
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import NamedTuple

os.environ["COUNTERSIGN_DB_ROLE"] = "app"
os.environ["COUNTERSIGN_POOL"] = "0"
os.environ["COUNTERSIGN_SECOND_FACTOR"] = "0"  # its people have none
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

import django

django.setup()

from config import services  # noqa: E402 - settings come first

services.ensure()

from tests.bench import (  # noqa: E402 - after setup
    automatic,
    campaigns,
    claims,
    closing,
    correlation,
    database,
    deadlines,
    decisions,
    descendants,
    expiring,
    faults,
    fleet,
    formats,
    freezes,
    grants,
    intake,
    ledger,
    line,
    memory,
    modes,
    pulls,
    queue,
    revoking,
    rooms,
    scale,
    start,
    triggers,
    truth,
    web,
)
from tests.bench.told import Said  # noqa: E402 - after setup

LINE, SCALE, MEGABYTES, LEDGER = 5_000_000, 20_000_000, 400, 1_000_000


class Asked(NamedTuple):
    """What the command line bounds."""

    rows: int | None
    megabytes: int
    seeds: tuple[int, ...]


def at_start(_: Asked) -> Iterator[Said]:
    starts = start.measure()
    first, later = starts.first, starts.later
    what = "embedded services, first start in a folder"
    yield Said(what, f"{first:.2f} s", "target 3", first <= 3)
    yield Said("  later starts, the slowest", f"{later:.2f} s", "target 1", later <= 1)


def at_decisions(_: Asked) -> Iterator[Said]:
    speed = decisions.measure()
    yield Said(
        "decisions in process, 10,000 delegations",
        f"{speed.per_second:,.0f}/s",
        f"p50 {speed.p50:.2f} p95 {speed.p95:.2f} ms; < 1 ms",
        speed.p95 < 1,
    )


def at_intake(_: Asked, where: str = "empty") -> Iterator[Said]:
    """The middle one of five rounds: each is two seconds, and a machine has its moods."""
    begins = datetime(2026, 11, 2, tzinfo=UTC)
    rounds = [intake.cloudtrail(100_000, f"{where}, {number}", begins) for number in range(5)]
    speed = sorted(rounds, key=lambda one: one.ratio)[2]
    yield beside_copy(f"CloudTrail, 100,000 records, {where}", speed)


def at_formats(_: Asked) -> Iterator[Said]:
    for name in formats.names():
        speed, size = formats.measure(name)
        yield beside_copy(f"{name}, {formats.RECORDS:,} records of {size:,.0f} bytes", speed)


def beside_copy(what: str, speed: intake.Speed) -> Said:
    return Said(
        what,
        f"{speed.product:,.0f}/s, COPY {speed.copy:,.0f}/s",
        f"{speed.ratio:.2f} x COPY; target {formats.TARGET}",
        speed.ratio >= formats.TARGET,
    )


def at_otlp(_: Asked) -> Iterator[Said]:
    spans = intake.otlp(30_000, "otlp-empty")
    what = "OTLP, 30,000 spans, batches of 512, committed"
    yield Said(what, f"{spans:,.0f} spans/s", "target 5,000", spans >= 5_000)


def at_ledger(asked: Asked) -> Iterator[Said]:
    rows = asked.rows or LEDGER
    filled = ledger.fill(rows)
    pace = rows / filled.seconds
    yield Said(
        f"filling a ledger, {rows:,} rows",
        f"{filled.seconds:.0f} s, {filled.megabytes} MB",
        f"{pace:,.0f}/s; target 6 min a million",
        pace >= LEDGER / 360,
    )
    paced = ledger.paced()
    yield Said(
        f"an entry, {ledger.WRITERS} writers, {ledger.PACE} transactions/s",
        f"p95 +{paced.p95:.2f}, median +{paced.median:.2f} ms",
        f"call p95 {paced.call:.2f}, plain row {paced.plain:.2f}, late {paced.late:.2f}; target 1 ms",
        max(paced.p95, paced.median) <= 1,
    )
    cost = ledger.append()
    yield Said(
        f"  the same writers as fast as they go, {rows:,} rows",
        f"call p95 {cost.call:.2f} ms",
        f"of {cost.both:.2f} ms, plain row {cost.plain:.2f} ms",
    )
    found = ledger.verify()
    for what, speed, asked_of in (
        ("verify_ledger, one process", found.alone, False),
        ("  one for each core", found.here, True),
        ("its script, one process", found.script, False),
        ("  one for each core", found.script_here, True),
    ):
        met = speed >= 50_000 if asked_of else None
        yield Said(f"{what}, {found.rows:,} rows", f"{speed:,.0f}/s", "target 50,000", met)
    yield Said("  the most memory of one of these processes", f"{found.megabytes} MB")


def at_line(asked: Asked) -> Iterator[Said]:
    line.ready()
    before = 0
    pages = []
    for size in [one for one in (10_000, 500_000, LINE) if one <= (asked.rows or LINE)]:
        fleet.grow(size, before)
        before = size
        page = line.measure(size, fleet.heaviest())
        pages.append(page)
        cold = "cold not measured" if page.cold is None else f"cold {page.cold:.0f} ms"
        yield Said(
            f"line page, heaviest identity, {size:,} events",
            f"p50 {page.p50:.0f} p95 {page.p95:.0f} ms, {cold}",
            f"{page.queries} queries; p95 < 50 ms, cold < 300",
            page.p95 < 50 and (page.cold is None or page.cold < 300),
        )
        yield Said(
            "  bytes an event, indexes included",
            f"{page.bytes_an_event:.0f}",
            "target 500",
            page.bytes_an_event <= 500 if size >= 500_000 else None,
        )
    if len(pages) == 3:
        ratio = pages[2].p50 / pages[1].p50
        yield Said("line page, 5 M beside 500 k", f"{ratio:.2f} x", "target 2", ratio <= 2)
        same = len({page.queries for page in pages}) == 1
        what = "line page, the same number of queries at each size"
        yield Said(what, str(pages[0].queries), "", same)
    yield from at_intake(asked, f"at {before:,} events")


def at_correlation(_: Asked) -> Iterator[Said]:
    """Targets are for a machine that does nothing else: CPU seconds are said beside the clock's."""
    targets = {"over everything": 100_000, "in batches": 20_000}
    for name, speed in correlation.measure():
        target = next((many for part, many in targets.items() if name.startswith(part)), 0)
        yield Said(
            f"correlation, {name}",
            f"{speed.per_second:,.0f}/s, {speed.per_cpu_second:,.0f}/CPU s",
            f"target {target:,}" if target else f"load {os.getloadavg()[0]:.1f}",
            speed.per_second >= target if target else None,
        )


class Part(NamedTuple):
    """One part of the benchmarks, in a fresh database unless it needs none."""

    measure: Callable[[Asked], Iterator[Said]]
    in_database: bool = True
    unasked: bool = True  # also where no part is named


PARTS = {
    "start": Part(at_start, in_database=False),
    "decisions": Part(at_decisions, in_database=False),
    "intake": Part(at_intake),
    "formats": Part(at_formats),
    "otlp": Part(at_otlp),
    "web": Part(lambda _: web.measure()),
    "pulls": Part(lambda _: pulls.measure()),
    "queue": Part(lambda _: queue.measure()),
    "rooms": Part(lambda asked: rooms.measure(asked.rows)),
    "deadlines": Part(lambda _: deadlines.measure()),
    "memory": Part(lambda asked: memory.measure(asked.megabytes)),
    "correlation": Part(at_correlation),
    "truth": Part(lambda asked: truth.measure(asked.seeds)),
    "line": Part(at_line),
    "campaigns": Part(lambda _: campaigns.measure()),
    "closing": Part(lambda _: closing.measure()),
    "triggers": Part(lambda _: triggers.measure()),
    "claims": Part(lambda _: claims.measure()),
    "modes": Part(lambda _: modes.measure()),
    "freezes": Part(lambda _: freezes.measure()),
    "expiring": Part(lambda _: expiring.measure()),
    "descendants": Part(lambda _: descendants.measure()),
    "revoking": Part(lambda _: revoking.measure()),
    "automatic": Part(lambda _: automatic.measure()),
    "grants": Part(lambda _: grants.measure()),
    "ledger": Part(at_ledger, unasked=False),
    "faults": Part(lambda _: faults.measure(), unasked=False),
    "scale": Part(lambda asked: scale.measure(asked.rows or SCALE), unasked=False),
}


def _seeds(text: str) -> tuple[int, ...]:
    return tuple(int(seed) for seed in text.split(","))


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="make bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], default=[])
    parser.add_argument("--rows", type=int)
    parser.add_argument("--megabytes", type=int, default=MEGABYTES)
    parser.add_argument("--seeds", type=_seeds, default=truth.SEEDS, metavar="N,N,…")
    given = parser.parse_args()
    asked = Asked(given.rows, given.megabytes, given.seeds)
    unasked = [name for name, part in PARTS.items() if part.unasked]
    for name in given.parts or unasked:
        part = PARTS[name]
        with database.fresh() if part.in_database else nullcontext():
            for said in part.measure(asked):
                sys.stdout.write(f"{said.line()}\n")
                sys.stdout.flush()


main()
