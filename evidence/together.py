"""What a job does otherwise that brings nearly all there is in its time.

Owns how such a job reads (through, instead of looking up) and writes (all at once, instead of
asking of each row). That is a matter of cost, never of what is found; must not know statements.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from django.db import IntegrityError, transaction

from evidence.slices import Slice


@contextmanager
def reading(cursor: Any, slice_: Slice) -> Iterator[None]:
    """What is read through is read page by page and joined by hash: the planner takes new deposits
    for few rows, and looks at each alone."""
    if slice_.whole:
        cursor.execute("SET LOCAL enable_nestloop = off; SET LOCAL enable_indexscan = off")
    yield
    if slice_.whole:
        cursor.execute("SET LOCAL enable_nestloop = on; SET LOCAL enable_indexscan = on")


class Insert(NamedTuple):
    """An INSERT in two words: one that asks together which rows are not there yet, and one that
    asks of each row by ON CONFLICT, which costs half as much as the row itself."""

    plain: str
    careful: str


def write(cursor: Any, insert: Insert, facts: Mapping[str, Any]) -> None:
    """Insert all at once; where another job writes one of the rows in this moment, carefully."""
    try:
        with transaction.atomic():
            cursor.execute(insert.plain, facts)
    except IntegrityError:
        cursor.execute(insert.careful, facts)
