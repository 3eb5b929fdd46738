"""Intake beside COPY: CloudTrail and OTLP through the product, and text COPY of the same rows.

The limit is text COPY of the same normalised event rows into a fresh partitioned copy of the
events table with the same indexes, 10,000 rows a transaction, one connection, same server, and
the middle one of three.
"""

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import NamedTuple

from django.db import connection, transaction
from django.utils import timezone

from evidence import intake, pipeline
from evidence.models import Source
from tests.bench import database, synthetic

COPY_COLUMNS = intake.COLUMNS
COPIES = 3


class Speed(NamedTuple):
    """Events a second, through the product and by COPY."""

    product: float
    copy: float

    @property
    def ratio(self) -> float:
        return self.product / self.copy


def source(name: str, plane: str) -> Source:
    row, _ = Source.objects.get_or_create(
        name=name, defaults={"plane": plane, "created_at": timezone.now(), "created_by": "bench"}
    )
    return row


def through(
    bodies: Iterable[bytes],
    into: Source,
    shape: str,
    now: Callable[[], datetime] = timezone.now,
) -> tuple[int, float]:
    """(events, seconds) of taking these bodies, as `ingest` does: parsed ahead in a thread."""
    ready = list(bodies)
    started = time.perf_counter()
    done = 0
    for taken in pipeline.take_all(
        source=into, bodies=((shape, "", body) for body in ready), by="bench", now=now
    ):
        done += taken.events
        assert taken.rejects == 0, taken.reasons[:1]
    return done, time.perf_counter() - started


def by_copy(into: Source) -> tuple[int, float]:
    """(rows, seconds) of text COPY of that source's event rows into a fresh copy: the middle one of
    several, because COPY of the same rows takes up to a fifth more or less from one to the next."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT min(at), max(at) FROM evidence_event WHERE source_id = %s", [into.pk]
        )
        first, last = cursor.fetchone()
    months = sorted({first.strftime("%Y-%m-01"), last.strftime("%Y-%m-01")})
    blocks: list[bytes] = []
    rows = 0
    with (
        connection.cursor() as cursor,
        cursor.copy(
            f"COPY (SELECT {COPY_COLUMNS} FROM evidence_event WHERE source_id = {into.pk}"
            " ORDER BY deposit_id, ordinal) TO STDOUT"
        ) as copy,
    ):
        buffer: list[bytes] = []
        for block in copy:
            buffer.append(bytes(block))
            rows += 1
            if len(buffer) == 10_000:
                blocks.append(b"".join(buffer))
                buffer = []
        if buffer:
            blocks.append(b"".join(buffer))
    return rows, median(_copied(blocks, months) for _ in range(COPIES))


def _copied(blocks: list[bytes], months: list[str]) -> float:
    """Seconds of COPY of these blocks into a table of its own, a partition for each month."""
    database.as_owner("DROP TABLE IF EXISTS bench_copy")
    database.as_owner(
        "CREATE TABLE bench_copy (LIKE evidence_event INCLUDING ALL) PARTITION BY RANGE (at)"
    )
    for month in months:
        after = (datetime.fromisoformat(month) + timedelta(days=32)).strftime("%Y-%m-01")
        database.as_owner(
            f"CREATE TABLE bench_copy_{month[:7].replace('-', '_')} PARTITION OF bench_copy"
            f" FOR VALUES FROM ('{month} 00:00+00') TO ('{after} 00:00+00')"
        )
    database.as_owner("GRANT ALL ON bench_copy TO countersign_app")
    started = time.perf_counter()
    for block in blocks:
        with (
            transaction.atomic(),
            connection.cursor() as cursor,
            cursor.copy(f"COPY bench_copy ({COPY_COLUMNS}) FROM STDIN") as copy,
        ):
            copy.write(block)
    seconds = time.perf_counter() - started
    database.as_owner("DROP TABLE bench_copy")
    return seconds


def cloudtrail(records: int, name: str, start: datetime) -> Speed:
    into = source(name, "identity")
    bodies = synthetic.cloudtrail(
        records=records, body=10_000, start=start, seed=sum(name.encode())
    )
    done, seconds = through(bodies, into, "cloudtrail")
    rows, copied = by_copy(into)
    assert rows == done
    return Speed(done / seconds, rows / copied)


def otlp(spans: int, name: str) -> float:
    """Spans a second through `intake.take`, batches of 512, each committed before the next."""
    into = source(name, "ai")
    start = datetime.now(UTC) - timedelta(hours=3)
    bodies = list(synthetic.otlp(spans=spans, body=512, start=start, seed=sum(name.encode())))
    started = time.perf_counter()
    done = 0
    for body in bodies:
        done += intake.take(
            source=into, body=body, by="bench", now=timezone.now(), format="otlp"
        ).events
    return done / (time.perf_counter() - started)
