"""How far the ledger was verified, and when: the foot of every page.

Owns what the last walk over the chain found, in the cache: losing it costs a walk.
"""

from datetime import datetime
from typing import NamedTuple

from django.core.cache import cache

from evidence import anchoring, ledger

KEY = "ledger.verified"
KEPT_SECONDS = 7 * 86_400


class Verified(NamedTuple):
    """The last row that was verified, when, and whether everything fitted."""

    row: int
    at: datetime
    ok: bool


def check(*, now: datetime) -> Verified:
    """Walk the whole chain, compare it with what was signed, and remember what was found."""
    found = ledger.verify(most_faults=1)
    faults = found.faults or anchoring.faults()
    said = Verified(faults[0].number if faults else found.sealed, now, not faults)
    cache.set(KEY, tuple(said), KEPT_SECONDS)
    return said


def last() -> Verified | None:
    """What the last walk found; None before the first."""
    kept = cache.get(KEY)
    return Verified(*kept) if kept else None
