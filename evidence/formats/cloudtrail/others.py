"""What is CloudTrail's, and no record of a call as AWS writes it to a trail.

Owns which kinds of those there are, and which module reads each. Pure.
"""

from collections.abc import Callable
from typing import Any

from evidence.formats.cloudtrail import aggregated, insights, lowered, sentinel
from evidence.formats.record import Record

type Digest = Callable[[str, str], bytes]


def is_one(value: Any) -> bool:
    """Whether this is one of them, without an envelope."""
    return type(value) is dict and (
        insights.is_insight(value)
        or lowered.is_lowered(value)
        or aggregated.is_aggregated(value)
        or sentinel.is_row(value)
    )


def read(
    position: str,
    record: dict[str, Any],
    digest: Digest,
    *,
    at: Callable[[str], int | None],
    call: Callable[[str, Any, Digest], Record],
) -> Record | None:
    """The record of one of them; None where it is none. `at` reads a time, `call` a plain record."""
    if aggregated.is_aggregated(record):
        return aggregated.read(position, record, at, digest)
    if lowered.is_lowered(record):
        return call(position, lowered.restored(record), digest)
    if insights.is_insight(record):
        stated = record.get("eventTime")
        return insights.read(position, record, at(stated if type(stated) is str else ""), digest)
    if sentinel.is_row(record):
        return call(position, sentinel.restored(record), digest)
    return None
