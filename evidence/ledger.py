"""The ledger: every act by people and by this app, hash-chained (decisions 12).

Canonical form, version 1: RFC 8785 JSON of the members ``at, by, by_name, act, subject, words,
data, salt, version`` (times as RFC 3339 with microseconds and ``Z``, the salt as hex); the
entry's digest is its SHA-256. A seal's hash is SHA-256 over ``number || previous || digest``
(number as 8 bytes, big-endian); the first `previous` is 32 zero bytes. Test vector:
tests/evidence/test_ledger.py.
"""

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import UUID

import rfc8785
from django.db import connection, transaction

from evidence import nudge
from evidence.models import LedgerEntry, LedgerSeal

VERSION = 1
GENESIS = bytes(32)
# One sealer at a time; the number is arbitrary and belongs to this lock alone.
SEALER_LOCK = 7_305_441
SEAL_BATCH = 5_000
# Entries are looked for among this many ids below the last sealed one; older ones that their
# transaction kept back for longer are found by a thorough look.
NEAR = 10_000


def canonical(
    *,
    at: datetime,
    by: str,
    by_name: str,
    act: str,
    subject: str,
    words: str,
    data: Any,
    salt: bytes,
    version: int = VERSION,
) -> bytes:
    """The bytes that an entry's digest is taken over."""
    return rfc8785.dumps(
        {
            "at": at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "by": by,
            "by_name": by_name,
            "act": act,
            "subject": subject,
            "words": words,
            "data": data,
            "salt": salt.hex(),
            "version": version,
        }
    )


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
    """Write one entry in the running transaction. Takes no lock."""
    salt = secrets.token_bytes(16)
    content = canonical(
        at=at,
        by=by,
        by_name=by_name,
        act=act,
        subject=subject,
        words=words,
        data=data or {},
        salt=salt,
    )
    entry = LedgerEntry.objects.create(
        at=at,
        recorded_at=recorded_at or at,
        by=by,
        by_name=by_name,
        act=act,
        subject=subject,
        words=words,
        data=data or {},
        salt=salt,
        digest=sha256(content).digest(),
        version=VERSION,
        sealed_case=sealed_case,
    )
    nudge.after_commit("ledger.written")
    return entry


def chained(number: int, previous: bytes, digest: bytes) -> bytes:
    """The hash of seal `number`."""
    return sha256(number.to_bytes(8) + previous + digest).digest()


def seal(*, now: datetime, thorough: bool = True) -> int:
    """Seal every entry whose transaction is over; how many were sealed.

    Entries of transactions that still run are left for the next second: sealing past them
    would make their later appearance look like an insertion. `thorough` looks through the whole
    ledger; without it only near its end, which is what every second can afford.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [SEALER_LOCK])
        if not cursor.fetchone()[0]:
            return 0
        cursor.execute(
            "SELECT number, hash, entry_id FROM evidence_ledgerseal ORDER BY number DESC LIMIT 1"
        )
        last = cursor.fetchone()
        number, previous, entry = (int(last[0]), bytes(last[1]), last[2]) if last else (0, GENESIS, 0)
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


def digest_of(entry: LedgerEntry) -> bytes:
    """The digest of an entry as it lies there now; empty when it has no canonical form."""
    try:
        content = canonical(
            at=entry.at,
            by=entry.by,
            by_name=entry.by_name,
            act=entry.act,
            subject=entry.subject,
            words=entry.words,
            data=entry.data,
            salt=bytes(entry.salt),
            version=entry.version,
        )
    except rfc8785.CanonicalizationError:
        return b""
    return sha256(content).digest()


class Fault(NamedTuple):
    """Something the verifier found: at which number, and what."""

    number: int
    what: str


class Verified(NamedTuple):
    """What the verifier saw."""

    sealed: int
    unsealed: int
    head: bytes
    faults: list[Fault]


def verify(*, most_faults: int = 100) -> Verified:
    """Walk the whole chain: changed, removed, inserted and reordered rows are found."""
    faults: list[Fault] = []
    number, previous = 0, GENESIS
    seen = 0
    for row, entry in _walk():
        if len(faults) >= most_faults:
            break
        if row.number != number + 1:
            faults.append(Fault(row.number, f"seal {number + 1} is missing"))
        if bytes(row.previous) != previous:
            faults.append(Fault(row.number, "does not follow the row before it"))
        if entry is None:
            faults.append(Fault(row.number, "its entry is gone"))
        else:
            if digest_of(entry) != bytes(row.entry_digest):
                faults.append(Fault(row.number, f"entry {entry.pk} was changed after sealing"))
        if bytes(row.hash) != chained(row.number, bytes(row.previous), bytes(row.entry_digest)):
            faults.append(Fault(row.number, "its hash does not fit its content"))
        number, previous = row.number, bytes(row.hash)
        seen += 1
    unsealed = LedgerEntry.objects.filter(seal__isnull=True).count()
    return Verified(seen, unsealed, previous, faults)


def _walk() -> Iterator[tuple[LedgerSeal, LedgerEntry | None]]:
    """All seals in order with their entries, a page at a time."""
    after = 0
    while True:
        page = list(LedgerSeal.objects.filter(number__gt=after).order_by("number")[:2_000])
        if not page:
            return
        entries = LedgerEntry.objects.in_bulk([row.entry_id for row in page])
        for row in page:
            yield row, entries.get(row.entry_id)
        after = page[-1].number


def sealed_to() -> tuple[int, datetime | None]:
    """For the foot of each page: the last sealed row and when."""
    last = LedgerSeal.objects.order_by("-number").values_list("number", "sealed_at").first()
    return last or (0, None)
