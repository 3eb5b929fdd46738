"""A log file that grows, rotates and is cut short, followed line by line without losing its place.

Owns the place: kept in a file of its own after what was read is stored, so that a crash at any
point reads a batch again, and what was stored is stored once. Rotation by renaming (also several
while nobody followed, also compressed) and by copying and truncating are followed; what was gone
before it was read is said. Must not know the database: what to do with lines is handed in.
"""

import fcntl
import json
import os
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Protocol

from evidence import siblings
from evidence.arriving import BATCH, LONGEST_LINE
from evidence.siblings import HEAD, Seen

NOTHING = Seen(0, 0, 0, 0)


class Take(Protocol):
    """Stores whole lines; `name` says where they stood. Returns when they are committed."""

    def __call__(self, lines: bytes, *, name: str) -> None: ...


class Busy(Exception):
    """Somebody else follows this file for this source."""


class Place:
    """Where a follower is, on disk: one JSON file, replaced as a whole, and a lock beside it."""

    def __init__(self, file: Path) -> None:
        self.file = file
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = os.open(f"{file}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            raise Busy(f"{file}.lock is held: another process follows this file.") from None

    def read(self) -> tuple[Seen, datetime] | None:
        """Raises ValueError when the file is damaged."""
        try:
            said = json.loads(self.file.read_bytes())
        except FileNotFoundError:
            return None
        try:
            at = datetime.fromtimestamp(said["at"], UTC)
            return Seen(*(said[name] for name in Seen._fields)), at
        except (KeyError, TypeError) as problem:
            raise ValueError(f"{self.file} holds no place") from problem

    def keep(self, seen: Seen, *, at: datetime) -> None:
        draft = Path(f"{self.file}.new")
        with draft.open("wb") as stream:
            stream.write(json.dumps({**seen._asdict(), "at": at.timestamp()}).encode())
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(self.file)

    def close(self) -> None:
        os.close(self._lock)


class Follower:
    """One file, from where it was left.

    `lost` is called with the times between which lines were gone before they were read.
    """

    def __init__(
        self,
        path: Path,
        place: Place,
        *,
        take: Take,
        lost: Callable[[datetime, datetime], None],
        now: Callable[[], datetime],
    ) -> None:
        self.path, self.place = path, place
        self._take, self._lost, self._now = take, lost, now
        self._open: BinaryIO | None = None
        self._from = path  # the file that is open; it may have another name by now
        self._seen = NOTHING
        self._rest = b""  # read, but not a whole line yet
        self._at = now()
        kept = place.read()
        if kept is not None:
            self._seen, self._at = kept
            found = siblings.again(path, self._seen)
            if found is None:
                self._gone()
            else:
                self._begin(found, self._seen.offset)

    def close(self) -> None:
        """Let go of the file; what is not stored yet is read again."""
        if self._open is not None:
            self._open.close()
        self._open, self._rest = None, b""

    def step(self) -> int:
        """Read and store one batch; how many bytes it was, 0 when there is nothing now."""
        if self._open is None and not self._next():
            return 0
        while True:
            lines = self._lines()
            # Asked after reading: a file that was cut and has grown again looks like any other.
            if self._is_cut_short():
                continue
            if lines:
                return self._hand_on(lines)
            following = siblings.after(self.path, self._seen)
            if following is None:
                return 0
            # Whoever wrote the next file had ended this one: now its end is its end.
            if lines := self._lines() or self._rest:
                return self._hand_on(lines)
            self._begin(following, 0)

    # --- which file

    def _begin(self, path: Path, offset: int) -> None:
        """Open a file and go to a place in it."""
        self.close()
        stream = siblings.opened(path)
        about = os.fstat(stream.fileno())
        stream.seek(offset)
        head = (self._seen.head_bytes, self._seen.head) if offset else (0, "")
        # Never back: also where a clock was set, no file is read in turns with another.
        modified = max(self._seen.modified, about.st_mtime_ns)
        self._seen = Seen(about.st_dev, about.st_ino, modified, offset, *head)
        self._open, self._from = stream, path

    def _next(self) -> bool:
        """Open the first file that is not read yet; False: there is none."""
        found = self.path if self._seen == NOTHING else siblings.after(self.path, self._seen)
        with suppress(FileNotFoundError):
            if found is not None:
                self._begin(found, 0)
                return True
        return False

    def _gone(self) -> None:
        """What was read last is nowhere, and with it what may have been written after."""
        self._lost(self._at, self._now())
        # Everything that is newer than the last reading is still to be read.
        self._seen = NOTHING._replace(modified=int(self._at.timestamp() * 1e9))

    def _is_cut_short(self) -> bool:
        """Whether the open file was truncated; then what was copied away before is open instead."""
        if self._open is None:
            return False
        seen, read = self._seen, self._seen.offset + len(self._rest)
        if self._from == self.path and os.fstat(self._open.fileno()).st_size >= read:
            alike = not seen.head_bytes or siblings.digest(self._open, seen.head_bytes) == seen.head
            self._open.seek(read)
            if alike:
                return False
        elif self._from != self.path:
            return False
        self.close()
        others = (one for one, _ in siblings.rotated(self.path))
        copy = next((one for one in others if siblings.begins_alike(one, seen)), None)
        if copy is not None:
            self._begin(copy, seen.offset)
            return True
        self._gone()
        return self._next()

    # --- lines

    def _lines(self) -> bytes:
        """Whole lines from where we are, as many as a batch holds; empty when there are none."""
        size = BATCH
        while self._open is not None:
            end = self._rest.rfind(b"\n") + 1
            if end or len(self._rest) >= LONGEST_LINE:
                break
            piece = self._open.read(size - len(self._rest))
            if not piece:
                return b""
            self._rest += piece
            size = LONGEST_LINE
        return self._rest[:end] if end else self._rest

    def _hand_on(self, lines: bytes) -> int:
        """Store lines, then keep the place behind them."""
        seen = self._seen
        if self._open is None:
            return 0
        self._take(lines, name=f"{self._from}, from byte {seen.offset}")
        self._rest = self._rest[len(lines) :]
        offset, head_bytes, head = seen.offset + len(lines), seen.head_bytes, seen.head
        if head_bytes < HEAD:
            head_bytes = min(HEAD, offset)
            head = siblings.digest(self._open, head_bytes)
            self._open.seek(offset + len(self._rest))
        modified = max(seen.modified, os.fstat(self._open.fileno()).st_mtime_ns)
        self._seen = Seen(seen.device, seen.inode, modified, offset, head_bytes, head)
        self._at = self._now()
        self.place.keep(self._seen, at=self._at)
        return len(lines)
