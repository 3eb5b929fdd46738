"""Event rows on their way into the tables: COPY first, a staging table when something clashes.

Owns the keys of the rows and what a clash is: the same record again (a duplicate, kept as a
sighting when another source sent it), or another record with the same id (a reject).
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from struct import unpack
from typing import Any

from django.db import IntegrityError, connection, transaction

from evidence import locks
from evidence.formats.record import ActorName, Record, Rejected
from evidence.intake.admitting import Admitted, micros
from evidence.intake.columns import Key, issuance_rows, rows_of
from evidence.locks import Lock
from evidence.names import TermName
from evidence.vocabulary import TIME_RECEIVED

COLUMNS = (
    "at, id, received_at, deposit_id, action_id, resource_id, principal_id, credential_id,"
    " agent_id, on_behalf_id, address_id, user_agent_id, error_id, conversation_id, task_id,"
    " release_id, span, parent_span, duration, source_id, ordinal, plane, activity, outcome,"
    " time_basis, reading, digest, trace, request_id"
)


def first_sights(cursor: Any, admitted: Admitted) -> dict[bytes, int]:
    """When records that state no time were first seen, by digest (decisions 4).

    Runs inside the transaction that stores them, so that two senders of one undated record do
    not both see it for the first time.
    """
    undated = [id_of(record.digest) for record in admitted.records if record.at is None]
    if not undated:
        return {}
    locks.take(cursor, Lock.UNDATED_RECORDS)
    cursor.execute(
        "SELECT (extract(epoch FROM at) * 1000000)::bigint, digest FROM evidence_event"
        f" WHERE id = ANY(%s) AND time_basis = {TIME_RECEIVED} ORDER BY at DESC",
        [undated],
    )
    return {digest.bytes: at for at, digest in cursor.fetchall()}


def id_of(digest: bytes) -> int:
    """The id of a record's event: the first 63 bits of its digest."""
    return int.from_bytes(digest[:8]) >> 1


def ids_of(digests: Sequence[bytes]) -> list[int]:
    """The same for many at once."""
    heads = unpack(f">{2 * len(digests)}Q", b"".join(digests))
    return [head >> 1 for head in heads[::2]]


class Rows:
    """The event rows of one deposit as a binary COPY, in the order of their keys.

    The order is that of the primary key, so that two senders of the same records never wait for
    each other in a circle.
    """

    def __init__(
        self,
        admitted: Admitted,
        *,
        actors: dict[ActorName, int],
        terms: dict[TermName, int],
        sights: dict[bytes, int],
        source: int,
        deposit: int,
        now: datetime,
        reading: int,
    ) -> None:
        unknown = micros(now)
        of = admitted.fields
        digests = of["digest"]
        times = [
            sights.get(digest, unknown) if at is None else at
            for at, digest in zip(of["at"], digests, strict=True)
        ]
        numbers = ids_of(digests)
        self.collided: list[Rejected] = []
        if len(set(numbers)) < len(numbers):
            # Of records that would have one key, the first stays.
            first: dict[Key, int] = {}
            for index, key in enumerate(zip(times, numbers, strict=True)):
                if first.setdefault(key, index) != index:
                    self.collided.append(collision(admitted.records[index]))
            admitted = admitted.only(first.values())
            times, numbers = [at for at, _ in first], [number for _, number in first]
        # Of what is placed, as far as it is known by now: copy() takes out what collides there.
        self.times, self.numbers, self.records = times, numbers, admitted.records
        self.issuing = [
            ((at, number), record)
            for at, number, record, issued in zip(
                times, numbers, admitted.records, admitted.fields["issued"], strict=True
            )
            if issued is not None
        ]
        self.columns, self.data = "", b""
        if times:
            self.columns, self.data = rows_of(
                times,
                numbers,
                admitted,
                actors=actors,
                terms=terms,
                source=source,
                deposit=deposit,
                now=now,
                reading=reading,
            )

    def without(self, keys: Collection[Key]) -> None:
        """Take out what collides with other records that are stored already."""
        if not keys:
            return
        placed = dict(zip(zip(self.times, self.numbers, strict=True), self.records, strict=True))
        self.collided.extend(collision(placed.pop(key)) for key in keys)
        self.times, self.numbers = [at for at, _ in placed], [number for _, number in placed]
        self.records = list(placed.values())
        self.issuing = [one for one in self.issuing if one[0] in placed]


def copy(cursor: Any, rows: Rows) -> int:
    """Put the rows in; how many were new. What collided is taken out of the rows.

    Straight COPY first: most bodies hold nothing seen before. A clash takes the slower way
    through a staging table, which tells duplicates from collisions and keeps each sighting.
    """
    if not rows.times:
        return 0
    try:
        with transaction.atomic():
            _copy(cursor, "evidence_event", rows.columns, rows.data)
            return len(rows.times)
    except IntegrityError:
        pass
    cursor.execute(
        "CREATE TEMP TABLE IF NOT EXISTS staged (LIKE evidence_event) ON COMMIT DELETE ROWS"
    )
    _copy(cursor, "staged", rows.columns, rows.data)
    cursor.execute(
        f"INSERT INTO evidence_event ({COLUMNS}) SELECT {COLUMNS} FROM staged ORDER BY at, id"
        " ON CONFLICT DO NOTHING"
    )
    new = int(cursor.rowcount)
    cursor.execute(
        "INSERT INTO evidence_sighting (at, event_id, source_id, deposit_id)"
        " SELECT s.at, s.id, s.source_id, s.deposit_id FROM staged s"
        " JOIN evidence_event e ON e.at = s.at AND e.id = s.id"
        " WHERE e.digest = s.digest AND e.source_id <> s.source_id"
        " ORDER BY s.at, s.id ON CONFLICT DO NOTHING"
    )
    cursor.execute(
        "SELECT (extract(epoch FROM s.at) * 1000000)::bigint, s.id FROM staged s"
        " JOIN evidence_event e ON e.at = s.at AND e.id = s.id WHERE e.digest <> s.digest"
    )
    rows.without(cursor.fetchall())
    cursor.execute("DELETE FROM staged")
    return new


def _copy(cursor: Any, table: str, columns: str, data: bytes) -> None:
    statement = f"COPY {table} ({columns}) FROM STDIN (FORMAT BINARY)"
    # Django does not translate errors of COPY by itself.
    with connection.wrap_database_errors, cursor.copy(statement) as into:
        into.write(data)


def collision(record: Record) -> Rejected:
    return Rejected(
        record.position,
        "its id is taken by a different record of the same moment; nothing was overwritten",
        record.action,
    )


def issuances(cursor: Any, rows: Rows, *, actors: dict[ActorName, int], deposit: int) -> None:
    """The credentials that these records say were issued."""
    if not rows.issuing:
        return
    data = issuance_rows(sorted(rows.issuing), actors=actors, deposit=deposit)
    columns = (
        "at, event_id, credential_id, issued_to_id, by_principal_id, by_credential_id, standing,"
        " expires_at, deposit_id"
    )
    try:
        with transaction.atomic():
            _copy(cursor, "evidence_issuance", columns, data)
            return
    except IntegrityError:
        pass
    cursor.execute(
        "CREATE TEMP TABLE IF NOT EXISTS staged_issuance AS"
        f" SELECT {columns} FROM evidence_issuance WITH NO DATA"
    )
    _copy(cursor, "staged_issuance", columns, data)
    cursor.execute(
        f"INSERT INTO evidence_issuance ({columns}) SELECT {columns} FROM staged_issuance"
        " ON CONFLICT DO NOTHING"
    )
    cursor.execute("DELETE FROM staged_issuance")
