"""Keys and digests that do not depend on the database.

Owns uuid7 (RFC 9562, section 5.7) for what people decide on, and the 16-byte keys under which
actors and terms are found. Pure.
"""

import secrets
import time
import uuid
from hashlib import blake2b


def uuid7() -> uuid.UUID:
    """A time-ordered UUID: 48 bits of milliseconds, 74 random bits."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds & (2**48 - 1)) << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return uuid.UUID(int=value)


def key_of(*parts: str) -> uuid.UUID:
    """The key of a name: blake2b of its parts, NUL between them."""
    return uuid.UUID(hex_key_of(*parts))


def hex_key_of(*parts: str) -> str:
    """The same key as 32 hexadecimal digits: where there are thousands, objects cost too much."""
    text = "\0".join(parts).encode("utf-8", "surrogatepass")
    return blake2b(text, digest_size=16).hexdigest()
