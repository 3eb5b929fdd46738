"""Many bodies: a few are taken one after the other, a large input by several processes.

Owns the overlap only; what a body becomes is evidence/intake's, how processes share the work is
evidence/crew.py's. Bounded: only a few bodies are read before their turn.
"""

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from itertools import chain, islice
from typing import NamedTuple

from evidence import crew, intake, known, nudge
from evidence.formats import FORMATS, recognise
from evidence.formats.record import Asked, Format, Parsed
from evidence.models import Source

AHEAD = 2
# So many bodies, together so many bytes, are worth processes of their own.
FEW = 4
MUCH = 8 * 1024 * 1024


class Body(NamedTuple):
    """One body that waits to be taken; a part of a file says where in the file it begins."""

    format: str  # empty: recognised
    name: str
    body: bytes
    first: int = 1  # number of its first record, line or document in its file
    # What `first` counts: "record", "line", "document", or "body": all of the file.
    unit: str = "body"


_RECORD = re.compile(r"Records\[(\d+)\]")
# What the parts of a file count, besides records.
_COUNTED = re.compile(r"(?:line|document) (\d+)")


def in_file(position: str, *, first: int, unit: str) -> str:
    """A position inside a part as a position inside its file."""
    if unit == "record":
        return _RECORD.sub(lambda found: f"Records[{int(found[1]) + first - 1}]", position, count=1)
    if unit in ("line", "document"):
        if not position.startswith(f"{unit} "):
            return f"{unit} {first} {position}"
        return _COUNTED.sub(lambda found: f"{unit} {int(found[1]) + first - 1}", position, count=1)
    return position


def _read(
    wanted: str, reader: Format | None, body: bytes, asked: Asked
) -> tuple[str, bytes, Parsed | None]:
    """Runs in a thread and touches no database. `reader` is that of `wanted`."""
    chosen = wanted or recognise(body) or ""
    digest = intake.digest_of(body)
    if not wanted:
        reader = FORMATS.get(chosen)
    return chosen, digest, None if reader is None else intake.read(reader, body, asked)


def take_all(
    *,
    source: Source,
    bodies: Iterable[Body | tuple[str, str, bytes]],
    by: str,
    now: Callable[[], datetime],
) -> Iterator[intake.Taken]:
    """Take these bodies; yields what became of each in their order, rejects with their place in
    the file. Raises NotTaken at the first that no format knows."""
    coming = (Body(*body) for body in bodies)
    first = list(islice(coming, FEW))
    large = len(first) == FEW and sum(len(body.body) for body in first) >= MUCH
    workers = crew.size() if large else 0
    given = chain(_emptied(first), coming)
    if workers > 1:

        def take(body: Body, data: bytes) -> intake.Taken:
            # A process's first word to the broker takes it a tenth of a second: one says it all.
            nudge.send = None
            taken = intake.take(
                source=source,
                body=data,
                by=by,
                now=now(),
                format=body.format,
                name=body.name,
            )
            return in_its_file(taken, body)

        def jobs() -> Iterator[tuple[Body, bytes]]:
            for number, body in enumerate(given):
                if number == workers:
                    # The first word to the broker takes long: said while the first are stored.
                    nudge.after_commit("evidence.stored")
                yield body._replace(body=b""), body.body

        for taken in crew.side_by_side(take, jobs(), workers=workers):
            nudge.after_commit("evidence.stored")
            yield taken
    else:
        yield from _read_ahead(source, given, by, now)


def _emptied(bodies: list[Body]) -> Iterator[Body]:
    """The bodies of a list, each let go when its turn comes."""
    bodies.reverse()
    while bodies:
        yield bodies.pop()


def _read_ahead(
    source: Source, bodies: Iterable[Body], by: str, now: Callable[[], datetime]
) -> Iterator[intake.Taken]:
    """One after the other; a thread reads the next while the database takes this one."""
    asked = intake.asked(source)
    waiting: deque[tuple[Body, Future[tuple[str, bytes, Parsed | None]]]] = deque()
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="read-ahead") as pool:
        for body in bodies:
            said = body.format or source.format
            wanted = known.exact(said) or said
            reading = pool.submit(_read, wanted, known.find(wanted), body.body, asked)
            waiting.append((body, reading))
            if len(waiting) > AHEAD:
                yield _store(source, *waiting.popleft(), by, now())
        while waiting:
            yield _store(source, *waiting.popleft(), by, now())


def _store(
    source: Source,
    body: Body,
    reading: Future[tuple[str, bytes, Parsed | None]],
    by: str,
    now: datetime,
) -> intake.Taken:
    chosen, digest, parsed = reading.result()
    taken = intake.earlier(source, digest)
    if taken is None:
        if parsed is None:
            raise intake.NotTaken(intake.unknown_format(chosen))
        taken = intake.store(
            source=source,
            parsed=parsed,
            digest=digest,
            received=len(body.body),
            by=by,
            now=now,
            format=chosen,
            name=body.name,
        )
    return in_its_file(taken, body)


def in_its_file(taken: intake.Taken, body: Body) -> intake.Taken:
    """The same answer, with the places of its rejects in the file that the body is a part of."""
    if body.unit == "body" or not taken.reasons:
        return taken
    reasons = [
        one._replace(position=in_file(one.position, first=body.first, unit=body.unit))
        for one in taken.reasons
    ]
    return replace(taken, reasons=reasons)
