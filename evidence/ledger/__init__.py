"""The ledger: every act by people and by this app, hash-chained (decisions 12).

Canonical form, version 1: RFC 8785 JSON of the members ``at, recorded_at, by, by_name, act,
subject, words, data, sealed_case, salt, version`` (times as RFC 3339 with microseconds and ``Z``,
the salt as hex, `sealed_case` as text or null); the entry's digest is its SHA-256. A seal's hash
is SHA-256 over ``number || previous || digest`` (number as 8 bytes, big-endian); the first
`previous` is 32 zero bytes. Test vector: tests/evidence/test_ledger.py. What leaves by `export`
is checked by scripts/verify_ledger.py, which needs nothing of this app.

A chain shows what was changed, removed, inserted or reordered inside it. That its end was cut off
shows only against a head (number and hash) that somebody kept elsewhere: `verify` takes one.

Here is what writes; form.py has the canonical form, verifying.py walks, exporting.py writes a file.
"""

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from django.db import connection, transaction

from evidence import canonical as canonical_json
from evidence import locks
from evidence.ledger.exporting import export
from evidence.ledger.form import (
    GENESIS,
    VERSION,
    around,
    canonical,
    chained,
    digest_of,
    members,
    members_of,
    moment,
)
from evidence.ledger.verifying import ERASED, Fault, Verified, verify
from evidence.locks import Lock
from evidence.models import LedgerEntry, LedgerSeal
from evidence.names import plain

__all__ = [
    "ERASED",
    "GENESIS",
    "VERSION",
    "Fault",
    "Said",
    "Verified",
    "append",
    "append_all",
    "canonical",
    "digest_of",
    "export",
    "members",
    "members_of",
    "moment",
    "seal",
    "sealed_to",
    "verify",
    "waiting",
]

SEAL_BATCH = 5_000
# Entries are looked for among this many ids below the last sealed one; older ones that their
# transaction kept back for longer are found by a thorough look.
NEAR = 10_000

COLUMNS = (
    "at, recorded_at, by, by_name, act, subject, words, data, sealed_case, salt, version, digest"
)
INSERT = (
    f"INSERT INTO evidence_ledgerentry ({COLUMNS})"  # noqa: S608 - our own list, written once
    " VALUES (%s, %s, %s, %s, %s, %s, %s, %s::jsonb, %s, %s, %s, %s) RETURNING id"
)
COPY = f"COPY evidence_ledgerentry ({COLUMNS}) FROM STDIN"


def _storable(value: Any) -> Any:
    """JSON as the database gives it back: no NUL, and whole numbers without a point."""
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, Mapping):
        return {plain(str(key)): _storable(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(one) for one in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


class Said(NamedTuple):
    """One act that is to be written: see models.LedgerEntry."""

    at: datetime
    by: str
    by_name: str
    act: str
    subject: str
    words: str
    data: dict[str, Any]
    recorded_at: datetime
    sealed_case: UUID | None = None


def append(
    *,
    at: datetime,
    by: str,
    by_name: str,
    act: str,
    subject: str,
    words: str,
    data: dict[str, Any] | None = None,
    recorded_at: datetime | None = None,
    sealed_case: UUID | None = None,
) -> LedgerEntry:
    """Write one entry in the running transaction. Takes no lock.

    `data` is plain JSON. Raises rfc8785.CanonicalizationError for what has no canonical form,
    whole numbers beyond 2^53 among it: write those as text.
    """
    row = _row(
        Said(at, by, by_name, act, subject, words, data or {}, recorded_at or at, sealed_case)
    )
    return LedgerEntry(pk=_insert(row), **row | {"data": orjson.loads(row["data"])})


def append_all(acts: Sequence[Said]) -> None:
    """Write many entries at once, in their order, as `append` writes one."""
    rows = [_row(one) for one in acts]
    if len(rows) == 1:
        _insert(rows[0])
    elif rows:
        with connection.cursor() as cursor, cursor.copy(COPY) as copy:
            for row in rows:
                copy.write_row(list(row.values()))


def _insert(row: dict[str, Any]) -> int:
    # By hand: the ORM takes four times as long, and whoever acts waits for the entry.
    with connection.cursor() as cursor:
        cursor.execute(INSERT, list(row.values()))
        return int(cursor.fetchone()[0])


def _row(one: Said) -> dict[str, Any]:
    """An entry's columns in the order of COLUMNS, `data` as JSON text."""
    salt = secrets.token_bytes(16)
    said = {
        "by": plain(one.by),
        "by_name": plain(one.by_name),
        "act": plain(one.act),
        "subject": plain(one.subject),
        "words": plain(one.words),
    }
    data = canonical_json.dumps(_storable(one.data))
    content = around(
        data,
        at=moment(one.at),
        recorded_at=moment(one.recorded_at),
        sealed_case=None if one.sealed_case is None else str(one.sealed_case),
        salt=salt.hex(),
        version=VERSION,
        **said,
    )
    return {
        "at": one.at,
        "recorded_at": one.recorded_at,
        **said,
        "data": data.decode(),
        "sealed_case": one.sealed_case,
        "salt": salt,
        "version": VERSION,
        "digest": sha256(content).digest(),
    }


def seal(*, now: datetime, thorough: bool = True) -> int:
    """Seal every entry whose transaction is over; how many were sealed.

    Entries of transactions that still run are left for the next second: sealing past them
    would make their later appearance look like an insertion. `thorough` looks through the whole
    ledger; without it only near its end, which is what every second can afford.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        if not locks.try_take(cursor, Lock.LEDGER_SEALER):
            return 0
        cursor.execute(
            "SELECT number, hash, entry_id FROM evidence_ledgerseal ORDER BY number DESC LIMIT 1"
        )
        last = cursor.fetchone()
        number, previous, entry = (last[0], bytes(last[1]), last[2]) if last else (0, GENESIS, 0)
        cursor.execute(
            "SELECT e.id, e.digest FROM evidence_ledgerentry e WHERE e.id > %s"
            " AND NOT EXISTS (SELECT 1 FROM evidence_ledgerseal s WHERE s.entry_id = e.id)"
            " AND e.xid < pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
            " ORDER BY e.xid, e.id LIMIT %s",
            [-1 if thorough else entry - NEAR, SEAL_BATCH],
        )
        rows = cursor.fetchall()
        if not rows:
            return 0
        with cursor.copy(
            "COPY evidence_ledgerseal (number, entry_id, entry_digest, previous, hash, sealed_at)"
            " FROM STDIN"
        ) as copy:
            for entry, digest in rows:
                number += 1
                hash_ = chained(number, previous, bytes(digest))
                copy.write_row((number, entry, bytes(digest), previous, hash_, now))
                previous = hash_
        return len(rows)


def waiting() -> int:
    """How many entries are not sealed yet, near the end of the ledger."""
    last = LedgerSeal.objects.order_by("-number").values_list("entry_id", flat=True).first() or 0
    return LedgerEntry.objects.filter(pk__gt=last - NEAR, seal__isnull=True).count()


def sealed_to() -> tuple[int, datetime | None]:
    """For the foot of each page: the last sealed row and when."""
    last = LedgerSeal.objects.order_by("-number").values_list("number", "sealed_at").first()
    return last or (0, None)
