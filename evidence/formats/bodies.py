"""Bodies before any format reads them: decompression, and cutting large files into parts.

Owns the bounds: nothing here holds more of a file in memory than one part and a buffer, except
a single document that cannot be cut, up to a limit. Text is cut by text_parts.py. Knows nothing
of what records mean. Pure.
"""

import re
import zlib
from collections.abc import Callable, Container, Generator, Iterator
from typing import Protocol

import zstandard

from evidence.formats import strung, text_parts
from evidence.formats.lines import Seams
from evidence.formats.part import FULL, MEBI, BodyRefused, Part, said_size

__all__ = ["MEBI", "BodyRefused", "Part", "Readable", "decompress", "parts", "peek"]

# A body of this size or less is one part, if it does not hold too many records.
WHOLE = 8 * MEBI
# One document that cannot be cut: of a format whose documents are lists, one that is none.
LARGEST_DOCUMENT = 256 * MEBI
LARGEST_OF_LISTS = 64 * MEBI
# All of a file, decompressed. Past it the file is refused: nobody logs that into one file.
LARGEST_FILE = 64 * 1024 * MEBI
# Past this, a file that unpacks to more than so many times its size is refused: no log does.
_UNPACKED, MOST_TIMES = 64 * MEBI, 200
# A record beyond this is damage: its end was lost.
_LARGEST_RECORD = _HEAD = 4 * MEBI
_CHUNK = MEBI


class Readable(Protocol):
    """Anything that reads bytes: a file, an upload, a request."""

    def read(self, size: int = -1, /) -> bytes: ...


