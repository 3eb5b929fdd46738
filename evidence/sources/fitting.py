"""How many rows a page asks for: fewer once an answer was too large to be held.

Owns the one number that a pull carries for this. Knows no system. Pure.
"""

from collections.abc import Callable

from evidence.sources.failures import TooLarge


class Fitting:
    """The rows of a page, from `most` down to one."""

    def __init__(self, most: int) -> None:
        self.rows = most

    def fetched[T](self, fetch: Callable[[int], T]) -> T:
        """What `fetch` answers for so many rows. Raises TooLarge when one row is too large."""
        while True:
            try:
                return fetch(self.rows)
            except TooLarge:
                if self.rows == 1:
                    raise
                self.rows = max(1, self.rows // 4)
