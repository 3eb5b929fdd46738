"""Sealed rows of the ledger as the database writes them, and whether each fits the one before.

Owns the quick way through a ledger of millions: no objects, one statement a page, the canonical form
by the fast encoder. It only says that nothing is wrong with a row; what is, ledger.verify looks at.
"""

from collections.abc import Iterator
from hashlib import sha256
from typing import Any, NamedTuple

import orjson
import rfc8785
from django.db import connection

from evidence import canonical

PAGE = 5_000


def chained(number: int, previous: bytes, digest: bytes) -> bytes:
    """The hash of seal `number`."""
    return sha256(number.to_bytes(8) + previous + digest).digest()


# What the digest is taken over, written by the database as ledger.members writes it.
QUICK = """
SELECT s.number, s.entry_digest, s.previous, s.hash, e.digest,
    to_char(e.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    to_char(e.recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    e.by, e.by_name, e.act, e.subject, e.words, e.data::text, e.sealed_case::text,
    encode(e.salt, 'hex'), e.version
FROM evidence_ledgerseal s LEFT JOIN evidence_ledgerentry e ON e.id = s.entry_id
WHERE s.number > %s ORDER BY s.number LIMIT %s
"""


class SealedRow(NamedTuple):
    """A sealed row as the database writes it; of an entry that is gone all but the seal is None."""

    number: int
    entry_digest: bytes
    previous: bytes
    hash: bytes
    digest: bytes | None
    at: str
    recorded_at: str
    by: str
    by_name: str
    act: str
    subject: str
    words: str
    data: str
    sealed_case: str | None
    salt: str
    version: int

    def fits(self, before: bytes) -> bool:
        """Whether nothing is wrong with it, seen after the row of this hash. What does not fit here
        is looked at slowly: words that were erased with two signatures do not fit either."""
        if self.digest != self.entry_digest or self.previous != before or self.number < 1:
            return False
        if self.hash != chained(self.number, self.previous, self.entry_digest):
            return False
        said = {
            "at": self.at,
            "recorded_at": self.recorded_at,
            "by": self.by,
            "by_name": self.by_name,
            "act": self.act,
            "subject": self.subject,
            "words": self.words,
            "data": orjson.loads(self.data),
            "sealed_case": self.sealed_case,
            "salt": self.salt,
            "version": self.version,
        }
        try:
            return sha256(canonical.dumps(said)).digest() == self.digest
        except rfc8785.CanonicalizationError:
            return False


def all_of_them() -> Iterator[SealedRow]:
    """All sealed rows in order."""
    after = -(2**63)
    while True:
        with connection.cursor() as cursor:
            cursor.execute(QUICK, [after, PAGE])
            page = cursor.fetchall()
        for row in page:
            yield SealedRow(row[0], *map(_plain, row[1:5]), *row[5:])
        if len(page) < PAGE:
            return
        after = page[-1][0]


def _plain(value: Any) -> Any:
    return None if value is None else bytes(value)