def decompress(body: bytes, *, limit: int) -> bytes:
    """The body without gzip, zlib or zstd, known by their magic; others as they are.

    Raises BodyRefused when more than `limit` bytes would come out, or the data is damaged.
    """
    if len(body) > limit and not _wrapping(body):
        raise BodyRefused(f"is larger than {said_size(limit)}; send it in parts")
    pieces = []
    total = 0
    for piece in _plain(iter((body,))):
        total += len(piece)
        if total > limit:
            raise BodyRefused(f"unpacks to more than {said_size(limit)}; send it in parts")
        pieces.append(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def peek(head: bytes) -> bytes:
    """What the first bytes of a body say without their compression, as far as they go."""
    try:
        return next(_plain(iter((head,))), b"")
    except BodyRefused:
        return b""


def parts(
    stream: Readable,
    *,
    format: str,  # noqa: A002  it is called format everywhere a source or deposit names one
    size: int = 10_000,
    seams: Callable[[bytes], Seams | None] = lambda _: None,
    lists: Container[str] = (),
) -> Iterator[Part]:
    """Cut a file into bodies of at most about `size` records each, in their order. `seams` says
    of a beginning that is no JSON where it may be cut; `lists` are the members that hold the
    records of a document.

    Raises BodyRefused, maybe after earlier parts, when a line or document is too large or the
    compressed data is damaged. The same file is always cut alike.
    """
    packed = _Counted(stream)
    chunks = _bounded(_plain(iter(lambda: packed.read(_CHUNK), b"")), packed)
    buffer = bytearray()
    for chunk in chunks:
        buffer += chunk
        if len(buffer) > WHOLE:
            break
    else:
        if _few(buffer, format, size):
            if buffer.strip():
                yield Part(bytes(buffer), 1, "body")
            return
    head = bytes(buffer[:_HEAD])
    text = seams(head) or text_parts.seams(head)
    if text is not None:
        yield from text_parts.cut(buffer, chunks, text, size)
    elif strung.end_of_first(head):
        yield from _documents(buffer, chunks, size)
    elif lists and (opening := _opening(head, lists)):
        first = 1
        while opening:
            del buffer[: opening.end()]
            first = yield from _elements(buffer, chunks, size, opening, first)
            opening = _next_opening(buffer, chunks, lists)
    else:
        most = LARGEST_OF_LISTS if lists else LARGEST_DOCUMENT
        for chunk in chunks:
            buffer += chunk
            if len(buffer) > most:
                raise BodyRefused(
                    f"is one document of more than {said_size(most)}, which cannot be cut; write"
                    " it as JSON lines"
                )
        yield Part(bytes(buffer), 1, "body")


def _few(buffer: bytearray, name: str, size: int) -> bool:
    mark = b'"eventName"' if name == "cloudtrail" else b"\n"
    return buffer.count(mark) <= size


# --- decompression


def _wrapping(head: bytes) -> str:
    if head[:2] == b"\x1f\x8b":
        return "gzip"
    if head[:4] == b"\x28\xb5\x2f\xfd":
        return "zstd"
    if len(head) > 1 and head[0] == 0x78 and (head[0] * 256 + head[1]) % 31 == 0:
        return "zlib"
    return ""


def _plain(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The chunks without their compression, each at most one MiB where they were packed."""
    first = next(chunks, b"")
    kind = _wrapping(first)
    if not kind:
        yield first
        yield from chunks
        return
    try:
        if kind == "zstd":
            yield from _zstd(first, chunks)
        else:
            yield from _deflate(first, chunks, 31 if kind == "gzip" else 15)
    except (zlib.error, zstandard.ZstdError) as problem:
        raise BodyRefused(f"is damaged {kind} data: {problem}") from problem


def _deflate(first: bytes, chunks: Iterator[bytes], window: int) -> Iterator[bytes]:
    """gzip (also several members one after the other) and zlib."""
    unpack = zlib.decompressobj(window)
    data = first
    while True:
        while data:
            piece = unpack.decompress(data, _CHUNK)
            if piece:
                yield piece
            if unpack.eof:
                data = unpack.unused_data
                # Zero bytes after the last member are padding.
                if not data.strip(b"\0"):
                    data = b""
                elif window == 31:
                    unpack = zlib.decompressobj(window)
                else:
                    return
            else:
                data = unpack.unconsumed_tail
        following = next(chunks, None)
        if following is None:
            break
        if unpack.eof:
            if not following.strip(b"\0"):
                continue
            unpack = zlib.decompressobj(window)
        data = following
    while not unpack.eof:
        # What is still inside comes out a bounded piece at a time.
        piece = unpack.decompress(unpack.unconsumed_tail, _CHUNK)
        if not piece:
            raise BodyRefused("is compressed data that was cut off; send it whole")
        yield piece


class _Joined:
    """Chunks as something that reads, for the zstd reader."""

    def __init__(self, first: bytes, chunks: Iterator[bytes]) -> None:
        self.rest, self.chunks = first, chunks

    def read(self, size: int = -1) -> bytes:
        if not self.rest:
            self.rest = next(self.chunks, b"")
        answer, self.rest = (self.rest, b"") if size < 0 else (self.rest[:size], self.rest[size:])
        return answer


def _zstd(first: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
    with zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(
        _Joined(first, chunks),  # type: ignore[arg-type]  # it only ever calls read
        read_across_frames=True,
    ) as reader:
        while piece := reader.read(_CHUNK):
            yield piece


class _Counted:
    """A stream that knows how much was read of it."""

    def __init__(self, stream: Readable) -> None:
        self.stream, self.total = stream, 0

    def read(self, size: int = -1, /) -> bytes:
        piece = self.stream.read(size)
        self.total += len(piece)
        return piece


def _bounded(chunks: Iterator[bytes], packed: _Counted) -> Iterator[bytes]:
    total = 0
    for chunk in chunks:
        total += len(chunk)
        if total > LARGEST_FILE:
            raise BodyRefused(f"unpacks to more than {said_size(LARGEST_FILE)}; cut it by day")
        if total > _UNPACKED and total > MOST_TIMES * packed.total:
            raise BodyRefused(
                f"unpacks to more than {MOST_TIMES} times its size, as no log does; send it"
                " unpacked"
            )
        yield chunk


# --- one large document


# A document down to its list, or a bare list.
_OPENING = re.compile(rb"(?:\xef\xbb\xbf)?\s*((?:\{[^\[{]{0,2000}?\"(\w{1,40})\"\s*:\s*)?\[)")
# A string, closed or cut off by the end of the buffer (then without its group), or a bracket.
_TOKEN = re.compile(rb"\"(?:[^\"\\]++|\\.)*+(?:(\")|\\?\Z)|[{}\[\]]", re.DOTALL)
_EDGE = re.compile(rb"\}\s*,\s*(?=\{\s*\")")


def _opening(head: bytes, lists: Container[str]) -> re.Match[bytes] | None:
    """The beginning of a document whose records stand in its first list."""
    found = _OPENING.match(head)
    return found if found and (found[2] is None or found[2].decode() in lists) else None


def _next_opening(
    buffer: bytearray, chunks: Iterator[bytes], lists: Container[str]
) -> re.Match[bytes] | None:
    """The beginning of a further document behind the list of a large one."""
    _fill(buffer, chunks, 65_536)
    end = strung.end_of_first(bytes(buffer[:65_536]))
    if not end:
        return None
    del buffer[:end]
    _fill(buffer, chunks, _HEAD)
    opening = _opening(bytes(buffer[:_HEAD]), lists)
    if opening is None:
        raise BodyRefused(
            "holds a document behind its records that lists none; write each into a file of its own"
        )
    return opening


def _fill(buffer: bytearray, chunks: Iterator[bytes], size: int) -> bool:
    """Read until the buffer holds so much; whether there was anything to read."""
    before = len(buffer)
    while len(buffer) < size and (chunk := next(chunks, b"")):
        buffer += chunk
    return len(buffer) > before


def _documents(buffer: bytearray, chunks: Iterator[bytes], size: int) -> Iterator[Part]:
    """Documents that stand one after the other, as many as a part may hold."""
    first = number = 1
    begun, seen, more = 0, 0, True
    while more:
        data = bytes(buffer)
        while end := strung.end_of_first(data, seen):
            seen = end
            number += 1
            if number - first >= size or seen - begun >= FULL:
                yield Part(data[begun:seen], first, "document")
                first, begun = number, seen
        if len(data) - seen > LARGEST_OF_LISTS:
            raise BodyRefused(
                f"holds a document of more than {said_size(LARGEST_OF_LISTS)}, document {number};"
                " write it into a file of its own"
            )
        del buffer[:begun]
        begun, seen = 0, seen - begun
        # Twice as much, so that what has no end yet is not looked at for every chunk.
        more = _fill(buffer, chunks, 2 * len(buffer) + 1)
    if buffer.strip():
        yield Part(bytes(buffer), first, "document")


def _elements(
    buffer: bytearray, chunks: Iterator[bytes], size: int, opening: re.Match[bytes], first: int
) -> Generator[Part, None, int]:
    """A list's elements in lists of `size`, by their braces; gives back the number after the last."""
    # A log subscription says before its events whose they all are.
    cutter = _Cutter(size, opening[1] if opening[2] == b"logEvents" else b'{"Records":[', first)
    more = True
    while more:
        yield from cutter.cut(buffer)
        if cutter.closed:
            break
        chunk = next(chunks, None)
        if chunk is None:
            more = False
        else:
            buffer += chunk
    if not cutter.closed and buffer.strip(b" \r\n\t,"):
        # The document was cut off: the format says what of the rest it can read.
        cutter.add(bytes(buffer))
        buffer.clear()
    yield from cutter.rest()
    return cutter.number


class _Cutter:
    """Finds whole elements in a growing buffer and groups them into parts."""

    def __init__(self, size: int, opening: bytes, first: int) -> None:
        self.size, self.opening = size, opening
        self.closed = False
        self.depth = 0
        self.begun = -1  # where the open element begins in the buffer
        self.seen = 0  # how far the buffer has been looked at
        self.taken: list[bytes] = []
        self.held = 0
        self.first = self.number = first

    def add(self, element: bytes) -> None:
        self.taken.append(element)
        self.held += len(element)
        self.number += 1

    def rest(self) -> Iterator[Part]:
        if self.taken:
            # The bracket is left open when the last element is: damage stays visible.
            yield Part(self.opening + b",".join(self.taken) + b"]}", self.first, "record")
            self.taken, self.held, self.first = [], 0, self.number

    def cut(self, buffer: bytearray) -> Iterator[Part]:
        size = len(buffer)
        data = bytes(buffer)
        done = 0
        for match in _TOKEN.finditer(data, self.seen):
            token = data[match.start()]
            if token == 0x22:
                if match[1] is None:
                    # The string goes on in the next chunk: look at it again then.
                    self.seen = match.start()
                    break
            elif token in b"{[":
                if self.depth == 0:
                    self.begun = match.start()
                self.depth += 1
            elif self.depth == 0:
                self.closed = True
                break
            else:
                self.depth -= 1
                if self.depth == 0:
                    self.add(data[self.begun : match.end()])
                    done = match.end()
                    self.begun = -1
                    if len(self.taken) >= self.size or self.held >= FULL:
                        yield from self.rest()
            self.seen = match.end()
        # Also what follows the last element and begins none: it would be looked at again each time.
        held = self.begun if self.begun >= 0 else done
        if not self.closed and size - held > _LARGEST_RECORD:
            done = self._damaged(data, held)
        del buffer[:done]
        self.seen -= done
        if self.begun >= 0:
            self.begun -= done
        if self.held >= FULL:
            yield from self.rest()

    def _damaged(self, data: bytes, begun: int) -> int:
        """An element without an end: give up to the last edge to the format, begin anew there."""
        edges = [match.end() for match in _EDGE.finditer(data, begun)]
        end = edges[-1] if edges else len(data)
        if damage := data[begun:end].strip(b" \r\n\t,"):
            self.add(damage)
        self.begun, self.depth, self.seen = -1, 0, end
        return end
