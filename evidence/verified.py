"""How far the ledger was verified, against whom, and when: the foot of every page.

Owns what the last walk over the chain found, in the cache: losing it costs a walk.
"""

from datetime import datetime
from typing import NamedTuple

from django.core.cache import cache

from evidence import anchoring, ledger, outside_heads
from evidence.ledger import Fault
from evidence.outside_heads import Outside
from evidence.sources.failures import Stopped
from evidence.stores import anchors

KEY = "ledger.verification"
KEPT_SECONDS = 7 * 86_400


class Verified(NamedTuple):
    """What the last verification found: up to which row, when, whether everything fitted, one of
    the states of outside_heads, and what a person has to know of it."""

    row: int
    at: datetime
    ok: bool
    state: str
    words: str


def outside() -> Outside:
    """The places compared with the ledger. Raises Stopped where their settings cannot be read."""
    return outside_heads.compare(anchors.configured.read())


def check(*, now: datetime) -> Verified:
    """Ask the places outside, walk the whole chain, and remember what was found."""
    try:
        found = outside()
    except Stopped as problem:
        state, why = outside_heads.NOT_CHECKED, [f"{problem.what} {problem.fix}"]
        found = Outside(state, 0, 0, [], "", why, [], [])
    walked = ledger.verify(most_faults=1)
    faults = found.faults + walked.faults + anchoring.faults()
    row = faults[0].number if faults else found.row or walked.sealed
    said = Verified(row, now, not faults, state_of(found, faults), sentence(found, faults))
    cache.set(KEY, tuple(said), KEPT_SECONDS)
    return said


def state_of(found: Outside, faults: list[Fault]) -> str:
    """In one of the states of outside_heads, with everything else that is wrong."""
    return outside_heads.WRONG if faults and not found.faults else found.state


def sentence(found: Outside, faults: list[Fault]) -> str:
    """What a person has to know: what is wrong first, else what was not compared, and restorations."""
    if faults:
        fix = found.fix if found.faults else "Run `manage.py verify_ledger`."
        return f"Row {faults[0].number:,}: {faults[0].what}. {fix}"
    return " ".join([*found.unreachable, *(f"{one.words}." for one in found.restored)])


def last() -> Verified | None:
    """What the last verification found; None before the first."""
    kept = cache.get(KEY)
    return Verified(*kept) if kept else None
