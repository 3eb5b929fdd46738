"""Why something is changed, where the case behind it may not be named.

Owns the words that stand in for a reason, and for who gave it. What is held or revoked is seen by
everybody who sees the thing; of a sealed case they read these words and nothing else. Which cases
are sealed, the app above says when it starts: here a case is a number.
"""

from collections.abc import Callable, Collection
from uuid import UUID

from identities.acting import Acting, By, acting

NEUTRAL = "by decision of responders; the case is sealed"
# Who asked is in the case, and in its rows of the ledger.
RESPONDERS = Acting("countersign", "Responders")


def _none(_: Collection[UUID]) -> frozenset[UUID]:
    return frozenset()


# Set when the app starts: which of these cases are sealed.
sealed: Callable[[Collection[UUID]], frozenset[UUID]] = _none


def unsaid(cases: Collection[UUID | None]) -> frozenset[UUID]:
    """Those of them whose reason is not said."""
    known = {one for one in cases if one is not None}
    return sealed(known) if known else frozenset()


def said_by(by: By, *, neutral: bool) -> By:
    """Who is named as having asked. The app's own acts name nobody."""
    return RESPONDERS if neutral and acting(by).user is not None else by
