"""Which rows are in the sample: anybody can draw it again with a standard library.

Owns the rule. Each row of a table has a rank, the SHA-256 of seed, table and key, each ended by a
line feed, in UTF-8 and written in hexadecimal. The sample is the rows of the smallest ranks, in
their order. Neither the order of rows nor other rows change a rank, so nothing has to be trusted but
the seed, which stands in the ledger before a row was read. Pure.
"""

import heapq
from collections.abc import Iterable, Iterator
from hashlib import sha256

MOST = 1_000
ALGORITHM = (
    "rank = sha256((seed + '\\n' + table + '\\n' + key + '\\n').encode('utf-8')).hexdigest();"
    " the sample of a table is its rows with the smallest ranks, in the order of their ranks"
)


def rank(seed: str, table: str, key: str) -> str:
    """The rank of one row."""
    return sha256(f"{seed}\n{table}\n{key}\n".encode()).hexdigest()


class Draw:
    """The sample of one table, while its rows go by. Holds no more rows than are drawn."""

    def __init__(self, seed: str, table: str, size: int) -> None:
        self._seed, self._table, self._size = seed, table, size
        # The largest rank of those that are kept lies on top.
        self._kept: list[tuple[int, str, bytes]] = []

    def see(self, key: str, line: bytes) -> None:
        """One row, with the line that is written of it."""
        if not self._size:
            return
        here = rank(self._seed, self._table, key)
        one = (-int(here, 16), here, line)
        if len(self._kept) < self._size:
            heapq.heappush(self._kept, one)
        elif one > self._kept[0]:
            heapq.heapreplace(self._kept, one)

    def drawn(self) -> Iterator[tuple[str, bytes]]:
        """(rank, line) of each drawn row, by rank."""
        for _, here, line in sorted(self._kept, reverse=True):
            yield here, line


def redrawn(seed: str, table: str, keys: Iterable[str], size: int) -> list[str]:
    """The same from all keys at once: what an auditor computes."""
    return sorted(keys, key=lambda key: rank(seed, table, key))[:size]
