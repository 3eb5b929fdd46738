"""A document that is longer than what is looked at is known by its beginning; a broken one is said."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.formats import recognise, resembles, unreadable
from evidence.formats.beginnings import begun, broken
from tests.evidence.formats import abuse

HEAD = 65_536
LONG = "lorem ipsum " * 30_000

BEGUN = [
    (b'{"a":1,"b":"cut of', {"a": 1}),
    (b'{"a":1,"b":{"c":[1,2,{"d":3,"e"', {"a": 1, "b": {"c": [1, 2, {"d": 3}]}}),
    (b'[{"a":"x,y}","b":1},{"a"', [{"a": "x,y}", "b": 1}]),
    (b'{"a":1', None),
    (b"", None),
    (b'{"a":1}}}},"b":2,', None),
    (b"[" * 100_000 + b"1,", None),
    (b"{broken,", None),
]


@pytest.mark.parametrize(("text", "value"), BEGUN, ids=range(len(BEGUN)))
def test_beginning_says_all_up_to_its_last_comma(text: bytes, value: Any) -> None:
    assert begun(text) == value


DOCUMENTS = st.recursive(
    st.none() | st.integers(-9, 9) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=3), DOCUMENTS, min_size=1), st.data())
def test_beginning_says_nothing_that_the_whole_does_not(
    value: dict[str, Any], drawn: st.DataObject
) -> None:
    text = orjson.dumps(value)
    found = begun(text[: drawn.draw(st.integers(0, len(text)))])
    assert found is None or found.keys() <= value.keys()


def trace(**trace: Any) -> bytes:
    observation = {
        "id": "o",
        "traceId": "t",
        "type": "SPAN",
        "startTime": "2031-03-04T05:00:00Z",
        "parentObservationId": None,
        "input": LONG,
    }
    return orjson.dumps({"trace": trace, "observations": [observation]})


@pytest.mark.parametrize("size", [HEAD, 4 * HEAD, 1 << 30])
def test_export_of_langfuse_is_known_by_its_trace(size: int) -> None:
    body = trace(id="t", timestamp="2031-03-04T05:00:00Z", name="n", input=LONG, userId="ann")
    assert len(body) > 4 * HEAD
    assert recognise(body[:size]) == "langfuse"


def test_trace_of_others_is_none_of_langfuse() -> None:
    assert recognise(orjson.dumps({"trace": {"id": "t"}, "message": LONG})) is None
    assert recognise(orjson.dumps({"trace": {"id": "t", "input": LONG}})[:HEAD]) is None


@pytest.mark.parametrize("listed", [False, True])
def test_record_that_is_longer_than_what_is_looked_at_is_known(listed: bool) -> None:
    record = {**abuse.sample("kubernetes")[0], "zLast": LONG}
    body = orjson.dumps({"items": [record]} if listed else record)
    assert recognise(body[:HEAD]) == "kubernetes"


def test_unknown_record_that_is_too_long_is_described_by_its_members() -> None:
    body = orjson.dumps({"alpha": 1, "beta": LONG})
    assert unreadable.why(body[:HEAD]) == ""
    assert resembles(body[:HEAD])[0] == "JSON with the member alpha"


BROKEN = [
    (b'{"alpha": ' + b"9" * 100_000 + b"}", "line 1 column 11"),
    (b'{"alpha": 1,\n "beta" 2}', "line 2 column"),
]


@pytest.mark.parametrize(("body", "place"), BROKEN, ids=["number", "colon"])
def test_broken_document_is_said_with_its_place(body: bytes, place: str) -> None:
    said = unreadable.why(body)
    assert said.startswith("broken JSON: ")
    assert place in said
    assert said.endswith(": correct it where it is written")


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": 1}\n{"a": 2}\n',
        b'{"a": 1}{"a": 2}',
        b'{"a": 1, "b": "cut',
        b'{"a": 1}',
        b'{"a": "\\ud800"}',
        b"text",
    ],
)
def test_nothing_is_broken_in_what_is_cut_or_lines(body: bytes) -> None:
    assert broken(body) == ""
