"""The ledger: every act by people and by this app, hash-chained (decisions 12).

Canonical form, version 1: RFC 8785 JSON of the members ``at, recorded_at, by, by_name, act,
subject, words, data, sealed_case, salt, version`` (times as RFC 3339 with microseconds and ``Z``,
the salt as hex, `sealed_case` as text or null); the entry's digest is its SHA-256. A seal's hash
is SHA-256 over ``number || previous || digest`` (number as 8 bytes, big-endian); the first
`previous` is 32 zero bytes. Test vector: tests/evidence/test_ledger.py. What leaves by `export`
is checked by scripts/verify_ledger.py, which needs nothing of this app.

A chain shows what was changed, removed, inserted or reordered inside it. That its end was cut off
shows only against a head (number and hash) that somebody kept elsewhere: `verify` takes one.
"""

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import UUID

import rfc8785
from django.db import connection, transaction
from django.db.models import Q

from evidence import canonical as canonical_json
from evidence import sealed_rows, withheld
from evidence.models import LedgerEntry, LedgerSeal, LedgerTombstone
from evidence.names import plain
from evidence.sealed_rows import chained

VERSION = 1
# Rows that two people took words out of: `entries`, by id [digest before, digest after].
ERASED = "ledger.erased"
GENESIS = bytes(32)
# One sealer at a time; the number is arbitrary and belongs to this lock alone.
SEALER_LOCK = 7_305_441
SEAL_BATCH = 5_000
# Entries are looked for among this many ids below the last sealed one; older ones that their
# transaction kept back for longer are found by a thorough look.
NEAR = 10_000


# How many rows are read at once when the whole ledger is walked.
PAGE = 2_000


def members(
    *,
    at: datetime,
    recorded_at: datetime,
    by: str,
    by_name: str,
    act: str,
    subject: str,
    words: str,
    data: Any,
    sealed_case: UUID | None,
    salt: bytes,
    version: int = VERSION,
) -> dict[str, Any]:
    """The members whose canonical form the digest is taken over, as plain JSON."""
    return {
        "at": moment(at),
        "recorded_at": moment(recorded_at),
        "by": by,
        "by_name": by_name,
        "act": act,
        "subject": subject,
        "words": words,
        "data": data,
        "sealed_case": None if sealed_case is None else str(sealed_case),
        "salt": salt.hex(),
        "version": version,
    }


def members_of(entry: LedgerEntry) -> dict[str, Any]:
    """The same of an entry as it lies there now."""
    return members(
        at=entry.at,
        recorded_at=entry.recorded_at,
        by=entry.by,
        by_name=entry.by_name,
        act=entry.act,
        subject=entry.subject,
        words=entry.words,
        data=entry.data,
        sealed_case=entry.sealed_case,
        salt=bytes(entry.salt),
        version=entry.version,
    )


def canonical(content: Mapping[str, Any]) -> bytes:
    """The bytes that an entry's digest is taken over. Raises rfc8785.CanonicalizationError."""
    return canonical_json.dumps(dict(content))


def moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


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
    said = Said(at, by, by_name, act, subject, words, data or {}, recorded_at or at, sealed_case)
    return append_all([said])[0]


def append_all(acts: Sequence[Said]) -> list[LedgerEntry]:
    """Write many entries at once, in their order, as `append` writes one."""
    rows = []
    for one in acts:
        said = {
            "at": one.at,
            "recorded_at": one.recorded_at,
            "by": plain(one.by),
            "by_name": plain(one.by_name),
            "act": plain(one.act),
            "subject": plain(one.subject),
            "words": plain(one.words),
            "data": _storable(one.data),
            "sealed_case": one.sealed_case,
            "salt": secrets.token_bytes(16),
            "version": VERSION,
        }
        digest = sha256(canonical(members(**said))).digest()
        rows.append(LedgerEntry(**said, digest=digest))
    return LedgerEntry.objects.bulk_create(rows)


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


def digest_of(entry: LedgerEntry) -> bytes:
    """The digest of an entry as it lies there now; empty when it has no canonical form."""
    try:
        return sha256(canonical(members_of(entry))).digest()
    except rfc8785.CanonicalizationError:
        return b""


class Fault(NamedTuple):
    """Something the verifier found: at which number (0: not sealed yet), and what."""

    number: int
    what: str


class Verified(NamedTuple):
    """What the verifier saw."""

    sealed: int
    unsealed: int
    last: int  # the number of the last row, and its hash
    head: bytes
    faults: list[Fault]


def verify(*, most_faults: int = 100, kept: tuple[int, bytes] | None = None) -> Verified:
    """Walk the whole ledger: changed, removed, inserted and reordered rows are found.

    `kept` is a head that was kept elsewhere: the hash that this number had.
    """
    faults: list[Fault] = []
    number, previous, seen = 0, GENESIS, 0
    met: bytes | None = None
    for found in sealed_rows.all_of_them():
        if len(faults) >= most_faults:
            return Verified(seen, 0, number, previous, faults[:most_faults])
        if found.number != number + 1:
            lacking = f"seal {number + 1} is missing" if found.number > number else "out of order"
            faults.append(Fault(found.number, lacking))
        if not found.fits(previous):
            row = LedgerSeal.objects.get(pk=found.number)
            entry = LedgerEntry.objects.filter(pk=row.entry_id).first()
            stones = [] if entry is None else list(entry.tombstones.order_by("pk"))
            faults += [Fault(row.number, what) for what in _wrong(row, entry, previous, stones)]
        number, previous = found.number, found.hash
        seen += 1
        if kept is not None and number == kept[0]:
            met = previous
    if kept is not None and met is None:
        faults.append(Fault(kept[0], "the end was cut off: this row was there before"))
    elif kept is not None and met != kept[1]:
        faults.append(Fault(kept[0], "has another hash than the one that was kept"))
    unsealed = 0
    waiting = LedgerEntry.objects.filter(seal__isnull=True).prefetch_related("tombstones")
    for entry in waiting.order_by("pk").iterator(PAGE):
        unsealed += 1
        if digest_of(entry) != _left(entry, list(entry.tombstones.all())):
            faults.append(Fault(0, f"entry {entry.pk}, not sealed yet, was changed"))
    return Verified(seen, unsealed, number, previous, faults[:most_faults])


