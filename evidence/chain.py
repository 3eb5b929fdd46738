"""The chain of each source's deposits: what was changed, removed or put in between is found.

A deposit's digest is the SHA-256 of the RFC 8785 form of `members` of it; seal N of a source is
chained to seal N-1 as the ledger's rows are (evidence/ledger). Deposits are sealed once they
are committed, within seconds and without a lock on who sends. What is gone needs a tombstone,
and each tombstone its entry in the ledger; anything else that is absent is missing.

The heads of all chains are written into the ledger each day, so that a chain whose end was cut
off no longer fits it. What leaves by `export` is checked by scripts/verify_ledger.py.
"""

from collections.abc import Iterator
from datetime import datetime
from hashlib import sha256
from typing import Any, NamedTuple

import zstandard
from django.db import connection, transaction

from evidence import ledger, locks
from evidence.ledger import GENESIS, canonical, moment
from evidence.ledger.form import chained
from evidence.locks import Lock
from evidence.models import Deposit, DepositSeal, LedgerEntry, Source, Tombstone
from evidence.stores import bodies, objects

VERSION = 1
SEAL_BATCH = 5_000
# As in the ledger: what committed late lies near the end; a thorough look finds the rest.
NEAR = 10_000
PAGE = 1_000
ANCHORED = "deposits.anchored"
DROPPED, ERASED = "deposits.dropped", "deposit.erased"

UNSEALED = """
SELECT d.id FROM evidence_deposit d WHERE d.id > %s
AND NOT EXISTS (SELECT FROM evidence_depositseal s WHERE s.deposit_id = d.id)
ORDER BY d.id LIMIT %s
"""
HEADS = """
SELECT s.id, h.number, h.hash FROM evidence_source s CROSS JOIN LATERAL (
    SELECT number, hash FROM evidence_depositseal d WHERE d.source_id = s.id
    ORDER BY number DESC LIMIT 1) h
"""


def members(deposit: Deposit, source: str) -> dict[str, Any]:
    """What a deposit's digest is taken over: where its bytes lie may change, and how they are
    read, and neither is part of it."""
    return {
        "id": str(deposit.pk),
        "source": source,
        "received_at": moment(deposit.received_at),
        "received_by": deposit.received_by,
        "name": deposit.name,
        "received_digest": bytes(deposit.received_digest).hex(),
        "received_bytes": deposit.received_bytes,
        "kept_digest": bytes(deposit.kept_digest).hex(),
        "kept_bytes": deposit.kept_bytes,
        "rule_version": deposit.rule_version,
        "version": VERSION,
    }


def digest_of(deposit: Deposit, source: str) -> bytes:
    return sha256(canonical(members(deposit, source))).digest()


def seal(*, now: datetime, thorough: bool = True) -> int:
    """Seal the deposits that are committed and not sealed yet; how many."""
    with transaction.atomic(), connection.cursor() as cursor:
        if not locks.try_take(cursor, Lock.DEPOSIT_SEALER):
            return 0
        after = -1
        if not thorough:
            cursor.execute("SELECT coalesce(max(deposit_id), 0) FROM evidence_depositseal")
            after = cursor.fetchone()[0] - NEAR
        cursor.execute(UNSEALED, [after, SEAL_BATCH])
        wanted = [number for (number,) in cursor.fetchall()]
        if not wanted:
            return 0
        cursor.execute(HEADS)
        heads = {source: (number, bytes(hash_)) for source, number, hash_ in cursor.fetchall()}
        # Read before the copying begins: it has the connection for itself.
        rows = list(Deposit.objects.filter(pk__in=wanted).select_related("source").order_by("pk"))
        with cursor.copy(
            "COPY evidence_depositseal"
            " (source_id, number, deposit_id, digest, previous, hash, sealed_at) FROM STDIN"
        ) as copy:
            for row in rows:
                number, previous = heads.get(row.source_id, (0, GENESIS))
                digest = digest_of(row, row.source.name)
                hash_ = chained(number + 1, previous, digest)
                copy.write_row((row.source_id, number + 1, row.pk, digest, previous, hash_, now))
                heads[row.source_id] = (number + 1, hash_)
        return len(wanted)


