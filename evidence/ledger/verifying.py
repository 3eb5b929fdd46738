"""Whether the ledger is what was sealed: changed, removed, inserted and reordered rows are found.

Owns what is said of each, in its order, and that a large ledger is looked through by several
processes: each takes one stretch of numbers after the other, and what joins two stretches (the
number, and the hash of the row before) is compared here. They need not see one moment: rows are only
ever added, the last stretch is open, and what is said of a row is read in one moment of its own.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

from django.db import DataError

from evidence import crew
from evidence.ledger import sealed_rows
from evidence.ledger.form import GENESIS, chained, digest_of
from evidence.models import LedgerEntry, LedgerSeal, LedgerTombstone

# Rows that two people took words out of: `entries`, by id [digest before, digest after].
ERASED = "ledger.erased"
# How many rows one process looks at before it says what it found; a ledger that is one stretch
# is looked through here.
STRETCH = 20_000
# How many unsealed entries are read at once.
PAGE = 2_000
LOOSE = "does not follow the row before it"


class Fault(NamedTuple):
    """Something the verifier found: at which number (0: not sealed yet), and what."""

    number: int
    what: str


class Verified(NamedTuple):
    """What the verifier saw."""

    sealed: int
    unsealed: int
    last: int  # the number of the last row, and its hash
    head: bytes
    faults: list[Fault]


class _Asked(NamedTuple):
    """A stretch that is to be looked through."""

    after: int
    through: int
    most_faults: int
    kept: int | None  # the number whose hash is wanted


class _Stretch(NamedTuple):
    """What was seen of it. Of an empty one `first` is None."""

    seen: int
    first: tuple[int, bytes] | None  # its number, and the hash it says the row before it has
    last: tuple[int, bytes]
    met: bytes | None  # the hash that was wanted
    faults: list[Fault]


def verify(
    *, most_faults: int = 100, kept: tuple[int, bytes] | None = None, processes: int = 1
) -> Verified:
    """Walk the whole ledger. `kept` is a head that was kept elsewhere: the hash that this number
    had. `processes`: how many may work at once, where this one may fork (crew.size); raises
    crew.WorkerLost when one of them is killed.
    """
    faults: list[Fault] = []
    number, previous, seen = 0, GENESIS, 0
    met: bytes | None = None
    for part in _looked_through(most_faults, None if kept is None else kept[0], processes):
        if part.first is None:
            continue
        faults += _joined(number, previous, *part.first) + part.faults
        number, previous = part.last
        seen += part.seen
        met = met or part.met
        if len(faults) >= most_faults:
            return Verified(seen, 0, number, previous, faults[:most_faults])
    if kept is not None and met is None:
        faults.append(Fault(kept[0], "the end was cut off: this row was there before"))
    elif kept is not None and met != kept[1]:
        faults.append(Fault(kept[0], "has another hash than the one that was kept"))
    with sealed_rows.one_moment():
        unsealed, wrong = _unsealed(most_faults)
    return Verified(seen, unsealed, number, previous, (faults + wrong)[:most_faults])


def _looked_through(most_faults: int, kept: int | None, processes: int) -> Iterator[_Stretch]:
    # Read after the others have begun: they are forked without a connection.
    jobs = (
        (_Asked(after, through, most_faults, kept), b"")
        for after, through in sealed_rows.stretches(STRETCH)
    )
    if processes > 1 and crew.size() and sealed_rows.are_more_than(STRETCH):
        return crew.side_by_side(_look_through, jobs, workers=processes)
    return (_look_through(*job) for job in jobs)


def _look_through(asked: _Asked, _: bytes) -> _Stretch:
    """One stretch, in one moment. Its first row is taken to follow what it says itself."""
    faults: list[Fault] = []
    erased = _Erased()
    first: tuple[int, bytes] | None = None
    number, previous, seen = 0, GENESIS, 0
    met: bytes | None = None
    with sealed_rows.one_moment():
        for row, before, hash_, sound in sealed_rows.between(asked.after, asked.through):
            if first is None:
                first, number, previous = (row, before), row - 1, before
            if row != number + 1 or before != previous:
                faults += _joined(number, previous, row, before)
            if not sound:
                faults += [Fault(row, what) for what in _wrong(row, erased)]
            number, previous = row, hash_
            seen += 1
            if number == asked.kept:
                met = previous
            if len(faults) >= asked.most_faults:
                break
    return _Stretch(seen, first, (number, previous), met, faults)


def _joined(number: int, hash_: bytes, following: int, previous: bytes) -> list[Fault]:
    """What is wrong where row `following`, which says it follows `previous`, follows a row."""
    faults = []
    if following != number + 1:
        lacking = f"seal {number + 1} is missing" if following > number else "out of order"
        faults.append(Fault(following, lacking))
    if previous != hash_:
        faults.append(Fault(following, LOOSE))
    return faults


class _Erased:
    """What the ledger says of words that were erased, read when it is first asked."""

    @cached_property
    def _told(self) -> set[tuple[str, str, str]]:
        said = LedgerEntry.objects.filter(act=ERASED).values_list("data", flat=True)
        return {
            (entry, *pair) for data in said.iterator() for entry, pair in data["entries"].items()
        }

    def left(self, entry: LedgerEntry, stones: Sequence[LedgerTombstone]) -> bytes:
        """The digest that an entry has by what was erased of it; empty when that is not told."""
        expected = bytes(entry.digest)
        for stone in stones:
            gone, left = bytes(stone.gone_digest), bytes(stone.left_digest)
            if gone != expected or (str(entry.pk), gone.hex(), left.hex()) not in self._told:
                return b""
            expected = left
        return expected


def _wrong(number: int, erased: _Erased) -> list[str]:
    """What is wrong with one sealed row by itself."""
    row = LedgerSeal.objects.get(pk=number)
    wrong = []
    try:
        entry = LedgerEntry.objects.filter(pk=row.entry_id).first()
        if entry is None:
            wrong.append("its entry is gone")
        elif bytes(entry.digest) != bytes(row.entry_digest) or digest_of(entry) != erased.left(
            entry, list(entry.tombstones.order_by("pk"))
        ):
            wrong.append(f"entry {entry.pk} was changed after sealing")
    except (DataError, RecursionError):  # a time of no calendar, lists in lists without an end
        wrong.append(f"entry {row.entry_id} was changed after sealing: it cannot be read")
    if row.number < 1:
        wrong.append("no row has this number")
    elif bytes(row.hash) != chained(row.number, bytes(row.previous), bytes(row.entry_digest)):
        wrong.append("its hash does not fit its content")
    return wrong


def _unsealed(most_faults: int) -> tuple[int, list[Fault]]:
    """How many entries wait for their seal, and what is wrong with them."""
    faults: list[Fault] = []
    erased, many = _Erased(), 0
    waiting = LedgerEntry.objects.filter(seal__isnull=True).prefetch_related("tombstones")
    for entry in waiting.order_by("pk").iterator(PAGE):
        many += 1
        stones = sorted(entry.tombstones.all(), key=lambda stone: stone.pk)
        if digest_of(entry) != erased.left(entry, stones) and len(faults) < most_faults:
            faults.append(Fault(0, f"entry {entry.pk}, not sealed yet, was changed"))
    return many, faults
