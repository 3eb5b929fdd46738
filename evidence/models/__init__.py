"""What sources said, as rows. Knows nothing of who anybody is."""

from .capsules import Capsule, Looked
from .custody import (
    DepositSeal,
    Dropped,
    Erasure,
    FilteredOut,
    Holder,
    LegalHold,
    RetentionSaid,
    Tombstone,
)
from .events import Actor, Event, Issuance, Link, Run, Sighting, Term
from .inference import Acquaintance, Clock, Meaning
from .ledger import LedgerEntry, LedgerSeal
from .pulls import Connection, Pull
from .readings import MappingVersion, PastReading, Reading, Rereading
from .sources import Consumer, Deposit, DepositBody, Gap, Progress, Reject, Source

__all__ = [
    "Acquaintance",
    "Actor",
    "Capsule",
    "Clock",
    "Connection",
    "Consumer",
    "Deposit",
    "DepositBody",
    "DepositSeal",
    "Dropped",
    "Erasure",
    "Event",
    "FilteredOut",
    "Gap",
    "Holder",
    "Issuance",
    "LedgerEntry",
    "LedgerSeal",
    "LegalHold",
    "Link",
    "Looked",
    "MappingVersion",
    "Meaning",
    "PastReading",
    "Progress",
    "Pull",
    "Reading",
    "Reject",
    "Rereading",
    "RetentionSaid",
    "Run",
    "Sighting",
    "Source",
    "Term",
    "Tombstone",
]
