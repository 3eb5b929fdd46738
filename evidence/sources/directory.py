"""A directory on the server: every file below it, taken once it lies still.

Owns which directories may be read (COUNTERSIGN_READ_DIRECTORIES) and how files in them are found
and opened: step by step from an allowed root, no symbolic link followed on the way, so that
whoever may write there cannot make Countersign read what lies elsewhere. Which files are new is
sweeping's.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from django.conf import settings
from django.utils import timezone

from evidence.sources import s3, sweeping
from evidence.sources.contract import Asked, Check, Connector, Field, Page, tried
from evidence.sources.failures import Stopped
from evidence.sources.sweeping import Shelf, Thing, Unreadable

# A file that somebody still writes to is not read: half a line would be a reject.
STILL_SECONDS = 60
# Longer, and a file could be out of the next sweep's sight before it lies still.
LONGEST_STILL = sweeping.LATE / 2
# Of what a connection test looks at.
MOST_SEEN = 1000

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Not blocking: opening a pipe would otherwise wait for its writer.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Place(NamedTuple):
    """An allowed directory, and the way from it to the one that is read."""

    root: Path
    steps: tuple[str, ...]


def place_of(said: str) -> Place:
    """Where a source's directory lies. Raises Stopped when it is in no allowed one."""
    wanted = Path(os.path.normpath(said))
    roots = settings.READ_DIRECTORIES
    if not wanted.is_absolute():
        raise Stopped(f"{said[:200]} is no absolute path.", "Begin it with a slash.")
    for root in roots:
        if wanted.is_relative_to(root):
            return Place(root, wanted.relative_to(root).parts)
    allowed = ", ".join(str(root) for root in roots) or "none is"
    raise Stopped(
        f"{said[:200]} is in no directory that may be read (allowed: {allowed}).",
        "Name it, or one above it, in COUNTERSIGN_READ_DIRECTORIES of the worker and the web.",
    )


