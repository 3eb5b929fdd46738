"""Our own secrets in what others say: a server may repeat what it was asked with.

Owns the forms in which a secret could come back (as it is, in JSON, in an address, in base64, in
a header), and taking them out of text before anything keeps or shows it. Kept in memory for one
pull, and only there. Pure.
"""

from base64 import b64encode, urlsafe_b64encode
from urllib.parse import quote, quote_plus

import orjson

# Shorter ones stand in every text.
SHORTEST = 4
# Lines of a document (a key in PEM, an account in JSON) that are kept by themselves.
LONG = 24
INSTEAD = "[a secret of this source]"


class Discretion:
    """What may not be repeated."""

    def __init__(self) -> None:
        self._forms: set[str] = set()

    def keep(self, secret: str) -> None:
        """From now on this is in no text; a document of several lines is not, line by line."""
        lines = [line.strip() for line in secret.splitlines()]
        for text in {secret.strip(), *(one for one in lines if len(one) >= LONG)}:
            self._add(text)

    def _add(self, text: str) -> None:
        if len(text) < SHORTEST:
            return
        data = text.encode("utf-8", "replace")
        forms = {text, quote(text, safe=""), quote_plus(text), orjson.dumps(text).decode()[1:-1]}
        # In base64 its beginning and end depend on what stands beside it: what is certain is kept.
        for before in range(3):
            coded = b64encode(b"\0" * before + data).decode().rstrip("=")
            certain = coded[-(-before * 8 // 6) : len(coded) - 1]
            if len(certain) >= 2 * SHORTEST:
                forms |= {certain, certain.replace("+", "-").replace("/", "_")}
        forms |= {b64encode(data).decode(), urlsafe_b64encode(data).decode()}
        self._forms |= forms

    def header(self, value: str) -> None:
        """What a request carries to say who asks: `Bearer …`, `Basic …`, or the bare token."""
        for word in value.split():
            if len(word) >= 2 * SHORTEST:
                self.keep(word)

    def clean(self, text: str) -> str:
        """The text without them."""
        for form in sorted(self._forms, key=len, reverse=True):
            if form in text:
                text = text.replace(form, INSTEAD)
        return text
