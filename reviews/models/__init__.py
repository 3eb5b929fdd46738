"""What people decide, as rows."""

from .cases import Case, CaseMember, Decision, Item, Pinned, Seat, Withdrawal
from .notices import Notice
from .policies import Heartbeat, ReviewPolicy

__all__ = [
    "Case",
    "CaseMember",
    "Decision",
    "Heartbeat",
    "Item",
    "Notice",
    "Pinned",
    "ReviewPolicy",
    "Seat",
    "Withdrawal",
]