class Directory:
    """The directory of one pull."""

    def __init__(self, asked: Asked) -> None:
        self.said = asked.settings["directory"]
        self._place = place_of(self.said)
        still = int(asked.settings.get("still_seconds", "") or STILL_SECONDS)
        self._still_since = asked.until - min(timedelta(seconds=still), LONGEST_STILL)

    def listing(self, _: datetime, after: str) -> Iterator[Thing]:
        """Every file that lies still, in the order of its path."""
        with self._folder(()) as top:
            behind = tuple(after.split("/")) if after else ()
            for thing in _below(top, (), behind, self._still_since):
                if thing.modified <= self._still_since:
                    yield thing

    def opened(self, thing: Thing) -> "Descriptor":
        """The bytes of a file. Raises Unreadable."""
        *steps, name = thing.key.split("/")
        try:
            with self._folder(tuple(steps)) as folder:
                found = os.open(name, _FILE, dir_fd=folder)
        except OSError as problem:
            raise Unreadable(_words(problem)) from None
        if not stat.S_ISREG(os.fstat(found).st_mode):
            os.close(found)
            raise Unreadable("it is no file by now")
        return Descriptor(found)

    @contextmanager
    def _folder(self, steps: tuple[str, ...]) -> Iterator[int]:
        """A folder below the directory. Raises OSError, for the directory itself Stopped."""
        try:
            # The root is named by the server's administrator, and may be a link.
            found = os.open(self._place.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            found = _down(found, self._place.steps)
        except OSError as problem:
            raise Stopped(
                f"The directory {self.said[:200]} cannot be read: {_words(problem)}.",
                "Make it a directory, no link, that the user of Countersign may read.",
            ) from None
        found = _down(found, steps)
        try:
            yield found
        finally:
            os.close(found)


def _down(folder: int, steps: tuple[str, ...]) -> int:
    """The folder so many steps further; the one given is closed. Raises OSError."""
    for step in steps:
        try:
            further = os.open(step, _FOLDER, dir_fd=folder)
        finally:
            os.close(folder)
        folder = further
    return folder


def _below(
    folder: int, steps: tuple[str, ...], after: tuple[str, ...], now: datetime
) -> Iterator[Thing]:
    """The files below an open folder whose paths come behind this one; a folder that cannot be
    read is one of them."""
    with os.scandir(folder) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        path = (*steps, entry.name)
        if path < after[: len(path)]:
            continue
        try:
            seen = os.stat(entry.name, dir_fd=folder, follow_symlinks=False)
            if stat.S_ISDIR(seen.st_mode):
                yield from _inside(folder, path, after, now)
                continue
        except FileNotFoundError:
            continue  # it went away meanwhile
        except OSError:
            # Opening it says why, once, and the rest goes on.
            yield Thing("/".join(path), f"{seen.st_ino} refused", 1, now)
            continue
        if stat.S_ISREG(seen.st_mode) and path != after:
            yield _thing("/".join(path), seen)


def _inside(
    folder: int, path: tuple[str, ...], after: tuple[str, ...], now: datetime
) -> Iterator[Thing]:
    further = os.open(path[-1], _FOLDER, dir_fd=folder)
    try:
        yield from _below(further, path, after, now)
    finally:
        os.close(further)


def _thing(key: str, seen: os.stat_result) -> Thing:
    # Moving a file here keeps the time of its content, and dates its entry anew.
    at = max(seen.st_mtime, seen.st_ctime)
    return Thing(
        key,
        f"{seen.st_ino}:{seen.st_size}:{seen.st_mtime_ns}:{seen.st_ctime_ns}",
        seen.st_size,
        datetime.fromtimestamp(at, UTC),
    )


class Descriptor:
    """An open file, read as its bytes."""

    def __init__(self, number: int) -> None:
        self._file = os.fdopen(number, "rb", buffering=0)

    def read(self, size: int = -1, /) -> bytes:
        """As files read. Raises Unreadable."""
        try:
            return self._file.read(size) or b""
        except OSError as problem:
            raise Unreadable(_words(problem)) from None

    def close(self) -> None:
        """Close it."""
        self._file.close()


def _words(problem: OSError) -> str:
    if problem.errno in (errno.ELOOP, errno.ENOTDIR):
        return "it is no directory or file of its own (symbolic links are not followed)"
    return problem.strerror or type(problem).__name__


def pages(asked: Asked) -> Iterator[Page]:
    """One page a part of a file; a walk through the directory is a pull."""
    there = Directory(asked)
    shelf = Shelf(there.listing, there.opened, asked.settings.get("format", ""))
    yield from sweeping.pages(asked, shelf)


def check(asked: Asked) -> Iterator[Check]:
    """Whether the directory is allowed, and what lies in it."""
    yield tried("allowed", lambda: f"{place_of(asked.settings['directory']).root} may be read")
    yield tried("files", lambda: _seen(Directory(asked)))


def _seen(there: Directory) -> str:
    things = list(islice(there.listing(timezone.now(), ""), MOST_SEEN))
    if not things:
        return "no file lies still there yet"
    denied = []
    for thing in things:
        try:
            there.opened(thing).close()
        except Unreadable as problem:
            denied.append(f"{sweeping.shown(thing.key)}: {problem}")
    if denied:
        raise Stopped(
            f"{len(denied)} of {len(things)} files cannot be read, as {denied[0]}.",
            "Let the user of Countersign read them.",
        )
    more = "or more " if len(things) == MOST_SEEN else ""
    return f"{len(things)} {more}files can be read"


CONNECTOR = Connector(
    name="directory",
    title="Directory on the server",
    format="",
    plane="identity",
    fields=(
        Field(
            "directory",
            "Directory",
            help="a full path, in a directory that COUNTERSIGN_READ_DIRECTORIES names",
        ),
        Field(
            "still_seconds",
            "Seconds a file lies still",
            "number",
            required=False,
            default=str(STILL_SECONDS),
            help="before it is read: it may still be written to",
        ),
        s3.FORMAT,
    ),
    pages=pages,
    check=check,
    late_seconds=int(LONGEST_STILL.total_seconds()),
    needs="reading the files, as the user that runs Countersign",
)
