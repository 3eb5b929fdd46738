"""Many events through the real intake: what each costs on disk and in time, and what more would.

Owns the load (CloudTrail files and exporters' batches, in the share and over the months of an
installation that runs), the points at which it is measured, and the line through them. A block is
made before it is taken, and nothing else of the load is held. Links and whose events they are
follow after each block, timed apart; judging, which depends on what was delegated, is left out.
"""

import statistics
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from django.db import connection
from django.utils import timezone

from evidence import bulk, links
from evidence.models import Deposit
from evidence.stores import bodies
from evidence.tasks import HANDS
from identities.actions import following
from identities.models import Identity
from tests.bench import database, line, synthetic
from tests.bench.intake import source, through
from tests.bench.told import Said

BLOCK = 100_000
SPANS = BLOCK // 5  # one event of five is a span
A_FILE, A_BATCH = 10_000, 512
DAYS = 180
HEAVY = 50  # one record of so many is the heaviest identity's
AT = (20, 4, 2, 1)  # measured when the load is done to a 20th, a quarter, a half, and whole
MILLION = 1_000_000
FAR, A_DAY = 100 * MILLION, 2 * MILLION
LARGEST_EVENT, COLD = 500, 300  # bytes; milliseconds

# What intake and everything after it write for an event; the bodies are counted apart.
STORED = (
    "evidence_event",
    "evidence_link",
    "evidence_run",
    "evidence_term",
    "evidence_actor",
    "identities_attribution",
    "identities_usageday",
)
# Whose the names of the load are; the agents belong to the first of them.
PEOPLE = """
INSERT INTO identities_identity (id, name, kind, inherited, purpose, criticality, state, mode,
    evidence_boundary, legal_entity, created_at)
SELECT md5('scale' || i)::uuid, 'svc-' || lpad(i::text, 4, '0'), 'agent', '[]', 'bench',
    'normal', 'draft', 'observe', '', '', now() FROM generate_series(0, 299) i;
INSERT INTO identities_binding (identity_id, actor_id, basis, state, shared, reason, seen, during,
    recorded_at, by, by_name)
SELECT md5('scale' || i)::uuid, a.id, 'declared', 'confirmed', false, '', 0,
    tstzrange(NULL, NULL), now(), 'bench', '' FROM generate_series(0, 299) i
JOIN evidence_actor a ON a.kind = 'arn' AND a.value LIKE '%:user/svc-agent-' || lpad(i::text, 4, '0')
    OR a.kind = 'agent' AND a.value = 'agent-' || lpad(i::text, 3, '0');
"""


class Point(NamedTuple):
    """How much is there after so many events: bytes on disk, seconds spent."""

    rows: int
    stored: int
    deposits: int
    intake: float
    following: float