def heads() -> dict[str, tuple[int, str]]:
    """The last number and hash of each source's chain, by the source's name."""
    names = dict(Source.objects.values_list("pk", "name"))
    with connection.cursor() as cursor:
        cursor.execute(HEADS)
        return {names[pk]: (number, bytes(hash_).hex()) for pk, number, hash_ in cursor.fetchall()}


def unsealed(*, received_before: datetime) -> list[Deposit]:
    """Deposits that should be sealed by now, the oldest first; at most SEAL_BATCH.

    Looks near the end of what is sealed, as the sealer mostly does: few rows of any number.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(max(deposit_id), 0) FROM evidence_depositseal")
        cursor.execute(UNSEALED, [cursor.fetchone()[0] - NEAR, SEAL_BATCH])
        found = [number for (number,) in cursor.fetchall()]
    rows = Deposit.objects.filter(pk__in=found, received_at__lt=received_before)
    return list(rows.select_related("source").order_by("pk"))


def anchor(*, now: datetime) -> bool:
    """Write the heads into the ledger, when they have grown since the last time."""
    found = {name: list(head) for name, head in sorted(heads().items())}
    with transaction.atomic():
        last = LedgerEntry.objects.filter(subject="deposits").order_by("-pk").first()
        if not found or (last is not None and last.data.get("heads") == found):
            return False
        ledger.append(
            at=now,
            by="countersign",
            by_name="Countersign",
            act=ANCHORED,
            subject="deposits",
            words=f"the deposits of {len(found)} sources are chained to these heads",
            data={"heads": found},
        )
    return True


class Verified(NamedTuple):
    """What the verifier saw of one source."""

    source: str
    sealed: int
    unsealed: int
    number: int
    head: str
    ended: int  # gone by retention
    erased: int  # gone, as a whole or one record, by two people
    faults: list[str]


def verify(
    *, source: str = "", with_bodies: bool = True, most_faults: int = 100
) -> Iterator[Verified]:
    """Walk the chain of each source, or of one: every deposit, its bytes, its tombstones."""
    rows = Source.objects.order_by("name")
    said = _said_in_ledger()
    for row in rows.filter(name=source) if source else rows:
        yield _verify_one(row, said, with_bodies=with_bodies, most_faults=most_faults)


type Gone = dict[tuple[int, int | None, str, str | None], bool]


class _Said(NamedTuple):
    """What the ledger says about deposits: each that went, and the heads at some time."""

    gone: Gone
    anchors: list[tuple[str, int, str]]


def _said_in_ledger() -> _Said:
    gone: Gone = {}
    anchors: list[tuple[str, int, str]] = []
    entries = LedgerEntry.objects.filter(act__in=[DROPPED, ERASED, ANCHORED])
    for act, data in entries.values_list("act", "data").iterator(PAGE):
        if act == DROPPED:
            gone |= {
                (int(number), None, digest, None): False
                for number, digest in data.get("deposits", {}).items()
            }
        elif act == ERASED:
            left = data.get("left_digest")
            gone[int(data["deposit"]), data.get("ordinal"), data["gone_digest"], left] = False
        else:
            anchors += [(name, *head) for name, head in data.get("heads", {}).items()]
    return _Said(gone, anchors)


def _verify_one(source: Source, said: _Said, *, with_bodies: bool, most_faults: int) -> Verified:
    faults: list[str] = []
    number, previous, ended, erased, seen = 0, GENESIS, 0, 0, 0
    wanted = {at: hash_ for name, at, hash_ in said.anchors if name == source.name}
    for row, tombstones in _walk(source):
        if len(faults) >= most_faults:
            break
        where = f"{source.name} {row.number}, deposit {row.deposit_id}"
        if row.number != number + 1:
            faults.append(f"{source.name} {number + 1}: is missing")
        faults += [f"{where}: {what}" for what in _wrong(row, source, previous)]
        number, previous, seen = row.number, bytes(row.hash), seen + 1
        for stone in tombstones:
            key = (
                stone.deposit_id,
                stone.ordinal,
                bytes(stone.gone_digest).hex(),
                None if stone.left_digest is None else bytes(stone.left_digest).hex(),
            )
            if key in said.gone:
                said.gone[key] = True
            else:
                faults.append(f"{where}: its tombstone is not in the ledger")
        ended += any(stone.cause == Tombstone.RETENTION for stone in tombstones)
        erased += any(stone.cause == Tombstone.ERASURE for stone in tombstones)
        if with_bodies:
            faults += [f"{where}: {what}" for what in _wrong_bytes(row.deposit, tombstones)]
        if number in wanted and wanted.pop(number) != previous.hex():
            faults.append(f"{where}: has another hash than the one the ledger keeps")
    faults += [
        f"{source.name} {at}: the end was cut off; the ledger keeps this number's hash"
        for at in sorted(wanted)
        if at > number
    ]
    if len(faults) < most_faults:
        unmet = [key[0] for key, met in said.gone.items() if not met]
        stands = DepositSeal.objects.filter(source=source, deposit__in=unmet).order_by("number")
        faults += [
            f"{source.name} {number_}: the ledger says that deposit {deposit} went, and it has no"
            " tombstone"
            for number_, deposit in stands.values_list("number", "deposit_id")
        ]
    unsealed = Deposit.objects.filter(source=source, seal__isnull=True).count()
    return Verified(
        source.name, seen, unsealed, number, previous.hex(), ended, erased, faults[:most_faults]
    )


def _walk(source: Source) -> Iterator[tuple[DepositSeal, list[Tombstone]]]:
    """The seals of a source in order, with their deposits and tombstones, a page at a time."""
    after = -(2**62)
    rows = DepositSeal.objects.filter(source=source).select_related("deposit").order_by("number")
    while page := list(rows.filter(number__gt=after)[:PAGE]):
        stones: dict[int, list[Tombstone]] = {}
        for stone in Tombstone.objects.filter(
            deposit__in=[row.deposit_id for row in page]
        ).order_by("pk"):
            stones.setdefault(stone.deposit_id, []).append(stone)
        for row in page:
            yield row, stones.get(row.deposit_id, [])
        after = page[-1].number


def _wrong(row: DepositSeal, source: Source, previous: bytes) -> list[str]:
    wrong = []
    if bytes(row.previous) != previous:
        wrong.append("does not follow the deposit before it")
    if row.deposit.source_id != source.pk:
        wrong.append("is another source's deposit")
    if digest_of(row.deposit, source.name) != bytes(row.digest):
        wrong.append("was changed after sealing")
    if row.number < 1:
        wrong.append("no deposit has this number")
    elif chained(row.number, bytes(row.previous), bytes(row.digest)) != bytes(row.hash):
        wrong.append("its hash does not fit its content")
    return wrong


def _wrong_bytes(deposit: Deposit, tombstones: list[Tombstone]) -> list[str]:
    """What is wrong with the bytes of a deposit, seen with its tombstones, oldest first."""
    expected: bytes | None = bytes(deposit.kept_digest)
    for stone in tombstones:
        if bytes(stone.gone_digest) != expected:
            return ["its tombstones do not follow each other"]
        expected = None if stone.left_digest is None else bytes(stone.left_digest)
    try:
        body = bodies.unpack(deposit)
    except objects.Away as problem:
        return [f"its bytes could not be looked at: {problem}"]
    except FileNotFoundError:
        return [] if expected is None else ["its bytes are missing, and nothing says why"]
    except (OSError, zstandard.ZstdError):
        return ["its bytes cannot be read"]
    if expected is None:
        return ["its bytes are still there, though a tombstone says that they are gone"]
    return [] if sha256(body).digest() == expected else ["its bytes were changed"]


def export() -> Iterator[dict[str, Any]]:
    """Every sealed deposit as a document, source by source in the order of its chain."""
    for source in Source.objects.order_by("name"):
        for row, tombstones in _walk(source):
            yield {
                "deposit": str(row.deposit_id),
                "source": source.name,
                "number": row.number,
                "digest": bytes(row.digest).hex(),
                "previous": bytes(row.previous).hex(),
                "hash": bytes(row.hash).hex(),
                "sealed_at": moment(row.sealed_at),
                "entry": members(row.deposit, source.name),
                "tombstones": [
                    {
                        "ordinal": stone.ordinal,
                        "cause": stone.cause,
                        "why": stone.why,
                        "asked_by": stone.asked_by,
                        "confirmed_by": stone.confirmed_by,
                        "at": moment(stone.at),
                        "gone_digest": bytes(stone.gone_digest).hex(),
                        "left_digest": None
                        if stone.left_digest is None
                        else bytes(stone.left_digest).hex(),
                    }
                    for stone in tombstones
                ],
            }
