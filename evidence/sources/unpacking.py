"""The bytes of an answer, unpacked within bounds.

Owns the one compression that is asked for (gzip). A server that sends another one was not asked
for it, and what it unpacks to is not found out.
"""

import zlib

import httpx

from evidence.sources.failures import Stopped, TooLarge

GZIP = 16 + zlib.MAX_WBITS


def read(answer: httpx.Response, place: str, limit: int) -> bytes:
    """All of it. Raises TooLarge past the limit, and Stopped for what cannot be read."""
    packing = answer.headers.get("Content-Encoding", "").strip().lower()
    if packing in ("", "identity"):
        unpacker = None
    elif packing in ("gzip", "x-gzip"):
        unpacker = zlib.decompressobj(GZIP)
    else:
        raise Stopped(
            f"{place} answers compressed with {packing[:40]}, which it was not asked for.",
            "Let it answer with gzip or without compression.",
        )
    body = bytearray()
    for piece in answer.iter_raw():
        chunk = piece
        while True:
            if unpacker is None:
                body += chunk
            else:
                try:
                    body += unpacker.decompress(chunk, limit + 1 - len(body))
                except zlib.error:
                    raise Stopped(
                        f"{place} answers with gzip that is damaged.", "Try it without compression."
                    ) from None
            if len(body) > limit:
                raise TooLarge(
                    f"{place} answers with more than {limit >> 20} MiB", "Ask for smaller pages."
                )
            if unpacker is None or not unpacker.unused_data:
                break
            # RFC 1952: one member after the other.
            chunk, unpacker = unpacker.unused_data, zlib.decompressobj(GZIP)
    if unpacker is not None and not unpacker.eof and body:
        raise Stopped(f"{place} answers with gzip that ends too early.", "Ask again.")
    return bytes(body)
