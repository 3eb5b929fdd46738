"""What is cut from a file: one part of it, and the sentence when it cannot be cut.

Owns what the cutters of documents and of text share. Pure.
"""

from typing import NamedTuple

MEBI = 1024 * 1024
# A part is closed at this size even when it holds few records.
FULL = 16 * MEBI


class BodyRefused(Exception):
    """A body that cannot be taken as a whole; `reason` says why and what to do."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Part(NamedTuple):
    """One body cut from a file, to be taken on its own."""

    body: bytes
    first: int  # number of its first record, line or document in the file, from 1
    # What `first` counts: "record", "line" or "document"; "body" when the file is one part.
    unit: str
    repeated: int = 0  # lines before its first that stand elsewhere: the names of the columns


def said_size(count: int) -> str:
    return f"{count // MEBI} MiB" if count >= MEBI else f"{count} bytes"
