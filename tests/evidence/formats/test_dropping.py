"""Content is taken out where a table says, and nowhere else."""

from typing import Any

import pytest

from evidence.formats.dropping import dropper

DIGEST = "hmac-sha256:" + "0" * 64
CASES = [
    (("a.b",), {"a": {"b": "four", "c": 1}}, {"a": {"b": "[content:4]", "c": 1}}, [4]),
    (("A.bC",), {"a": {"bc": [1, 2]}}, {"a": {"bc": "[content:5]"}}, [5]),
    (("a[*].v",), {"a": [{"v": "x"}, {"w": "x"}]}, {"a": [{"v": "[content:1]"}, {"w": "x"}]}, [1]),
    (("a[*]",), {"a": {"b": "x", "c": DIGEST}}, {"a": {"b": "[content:1]", "c": DIGEST}}, [1]),
    (("a[1]",), {"a": ["x", "yy"]}, {"a": ["x", "[content:2]"]}, [2]),
    (("a[k=v].t",), {"a": [{"k": "v", "t": "x"}]}, {"a": [{"k": "v", "t": "[content:1]"}]}, [1]),
    (("a", "a.b"), {"a": {"b": "x"}}, {"a": "[content:9]"}, [9]),
    (("a.b",), {"a": {"b": ""}}, {"a": {"b": ""}}, []),
    (("a.b",), {"a": {"b": "[content:12]"}}, {"a": {"b": "[content:12]"}}, []),
    (("a.b", "a[*].c"), {"a": "text"}, {"a": "text"}, []),
]


@pytest.mark.parametrize(("places", "record", "expected", "gone"), CASES)
def test_places_lose_their_content(
    places: tuple[str, ...], record: Any, expected: Any, gone: list[int]
) -> None:
    drop = dropper(places)
    assert drop is not None
    assert drop(record) == gone
    assert record == expected
    assert drop(record) == []


def test_every_element_of_a_long_list_is_dropped() -> None:
    drop = dropper(("a[*].v",))
    record = {"a": [{"v": "x"} for _ in range(5_000)]}
    assert drop is not None
    assert len(drop(record)) == 5_000


STATEMENTS = [
    ("SELECT a FROM t WHERE b = 'x''y' AND c = 17", "SELECT a FROM t WHERE b = ? AND c = ?", 8),
    ("SELECT 'open", "SELECT ?", 5),
    ("SELECT t1.a FROM t1", "SELECT t1.a FROM t1", 0),
]


@pytest.mark.parametrize(("statement", "form", "characters"), STATEMENTS)
def test_statement_keeps_its_form(statement: str, form: str, characters: int) -> None:
    drop = dropper((), ("q",))
    record = {"q": statement}
    assert drop is not None
    assert sum(drop(record)) == characters
    assert record == {"q": form}


def test_no_places_drop_nothing() -> None:
    assert dropper((), ()) is None
