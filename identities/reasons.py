"""Why somebody did something, in words that other people read.

Owns what a reason may be: the ledger and the pages carry it whole, so it is bounded.
"""

from identities.permissions import NotPossible

LONGEST_REASON = 2_000
# How what has to be said begins, where that is not who reads it.
ASKS = ("why ", "what ", "who ")


def reason_given(reason: str, *, what: str) -> str:
    """A reason that other people can read, or NotPossible. `what`: what is to be said ("why it
    ends now"), or who reads it ("it stands in the ledger")."""
    said = reason.strip()
    if not said:
        raise NotPossible(f"Say {what}." if what.startswith(ASKS) else f"Say why: {what}.")
    if len(said) > LONGEST_REASON:
        raise NotPossible(f"The reason is longer than {LONGEST_REASON:,} characters: shorten it.")
    if "\0" in said:
        raise NotPossible("The reason holds a character that cannot be stored (NUL).")
    return said
