"""Records that are JSON behind the header of a log line: of syslog, of a file's own prefix.

Owns how such lines are known and read. What stands before the JSON is the vendor's to say. Pure.
"""

import re
from collections.abc import Iterator
from typing import Any

import orjson

from evidence.formats import lines
from evidence.formats.documents import Piece
from evidence.formats.tables import Text

_LONGEST_HEADER = 200


def text(before: bytes, what: str) -> Text:
    """Lines in which JSON follows this expression; `what` a line is not that holds none."""
    begins = re.compile(rb'[^{\n]{0,%d}(?:%b)\{"' % (_LONGEST_HEADER, before))

    def looks(head: bytes) -> bool:
        return begins.match(head) is not None

    def pieces(body: bytes) -> Iterator[Piece]:
        return lines.each_line(body, _behind, what)

    return Text(looks, pieces, lambda _: lines.Lines(looks))


def beside(first: Text, other: Text) -> Text:
    """Two kinds of text of one vendor; the first that knows the beginning reads it."""

    def of(head: bytes) -> Text:
        return first if first.looks(head) else other

    return Text(
        lambda head: first.looks(head) or other.looks(head),
        lambda body: of(body).pieces(body),
        lambda head: of(head).seams(head),
    )


def _behind(line: str) -> dict[str, Any] | None:
    try:
        entry = orjson.loads(line[line.index("{") :])
    except (ValueError, RecursionError):
        return None
    return entry if type(entry) is dict else None
