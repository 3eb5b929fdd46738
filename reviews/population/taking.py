"""Taking the population out: a zip with every table, its proof by the ledger, and the sample.

Owns the order of the act. What is asked for, and with which seed, stands in the ledger before a row
is read; then everything is read at one moment of the database, streamed, and signed as packs are;
then the ledger says what came of it. Dying between leaves "asked" without "made". Rows are never
held: those of the sample are, and a thousand that lack a proof.
"""

import csv
from collections.abc import Iterable, Iterator
from datetime import datetime
from hashlib import sha256
from io import StringIO
from typing import IO, Any, NamedTuple

import rfc8785
from django.conf import settings
from django.db import connection, transaction

from evidence import anchoring, ledger
from evidence.ledger.sealed_rows import one_moment
from evidence.models import Anchor, LedgerEntry
from evidence.stores import anchors
from evidence.words import counted
from identities.models import User
from identities.permissions import NotPossible, require
from reviews.packs.zipping import Zip
from reviews.pages.queue_out import as_csv
from reviews.population.rights import why_not_population
from reviews.population.sampling import ALGORITHM, MOST, Draw
from reviews.population.tables import TABLES, Table
from reviews.sealing import withheld

SUBJECT = "population"
VERSION = 1
# Rows that lack a proof, and entries without a row, that are named; all are counted.
MOST_NAMED = 1_000
CHUNK = 2_000
LONGEST_SEED = 200


class Counted(NamedTuple):
    """What one table came to."""

    rows: int
    digest: str
    unproved: int
    unmatched: int


class Made(NamedTuple):
    """What was taken out."""

    at: datetime
    seed: str
    tables: dict[str, Counted]
    digest: str  # of the manifest


def take(
    into: IO[bytes], *, at: datetime, sample: int, seed: str, by: User, now: datetime
) -> Made:  # fmt: skip
    """Write the population as of `at` as a zip. `seed` "": the ledger's newest hash.

    Raises NotAllowed; NotPossible for a moment that has not come, and for a sample or seed that
    cannot be drawn.
    """
    require(why_not_population(by, now=now))
    _possible(at=at, sample=sample, seed=seed, now=now)
    seed = _asked(at=at, sample=sample, seed=seed, by=by, now=now)
    ledger.seal(now=now, thorough=False)
    set_up = anchors.configured.read()
    if set_up is not None:
        anchoring.make(set_up, now=now, anyway=True)
    with one_moment():
        pack = Zip(into, withheld.from_user(by, now=now), now=now)
        found = {one.name: _table(pack, one, at=at, sample=sample, seed=seed) for one in TABLES}
        said = {
            "population": ledger.moment(at),
            "version": VERSION,
            "iss": settings.BASE_URL,
            "made_at": ledger.moment(now),
            "made_by": by.called,
            "seed": seed,
            "sample": sample,
            "algorithm": ALGORITHM,
            "head": _head(pack, signs=set_up is not None),
            "tables": {
                one.name: {
                    "rows": found[one.name].rows,
                    "sha256": found[one.name].digest,
                    "proved_by": one.proof,
                    "rows_without_proof": found[one.name].unproved,
                    "entries_without_row": found[one.name].unmatched,
                    "as_it_stands_now": one.as_now.split(),
                }
                for one in TABLES
            },
        }
        digest = pack.close(said, set_up).hex()
    _made(found, digest, at=at, by=by, now=now)
    return Made(at, seed, found, digest)


def _possible(*, at: datetime, sample: int, seed: str, now: datetime) -> None:
    if at > now:
        raise NotPossible(f"{at:%Y-%m-%d %H:%M} UTC has not come yet: choose a moment that has.")
    if not 0 <= sample <= MOST:
        raise NotPossible(f"A sample has between 0 and {MOST:,} rows of each table.")
    if len(seed) > LONGEST_SEED or not seed.isprintable():
        raise NotPossible(
            f"A seed is one line of at most {LONGEST_SEED} characters that can be seen."
        )


def _asked(*, at: datetime, sample: int, seed: str, by: User, now: datetime) -> str:
    """What is asked for, in the ledger before a row is read; the seed that counts."""
    with transaction.atomic():
        number, hash_ = _newest()
        given = bool(seed)
        seed = seed or hash_
        ledger.append(
            at=now,
            by=by.ref,
            by_name=by.called,
            act="population.asked",
            subject=SUBJECT,
            words=f"{by.called} asks for the population as of {at:%Y-%m-%d %H:%M} UTC, with a"
            f" sample of {sample:,} rows of each table",
            data={
                "at": ledger.moment(at),
                "sample": sample,
                "seed": seed,
                "seed_is": "given" if given else f"the hash of row {number} of the ledger",
            },
        )
    return seed


