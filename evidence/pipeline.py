"""Many bodies, one after the other: the next is read while the database takes this one.

Owns the overlap only; what a body becomes is evidence/intake.py's. Bounded: at most AHEAD bodies
are read before their turn.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime

from evidence import intake
from evidence.formats import FORMATS, recognise
from evidence.formats.record import Asked, Parsed
from evidence.models import Source

AHEAD = 2

type Body = tuple[str, str, bytes]  # format or empty, name, bytes


def _read(format: str, body: bytes, asked: Asked) -> tuple[str, bytes, Parsed | None]:
    """Runs in a thread and touches no database."""
    chosen = format or recognise(body) or ""
    digest = intake.digest_of(body)
    if chosen not in FORMATS:
        return chosen, digest, None
    return chosen, digest, FORMATS[chosen].parse(body, asked)


def take_all(
    *, source: Source, bodies: Iterable[Body], by: str, now: Callable[[], datetime]
) -> Iterator[intake.Taken]:
    """Take these bodies in order; yields what became of each. Raises NotTaken at the first
    that no format knows."""
    asked = intake.asked(source)
    waiting: deque[tuple[Body, Future[tuple[str, bytes, Parsed | None]]]] = deque()
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="read-ahead") as pool:
        for body in bodies:
            format = body[0] or source.format
            waiting.append((body, pool.submit(_read, format, body[2], asked)))
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
    earlier = intake.earlier(source, digest)
    if earlier is not None:
        return earlier
    if parsed is None:
        raise intake.NotTaken(intake.unknown_format(chosen))
    return intake.store(
        source=source,
        parsed=parsed,
        digest=digest,
        received=len(body[2]),
        by=by,
        now=now,
        format=chosen,
        name=body[1],
    )
