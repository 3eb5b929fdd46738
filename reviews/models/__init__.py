"""What people decide, as rows."""

from .cases import Case, CaseMember, Decision, Item, Pinned, Seat
from .notices import Notice
from .policies import ReviewPolicy

__all__ = [
    "Case",
    "CaseMember",
    "Decision",
    "Item",
    "Notice",
    "Pinned",
    "ReviewPolicy",
    "Seat",
]
