"""What sources said, as rows. Knows nothing of who anybody is."""

from .capsules import Capsule, Looked
from .events import Actor, Event, Issuance, Link, Run, Sighting, Term
from .ledger import LedgerEntry, LedgerSeal
from .pulls import Connection, Pull
from .sources import Consumer, Deposit, DepositBody, Gap, Progress, Reject, Source

__all__ = [
    "Actor",
    "Capsule",
    "Connection",
    "Consumer",
    "Deposit",
    "DepositBody",
    "Event",
    "Gap",
    "Issuance",
    "LedgerEntry",
    "LedgerSeal",
    "Link",
    "Looked",
    "Progress",
    "Pull",
    "Reject",
    "Run",
    "Sighting",
    "Source",
    "Term",
]
