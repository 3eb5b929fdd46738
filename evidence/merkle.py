"""The Merkle tree over the ledger's rows (RFC 9162, section 2.1), and the way from a row to its root.

Leaf N - 1 is ``number (8 bytes, big-endian) || entry digest`` of seal N. A root stands for every
row below it, so a few dozen hashes show that a row is among a million. Pure.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256

SIZE = 32
EMPTY = sha256(b"").digest()


def leaf(number: int, digest: bytes) -> bytes:
    """The hash of the leaf of one row."""
    return sha256(b"\0" + number.to_bytes(8) + digest).digest()


def node(left: bytes, right: bytes) -> bytes:
    """The hash of what stands above two."""
    return sha256(b"\1" + left + right).digest()


class Peaks:
    """The roots of the full trees that so many leaves make, largest first: what is needed to go on.

    `packed` is how they are kept: 32 bytes each, as many as `size` has bits that are 1.
    """

    def __init__(self, size: int = 0, packed: bytes = b"") -> None:
        if len(packed) != SIZE * size.bit_count():
            raise ValueError(f"{len(packed)} bytes are no peaks of {size} leaves")
        self.size = size
        self._peaks = [packed[at : at + SIZE] for at in range(0, len(packed), SIZE)]

    def add(self, leaves: Iterable[bytes]) -> None:
        """Further leaves, in their order."""
        peaks = self._peaks
        for one in leaves:
            peaks.append(one)
            full = self.size
            while full & 1:
                right = peaks.pop()
                peaks[-1] = node(peaks[-1], right)
                full >>= 1
            self.size += 1

    @property
    def packed(self) -> bytes:
        return b"".join(self._peaks)

    def root(self) -> bytes:
        """The root over all leaves so far."""
        if not self._peaks:
            return EMPTY
        found = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            found = node(peak, found)
        return found


class Tree:
    """All levels of the tree over these leaves, 64 bytes a leaf, so that each way up is looked up
    when it is asked for and not kept."""

    def __init__(self, leaves: Iterable[bytes]) -> None:
        level = bytearray()
        for one in leaves:
            level += one
        self.size = len(level) // SIZE
        self._levels = [level]
        while len(level) > SIZE:
            above = bytearray()
            for at in range(0, len(level) - SIZE, 2 * SIZE):
                above += sha256(b"\1" + level[at : at + 2 * SIZE]).digest()
            if len(level) // SIZE % 2:
                above += level[-SIZE:]
            self._levels.append(above)
            level = above

    def path(self, index: int) -> list[bytes]:
        """The hashes beside the way from this leaf up to the root."""
        if not 0 <= index < self.size:
            raise IndexError(index)
        found = []
        for level in self._levels[:-1]:
            at = (index ^ 1) * SIZE
            if at < len(level):
                found.append(bytes(level[at : at + SIZE]))
            index >>= 1
        return found


def root_of(one: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """The root that a leaf's hash has by its path (RFC 9162, 2.1.3.2); empty where it fits none."""
    if not 0 <= index < size:
        return b""
    at, last, found = index, size - 1, one
    for beside in path:
        if last == 0:
            return b""
        if at & 1 or at == last:
            found = node(beside, found)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            found = node(found, beside)
        at, last = at >> 1, last >> 1
    return found if last == 0 else b""
