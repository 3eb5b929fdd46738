"""What may be shown and kept of something that could not be read, where content is dropped.

A format that cannot read a piece cannot say which of its texts are content. So texts of more than
one word are taken for it, and so are those in letters beyond ASCII, which some people write
without spaces; names of members, ids, numbers, times and addresses stay, which is what somebody
needs to see what is wrong. Knows no format. Pure.
"""

import re

from evidence.formats.marking import Gone
from evidence.formats.record import Redaction

# A text as JSON writes it, also one that is cut off, and whether it is the name of a member.
_TEXT = re.compile(rb'"((?:[^"\\]++|\\.)*+)("?)(\s*+:)?', re.DOTALL)
# Words in a row outside such texts: a line of plain text, a piece of protobuf. One word as well,
# so that none is begun twice: the time is linear in the bytes.
_WORD = rb"[^\s\"{}\[\]:,\x00-\x1f]++"
_WORDS = re.compile(rb"%b(?:[ \t]++%b)*+" % (_WORD, _WORD))
_SAYS_MORE = re.compile(rb"\s|\\[ntru]|[\x80-\xff]")
LONGEST_WORD = 64


def outlined(raw: bytes, lost: Gone | None = None) -> tuple[bytes, int]:
    """The same bytes with a mark for each text, and how many characters went.

    The marks have digests where `lost` makes and counts them, else only lengths.
    """
    gone = 0

    def mark(text: bytes) -> bytes:
        nonlocal gone
        written = text.decode("utf-8", "replace")
        gone += len(written)
        return b"[content:%d]" % len(written) if lost is None else lost.mark(written).encode()

    def of_json(match: re.Match[bytes]) -> bytes:
        text, end, colon = match[1], match[2], match[3] or b""
        if len(text) <= LONGEST_WORD and not _SAYS_MORE.search(text):
            return match[0]
        return b'"%b%b%b' % (mark(text), end, colon)

    def of_words(match: re.Match[bytes]) -> bytes:
        return mark(match[0]) if _SAYS_MORE.search(match[0]) else match[0]

    return _WORDS.sub(of_words, _TEXT.sub(of_json, raw)), gone


def outline(raw: bytes, position: str, redactions: list[Redaction], key: bytes) -> bytes:
    """What is kept of such bytes; what went is added to the redactions."""
    lost = Gone(key)
    left, _ = outlined(raw, lost)
    redactions += [Redaction(position, "content", length) for length in lost]
    return left
