"""Where in a body each reject stands: its number among all that the body holds.

Owns the order of positions. Events keep their ordinal among the records that were read; with the
places of rejects, reading a deposit again tells which event came from which element
(evidence/rereading). Pure functions.
"""

import re
from bisect import bisect_left
from collections.abc import Sequence

from evidence.formats.record import Record, Rejected

_NUMBERS = re.compile(r"\d{1,9}")


def numbers(position: str) -> tuple[int, ...]:
    """A position as it sorts: "line 12 Records[3]" -> (12, 3)."""
    return tuple(int(one) for one in _NUMBERS.findall(position))


def places(
    records: Sequence[Record], unread: Sequence[Rejected], refused: Sequence[Rejected]
) -> list[int]:
    """The place of each reject among all elements that a body holds: `unread` first.

    Positions are in order, so that a few rejects among many records cost little.
    """

    def between(key: tuple[int, ...]) -> int:
        return bisect_left(records, key, key=lambda record: numbers(record.position))

    keys = [numbers(one.position) for one in unread]
    # Records before it, and unread elements before it.
    found = [between(key) + rank for rank, key in enumerate(keys)]
    for one in refused:
        key = numbers(one.position)
        found.append(between(key) + bisect_left(keys, key))
    return found
