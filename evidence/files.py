"""A file becomes deposits: recognised from its beginning, cut into parts, taken one by one.

Owns the way of a file for the command line and the pages; streams, so that its size does not
matter. Knows nothing of where it came from.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from io import BytesIO
from typing import NamedTuple, Protocol

from evidence import intake, known, pipeline
from evidence.formats import bodies, recognise
from evidence.formats.bodies import BodyRefused, Readable
from evidence.formats.record import Rejected
from evidence.models import Reject, Source

# Enough of a file to know its format by, also behind a long opening.
HEAD = 1024 * 1024


class Closable(Readable, Protocol):
    """Something that reads bytes and can be closed."""

    def close(self) -> None: ...


class File(NamedTuple):
    """One file to take: its name as people know it, and how it is opened."""

    name: str
    open: Callable[[], Closable]
    format: str = ""  # empty: recognised


class Step(NamedTuple):
    """What became of one part of a file, or of a file that could not be taken (further)."""

    file: str
    taken: intake.Taken | None
    refused: str = ""
    skipped: bool = False  # nothing of it is evidence: no format recognises it


@dataclass(slots=True)
class Summary:
    """What became of all files."""

    files: int = 0
    deposits: int = 0
    records: int = 0
    events: int = 0
    duplicates: int = 0
    rejects: list[tuple[str, Rejected]] = field(default_factory=list)  # file, place and reason
    old: list[tuple[str, Rejected]] = field(default_factory=list)  # older than what is read
    refused: list[tuple[str, str]] = field(default_factory=list)  # damaged file, why
    skipped: list[tuple[str, str]] = field(default_factory=list)  # no evidence, why
    taken: list[int] = field(default_factory=list)  # deposits that hold the bytes, also old ones

    def add(self, step: Step) -> None:
        """Count one step. Bytes that were there already stored nothing: all are duplicates."""
        if step.taken is None:
            (self.skipped if step.skipped else self.refused).append((step.file, step.refused))
            return
        taken = step.taken
        self.taken.append(taken.deposit)
        self.records += taken.records
        self.deposits += not taken.repeat
        self.events += taken.new
        self.duplicates += taken.known
        for reason in taken.reasons:
            where = self.rejects if reason.old_at is None else self.old
            where.append((step.file, reason))


class _Replayed:
    """A stream whose beginning was read already."""

    def __init__(self, head: bytes, stream: Readable) -> None:
        self.head, self.stream = BytesIO(head), stream

    def read(self, size: int = -1, /) -> bytes:
        return self.head.read(size) or self.stream.read(size)


def format_of(head: bytes) -> str:
    """The format that a file's beginning is in; empty when it is none of ours."""
    return recognise(bodies.peek(head)) or ""


def take_files(
    *, source: Source, files: Iterable[File], by: str, now: Callable[[], datetime]
) -> Iterator[Step]:
    """Take these files in order; yields what became of each part. One that cannot be taken is a
    step of its own and stops nothing."""
    order: list[tuple[str, pipeline.Body]] = []
    refused: list[Step] = []

    def all_bodies() -> Iterator[pipeline.Body]:
        for file in files:
            try:
                with closing(file.open()) as stream:
                    wanted = file.format or source.format
                    for body in cut(stream, name=file.name, format=wanted):
                        order.append((file.name, body))
                        yield body
            except intake.NotTaken as problem:
                refused.append(Step(file.name, None, str(problem), skipped=True))
            except (BodyRefused, OSError) as problem:
                refused.append(Step(file.name, None, _said(problem)))

    for turn, taken in enumerate(
        pipeline.take_all(source=source, bodies=all_bodies(), by=by, now=now)
    ):
        name, body = order[turn]
        order[turn] = (name, body._replace(body=b""))
        yield Step(name, _with_all_reasons(taken, body))
        while refused:
            yield refused.pop(0)
    yield from refused


def cut(stream: Readable, *, name: str, format: str = "") -> Iterator[pipeline.Body]:  # noqa: A002 - what sources and deposits call it
    """The bodies of one file, all in the format of its beginning; NotTaken when nobody knows it."""
    head = stream.read(HEAD)
    plain = bodies.peek(head)
    chosen = format or recognise(plain) or ""
    reader = known.find(chosen)
    if reader is None:
        raise intake.NotTaken(intake.unknown_format(chosen, plain))
    if plain.strip():
        intake.require_text(plain, reader)
    for part in bodies.parts(
        _Replayed(head, stream), format=chosen, seams=reader.seams, lists=reader.lists
    ):
        place = "" if part.unit == "body" else f", from {part.unit} {part.first}"
        first = part.first - part.repeated
        yield pipeline.Body(chosen, f"{name[:400]}{place}", part.body, first, part.unit)


def _with_all_reasons(taken: intake.Taken, body: pipeline.Body) -> intake.Taken:
    """An answer over the wire names the first rejects; a file's summary names them all."""
    if taken.rejects + taken.old <= len(taken.reasons):
        return taken
    rows = Reject.objects.filter(deposit_id=taken.deposit).order_by("id")
    taken.reasons = [intake.as_told(row) for row in rows]
    return pipeline.in_its_file(taken, body)


def _said(problem: Exception) -> str:
    if isinstance(problem, OSError):
        return f"cannot be read: {problem.strerror or problem}"
    return str(problem)