def measure(rows: int) -> Iterator[Said]:
    """At least BLOCK rows, in whole blocks."""
    line.ready()
    blocks = max(1, rows // BLOCK)
    total = blocks * BLOCK
    marks = {max(1, blocks // part) for part in AT}
    points: list[Point] = []
    paces: list[float] = []
    took = followed = 0.0
    began = time.monotonic()
    for number in range(blocks):
        seconds = _taken(number, total)
        if number == 0:
            database.as_owner(PEOPLE)
        took += seconds
        paces.append(seconds)
        started = time.perf_counter()
        _follow()
        followed += time.perf_counter() - started
        done = number + 1
        _progress(done, blocks, time.monotonic() - began, took)
        if done in marks:
            stored, packed = database.size_of(*STORED), _deposits()
            points.append(Point(done * BLOCK, stored, packed, took, followed))
    yield from _sizes(points[-1])
    yield from _pace(total, took, followed, paces)
    yield from _far(points)
    database.as_owner("VACUUM ANALYZE")
    page = line.measure(total, Identity.objects.get(name="svc-0000"))
    yield Said(
        f"line page, heaviest identity, {total:,} events",
        f"p50 {page.p50:.0f} p95 {page.p95:.0f} ms",
        f"{page.queries} queries",
    )
    yield Said(
        "  its first touch after a restart, file cache dropped",
        "not measured" if page.cold is None else f"{page.cold:.0f} ms",
        f"target {COLD} ms" if page.cold is not None else "only root may drop the cache",
        None if page.cold is None else page.cold <= COLD,
    )


def _taken(number: int, total: int) -> float:
    """Seconds of the intake of one block; it is received soon after its last event."""
    share = timedelta(days=DAYS) / (total // BLOCK)
    start = datetime.now(UTC) - timedelta(days=DAYS) + share * (number - 1)
    apart = share / timedelta(milliseconds=1) * 2  # at most; half of it on average
    records = synthetic.cloudtrail(
        records=BLOCK - SPANS,
        body=A_FILE,
        start=start,
        seed=number,
        apart=max(2, int(apart / (BLOCK - SPANS))),
        heavy=HEAVY,
    )
    spans = synthetic.otlp(
        spans=SPANS,
        body=A_BATCH,
        start=start,
        seed=-1 - number,
        apart=max(2, int(apart / (SPANS / 5))),
    )

    def now() -> datetime:
        return start + share * 1.5

    seconds = 0.0
    for name, plane, shape, given in (
        ("scale-trail", "identity", "cloudtrail", list(records)),
        ("scale-traces", "ai", "otlp", list(spans)),
    ):
        done, more = through(given, source(name, plane), shape, now)
        assert done == (BLOCK - SPANS if shape == "cloudtrail" else SPANS), done
        seconds += more
    return seconds


def _follow() -> None:
    """Link what was stored, and say whose it is, as a worker does."""
    while bulk.link_many(now=timezone.now(), hands=HANDS) or links.link_next(now=timezone.now()):
        pass
    while following.follow_next(now=timezone.now()):
        pass


def _deposits() -> int:
    """Bytes of the compressed deposits, in rows and in files."""
    within = database.size_of("evidence_depositbody")
    names = Deposit.objects.exclude(place="").filter(source__name__startswith="scale-")
    places = names.values_list("place", flat=True)
    return within + sum(_file_size(place) for place in places.iterator())


def _file_size(place: str) -> int:
    digest = place.removeprefix(bodies.FILE)
    path = bodies.folder() / digest[:2] / f"{digest}.zst"
    return path.stat().st_size if place.startswith(bodies.FILE) else 0


def _progress(done: int, blocks: int, seconds: float, took: float) -> None:
    if done % max(1, blocks // 100) == 0:
        left = seconds / done * (blocks - done)
        sys.stderr.write(
            f"scale: {done * BLOCK:,} of {blocks * BLOCK:,} events, {done / blocks:.0%},"
            f" intake {done * BLOCK / took:,.0f}/s, {left / 60:.0f} min left\n"
        )


def _sizes(point: Point) -> Iterator[Said]:
    each = point.stored / point.rows
    yield Said(
        f"bytes an event, indexes included, {point.rows:,} events",
        f"{each:.0f}",
        f"target {LARGEST_EVENT}",
        each <= LARGEST_EVENT,
    )
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(DISTINCT tableoid) FROM evidence_event")
        months = cursor.fetchone()[0]
    yield Said(
        "  its compressed deposit, beside",
        f"{point.deposits / point.rows:.0f}",
        f"in {months} monthly partitions",
    )


def _pace(total: int, took: float, followed: float, paces: list[float]) -> Iterator[Said]:
    yield Said(
        f"intake of {total:,} events, four records to a span",
        f"{total / took:,.0f}/s",
        f"what follows it {total / followed:,.0f}/s",
    )
    end = min(MILLION // BLOCK, max(1, len(paces) // 4))
    first, last = (end * BLOCK / sum(part) for part in (paces[:end], paces[-end:]))
    yield Said(
        f"  the last {end * BLOCK:,} beside the first",
        f"{last:,.0f}/s, first {first:,.0f}/s",
        f"{last / first:.2f} x",
    )


def _far(points: list[Point]) -> Iterator[Said]:
    """What more would need, by the line through all points; and by the last stretch alone."""
    if len(points) < 3:
        return
    measured = ", ".join(f"{point.rows / MILLION:g}" for point in points)
    yield Said(
        f"{FAR // MILLION} M events by extrapolation", f"from {measured} M", "a straight line"
    )
    rows = [point.rows for point in points]
    giga: tuple[float, str] = (1e9, "GB")
    hours: tuple[float, str] = (3600, "h")
    of: dict[str, tuple[Callable[[Point], float], tuple[float, str]]] = {
        "events with their indexes": (lambda point: point.stored, giga),
        "compressed deposits": (lambda point: point.deposits, giga),
        "intake": (lambda point: point.intake, hours),
        "what follows it": (lambda point: point.following, hours),
    }
    a_day = 0.0
    for name, (get, (unit, word)) in of.items():
        values = [get(point) for point in points]
        slope, begin = statistics.linear_regression(rows, values)
        off = max(
            abs(slope * at + begin - value) / value for at, value in zip(rows, values, strict=True)
        )
        late = (values[-1] - values[-2]) / (rows[-1] - rows[-2])
        a_day += slope * A_DAY if word == "GB" else 0
        yield Said(
            f"  {name}: {begin / unit:.2f} {word} + {slope * MILLION / unit:.3f} {word} a million",
            f"{(slope * FAR + begin) / unit:.1f} {word}",
            f"off by {off:.0%}; last stretch {(values[-1] + late * (FAR - rows[-1])) / unit:.1f}",
        )
    yield Said(f"  a day of {A_DAY:,} events", f"{a_day / 1e9:.2f} GB", "events and deposits")
