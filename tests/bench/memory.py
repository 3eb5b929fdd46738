"""Memory of `manage.py ingest` for a small, a middle and a large file of one kind: flat or not.

Owns the files, each written record by record: CloudTrail as AWS packs it, JSON lines and CSV by
mappings, OTLP as a collector's file exporter writes it. A size is that of the unpacked text.
"""

import gzip
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import NamedTuple

import orjson
from django.utils import timezone

from evidence import mappings
from evidence.permissions import COMMAND
from tests.bench import synthetic, watched
from tests.bench.told import Said

MEGABYTE = 1_000_000
SIZES = (10, 100, 400)
# The largest may need so much more than the middle one. The smallest is said, not judged: it is a
# body or two, which one process takes, where the others keep a process on every core busy.
MOST = 1.3
START = datetime(2026, 11, 2, tzinfo=UTC)
FIELDS = (
    'realm: "gateway:north"\nat: ts\naction: act\nprincipal: {kind: user, path: who}\n'
    "credential: {kind: api_key, path: key}\nresource: what\nrequest_id: id\n"
)
MAPPINGS = (
    f"mapping: bench-lines\nreads: json\n{FIELDS}",
    f"mapping: bench-csv\nreads: csv\n{FIELDS}",
)


class Kind(NamedTuple):
    """A kind of file: its format, its ending, and its text piece by piece, without end."""

    format: str
    ending: str
    pieces: Callable[[], Iterator[bytes]]


def _cloudtrail() -> Iterator[bytes]:
    opening, closing = b'{"Records":[', b"]}"
    first = opening
    for body in synthetic.cloudtrail(records=10**9, body=500, start=START):
        yield first + body.removeprefix(opening).removesuffix(closing)
        first = b","


def _row(number: int) -> dict[str, str]:
    return {
        "ts": (START + timedelta(milliseconds=60 * number)).isoformat(),
        "act": f"door.{('open', 'close', 'lock')[number % 3]}",
        "who": f"person-{number % 300}",
        "key": f"key-{number % 300}",
        "what": f"building-{number % 40}/door-{number % 4000}",
        "id": f"r-{number}",
        "note": "\n".join(f"{number} said {place} " + "x" * 90 for place in range(7)),
    }


def _json_lines() -> Iterator[bytes]:
    return (orjson.dumps(_row(number)) + b"\n" for number in count())


def _csv() -> Iterator[bytes]:
    yield ",".join(_row(0)).encode() + b"\n"
    for number in count():
        *cells, note = _row(number).values()
        yield f'{",".join(cells)},"{note}"\n'.encode()


def _otlp() -> Iterator[bytes]:
    nanos = int(START.timestamp()) * 1_000_000_000
    for batch in count():
        spans = [
            {
                "traceId": f"{batch * 1000 + number // 5 + 1:032x}",
                "spanId": f"{batch * 1000 + number + 1:016x}",
                "name": "execute_tool fetch",
                "startTimeUnixNano": str(nanos + (batch * 512 + number) * 60_000_000),
                "endTimeUnixNano": str(nanos + (batch * 512 + number) * 60_000_000 + 40_000_000),
                "attributes": [
                    {"key": key, "value": {"stringValue": value}}
                    for key, value in (
                        ("gen_ai.operation.name", "execute_tool"),
                        ("gen_ai.tool.name", "fetch"),
                        ("gen_ai.agent.name", f"agent-{number % 40}"),
                        ("padding", f"{batch} {number} " + "x" * 500),
                    )
                ],
            }
            for number in range(512)
        ]
        resource = [{"key": "service.name", "value": {"stringValue": f"agent-{batch % 40}"}}]
        scopes = [{"scope": {"name": "bench"}, "spans": spans}]
        document = {"resource": {"attributes": resource}, "scopeSpans": scopes}
        yield orjson.dumps({"resourceSpans": [document]}) + b"\n"


KINDS = {
    "CloudTrail, gzip": Kind("cloudtrail", ".json.gz", _cloudtrail),
    "JSON lines by a mapping": Kind("mapping:bench-lines", ".jsonl", _json_lines),
    "OTLP, JSON": Kind("otlp", ".jsonl", _otlp),
    "CSV by a mapping": Kind("mapping:bench-csv", ".csv", _csv),
}


def _write(path: Path, kind: Kind, size: int) -> None:
    packed = kind.ending.endswith(".gz")
    with gzip.open(path, "wb", 1) if packed else path.open("wb") as file:
        written = 0
        for piece in kind.pieces():
            file.write(piece)
            written += len(piece)
            if written >= size:
                break
        if packed:
            file.write(b"]}")


def measure(largest: int) -> Iterator[Said]:
    """`largest`: megabytes of the largest file; the others are those that are smaller."""
    for text in MAPPINGS:
        mappings.save(text=text, by=COMMAND, now=timezone.now())
    sizes = [*(size for size in SIZES if size < largest), largest]
    for name, kind in KINDS.items():
        ran = []
        for size in sizes:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / f"{size}{kind.ending}"
                _write(path, kind, size * MEGABYTE)
                # Every size is a source of its own: what is repeated would take another way.
                source = f"memory-{size}-{kind.format.rpartition(':')[2]}"
                ran.append(
                    watched.manage(
                        *("ingest", str(path), "--source", source, "--strict"),
                        *("--format", kind.format, "--no-wait"),
                    )
                )
        peaks = ", ".join(f"{one.peak / MEGABYTE:.0f}" for one in ran)
        flat = ran[-1].peak / ran[-2].peak
        yield Said(
            f"ingest, {name}, {', '.join(map(str, sizes))} MB",
            f"{peaks} MB at most",
            f"{flat:.2f} x the one before; at most {MOST}",
            flat <= MOST,
        )
        yield Said(
            "  the largest",
            f"{ran[-1].wall:.1f} s, {ran[-1].cpu:.1f} of CPU",
            f"{ran[-1].peak / ran[0].peak:.2f} x the smallest",
        )