def _newest() -> tuple[int, str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT number, hash FROM evidence_ledgerseal ORDER BY number DESC LIMIT 1")
        row = cursor.fetchone()
    return (0, ledger.GENESIS.hex()) if row is None else (row[0], bytes(row[1]).hex())


def _made(
    found: dict[str, Counted], digest: str, *, at: datetime, by: User, now: datetime
) -> None:  # fmt: skip
    rows = sum(one.rows for one in found.values())
    with transaction.atomic():
        ledger.append(
            at=now,
            by=by.ref,
            by_name=by.called,
            act="population.made",
            subject=SUBJECT,
            words=f"{by.called} took the population as of {at:%Y-%m-%d %H:%M} UTC out:"
            f" {counted(rows, 'row')} in {len(found)} tables",
            data={
                "at": ledger.moment(at),
                "manifest": digest,
                "tables": {name: [one.rows, one.digest] for name, one in found.items()},
            },
        )


def _table(pack: Zip, table: Table, *, at: datetime, sample: int, seed: str) -> Counted:
    """One table as canonical lines and as a sheet, with its proof and its sample."""
    draw, digest = Draw(seed, table.name, sample), sha256()
    many, lacking = 0, 0
    named: list[str] = []

    def lines() -> Iterator[bytes]:
        nonlocal many, lacking
        for key, said, proof in _rows(table, at):
            line = rfc8785.dumps({"key": key, **said}) + b"\n"
            digest.update(line)
            draw.see(key, line)
            many += 1
            if proof["first"] is None and not proof["other"]:
                lacking += 1
                if len(named) < MOST_NAMED:
                    named.append(key)
            yield line

    pack.poured(f"{table.name}.jsonl", lines())
    columns = ["key", *table.columns.split()]
    sheet = as_csv(({"key": key, **said} for key, said, _ in _rows(table, at)), columns)
    pack.poured(f"{table.name}.csv", (line.encode() for line in sheet))
    pack.poured(f"proof/{table.name}.csv", _proofs(table, at))
    pack.poured(f"sample/{table.name}.csv", _sampled(draw))
    unmatched = _unmatched(table, at)
    pack.document(
        f"proof/{table.name}.json",
        {
            "rows": many,
            "proved_by": table.proof,
            "rows_without_proof": {"count": lacking, "first": named},
            "entries_without_row": {"count": unmatched[0], "first": unmatched[1]},
        },
    )
    return Counted(many, digest.hexdigest(), lacking, unmatched[0])


def _rows(table: Table, at: datetime) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """(key, what the row says, what proves it) of each row, streamed."""
    columns = table.columns.split()
    for key, *values in _streamed(table.rows, at):
        *cells, first, last, entries, other = values
        said = {name: _plain(value) for name, value in zip(columns, cells, strict=True)}
        yield key, said, {"first": first, "last": last, "entries": entries, "other": other}


def _streamed(sql: str, at: datetime) -> Iterator[tuple[Any, ...]]:
    with connection.chunked_cursor() as cursor:
        cursor.execute(sql, {"at": at})
        while rows := cursor.fetchmany(CHUNK):
            yield from rows


def _plain(value: Any) -> Any:
    """A value as canonical JSON takes it."""
    if isinstance(value, datetime):
        return ledger.moment(value)
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def _proofs(table: Table, at: datetime) -> Iterator[bytes]:
    """For each row the entries of the ledger about it, by their numbers and digests, or what else
    proves it."""
    yield _csv(
        [["key", "entries", "first_row", "first_digest", "last_row", "last_digest", "other"]]
    )
    some: list[tuple[str, dict[str, Any]]] = []
    for key, _, proof in _rows(table, at):
        some.append((key, proof))
        if len(some) == CHUNK:
            yield _proved(some)
            some = []
    yield _proved(some)


def _proved(some: list[tuple[str, dict[str, Any]]]) -> bytes:
    wanted = {proof[end] for _, proof in some for end in ("first", "last")} - {None}
    rows = LedgerEntry.objects.filter(pk__in=wanted).values_list("pk", "seal__number", "digest")
    known = {
        pk: ["" if number is None else number, bytes(digest).hex()] for pk, number, digest in rows
    }
    return _csv(
        [key, proof["entries"], *known.get(proof["first"], ["", ""]),
         *known.get(proof["last"], ["", ""]), proof["other"]]
        for key, proof in some
    )  # fmt: skip


def _sampled(draw: Draw) -> Iterator[bytes]:
    yield _csv([["rank", "row"]])
    for rank, line in draw.drawn():
        yield _csv([[rank, line.decode().rstrip("\n")]])


def _csv(rows: Iterable[list[Any]]) -> bytes:
    text = StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _unmatched(table: Table, at: datetime) -> tuple[int, list[str]]:
    """How many entries or records name no row, and the first of them in words."""
    many = 0
    first: list[str] = []
    for what, number in _streamed(table.unmatched, at):
        many += 1
        if len(first) < MOST_NAMED:
            first.append(f"{what} ({number})")
    return many, first


def _head(pack: Zip, *, signs: bool) -> dict[str, Any]:
    """The ledger's newest row, and its newest signed head with the keys that verify it."""
    number, hash_ = _newest()
    said: dict[str, Any] = {"row": number, "hash": hash_, "signed_row": None}
    anchor = Anchor.objects.order_by("-number").first() if signs else None
    if anchor is not None:
        pack.add("head.jws", anchor.statement)
        pack.document("keys.json", {"keys": list(anchoring.jwks().values())})
        said["signed_row"] = anchor.number
    return said
