"""Content is taken out where a table says, and nowhere else."""

import re
from typing import Any

import orjson
import pytest

from evidence.formats.dropping import dropper
from evidence.formats.marking import Gone, is_gone

DIGEST = "hmac-sha256:" + "0" * 64
KEY = b"k" * 32


def dropped(places: tuple[str, ...], record: Any, statements: tuple[str, ...] = ()) -> list[int]:
    """The record loses what is at these places; how long that was."""
    drop, gone = dropper(places, statements), Gone(KEY)
    assert drop is not None
    drop(record, gone)
    return list(gone)


def without_digests(value: Any) -> Any:
    """The same with marks that tell only the length."""
    written = orjson.dumps(value).decode()
    return orjson.loads(re.sub(r"\[content:(\d+):[0-9a-f]{16}\]", r"[content:\1]", written))


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
    # Objects and lists that an export wrote as text, one inside the other too.
    (("a.b",), {"a": '{"b": "four", "c": 1}'}, {"a": '{"b":"[content:4]","c":1}'}, [4]),
    (("a.b",), {"a": '{"c": 1 }'}, {"a": '{"c": 1 }'}, []),
    (("a.b",), {"a": '{"b": "x"'}, {"a": '{"b": "x"'}, []),
    (("a[*].v",), {"a": '[{"v":"x"}, 7]'}, {"a": '[{"v":"[content:1]"},7]'}, [1]),
    (("a[*].v",), {"a": ['{"v":"x"}', "v"]}, {"a": ['{"v":"[content:1]"}', "v"]}, [1]),
    (("a[*].v",), {"a": {"k": '{"v":"x"}'}}, {"a": {"k": '{"v":"[content:1]"}'}}, [1]),
    (("a.b.c",), {"a": {"b": '{"c":"x"}'}}, {"a": {"b": '{"c":"[content:1]"}'}}, [1]),
    (
        ("a.b.c",),
        {"a": '{"b":"{\\"c\\":\\"x\\"}"}'},
        {"a": '{"b":"{\\"c\\":\\"[content:1]\\"}"}'},
        [1],
    ),
]


@pytest.mark.parametrize(("places", "record", "expected", "gone"), CASES)
def test_places_lose_their_content(
    places: tuple[str, ...], record: Any, expected: Any, gone: list[int]
) -> None:
    assert dropped(places, record) == gone
    assert without_digests(record) == expected
    assert dropped(places, record) == []


def test_every_element_of_a_long_list_is_dropped() -> None:
    record = {"a": [{"v": "x"} for _ in range(5_000)]}
    assert len(dropped(("a[*].v",), record)) == 5_000


def test_mark_has_a_digest_that_only_the_key_makes() -> None:
    one: dict[str, Any] = {"a": "Please wire 4200 EUR", "b": {"x": 1, "y": [2]}}
    two: dict[str, Any] = {"a": "Please wire 4200 EUR", "b": {"y": [2], "x": 1}}
    for record in (one, two):
        dropped(("a", "b"), record)
    assert one == two
    assert one["a"] == Gone(KEY).mark("Please wire 4200 EUR")
    assert one["a"] != Gone(b"other").mark("Please wire 4200 EUR")
    assert one["a"] != Gone(KEY).mark("Please wire 4201 EUR")
    assert is_gone(one["a"])
    assert not is_gone("[content:20:pay Ann Smith]")


STATEMENTS = [
    ("SELECT a FROM t WHERE b = 'x''y' AND c = 17", "SELECT a FROM t WHERE b = ? AND c = ?", 8),
    ("SELECT 'open", "SELECT ?", 5),
    ("SELECT t1.a FROM t1", "SELECT t1.a FROM t1", 0),
]


@pytest.mark.parametrize(("statement", "form", "characters"), STATEMENTS)
def test_statement_keeps_its_form(statement: str, form: str, characters: int) -> None:
    record = {"q": statement}
    assert sum(dropped((), record, ("q",))) == characters
    assert record == {"q": form}


def test_no_places_drop_nothing() -> None:
    assert dropper((), ()) is None


def test_text_of_many_names_is_looked_into_as_an_object_is() -> None:
    many = tuple(f"a.n{number}.v" for number in range(40))
    record = {"a": {"n39": '{"v": "x"}'}}
    assert dropped(many, record) == [1]
    assert without_digests(record) == {"a": {"n39": '{"v":"[content:1]"}'}}


def test_text_that_is_nested_beyond_reason_stays() -> None:
    deep = "[" * 100_000
    record: Any = {"a": deep}
    assert (dropped(("a[*].v",), record), record["a"]) == ([], deep)
