"""JSON documents that stand one after the other, with nothing or only white space between them.

Owns where one ends and the next begins: so Firehose writes what it delivers, and so files that were
joined look. No bracket that closes is followed by one that opens inside a document, except in its
texts. Knows nothing of records. Pure.
"""

import re
from collections.abc import Iterator

# A document with all that stands behind it up to the next. Nothing is given back once it is taken:
# the work is linear in the text, whoever wrote it.
_DOCUMENT = re.compile(
    rb'(?:[^"}\]]++|"(?:[^"\\]++|\\.)*+"|[}\]](?!\s*+[{\[]))*+[}\]]\s*+(?=[{\[])', re.DOTALL
)


def end_of_first(text: bytes, start: int = 0) -> int:
    """Where the document after the one that begins at `start` begins; 0: none does."""
    found = _DOCUMENT.match(text, start)
    return found.end() if found is not None else 0


def documents(text: bytes) -> Iterator[bytes]:
    """The documents of a text, as far as their brackets tell."""
    start = 0
    while end := end_of_first(text, start):
        yield text[start:end]
        start = end
    yield text[start:]
