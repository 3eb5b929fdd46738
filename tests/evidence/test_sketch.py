"""Different things are counted within the stated error, in 2 KiB, in any order and any parts."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence import sketch


def digests(*numbers: int) -> list[bytes]:
    return [sha256(b"%d" % number).digest()[:16] for number in numbers]


@pytest.mark.parametrize("many", [0, 1, 10, 100, 1_000, 10_000, 100_000])
def test_estimate_is_near_however_often_each_comes(many: int) -> None:
    once = sketch.added(sketch.EMPTY, digests(*range(many)))
    again = sketch.added(once, digests(*range(many)))
    assert again == once
    assert len(once) == sketch.REGISTERS
    assert abs(sketch.estimate(once) - many) <= max(1, 2 * sketch.ERROR * many)


def test_error_is_what_is_stated_over_many_counts() -> None:
    many, counts = 20_000, 60
    errors = []
    for number in range(counts):
        found = sketch.added(sketch.EMPTY, digests(*range(number * many, (number + 1) * many)))
        errors.append(sketch.estimate(found) / many - 1)
    spread = (sum(error**2 for error in errors) / counts) ** 0.5
    assert spread < 1.25 * sketch.ERROR
    assert sum(abs(error) <= 2 * sketch.ERROR for error in errors) >= 0.9 * counts


@given(st.lists(st.integers(0, 500), max_size=60), st.lists(st.integers(0, 500), max_size=60))
def test_sketches_of_parts_are_the_sketch_of_all(one: list[int], other: list[int]) -> None:
    parts = sketch.added(sketch.EMPTY, digests(*one)), sketch.added(sketch.EMPTY, digests(*other))
    whole = sketch.added(sketch.EMPTY, digests(*other, *one))
    assert sketch.merged(*parts) == sketch.merged(*reversed(parts)) == whole
    assert sketch.added(parts[0], digests(*other)) == whole
    assert sketch.merged(sketch.EMPTY, whole) == whole
