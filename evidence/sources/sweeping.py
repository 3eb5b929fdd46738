"""Whole files, whoever keeps them: what is new among them, handed out in parts, resumable.

Owns the cursor of connectors whose source is a listing (S3, a directory): a sweep walks the
listing in its order and remembers the last key, a part within a file, and what it took lately. A
listing is not in the order of arrival, so that each sweep begins LATE before the one before it,
and `taken` keeps most of that from being read again; reading again doubles nothing. Knows neither
the stores nor what becomes of the parts.
"""

import logging
from base64 import b85encode
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any, NamedTuple
from urllib.parse import quote_from_bytes, unquote_to_bytes

from evidence import files, intake
from evidence.formats.bodies import BodyRefused
from evidence.sources.contract import Asked, Page, Silent

log = logging.getLogger(__name__)

# A multi-part upload is dated by its beginning, and AWS lets clocks differ by fifteen minutes.
LATE = timedelta(hours=1)
# What a file that cannot be read may have told about: so long before it appeared.
COVERS = timedelta(minutes=15)
# Of files taken lately; past it some are read again.
MOST_TAKEN = 1000
# Files passed over, and parts skipped, before the driver hears that the pull is alive.
MOST_PASSED, MOST_SKIPPED = 5000, 50
LONGEST_NAME = 300


class Unreadable(Exception):
    """This one file can never be read; the sentence says why."""


class Changed(Exception):
    """This file is another one by now, which the next sweep finds."""


class Thing(NamedTuple):
    """One file of a listing."""

    key: str  # bytes that are no UTF-8 as lone surrogates
    version: str  # changes when its content does
    size: int
    modified: datetime  # when its store says that it appeared
    # Event time up to which everything before it in the listing goes.
    reached: datetime | None = None


class Shelf(NamedTuple):
    """A store of files.

    `listing`: what appeared since a moment (others may be among it), from behind a key on.
    `opened`: its bytes. Raises Unreadable or Changed for this file, Later and Stopped for all.
    """

    listing: Callable[[datetime, str], Iterator[Thing]]
    opened: Callable[[Thing], files.Closable]
    format: str = ""  # empty: recognised
    # Why a file of this name is no record of anything; empty: it may be one.
    beside: Callable[[str], str] = lambda _: ""


class Piece(NamedTuple):
    """A part of one file; `last` when nothing follows. Without a body: why there is none, or
    nothing yet: parts that were handed out before are being passed over."""

    body: bytes
    format: str
    name: str
    number: int
    last: bool
    silent: Silent | None = None

    def page(self, cursor: dict[str, Any], reached: datetime | None = None) -> Page:
        """This part as the driver takes it."""
        return Page(self.body, cursor, self.format, self.name, reached, silent=self.silent)


def pages(asked: Asked, shelf: Shelf) -> Iterator[Page]:
    """Everything that appeared up to `asked.until`; a sweep that was left is ended first."""
    cursor = dict(asked.cursor)
    while not finished(cursor, asked.until):
        for page in _sweep(asked, shelf, cursor):
            cursor = page.cursor
            yield page


def finished(cursor: Mapping[str, Any], until: datetime) -> bool:
    """Whether everything up to this moment is handed out."""
    mark = read_moment(cursor.get("mark"))
    return "began" not in cursor and mark is not None and mark >= until


