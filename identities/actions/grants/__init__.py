"""Grants: what break-glass gives to one holder at one target, until a moment.

asked → granting → usable → ending → ended, or failed until a person acts. Asking, ending and
extending is in `asking`, the worker's part in `claiming` and `carrying`, which systems can grant in
`systems`, what is handed to the holder in `minting`, what pages show in `seeing`. Must not know of
cases, but for the id and words of one: who may ask is decided before anything here is called.
"""

from .asking import begin, end, extend, retry, used
from .carrying import grant_next
from .seeing import GrantSeen, of_case, seen, state_of, unfinished
from .systems import Offer, What, offer, why_not

__all__ = [
    "GrantSeen",
    "Offer",
    "What",
    "begin",
    "end",
    "extend",
    "grant_next",
    "of_case",
    "offer",
    "retry",
    "seen",
    "state_of",
    "unfinished",
    "used",
    "why_not",
]
