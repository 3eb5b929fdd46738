"""Every table-driven format through the product, beside COPY of the same rows.

The records are the samples of tests/samples, each again and again with a number of its own, so
that none is a duplicate: what a format costs, not what a vendor's busy day looks like.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count, cycle, islice
from pathlib import Path

import orjson

from evidence.formats import TABLES
from evidence.formats.documents import Shape, pieces
from evidence.formats.reading import LISTS
from tests.bench.intake import Speed, by_copy, source, through

SAMPLES = Path(__file__).resolve().parents[1] / "samples"
RECORDS, BODY, PEOPLE = 40_000, 10_000, 3_000
START = datetime(2026, 11, 3, tzinfo=UTC)
# The samples lie in 2031.
TIME = re.compile(r"2031-\d\d-\d\d[T ]\d\d:\d\d:\d\d")
EPOCH = re.compile(r"\b19[23]\d{7}(\d{0,6})\b")
UUID = re.compile(r"\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-")
PERSON = re.compile(r"\b[a-z]+[.a-z]*@(?=[a-z])")


def names() -> list[str]:
    """The formats whose samples are JSON records."""
    return [table.name for table in TABLES if _sample(table.name) is not None]


def _sample(name: str) -> Path | None:
    return next((path for path in SAMPLES.glob(f"{name}.json*") if _records(path)), None)


def _records(path: Path) -> list[dict[str, object]]:
    shape = Shape(LISTS, b'":', lambda value: type(value) is dict)
    found = pieces(path.read_bytes(), shape)
    return [value for _, value, problem, _ in found if not problem and type(value) is dict]


def bodies(name: str) -> Iterator[bytes]:
    """JSON lines, ten thousand a body; each record with its own time, ids and one of many people."""
    path = _sample(name)
    assert path is not None, name
    samples = [orjson.dumps(record).decode() for record in _records(path)]
    lines = (_varied(text, number) for number, text in zip(count(), cycle(samples)))
    for _ in range(RECORDS // BODY):
        yield "\n".join(islice(lines, BODY)).encode()


def _varied(text: str, number: int) -> str:
    moment = START + timedelta(milliseconds=173 * number)
    salt = f"{number * 2_654_435_761 % 2**32:08x}"
    text = TIME.sub(moment.strftime("%Y-%m-%dT%H:%M:%S"), text)
    text = EPOCH.sub(lambda found: str(int(moment.timestamp())) + found[1], text)
    text = UUID.sub(lambda found: salt + found[0][8:], text)
    text = PERSON.sub(f"p{number % PEOPLE}@", text)
    return text[:-1] + f',"bench_number":{number}}}'


def measure(name: str) -> tuple[Speed, float]:
    """Events a second through the product and by COPY; and bytes a record."""
    into = source(f"bench-{name.replace('_', '-')}", "identity")
    ready = list(bodies(name))
    size = sum(len(body) for body in ready) / RECORDS
    done, seconds = through(ready, into, name)
    rows, copied = by_copy(into)
    assert rows == done, (rows, done)
    return Speed(done / seconds, rows / copied), size
