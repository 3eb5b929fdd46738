"""Files of one log: the one that is written now, and those it was rotated into.

Owns how they are told apart and found again: by their place on the disk, and by their beginning,
which a copy and a compressed file share. Knows neither lines nor the database.
"""

import gzip
import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

# So much of what was read tells a file from others.
HEAD = 1024
_ROTATED = r"[-._]\d[\dTZ.:_-]*"
_GZIP = b"\x1f\x8b"


class Seen(NamedTuple):
    """How far a file was read, and how it is known again."""

    device: int
    inode: int
    modified: int  # nanoseconds; files that are newer come after it
    offset: int  # in its text, also when it is compressed
    head_bytes: int = 0
    head: str = ""


def look(path: Path) -> os.stat_result | None:
    """What the disk says of a file; None when it is no file, or gone."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found if stat.S_ISREG(found.st_mode) else None


def opened(path: Path) -> BinaryIO:
    """Its text from the beginning, unpacked where it is packed. Raises OSError."""
    stream = path.open("rb", buffering=0)
    if os.pread(stream.fileno(), 2, 0) != _GZIP:
        return cast("BinaryIO", stream)
    stream.close()
    return cast("BinaryIO", gzip.open(path, "rb"))


def digest(stream: BinaryIO, size: int) -> str:
    """The digest of a stream's first bytes; leaves it there. Empty when it has not so many."""
    stream.seek(0)
    found = b""
    while len(found) < size and (piece := stream.read(size - len(found))):
        found += piece
    return sha256(found).hexdigest() if len(found) == size else ""


def begins_alike(path: Path, seen: Seen) -> bool:
    """Whether this file begins with what was read of the one that was seen."""
    if not seen.head_bytes:
        return False
    with suppress(OSError, EOFError), opened(path) as stream:
        return digest(stream, seen.head_bytes) == seen.head
    return False


def rotated(path: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """The files that this log was rotated into, as far as their names say, oldest first."""
    name, stem, suffix = (re.escape(one) for one in (path.name, path.stem, path.suffix))
    fits = re.compile(rf"(?:{name}{_ROTATED}|{stem}{_ROTATED}{suffix})(?:\.gz)?")
    found = []
    with suppress(OSError):
        for one in path.parent.iterdir():
            about = look(one) if one != path and fits.fullmatch(one.name) else None
            if about is not None:
                found.append((one, about))
    yield from sorted(found, key=lambda pair: pair[1].st_mtime_ns)


def again(path: Path, seen: Seen) -> Path | None:
    """Where what was seen lies now: the log itself, a file it was renamed to, a copy; None: gone."""
    about = look(path)
    if about is not None and is_same(path, about, seen):
        return path
    others = list(rotated(path))
    for one, stats in others:
        if is_same(one, stats, seen):
            return one
    return next((one for one, _ in others if begins_alike(one, seen)), None)


def is_same(path: Path, about: os.stat_result, seen: Seen) -> bool:
    """Whether a file is the very one that was seen, and still holds what was read of it."""
    if (about.st_dev, about.st_ino) != (seen.device, seen.inode) or about.st_size < seen.offset:
        return False
    return not seen.head_bytes or begins_alike(path, seen)


def after(path: Path, seen: Seen) -> Path | None:
    """The file that was written after the one that was seen; None: there is none yet.

    An empty file is no such: whoever rotates makes it before the writer has turned to it.
    """
    for one, about in rotated(path):
        newer = about.st_mtime_ns > seen.modified and about.st_size > 0
        if newer and about.st_ino != seen.inode and not begins_alike(one, seen):
            return one
    now = look(path)
    return path if now is not None and now.st_size and now.st_ino != seen.inode else None