def _left(entry: LedgerEntry, stones: Sequence[LedgerTombstone]) -> bytes:
    """The digest that an entry has by what was erased of it; empty when that is not told."""
    expected = bytes(entry.digest)
    told = LedgerEntry.objects.filter(act=ERASED, data__entries__has_key=str(entry.pk))
    pairs = (
        [said["entries"][str(entry.pk)] for said in told.values_list("data", flat=True)]
        if stones
        else []
    )
    for stone in stones:
        gone, left = bytes(stone.gone_digest), bytes(stone.left_digest)
        if gone != expected or [gone.hex(), left.hex()] not in pairs:
            return b""
        expected = left
    return expected


def _wrong(
    row: LedgerSeal,
    entry: LedgerEntry | None,
    previous: bytes,
    stones: Sequence[LedgerTombstone],
) -> list[str]:
    """What is wrong with one sealed row, seen after the row whose hash is `previous`."""
    wrong = []
    if bytes(row.previous) != previous:
        wrong.append("does not follow the row before it")
    if entry is None:
        wrong.append("its entry is gone")
    elif digest_of(entry) != _left(entry, stones) or bytes(entry.digest) != bytes(row.entry_digest):
        wrong.append(f"entry {entry.pk} was changed after sealing")
    if row.number < 1:
        wrong.append("no row has this number")
    elif bytes(row.hash) != chained(row.number, bytes(row.previous), bytes(row.entry_digest)):
        wrong.append("its hash does not fit its content")
    return wrong


def _walk(
    *, through: int | None = None
) -> Iterator[tuple[LedgerSeal, LedgerEntry | None, list[LedgerTombstone]]]:
    """All seals in order with their entries and what says that words of them went."""
    rows = LedgerSeal.objects.order_by("number")
    if through is not None:
        rows = rows.filter(number__lte=through)
    after: int | None = None
    while True:
        page = list((rows if after is None else rows.filter(number__gt=after))[:PAGE])
        if not page:
            return
        entries = LedgerEntry.objects.in_bulk([row.entry_id for row in page])
        stones = _stones(entries)
        for row in page:
            yield row, entries.get(row.entry_id), stones.get(row.entry_id, [])
        after = page[-1].number


def _stones(entries: Iterable[int]) -> dict[int, list[LedgerTombstone]]:
    found: dict[int, list[LedgerTombstone]] = {}
    for stone in LedgerTombstone.objects.filter(entry__in=entries).order_by("pk"):
        found.setdefault(stone.entry_id, []).append(stone)
    return found


def export(*, now: datetime, with_sealed: bool = False) -> Iterator[dict[str, Any]]:
    """The ledger as documents that can be checked without this app: a head, then every row.

    Entries of sealed cases are commitments (their digest alone) unless `with_sealed` says so: those
    that were written before they were sealed, too. What is written while this runs is left out.
    """
    hidden = None if with_sealed else withheld.everywhere()
    last = LedgerSeal.objects.order_by("-number").first()
    through = last.number if last else 0
    yield {
        "ledger": "countersign",
        "version": VERSION,
        "exported_at": moment(now),
        "sealed": through,
        "head": (bytes(last.hash) if last else GENESIS).hex(),
    }
    for row, entry, stones in _walk(through=through):
        said = {
            "number": row.number,
            "id": row.entry_id,
            "digest": bytes(row.entry_digest).hex(),
            "previous": bytes(row.previous).hex(),
            "hash": bytes(row.hash).hex(),
            "sealed_at": moment(row.sealed_at),
        }
        # An entry that is gone has no content, and the verifier says so.
        content = _content(entry, stones, hidden) if entry else {"gone": True}
        yield said | content
    late = LedgerEntry.objects.filter(Q(seal__isnull=True) | Q(seal__number__gt=through))
    for entry in late.order_by("pk").prefetch_related("tombstones").iterator(PAGE):
        said = {"number": None, "id": entry.pk, "digest": bytes(entry.digest).hex()}
        yield said | _content(entry, list(entry.tombstones.all()), hidden)


def _content(
    entry: LedgerEntry, stones: Sequence[LedgerTombstone], hidden: withheld.Withheld | None
) -> dict[str, Any]:
    if hidden is not None and hidden.keeps_out(entry):
        return {"withheld": True}
    told = [[bytes(one.gone_digest).hex(), bytes(one.left_digest).hex()] for one in stones]
    return {"entry": members_of(entry)} | ({"erased": told} if told else {})


def sealed_to() -> tuple[int, datetime | None]:
    """For the foot of each page: the last sealed row and when."""
    last = LedgerSeal.objects.order_by("-number").values_list("number", "sealed_at").first()
    return last or (0, None)
