"""How many different things there are among many, in 2 KiB, without keeping any of them.

Owns a HyperLogLog (Flajolet et al., "HyperLogLog: the analysis of a near-optimal cardinality
estimation algorithm", 2007; with its counting of empty registers for small numbers). What is counted
are keyed digests, whose bits are as good as chance. The estimate's standard error is 2.3 %: 95 of
100 are within 4.6 %. Sketches of parts become that of the whole, in any order. Pure.
"""

from collections.abc import Iterable
from math import log

_BITS = 11
REGISTERS = 1 << _BITS
ERROR = 1.04 / REGISTERS**0.5
_REST = 64 - _BITS
_ALPHA = 0.7213 / (1 + 1.079 / REGISTERS)
EMPTY = b""


def added(sketch: bytes, digests: Iterable[bytes]) -> bytes:
    """The sketch with these digests as well, each of at least eight bytes."""
    registers = bytearray(sketch or REGISTERS)
    for digest in digests:
        bits = int.from_bytes(digest[:8])
        place = bits >> _REST
        # How far the first bit that is set stands from the left.
        rank = _REST - (bits & ((1 << _REST) - 1)).bit_length() + 1
        if rank > registers[place]:
            registers[place] = rank
    return bytes(registers)


def merged(one: bytes, other: bytes) -> bytes:
    """The sketch of what is in one or the other."""
    if not one or not other:
        return one or other
    return bytes(map(max, one, other))


def estimate(sketch: bytes) -> int:
    """How many different digests were added, about."""
    if not sketch:
        return 0
    found = _ALPHA * REGISTERS**2 / sum(2.0**-rank for rank in sketch)
    empty = sketch.count(0)
    if found <= 2.5 * REGISTERS and empty:
        found = REGISTERS * log(REGISTERS / empty)
    return round(found)
