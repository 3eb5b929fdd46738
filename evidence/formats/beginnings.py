"""What the beginning of a JSON document says that is cut off, or broken.

Owns the closing of what a cut leaves open, and where a document is wrong. Knows no records. Pure.
"""

import re
from typing import Any

import orjson

from evidence.formats import strung
from evidence.formats.documents import WANTS_MORE, clean, is_lines, said
from evidence.formats.escaping import escaped_json

# A text, also one that is cut off, a bracket, or what parts members.
_SIGNS = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[{}\[\],]', re.DOTALL)
# As deep as the parser goes.
_DEEPEST = 1_024


def begun(text: bytes) -> Any:
    """What the beginning of a document says, which may be cut anywhere: all up to its last comma,
    with what is open closed; None where that is no JSON either."""
    open_ones, cut, still_open = bytearray(), 0, b""
    for match in _SIGNS.finditer(text):
        sign = text[match.start()]
        if sign == 0x2C:
            cut, still_open = match.start(), bytes(open_ones) if len(open_ones) < _DEEPEST else b""
        elif sign in b"{[":
            open_ones.append(sign)
        elif sign in b"}]" and open_ones:
            open_ones.pop()
    closing = still_open[::-1].replace(b"{", b"}").replace(b"[", b"]")
    try:
        return orjson.loads(text[:cut] + closing) if still_open else None
    except (ValueError, RecursionError):
        return None


def broken(head: bytes) -> str:
    """What is wrong in the one document that a body begins with, and where; empty: nothing but
    that it is cut off, or it is no such document."""
    text = clean(escaped_json(head))
    if text[:1] not in (b"{", b"[") or is_lines(text) or strung.end_of_first(text):
        return ""
    try:
        orjson.loads(text)
    except RecursionError:
        return ""
    except ValueError as problem:
        return "" if WANTS_MORE in str(problem) else said(problem)
    return ""