def _sweep(asked: Asked, shelf: Shelf, cursor: Mapping[str, Any]) -> Iterator[Page]:
    mark = read_moment(cursor.get("mark"))
    began = read_moment(cursor.get("began")) or asked.until
    since = asked.since if mark is None else mark - LATE
    keep_from = began - LATE
    earlier = frozenset(cursor.get("taken", ()))
    taking = list(cursor.get("taking", ()))
    after = str(cursor.get("after", ""))
    at: dict[str, Any] = {"began": began.isoformat(), "taken": sorted(earlier)}
    if mark is not None:
        at["mark"] = mark.isoformat()
    passed = 0
    besides: Counter[str] = Counter()
    for thing in shelf.listing(since, unquoted(after)):
        digest = digest_of(thing)
        lately = thing.modified >= keep_from
        beside = "" if thing.modified < since else shelf.beside(thing.key)
        if beside:
            besides[beside] += 1
        if beside or thing.modified < since or not thing.size or digest in earlier:
            if lately and digest in earlier:
                taking = [*taking, digest][-MOST_TAKEN:]
            after = quoted(thing.key)
            passed += 1
            if passed % MOST_PASSED == 0:
                yield Page(b"", {**at, "after": after, "taking": taking})
            continue
        begin = int(cursor.get("part", 0)) if cursor.get("of") == digest else 0
        for piece in pieces(thing, shelf, begin=begin):
            if piece.last:
                if lately:
                    taking = [*taking, digest][-MOST_TAKEN:]
                now = {**at, "after": quoted(thing.key), "taking": taking}
            else:
                # The listing begins again before this file, behind the last one that is done.
                now = {**at, "after": after, "taking": taking, "of": digest}
                now["part"] = piece.number + 1
            yield piece.page(now, thing.reached)
        after = quoted(thing.key)
    for beside, many in sorted(besides.items()):
        log.info("%s files were passed over: %s", many, beside)
    yield Page(b"", {"mark": began.isoformat(), "taken": taking})


def pieces(thing: Thing, shelf: Shelf, *, begin: int = 0) -> Iterator[Piece]:
    """The parts of one file from number `begin` on; one that says why it cannot be read ends it."""
    held: Piece | None = None
    number = -1
    name = shown(thing.key)
    try:
        with closing(shelf.opened(thing)) as stream:
            for number, part in enumerate(files.cut(stream, name=name, format=shelf.format)):
                if held is not None:
                    yield held
                held = None
                if number >= begin:
                    held = Piece(part.body, part.format, part.name, number, last=False)
                elif number % MOST_SKIPPED == MOST_SKIPPED - 1:
                    yield Piece(b"", "", name, begin - 1, last=False)
    except Changed:
        # Parts of what it was may be handed out already; what it is now comes with its own time.
        if held is not None:
            yield held
        yield Piece(b"", "", name, number, last=True)
        return
    except (Unreadable, BodyRefused, intake.NotTaken) as problem:
        if held is not None:
            yield held
        log.warning("%s is left out: %s", name, problem)
        yield Piece(b"", "", name, number + 1, last=True, silent=unread(thing, str(problem)))
        return
    yield Piece(b"", "", name, number, last=True) if held is None else held._replace(last=True)


def unread(thing: Thing, why: str) -> Silent:
    """What a file that was not read may have told about."""
    # Files may appear in the same second, and each of them has a stretch of its own to be told by.
    apart = timedelta(microseconds=int.from_bytes(_hashed(thing)[:4]) % 1_000_000)
    begins = thing.modified - COVERS - apart
    return Silent(begins, thing.modified, f"{shown(thing.key)} was left out: {why}")


def digest_of(thing: Thing) -> str:
    """A short name for this file with this content."""
    return b85encode(_hashed(thing)).decode("ascii")


def _hashed(thing: Thing) -> bytes:
    said = f"{thing.key}\0{thing.version}".encode("utf-8", "surrogateescape")
    return blake2b(said, digest_size=8).digest()


def shown(key: str) -> str:
    """A name as people may see it: whoever wrote the file chose it."""
    clean = "".join(one if one.isprintable() else "�" for one in key)
    return clean if len(clean) <= LONGEST_NAME else f"…{clean[1 - LONGEST_NAME :]}"


def quoted(key: str) -> str:
    """A key as a cursor keeps it: any bytes, also those that JSON in a database cannot hold."""
    return quote_from_bytes(key.encode("utf-8", "surrogateescape"), safe="/=:+,@")


def unquoted(said: str) -> str:
    """The key that `quoted` wrote."""
    return unquote_to_bytes(said).decode("utf-8", "surrogateescape")


def read_moment(said: Any) -> datetime | None:
    """A moment as a cursor keeps it."""
    return datetime.fromisoformat(said) if type(said) is str and said else None
