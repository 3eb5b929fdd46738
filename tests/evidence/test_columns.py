"""Event rows as bytes: the same whatever the order and whatever else is among them."""

from datetime import UTC, datetime

import pytest

from evidence.formats.record import Record
from evidence.intake.admitting import Admitted, micros
from evidence.intake.columns import CLOSING, OPENING, rows_of
from evidence.models import Term
from evidence.vocabulary import OUTCOME_OK, PLANE_IDENTITY, USE

NOW = datetime(2031, 3, 4, 5, tzinfo=UTC)
NULL = b"\xff\xff\xff\xff"


def record(number: int, request_id: str | None) -> Record:
    return Record(
        position=f"line {number}",
        digest=bytes([number]) * 16,
        at=micros(NOW) + number // 2,
        realm="okta",
        plane=PLANE_IDENTITY,
        activity=USE,
        outcome=OUTCOME_OK,
        action="read",
        request_id=request_id,
    )


def rows(records: list[Record]) -> tuple[str, bytes]:
    return rows_of(
        # Two of each moment, so that the id decides.
        [one.at or 0 for one in records],
        [100 - one.digest[0] for one in records],
        Admitted([one.digest[0] for one in records], records),
        actors={},
        terms={(Term.ACTION, "read"): 7},
        source=1,
        deposit=2,
        now=NOW,
        reading=3,
    )


def fields(data: bytes) -> list[list[bytes]]:
    """The values of each row, as they were written."""
    assert data.startswith(OPENING)
    assert data.endswith(CLOSING)
    place, found = len(OPENING), []
    while data[place : place + 2] != CLOSING:
        many = int.from_bytes(data[place : place + 2])
        place += 2
        row = []
        for _ in range(many):
            size = int.from_bytes(data[place : place + 4], signed=True)
            place += 4
            row.append(data[place : place + max(size, 0)] if size >= 0 else NULL)
            place += max(size, 0)
        found.append(row)
    return found


def test_rows_stand_in_the_order_of_their_keys_however_the_records_came() -> None:
    records = [record(number, f"req-{number}") for number in range(9)]
    columns, data = rows(records)
    assert (columns, data) == rows(records[::-1])
    keys = [(row[0], row[1]) for row in fields(data)]
    assert len(keys) == 9
    assert keys == sorted(keys)


@pytest.mark.parametrize(
    ("among", "written"),
    [
        (None, NULL),
        ("é", "é".encode()),
        ("a\0b", rb"a\u0000b"),
        ("x" * 255, b"x" * 255),
        ("x" * 256, b"x" * 256),
        ("x" * 900, b"x" * 500),
        ("\ud800", rb"\ud800"),
    ],
)
def test_request_ids_are_written_the_same_whatever_is_among_them(
    among: str | None, written: bytes
) -> None:
    names, data = rows([record(0, "one"), record(2, among), record(4, "three")])
    place = names.split(", ").index("request_id")
    assert [row[place] for row in fields(data)] == [b"one", written, b"three"]


def test_rows_of_before_2000_stand_before_those_of_after() -> None:
    """PostgreSQL counts from 2000, so that these have a sign."""
    early = micros(datetime(1999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC))
    moments = [early + 5, early, early - 9, early + 1, early + 2, early - 1]
    records = [record(number, None)._replace(at=at) for number, at in enumerate(moments, start=1)]
    _, data = rows(records)
    keys = [tuple(int.from_bytes(value, signed=True) for value in one[:2]) for one in fields(data)]
    assert keys == sorted(keys)
    assert [at for at, _ in keys] == [-10, -2, -1, 0, 1, 4]
