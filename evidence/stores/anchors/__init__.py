"""Where the ledger's head is kept that nobody here can rewrite: kinds of places, and one door to each.

from evidence.stores import anchors
set_up = anchors.configured.read()          # None: nobody has set any up
kept = anchors.keep(place, statement, now=now)
anchors.problem(place, statement, receipt)  # "" or what is wrong with what was kept
anchors.held(place)                         # the heads it holds; None: it cannot be asked
"""

from datetime import datetime
from typing import Protocol

from evidence.sources.failures import Stopped
from evidence.stores.anchors import (
    bucket,
    configured,
    keys,
    mail,
    signed_heads,
    timestamp,
    webhook,
)
from evidence.stores.anchors.configured import Held, Kept, Place, Statement

__all__ = [
    "Held",
    "Kept",
    "Place",
    "Statement",
    "configured",
    "held",
    "keep",
    "keys",
    "problem",
    "signed_heads",
]


class Kind(Protocol):
    """What each kind of place can do."""

    def keep(self, place: Place, statement: Statement, *, now: datetime) -> Kept:
        """Leave the statement there. Raises Stopped (somebody has to act) or Later."""

    def problem(self, place: Place, statement: Statement, receipt: bytes) -> str:
        """What is wrong with what was kept; "" where it still says this statement."""

    def held(self, place: Place) -> list[Held] | None:
        """Every head the place holds, deleted and overwritten ones too; None: this kind of place
        cannot be asked. Raises Stopped or Later."""


KINDS: dict[str, Kind] = {
    "rfc3161": timestamp,
    "s3": bucket,
    "webhook": webhook,
    "mail": mail,
}


def keep(place: Place, statement: Statement, *, now: datetime) -> Kept:
    """Leave a statement at a place."""
    return KINDS[place.kind].keep(place, statement, now=now)


def held(place: Place) -> list[Held] | None:
    """Every head that a place says it holds; None: its kind cannot be asked. Raises Stopped, Later."""
    return KINDS[place.kind].held(place)


def problem(place: Place, statement: Statement, receipt: bytes) -> str:
    """What is wrong with a receipt; the place is asked again where it can be."""
    try:
        return KINDS[place.kind].problem(place, statement, receipt)
    except Stopped as stopped:
        return stopped.what
