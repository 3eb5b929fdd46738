"""Large text cut into parts between its records: lines, and rows of CSV.

Owns how much of it is held: one part, one line or row, and a buffer. Where records begin is what
lines.py and the formats say. Pure.
"""

from collections.abc import Iterable, Iterator
from itertools import chain

from evidence.formats import unwrapping
from evidence.formats.documents import is_lines
from evidence.formats.lines import TYPED, Lines, Rows, Seams, whole_rows
from evidence.formats.otlp import wire
from evidence.formats.part import FULL, MEBI, BodyRefused, Part, said_size

# One line, and one row of CSV.
LONGEST_LINE = 64 * MEBI
# The row that names the columns of CSV: each part holds it again.
LONGEST_HEADER = 64 * 1024
_BOM = b"\xef\xbb\xbf"


def seams(head: bytes) -> Seams | None:
    """Where a body with this beginning may be cut that is lines, whatever format is in them."""
    if unwrapping.records_in(head) or unwrapping.is_table(head):
        return Rows()
    of_lines = is_lines(head.strip()) or unwrapping.is_behind(head) or wire.is_base64_line(head)
    return Lines() if of_lines else None


def cut(buffer: bytearray, chunks: Iterable[bytes], seams: Seams, size: int) -> Iterator[Part]:
    """Parts of `size` records or of FULL bytes; more where the next record begins later, but not
    twice as much. Raises BodyRefused, after what stands before the place."""
    blocks = _blocks(buffer, chunks)
    header: list[bytes] = []  # as found
    before: list[bytes] = []  # as this part repeats it
    named = not isinstance(seams, Rows) or not seams.header
    first = number = 1
    taken: list[bytes] = []
    many = held = 0
    try:
        for raw, has_cells in _rows(blocks, seams) if isinstance(seams, Rows) else _lines(blocks):
            length = sum(map(len, raw))
            full = many >= size or held >= FULL
            if full and (header or held >= 2 * FULL or seams.begins(raw[0])):
                yield _part(before, taken, first)
                before, taken, many, held, first = header, [], 0, 0, number
            if not named and has_cells and not raw[0].startswith(TYPED):
                # A bare carriage return would make one end of a line with an empty row behind it.
                bare = raw[-1].endswith(b"\r")
                named, header = True, [*raw[:-1], raw[-1][:-1] + b"\n"] if bare else raw
                if length > LONGEST_HEADER:
                    said = f"{LONGEST_HEADER // 1024} KiB"
                    raise BodyRefused(f"begins with a row of column names of more than {said}")
            taken += raw
            number += len(raw)
            many += 1
            held += length
    except BodyRefused:
        if taken:
            yield _part(before, taken, first)
        raise
    if taken:
        yield _part(before, taken, first)


def _part(before: list[bytes], taken: list[bytes], first: int) -> Part:
    return Part(b"".join((*before, *taken)), first, "line", len(before))


def _blocks(buffer: bytearray, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Whole lines, as many as are there."""
    rest = bytearray()
    number, searched = 1, 0
    for chunk in chain((bytes(buffer),), chunks):
        rest += chunk
        end = rest.rfind(b"\n", searched) + 1
        if end:
            block = bytes(rest[:end])
            del rest[:end]
            number += block.count(b"\n")
            yield block
        elif len(rest) > LONGEST_LINE:
            raise BodyRefused(
                f"line {number} is longer than {said_size(LONGEST_LINE)}, and nothing from there on"
                " is read; take it out, and send the rest again"
            )
        searched = len(rest)
    if rest:
        yield bytes(rest)


def _lines(blocks: Iterator[bytes]) -> Iterator[tuple[list[bytes], bool]]:
    for block in blocks:
        *whole, rest = block.split(b"\n")
        for line in whole:
            yield [line + b"\n"], True
        if rest:
            yield [rest], True


def _rows(blocks: Iterator[bytes], seams: Rows) -> Iterator[tuple[list[bytes], bool]]:
    row = 0

    def lines() -> Iterator[bytes]:
        nonlocal row
        before = _BOM
        for block in blocks:
            for line in block.removeprefix(before).splitlines(keepends=True):
                row += len(line)
                if row > LONGEST_LINE:
                    raise BodyRefused(f"has a row that is longer than {said_size(LONGEST_LINE)}")
                yield line
            before = b""

    for found in whole_rows(lines(), seams.delimiter):
        row = 0
        yield found
