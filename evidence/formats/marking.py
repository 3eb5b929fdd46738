"""What stays of content that is dropped: its length and its digest.

Owns the mark that stands in its place, `[content:characters:digest]`. The digest is a BLAKE2 of 8
bytes under the installation's key: who has the key can show that a text they hold is the one that
was dropped; nobody without it can guess a short text from it. Pure.
"""

import re
from hashlib import blake2b
from typing import Any

_GONE = re.compile(r"\[content:\d{1,12}(?::[0-9a-f]{16})?\]")


def is_gone(value: Any) -> bool:
    """Whether this is such a mark, also one of the time before marks had digests."""
    return type(value) is str and value[:9] == "[content:" and _GONE.fullmatch(value) is not None


class Gone(list[int]):
    """The lengths of what was dropped, one number for each place; and what marks the places."""

    __slots__ = ("_begun",)

    def __init__(self, key: bytes) -> None:
        super().__init__()
        self._begun = blake2b(key=key[:64], digest_size=8, person=b"content")

    def mark(self, content: str | bytes) -> str:
        """The mark that stands for this content, which is counted from here on."""
        self.append(len(content))
        digest = self._begun.copy()
        if isinstance(content, str):
            digest.update(content.encode("utf-8", "surrogatepass"))
        else:
            digest.update(content)
        return f"[content:{len(content)}:{digest.hexdigest()}]"
