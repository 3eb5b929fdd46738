"""Where the ledger's head is kept that nobody here can rewrite: kinds of places, and one door to each.

from evidence.stores import anchors
set_up = anchors.configured.read()          # None: nobody has set any up
kept = anchors.keep(place, statement, now=now)
anchors.problem(place, statement, receipt)  # "" or what is wrong with what was kept
"""

from datetime import datetime
from typing import Protocol

from evidence.sources.failures import Stopped
from evidence.stores.anchors import bucket, configured, keys, mail, timestamp, webhook
from evidence.stores.anchors.configured import Kept, Place, Statement

__all__ = ["Kept", "Place", "Statement", "configured", "keep", "keys", "problem"]


class Kind(Protocol):
    """What each kind of place can do."""

    def keep(self, place: Place, statement: Statement, *, now: datetime) -> Kept:
        """Leave the statement there. Raises Stopped (somebody has to act) or Later."""

    def problem(self, place: Place, statement: Statement, receipt: bytes) -> str:
        """What is wrong with what was kept; "" where it still says this statement."""


KINDS: dict[str, Kind] = {
    "rfc3161": timestamp,
    "s3": bucket,
    "webhook": webhook,
    "mail": mail,
}


def keep(place: Place, statement: Statement, *, now: datetime) -> Kept:
    """Leave a statement at a place."""
    return KINDS[place.kind].keep(place, statement, now=now)


def problem(place: Place, statement: Statement, receipt: bytes) -> str:
    """What is wrong with a receipt; the place is asked again where it can be."""
    try:
        return KINDS[place.kind].problem(place, statement, receipt)
    except Stopped as stopped:
        return stopped.what
