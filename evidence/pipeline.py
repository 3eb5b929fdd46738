"""Many bodies, one after the other: the next is read while the database takes this one.

Owns the overlap only; what a body becomes is evidence/intake.py's. Bounded: at most AHEAD bodies
are read before their turn.
"""

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from evidence import intake
from evidence.formats import FORMATS, recognise
from evidence.formats.record import Asked, Parsed, Rejected
from evidence.models import Source

AHEAD = 2


class Body(NamedTuple):
    """One body that waits to be taken; a part of a file says where in the file it begins."""

    format: str  # empty: recognised
    name: str
    body: bytes
    first: int = 1  # number of its first record or line in its file
    unit: str = "body"  # what `first` counts: "record", "line", or "body": all of the file


_RECORD = re.compile(r"Records\[(\d+)\]")
_LINE = re.compile(r"line (\d+)")


def in_file(position: str, *, first: int, unit: str) -> str:
    """A position inside a part as a position inside its file."""
    if unit == "record":
        return _RECORD.sub(lambda found: f"Records[{int(found[1]) + first - 1}]", position, count=1)
    if unit == "line":
        if _LINE.match(position) is None:
            return f"line {first} {position}"
        return _LINE.sub(lambda found: f"line {int(found[1]) + first - 1}", position, count=1)
    return position


def _read(wanted: str, body: bytes, asked: Asked) -> tuple[str, bytes, Parsed | None]:
    """Runs in a thread and touches no database."""
    chosen = wanted or recognise(body) or ""
    digest = intake.digest_of(body)
    if chosen not in FORMATS:
        return chosen, digest, None
    return chosen, digest, FORMATS[chosen].parse(body, asked)


def take_all(
    *,
    source: Source,
    bodies: Iterable[Body | tuple[str, str, bytes]],
    by: str,
    now: Callable[[], datetime],
) -> Iterator[intake.Taken]:
    """Take these bodies in order; yields what became of each, rejects with their place in the
    file. Raises NotTaken at the first that no format knows."""
    asked = intake.asked(source)
    waiting: deque[tuple[Body, Future[tuple[str, bytes, Parsed | None]]]] = deque()
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="read-ahead") as pool:
        for given in bodies:
            body = Body(*given)
            wanted = body.format or source.format
            waiting.append((body, pool.submit(_read, wanted, body.body, asked)))
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
    if body.unit == "body" or not taken.reasons:
        return taken
    reasons = [
        Rejected(in_file(position, first=body.first, unit=body.unit), reason, excerpt)
        for position, reason, excerpt in taken.reasons
    ]
    return replace(taken, reasons=reasons)
