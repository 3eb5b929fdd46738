"""What sources said, as rows. Knows nothing of who anybody is."""

from .anchors import Anchor, AnchorCopy, SealKey
from .capsules import Capsule, Looked
from .custody import (
    CapsuleTombstone,
    DepositSeal,
    Dropped,
    Erasure,
    FilteredOut,
    Holder,
    LedgerTombstone,
    LegalHold,
    RetentionSaid,
    Tombstone,
)
from .events import Actor, AgentAbove, Event, Issuance, Link, Retold, Run, Sighting, Term
from .inference import Acquaintance, Clock, ClockTaken, Meaning
from .jobs import Job, LeasedJob, Plan
from .ledger import LedgerEntry, LedgerSeal
from .packs import Pack, Transfer
from .pulls import Connection, Pull
from .readings import MappingVersion, PastReading, Reading, Rereading
from .sources import Consumer, Deposit, DepositBody, Gap, Progress, Reject, Source
from .uploads import PendingUpload

__all__ = [
    "Acquaintance",
    "Actor",
    "AgentAbove",
    "Anchor",
    "AnchorCopy",
    "Capsule",
    "CapsuleTombstone",
    "Clock",
    "ClockTaken",
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
    "Job",
    "LeasedJob",
    "LedgerEntry",
    "LedgerSeal",
    "LedgerTombstone",
    "LegalHold",
    "Link",
    "Looked",
    "MappingVersion",
    "Meaning",
    "Pack",
    "PastReading",
    "PendingUpload",
    "Plan",
    "Progress",
    "Pull",
    "Reading",
    "Reject",
    "Rereading",
    "RetentionSaid",
    "Retold",
    "Run",
    "SealKey",
    "Sighting",
    "Source",
    "Term",
    "Tombstone",
    "Transfer",
]
