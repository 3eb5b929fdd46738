"""Which event was read from which element of a deposit, and which record is read there now.

Owns the pairing of the old reading with the new one. An event holds its ordinal among the records
that were read, a reject its place among all elements of the body: from both follows which
element each event came from. Knows no SQL and no formats. Pure functions over rows and records.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from evidence.formats.record import Record, Rejected
from evidence.intake.places import numbers

_ELEMENT = re.compile(r"Records\[(\d{1,9})\]")


class NotAligned(Exception):
    """A deposit whose events cannot be told apart; the sentence says why. Nothing was changed."""


class OldEvent(NamedTuple):
    """An event as it is stored now. `ordinal` below zero: of an element that no reading reads."""

    at: datetime
    id: int
    ordinal: int
    digest: bytes
    dated: bool


class OldReject(NamedTuple):
    id: int
    position: str
    place: int | None
    unread: bool


class Pair(NamedTuple):
    """A record as it is read now, and what it was before."""

    record: Record
    ordinal: int
    element: int
    old: OldEvent | None
    # It may become an event of its own: what was read there before is no event of anybody.
    new: bool


class Aligned(NamedTuple):
    pairs: list[Pair]
    # Events of elements in which the new reading reads nothing: they stay as they are.
    left: list[tuple[OldEvent, int]]
    # (element, reject) of the new reading, and the rejects that it makes void.
    rejects: list[tuple[int, Rejected]]
    void: list[int]


def elements(
    records: Sequence[Record], rejects: Sequence[Rejected], *, kept_as_list: bool
) -> tuple[list[int], list[int]]:
    """The element of each record and of each reject, counted from 0 through the kept body.

    `kept_as_list`: positions name it. Else it is their rank: one record an element.
    """
    if kept_as_list:
        return (
            [_element(record.position) for record in records],
            [_element(reject.position) for reject in rejects],
        )
    ranks = {
        position: rank
        for rank, position in enumerate(
            sorted(
                [*(one.position for one in records), *(one.position for one in rejects)],
                key=numbers,
            )
        )
    }
    return (
        [ranks[record.position] for record in records],
        [ranks[reject.position] for reject in rejects],
    )


def _element(position: str) -> int:
    found = _ELEMENT.match(position)
    if found is None:
        raise NotAligned(f"the position {position[:60]!r} names no element of what is kept")
    return int(found[1])


def align(
    *,
    many: int,
    records: Sequence[Record],
    rejects: Sequence[Rejected],
    events: Sequence[OldEvent],
    answered: Sequence[OldReject],
    kept_as_list: bool,
) -> Aligned:
    """Pair both readings. `many`: the elements that the first reading counted."""
    of_records, of_rejects = elements(records, rejects, kept_as_list=kept_as_list)
    found = {*of_records, *of_rejects}
    if len(found) != many or (found and max(found) != many - 1):
        raise NotAligned(f"{len(found)} elements are found where {many} were kept")
    by_element, unread, refused = _old(many, events, answered)
    pairs: list[Pair] = []
    seen: set[int] = set()
    for ordinal, (record, element) in enumerate(zip(records, of_records, strict=True)):
        first = element not in seen
        seen.add(element)
        old = by_element.get(element) if first else None
        new = old is None and (not first or element in unread or element in refused)
        pairs.append(Pair(record, ordinal, element, old, new))
    left = [(old, element) for element, old in by_element.items() if element not in seen]
    now = set(of_rejects)
    # A reject that still holds keeps its words: they name the place in what was received.
    holds = {
        one.place: one.id
        for one in answered
        if one.place in now and one.unread and one.place in unread
    }
    return Aligned(
        pairs,
        left,
        [
            (element, reject)
            for element, reject in zip(of_rejects, rejects, strict=True)
            if element not in holds
        ],
        [one.id for one in answered if one.id not in holds.values()],
    )


def _old(
    many: int, events: Sequence[OldEvent], answered: Sequence[OldReject]
) -> tuple[dict[int, OldEvent], set[int], set[int]]:
    """({element: its event}, elements that were not read, elements whose record was refused)."""
    unread: set[int] = set()
    refused: set[int] = set()
    for reject in answered:
        if reject.place is None:
            raise NotAligned(
                "it was received before the places of rejects were kept; send its file again"
                " to another source"
            )
        (unread if reject.unread else refused).add(reject.place)
    by_ordinal = {event.ordinal: event for event in events if event.ordinal >= 0}
    by_element = {-1 - event.ordinal: event for event in events if event.ordinal < 0}
    read = [element for element in range(many) if element not in unread]
    if by_ordinal and max(by_ordinal) >= len(read):
        raise NotAligned("it has more events than records; its counts do not fit")
    by_element |= {read[ordinal]: event for ordinal, event in by_ordinal.items()}
    return by_element, unread, refused
