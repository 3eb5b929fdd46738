"""Patterns with ``*``: checked, written as Cedar literals, compared. Pure text.

Owns the escaping: whatever an owner or an attacker wrote leaves here as one Cedar string that
means exactly that text. `?` of IAM is refused, because Cedar's `like` has no such wildcard and
matching more than was written would grant more than was signed.
"""

import string
from functools import lru_cache

from .terms import LONGEST_WRITTEN, AuthorityError, shown

# Everything else is written as \u{…}: no list of dangerous characters to get wrong.
_PLAIN = frozenset(string.ascii_letters + string.digits + " /:._-+@=,")


def literal(text: str) -> str:
    """A Cedar string that means exactly this text."""
    return f'"{"".join(_char(char) for char in text)}"'


@lru_cache(maxsize=16_384)
def like(pattern: str) -> str:
    """A Cedar pattern in which only our ``*`` is a wildcard."""
    return f'"{"".join("*" if char == "*" else _char(char) for char in pattern)}"'


def _char(char: str) -> str:
    return char if char in _PLAIN else f"\\u{{{ord(char):x}}}"


def text(value: object, field: str) -> str:
    """A text of an owner's that can be written down, or AuthorityError."""
    if not isinstance(value, str) or not value:
        raise AuthorityError(field, "is empty; write a text")
    if len(value) > LONGEST_WRITTEN:
        raise AuthorityError(
            field, f"has {len(value):,} characters; write at most {LONGEST_WRITTEN:,}"
        )
    if not value.isprintable():
        # Also lone surrogates, which no encoding can carry; and what looks empty and is not.
        raise AuthorityError(
            field, f"{shown(value)!r} has characters that are not seen; remove them"
        )
    return value


def pattern(value: object, field: str) -> str:
    """A written pattern, or AuthorityError that says what to write."""
    written = text(value, field)
    if written != written.strip():
        raise AuthorityError(field, f"{shown(written)!r} begins or ends with a space; remove it")
    if "?" in written and not (
        written.startswith("arn:") and written.endswith("-??????") and written.count("?") == 6
    ):
        raise AuthorityError(
            field, f"{shown(written)!r} has a `?`; write `*`, which is the only wildcard"
        )
    if "${" in written:
        raise AuthorityError(
            field, f"{shown(written)!r} has a policy variable; write the value or `*`"
        )
    return written


def covers(outer: str, inner: str) -> bool:
    """Everything that `inner` matches is matched by `outer`.

    The inner ``*`` is read as a character that only an outer ``*`` can stand for. Sound, and
    exact because there are always characters that neither pattern writes.
    """
    if "*" not in outer:
        return outer == inner
    pieces = outer.split("*")
    first, *middle, last = pieces
    if len(inner) < len(first) + len(last):
        return False
    if not inner.startswith(first) or not inner.endswith(last):
        return False
    place = len(first)
    stop = len(inner) - len(last)
    # Leftmost is best for each piece between two wildcards. A piece never holds a `*`, so an
    # inner `*` can only fall into a gap, where an outer one stands for it.
    for piece in middle:
        found = inner.find(piece, place, stop)
        if found < 0:
            return False
        place = found + len(piece)
    return True
