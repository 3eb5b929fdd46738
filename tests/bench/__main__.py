"""`make bench`: what the product promises in speed, measured, with its targets beside.

ARGS: start, intake, formats, otlp, line, decisions, correlation, peers (all when none is named); `--rows N` bounds the fleet of the
line page (default 5,000,000; it takes several minutes and about 4 GB under var/).
"""

import argparse
import os
import sys
from datetime import UTC, datetime

os.environ["COUNTERSIGN_DB_ROLE"] = "app"
os.environ["COUNTERSIGN_POOL"] = "0"
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

import django

django.setup()

from config import services  # noqa: E402 - settings come first

services.ensure()

from tests.bench import (  # noqa: E402 - after setup
    correlation,
    database,
    decisions,
    fleet,
    formats,
    intake,
    line,
    peers,
    start,
)

PARTS = ("start", "intake", "formats", "otlp", "line", "decisions", "correlation", "peers")


def say(what: str, figure: str, target: str, *, met: bool | None) -> None:
    mark = {True: "met", False: "NOT met", None: ""}[met]
    sys.stdout.write(f"{what:<58} {figure:>28}   {target:<30} {mark}\n")
    sys.stdout.flush()


def at_intake(name: str, records: int) -> None:
    """The middle one of five rounds: each is two seconds, and a machine has its moods."""
    start = datetime(2026, 11, 2, tzinfo=UTC)
    rounds = [intake.cloudtrail(records, f"{name}, {number}", start) for number in range(5)]
    speed = sorted(rounds, key=lambda one: one.ratio)[2]
    say(
        f"CloudTrail, {records:,} records, {name}",
        f"{speed.product:,.0f}/s, COPY {speed.copy:,.0f}/s",
        f"{speed.ratio:.2f} x COPY; target 0.35",
        met=speed.ratio >= 0.35,
    )


def at_formats() -> None:
    for name in formats.names():
        speed, size = formats.measure(name)
        say(
            f"{name}, {formats.RECORDS:,} records of {size:,.0f} bytes",
            f"{speed.product:,.0f}/s, COPY {speed.copy:,.0f}/s",
            f"{speed.ratio:.2f} x COPY; target 0.35",
            met=speed.ratio >= 0.35,
        )


def at_otlp(name: str) -> None:
    spans = intake.otlp(30_000, name)
    say(
        "OTLP, 30,000 spans, batches of 512, committed",
        f"{spans:,.0f} spans/s",
        "target 3,000",
        met=spans >= 3_000,
    )


def at_peers(name: str) -> None:
    speed = peers.measure(name)
    say(
        f"OTLP over HTTP, the same {peers.SPANS:,} spans, beside MLflow",
        f"{speed.ours:,.0f}/s, MLflow {speed.mlflow:,.0f}/s",
        f"{speed.ratio:.1f} x MLflow; target 5",
        met=speed.ratio >= 5,
    )


def at_line(rows: int) -> None:
    before = 0
    pages = []
    for size in [one for one in (10_000, 500_000, 5_000_000) if one <= rows]:
        fleet.grow(size, before)
        before = size
        page = line.measure(size)
        pages.append(page)
        cold = "cold not measured" if page.cold is None else f"cold {page.cold:.0f} ms"
        say(
            f"line page, heaviest identity, {size:,} events",
            f"p50 {page.p50:.0f} p95 {page.p95:.0f} ms, {cold}",
            f"{page.queries} queries; p95 < 50 ms, cold < 300",
            met=page.p95 < 50 and (page.cold is None or page.cold < 300),
        )
        say(
            "  bytes an event, indexes included",
            f"{page.bytes_an_event:.0f}",
            "target 500",
            met=page.bytes_an_event <= 500 if size >= 500_000 else None,
        )
    if len(pages) == 3:
        ratio = pages[2].p50 / pages[1].p50
        say("line page, 5 M beside 500 k", f"{ratio:.2f} x", "target 2", met=ratio <= 2)
        same = len({page.queries for page in pages}) == 1
        say(
            "line page, the same number of queries at each size",
            str(pages[0].queries),
            "",
            met=same,
        )


def at_correlation() -> None:
    """Targets are for a machine that does nothing else: CPU seconds are said beside the clock's."""
    targets = {"over everything": 100_000, "in batches": 20_000}
    for name, speed in correlation.measure():
        target = next((many for part, many in targets.items() if name.startswith(part)), 0)
        say(
            f"correlation, {name}",
            f"{speed.per_second:,.0f}/s, {speed.per_cpu_second:,.0f}/CPU s",
            f"target {target:,}" if target else f"load {os.getloadavg()[0]:.1f}",
            met=speed.per_second >= target if target else None,
        )


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], default=list(PARTS))
    parser.add_argument("--rows", type=int, default=5_000_000)
    asked = parser.parse_args()
    parts = asked.parts or list(PARTS)
    if "start" in parts:
        starts = start.measure()
        say(
            "embedded services, first start in a folder",
            f"{starts.first:.2f} s",
            "target 3",
            met=starts.first <= 3,
        )
        say(
            "  later starts, the slowest",
            f"{starts.later:.2f} s",
            "target 1",
            met=starts.later <= 1,
        )
    if "decisions" in parts:
        speed = decisions.measure()
        say(
            "decisions in process, 10,000 delegations",
            f"{speed.per_second:,.0f}/s",
            f"p50 {speed.p50:.2f} p95 {speed.p95:.2f} ms; < 1 ms",
            met=speed.p95 < 1,
        )
    with database.fresh():
        if "intake" in parts:
            at_intake("empty", 100_000)
        if "formats" in parts:
            at_formats()
        if "otlp" in parts:
            at_otlp("otlp-empty")
        if "peers" in parts:
            at_peers("peers")
        if "correlation" in parts:
            at_correlation()
        if "line" in parts:
            at_line(asked.rows)
            if "intake" in parts:
                at_intake(f"at {asked.rows:,}", 100_000)


main()
