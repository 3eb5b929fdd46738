"""Break-glass accounts: the way in when the identity provider, or whoever could help, is not there.

Owns their making and ending, signing in with a sealed code, the loud word at each use, and that
somebody else looks at it. What a bundle gives for a while is reviews/break_glass.
"""

from .entering import TooMany, address_of, enter, signed_in
from .looking import look_back, open_uses, why_not_look_back
from .making import end, live, make, seal, why_not_administer_accounts

__all__ = [
    "TooMany",
    "address_of",
    "end",
    "enter",
    "live",
    "look_back",
    "make",
    "open_uses",
    "seal",
    "signed_in",
    "why_not_administer_accounts",
    "why_not_look_back",
]
