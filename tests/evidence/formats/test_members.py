"""The careful reading of one member, and what is remembered of the values of several."""

import itertools
from typing import Any

import pytest

from evidence.formats.members import Shapes, latest, picked, remembered, told, ways

_NAMES = ways("userName", "user", "Login")


@pytest.mark.parametrize(
    ("record", "text"),
    [
        ({"userName": "rosa", "user": "ben"}, "rosa"),
        ({"username": "rosa", "user": "ben"}, "rosa"),
        ({"userName": "", "user": "ben"}, "ben"),
        # Only where nothing stands under the name as the vendor writes it, the other is read.
        ({"userName": "", "username": "rosa"}, ""),
        ({"userName": None, "username": "rosa"}, "rosa"),
        ({"userName": {"name": "rosa"}, "user": 7, "login": "ada"}, "ada"),
        ({}, ""),
    ],
)
def test_told_is_the_first_name_with_text(record: dict[str, Any], text: str) -> None:
    assert told(record, _NAMES) == text


def test_remembered_is_what_is_written_alike() -> None:
    made: list[Any] = []

    def make(values: Any) -> int:
        made.append(values)
        return len(made)

    count = remembered(make)
    assert [count((1, "a")), count([1, "a"]), count((1, "a"))] == [1, 1, 1]
    # None of these is another, though Python holds some of them equal.
    others: list[Any] = [
        (True, "a"),
        (1.0, "a"),
        ("1", "a"),
        (None, "a"),
        (1, ["a"]),
        (1, {"a": 1}),
    ]
    assert [count(values) for values in others] == [2, 3, 4, 5, 6, 7]
    assert made[1:] == [[True, "a"], [1.0, "a"], ["1", "a"], [None, "a"], [1, ["a"]], [1, {"a": 1}]]


def test_latest_looks_through_one_object_once() -> None:
    calls = []

    def make(value: Any) -> int:
        calls.append(value)
        return len(value)

    known = latest(make)
    one, alike = ["a", "b"], ["a", "b"]
    assert [known(one), known(one), known(alike), known(one)] == [2, 2, 2, 2]
    assert [value is one for value in calls] == [True, False, True]


def test_what_is_long_or_no_json_is_made_anew() -> None:
    deep: Any = "end"
    for _ in range(500):
        deep = [deep]
    made = itertools.count()
    count = remembered(lambda _: next(made))
    for values in ("x" * 5_000, deep, "\ud800"):
        assert count(values) != count(values)


def test_a_shape_is_made_once_and_long_ones_are_not_kept() -> None:
    met: list[tuple[str, ...]] = []

    def make(names: tuple[str, ...]) -> int:
        met.append(names)
        return len(met)

    shapes = Shapes(make)
    assert [shapes["a", "b"], shapes["b", "a"], shapes["a", "b"]] == [1, 2, 1]
    assert shapes[("x" * 5_000,)] != shapes[("x" * 5_000,)]
    for number in range(3_000):
        assert shapes[str(number),] == len(met)
    assert len(shapes) < 2_000


@pytest.mark.parametrize("names", [(), ("b",), ("b", "a")])
def test_picked_finds_members_in_their_order(names: tuple[str, ...]) -> None:
    assert list(picked(names)({"a": 1, "b": 2})) == [{"a": 1, "b": 2}[name] for name in names]
