"""The evidence that is linked together: some deposits, and of what they bring some hours.

Knows deposits and times; must not know statements (evidence/links.py and its neighbours).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, NamedTuple

from evidence.models import Deposit

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


class Keys(NamedTuple):
    """Keys of events, as the database writes arrays: they are only handed back to it."""

    at: str
    id: str


NO_KEYS = Keys("{}", "{}")


@dataclass(frozen=True)
class Slice:
    """Deposits whose events happened from `first` to `last`, and the links to be made of them:
    those whose effect happened from `since` until before `until`.

    `whole`: these deposits are most of what there is in their time, so that it is read through
    instead of being looked up event by event. That is a matter of cost, never of what is found.
    """

    deposits: tuple[int, ...]
    sources: tuple[int, ...]
    first: datetime
    last: datetime
    since: datetime
    until: datetime
    whole: bool = False

    def facts(self) -> dict[str, Any]:
        """What statements say of it."""
        return {
            # As text, so that it is taken for numbers as long as those of the column: only such
            # are looked up by hash, others one after the other.
            "deposits": f"{{{','.join(map(str, self.deposits))}}}",
            "first": self.first,
            "last": self.last,
            "since": self.since,
            "until": self.until,
        }

    def parts(self, cuts: Sequence[datetime]) -> list["Slice"]:
        """The same, cut at these moments of its effects."""
        ends = [self.since, *sorted(cuts), self.until]
        return [replace(self, since=one, until=two) for one, two in pairwise(ends) if one < two]


def of(deposits: Sequence[Deposit], *, whole: bool = False) -> Slice | None:
    """All that these bring; None when it is no event."""
    moments = [
        moment for one in deposits for moment in (one.first_at, one.last_at) if moment is not None
    ]
    if not moments:
        return None
    first, last = min(moments), max(moments)
    # A request id is the same call for a day (correlation.WINDOW_MICROS).
    return Slice(
        tuple(one.pk for one in deposits),
        tuple(sorted({one.source_id for one in deposits})),
        first,
        last,
        first - DAY,
        last + DAY + timedelta(microseconds=1),
        whole,
    )


def cuts(deposits: Sequence[Deposit], edges: Sequence[float]) -> list[datetime]:
    """The full hours before which such parts of their events happened, of 1, as far as deposits
    tell: nothing learnt of an hour is then written from both sides."""
    dated = [
        (one.first_at, one.last_at, max(one.events, 1))
        for one in deposits
        if one.first_at is not None and one.last_at is not None
    ]
    if not dated:
        return []
    every = sum(many for _, _, many in dated)
    found: list[datetime] = []
    for edge in edges:
        low, high = min(one for one, _, _ in dated), max(two for _, two, _ in dated)
        for _ in range(24):
            cut = low + (high - low) / 2
            before = sum(
                many
                * min(1.0, max(0.0, (cut - first) / (last - first)) if last > first else cut > last)
                for first, last, many in dated
            )
            low, high = (cut, high) if before < every * edge else (low, cut)
        found.append(low.astimezone(UTC).replace(minute=0, second=0, microsecond=0))
    return found
