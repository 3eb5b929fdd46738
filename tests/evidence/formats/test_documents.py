"""Lines of JSON are read together, and each of them stays its own."""

from typing import Any

import orjson
import pytest

from evidence.formats import documents
from evidence.formats.documents import Shape, apart, batches, pieces

SHAPE = Shape(("Records",), b'"n":', lambda value: type(value) is dict and "n" in value)
GOOD = [orjson.dumps({"n": number}) for number in range(5)]


def read(*lines: bytes) -> list[tuple[str, Any]]:
    return [(place, value) for place, value, _, _ in pieces(b"\n".join(lines), SHAPE)]


def test_lines_keep_their_numbers() -> None:
    lines = [*GOOD[:2], b"  ", *GOOD[2:]] * 40
    assert read(*lines) == [
        (f"line {number}", orjson.loads(line))
        for number, line in enumerate(lines, start=1)
        if line.strip()
    ]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        # The first opens what the last closes: together they would be one record around the others.
        (b'{"n":9,"x":[{}', b"{}]}"),
        (b'{"n":9,"x":[[{}', b'{}]]},{"n":1},{"n":2},{"n":3},{"n":4},{"n":5}'),
        (b'{"n":9,"x":"', b'"}'),
        (b'{"n":9,"x":{"y":1', b'"z":{}}}'),
    ],
)
def test_line_cannot_swallow_the_lines_after_it(before: bytes, after: bytes) -> None:
    found = read(GOOD[0], before, *GOOD[1:4], after, GOOD[4])
    kept = [value for _, value in found if type(value) is dict and value.get("n") in range(1, 4)]
    assert [orjson.loads(line) for line in GOOD[1:4]] == kept[:3]
    assert ("line 7", {"n": 4}) in found
    assert [place for place, value in found if place.startswith("line 2")] != []


def test_line_that_is_two_records_is_told_apart_from_its_neighbours() -> None:
    found = read(GOOD[0], GOOD[1] + b"," + GOOD[2], GOOD[3])
    assert found[0] == ("line 1", {"n": 0})
    assert found[-1] == ("line 3", {"n": 3})
    assert all(place.startswith("line 2") for place, _ in found[1:-1])


@pytest.mark.parametrize(
    "body",
    [
        b"\n".join((b'{"n":1,"x":[{"n":2},{"n":3}]}', *GOOD, b"no JSON", *GOOD)),
        b"\n\n".join(GOOD) + b"\r\n\n\n  \n" + b"\n".join(GOOD),
        b'[{"n":1,"x":[{"n":2},{"n":3}]},%b]' % b",".join(GOOD * 2),
        b'{"Records":[{"n":1,"x":[{"n":2},{"n":3}]},%b]}' % b",".join(GOOD * 2),
    ],
    ids=["lines", "empty lines", "list", "document"],
)
def test_body_says_the_same_wherever_it_is_cut(
    body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = list(pieces(body, SHAPE))
    for size in range(1, 60):
        monkeypatch.setattr(documents, "_AT_ONCE", size)
        cut = list(batches(body, SHAPE))
        assert len(cut) > 1
        assert [piece for batch in cut for piece in apart(batch)] == whole
