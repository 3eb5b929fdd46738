"""What somebody read before they wrote: nobody writes over a statement that they have not seen.

Owns the mark of what stood on a page when its form was opened, and the refusal where something else
stands there by now. Pure: which words those are is the caller's.
"""

from collections.abc import Iterable
from hashlib import sha256

from identities.permissions import NotPossible


def mark(words: Iterable[object]) -> str:
    """A short digest of these, in their order; None and "" are one, as in a form."""
    said = "\x1f".join("" if one is None else str(one) for one in words)
    return sha256(said.encode()).hexdigest()[:32]


def require_same(read: str | None, stands: Iterable[object], *, what: str) -> None:
    """NotPossible where `read`, the mark of a form, is of something else than what stands now.

    `what`: what has changed, as the beginning of a sentence. None: the caller read nothing, as a
    script that states a thing from its own source.
    """
    if read is not None and read != mark(stands):
        raise NotPossible(
            f"{what} has changed since you opened this page, and nothing was written over it:"
            " read what stands there now, and send yours again if it still holds."
        )
