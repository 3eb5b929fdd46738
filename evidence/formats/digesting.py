"""By which digest a record is told apart, whoever sends it and whenever.

Owns what goes into it: whose record it is, of which kind, its vendor's number, and its canonical
form as received. Knows no body and no table. Pure.
"""

from functools import partial
from typing import Any

from evidence.formats import unstated
from evidence.formats.record import Asked
from evidence.formats.written import Remembered
from evidence.keys import DIGEST_SIZE, keyed


class Digester:
    """Keyed digests of received records, with one prepared beginning for each realm and kind.

    `text` is the canonical form of the record at hand.
    """

    __slots__ = ("asked", "begun", "kinds", "text")

    def __init__(self, asked: Asked, name: str = "") -> None:
        self.asked, self.text = asked, b""
        self.kinds: dict[str, Remembered[Any]] = {}
        self.of(name)

    def of(self, name: str) -> None:
        """From here on, records of this kind."""
        begun = self.kinds.get(name)
        if begun is None:
            begun = self.kinds[name] = Remembered(partial(self._begin, name))
        self.begun = begun

    def _begin(self, name: str, realm: str) -> Any:
        home = unstated.home(realm, self.asked.realms, self.asked.home)
        opening = f"{home}\0{name}\0".encode("utf-8", "surrogatepass")
        return keyed(self.asked.digest_key[:64], opening)

    def __call__(self, realm: str, vendor_id: str) -> bytes:
        digest = self.begun[realm].copy()
        digest.update(b"\0".join((vendor_id.encode("utf-8", "surrogatepass"), self.text)))
        made: bytes = digest.digest()
        return made[:DIGEST_SIZE]
