"""Keys and digests that do not depend on the database.

Owns uuid7 (RFC 9562, section 5.7) for what people decide on, and the 16-byte keys under which
actors and terms are found. Pure.
"""

import secrets
import threading
import time
import uuid
from hashlib import blake2b, sha256
from typing import Any

DIGEST_SIZE = 16
_BLOCK = 64  # of SHA-256, in bytes
_ordering = threading.Lock()
_latest = [0]  # the time of the last uuid7, in 4,096ths of a millisecond


def uuid7() -> uuid.UUID:
    """A UUID after every other of this process: 48 bits of milliseconds, 12 of their fraction
    (RFC 9562, section 6.2, method 3), 62 random bits."""
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    with _ordering:
        _latest[0] = max((milliseconds << 12) + rest * 4096 // 1_000_000, _latest[0] + 1)
        milliseconds, fraction = divmod(_latest[0], 4096)
    return uuid.UUID(
        int=(milliseconds & (2**48 - 1)) << 80
        | 0x7 << 76
        | fraction << 64
        | 0x2 << 62
        | secrets.randbits(62)
    )


def key_of(*parts: str) -> uuid.UUID:
    """The key of a name: blake2b of its parts, NUL between them."""
    return uuid.UUID(hex_key_of(*parts))


def hex_key_of(*parts: str) -> str:
    """The same key as 32 hexadecimal digits: where there are thousands, objects cost too much."""
    text = "\0".join(parts).encode("utf-8", "surrogatepass")
    return blake2b(text, digest_size=16).hexdigest()


def keyed(key: bytes, opening: bytes) -> Any:
    """A digest of records begun with a key: copy it, update it, and take DIGEST_SIZE bytes.

    SHA-256 after a block of the key, cut to half: nobody without the key can aim for one, and
    what is cut off cannot be lengthened. Processors have instructions for it: BLAKE2 takes twice
    as long, which is a fifteenth of the intake.
    """
    return sha256(key[:_BLOCK].ljust(_BLOCK, b"\0") + opening)
