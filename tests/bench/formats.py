"""Every table-driven format through the product, beside COPY of the same rows.

The records are the samples of tests/samples, again and again, as a few hundred identities would
write them: each record has its own time, number and request, and is one identity's, whose ids are
the same whenever it comes again. Left out are what an export writes in lower case or under other
names, because an installation has one way of exporting, and records of a sibling log. Samples show
the rare events as often as the usual ones, so what is measured costs more than a vendor's busy day.
Each begins with empty tables, as COPY does; what millions of rows do to intake is scale.py's.
"""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count, cycle, islice
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

import orjson

from evidence.formats import FORMATS, KINDS, TABLES, tables
from evidence.formats.documents import Shape, pieces
from evidence.formats.reading import LISTS, resolve
from evidence.formats.record import Asked
from tests.bench import database
from tests.bench.intake import Speed, by_copy, source, through

SAMPLES = Path(__file__).resolve().parents[1] / "samples"
# So many that the beginning is a small part: workers, names and months take a quarter of a second.
RECORDS, BODY, PEOPLE = 400_000, 10_000, 300
TARGET = 0.35  # of COPY
# A machine has its moods, and COPY of four seconds may fall into another than intake of ten. Where
# the middle one comes so near to the target, on whichever side, more of them tell.
ROUNDS, NEAR, MORE = 3, 0.07, 4
START = datetime(2026, 11, 3, tzinfo=UTC)
# What differs from record to record: times (the samples lie in 2031), ids, and people.
VARIES = re.compile(
    r"(?P<time>2031-\d\d-\d\d(?P<between>[T ])\d\d:\d\d:\d\d)"
    r"|\b19[23]\d{7}(?P<epoch>\d{0,6})\b"
    r"|\b(?P<begins>[0-9a-fA-F]{8})(?P<id>-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-)"
    r"|(?P<person>\b[a-z]+[.a-z]*@)(?=[a-z])"
)


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
    """JSON lines, ten thousand a body."""
    path = _sample(name)
    assert path is not None, name
    samples = [
        _sample_as_parts(orjson.dumps(record).decode(), _own_ids(name, record))
        for record in _records(path)
        if _is_of(name, record) and _is_plain(name, record)
    ]
    lines = (_varied(sample, number) for number, sample in zip(count(), cycle(samples)))
    for _ in range(RECORDS // BODY):
        yield "\n".join(islice(lines, BODY)).encode()


def _is_of(name: str, record: dict[str, object]) -> bool:
    """Whether it is no record of a sibling log, which the sample shows beside its own."""
    first = next(kind for kind in KINDS if kind.name == name)
    return resolve(record, first, KINDS)[0] is first


def _is_plain(name: str, record: dict[str, object]) -> bool:
    """Whether it is written as the vendor writes it, in its letters and under its names."""
    table = next(table for table in TABLES if table.name == name)
    try:
        in_lower_case = table.any_case and tables.getter(table.action)(record) is None
    except tables.Unreadable:  # as it stands in its wrapping
        return False
    return not in_lower_case and table.mark in orjson.dumps(record)


def _own_ids(name: str, record: dict[str, object]) -> str:
    """The ids that no other record has: its own number, and that of its request."""
    read = FORMATS[name].parse(orjson.dumps(record), Asked("bench", b"k" * 32)).records
    return " ".join(f"{one.vendor_id} {one.request_id}".lower() for one in read)


class Varies(NamedTuple):
    """One moment of each record, and one id of its own or of its person."""

    date: str
    time: str
    epoch: str
    own: str
    person: str
    address: str


def _sample_as_parts(text: str, own_ids: str) -> list[str | Callable[[Varies], str]]:
    """A record as text: what stays, and what says the parts that differ."""
    parts: list[str | Callable[[Varies], str]] = []
    done = 0
    for found in VARIES.finditer(text):
        parts.append(text[done : found.start()])
        done = found.end()
        if found["time"]:
            parts += (attrgetter("date"), found["between"], attrgetter("time"))
        elif found["epoch"] is not None:
            parts += (attrgetter("epoch"), found["epoch"])
        elif found["id"]:
            own = found[0].lower() in own_ids
            parts += (attrgetter("own" if own else "person"), found["id"])
        else:
            parts.append(attrgetter("address"))
    return [*parts, text[done:-1]]


def _varied(parts: list[str | Callable[[Varies], str]], number: int) -> str:
    moment = START + timedelta(milliseconds=173 * number)
    person = number % PEOPLE
    own, others = (f"{of * 2_654_435_761 % 2**32:08x}" for of in (number, person))
    varies = Varies(
        date=f"{moment:%Y-%m-%d}",
        time=f"{moment:%H:%M:%S}",
        epoch=str(int(moment.timestamp())),
        own=own,
        person=others,
        address=f"p{person}@",
    )
    said = "".join([part if isinstance(part, str) else part(varies) for part in parts])
    return f'{said},"bench_number":{number}}}'


def measure(name: str) -> tuple[Speed, float]:
    """Events a second through the product and by COPY, in the middle one of the rounds; and bytes
    a record."""
    ready = list(bodies(name))
    rounds = [_round(name, ready) for _ in range(ROUNDS)]
    if abs(_middle(rounds).ratio - TARGET) < NEAR:
        rounds += [_round(name, ready) for _ in range(MORE)]
    return _middle(rounds), sum(len(body) for body in ready) / RECORDS


def _middle(rounds: list[Speed]) -> Speed:
    return sorted(rounds, key=lambda one: one.ratio)[len(rounds) // 2]


def _round(name: str, ready: list[bytes]) -> Speed:
    database.anew()
    into = source(f"bench-{name.replace('_', '-')}", "identity")
    done, seconds = through(ready, into, name)
    rows, copied = by_copy(into)
    assert rows == done, (rows, done)
    return Speed(done / seconds, rows / copied)
