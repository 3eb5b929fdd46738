"""Sealed rows of the ledger as the database writes them, and whether each is what was sealed.

Owns the quick way through a ledger of millions: no objects, one statement a page, the canonical form
by the fast encoder. It only says that nothing is wrong with a row; what is, the verifier looks at.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256

import orjson
import psycopg
import rfc8785
from django.db import connection, transaction

from evidence import canonical
from evidence.ledger.form import around, chained

PAGE = 5_000
BEFORE_ALL = -(2**63)
AFTER_ALL = 2**63 - 1


# What the digest is taken over, nearly as form.py has it: to_char takes five times as long as JSON.
QUICK = """
SELECT s.number, s.previous, s.hash, s.entry_digest, e.digest,
    to_json(e.at AT TIME ZONE 'UTC')::text, to_json(e.recorded_at AT TIME ZONE 'UTC')::text,
    e.by, e.by_name, e.act, e.subject, e.words, e.data::text, e.sealed_case::text,
    encode(e.salt, 'hex'), e.version
FROM evidence_ledgerseal s LEFT JOIN evidence_ledgerentry e ON e.id = s.entry_id
WHERE s.number > %s AND s.number <= %s ORDER BY s.number LIMIT %s
"""
END_OF_STRETCH = """
SELECT number FROM evidence_ledgerseal WHERE number > %s ORDER BY number OFFSET %s LIMIT 1
"""


# Number, the hash it says the row before has, its own; whether its entry has its digest, and the
# hash fits both.
type SealedRow = tuple[int, bytes, bytes, bool]


def stretches(rows: int) -> Iterator[tuple[int, int]]:
    """The numbers of all rows, so many at a time, as (after, through); the last one is open."""
    after = BEFORE_ALL
    while True:
        with connection.cursor() as cursor:
            cursor.execute(END_OF_STRETCH, [after, rows - 1])
            end = cursor.fetchone()
        yield after, end[0] if end else AFTER_ALL
        if end is None:
            return
        after = end[0]


def are_more_than(rows: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(END_OF_STRETCH, [BEFORE_ALL, rows])
        return cursor.fetchone() is not None


def between(after: int, through: int) -> Iterator[SealedRow]:
    """The rows with these numbers in their order. What is not sound is to be looked at slowly:
    words that were erased with two signatures are not, either."""
    while True:
        with connection.cursor() as cursor:
            # Django's own cursors know no binary answers, whose bytes are bytes in half of the time.
            binary = psycopg.Cursor(cursor.connection)
            page = binary.execute(QUICK, [after, through, PAGE], binary=True).fetchall()
        for row in page:
            yield row[0], row[1], row[2], _sound(*row)
        if len(page) < PAGE:
            return
        after = page[-1][0]


def _sound(
    number: int,
    previous: bytes,
    hash_: bytes,
    sealed: bytes,
    digest: bytes | None,
    at: str,
    recorded_at: str,
    by: str,
    by_name: str,
    act: str,
    subject: str,
    words: str,
    data: str,
    sealed_case: str | None,
    salt: str,
    version: int,
) -> bool:
    if digest != sealed or number < 1 or chained(number, previous, sealed) != hash_:
        return False
    try:
        content = around(
            canonical.dumps(orjson.loads(data)),
            at=_moment(at),
            recorded_at=_moment(recorded_at),
            by=by,
            by_name=by_name,
            act=act,
            subject=subject,
            words=words,
            sealed_case=sealed_case,
            salt=salt,
            version=version,
        )
    except (rfc8785.CanonicalizationError, orjson.JSONDecodeError):
        return False
    return sha256(content).digest() == digest


def _moment(told: str) -> str:
    """A time as it is digested: "2026-11-24T15:48:10.5", quotes included, has six places and Z."""
    whole, _, part = told[1:-1].partition(".")
    return f"{whole}.{part:0<6}Z"


@contextmanager
def one_moment() -> Iterator[None]:
    """Everything that is read in it is of one moment; a caller's own transaction is kept."""
    if connection.in_atomic_block:
        yield
        return
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield
