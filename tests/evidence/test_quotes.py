"""What a text quotes of something, in tables; and that cutting leaves everything else."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.quotes import Column, Names, cut, leaves, prose, tail

SAID = "Please move the salary of Jane Doe to the account of her brother before Friday"


def without(text: Any, content: bytes, *, needed: tuple[str, ...] = ()) -> Any:
    for wanted in prose(content, needed=needed):
        text = cut(text, wanted, Column.WRITTEN, "[x]")
    return text


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (SAID, "[x]"),
        (f"It said: {SAID}. I see.", "It said: [x]. I see."),
        ("MOVE THE\nSALARY,  of Jane Doe!", "[x]!"),
        ("We read: of Jane Doe to the account of a friend", "We read: [x] a friend"),
        ("salary of Jane Doe to", "salary of Jane Doe to"),  # five words
        ("move-the-salary-of-jane-doe", "move-the-salary-of-jane-doe"),
        ("", ""),
        (["a", {"b": SAID, "c": 7}], ["a", {"b": "[x]", "c": 7}]),
    ],
)
@pytest.mark.parametrize(
    "content",
    [
        json.dumps({"a": [{"prompt": SAID}]}).encode(),
        json.dumps({"a": json.dumps([{"role": "user", "content": f"\n{SAID}"}])}).encode(),
        b"\x0a\x12\x03" + json.dumps({"text": f"Hello.\n{SAID}\nBye."}).encode() + b"\xff",
    ],
)
def test_six_words_in_a_row_are_a_quotation(text: Any, left: Any, content: bytes) -> None:
    assert without(text, content) == left


def test_words_that_other_evidence_needs_are_no_quotation() -> None:
    error = "User x is not authorized to perform this on anything"
    content = json.dumps({"errorMessage": error, "prompt": SAID}).encode()
    assert without([error, SAID], content, needed=(error,)) == [error, "[x]"]
    assert without([error, SAID], content) == ["[x]", "[x]"]


def test_deep_or_broken_json_is_read_as_text() -> None:
    assert without(SAID, b"[" * 100_000 + SAID.encode()) == "[x]"
    assert list(leaves(b'{"a": "[broken"}')) == ["[broken"]


FILE = "arn:aws:s3:::hr/jane-2.csv"


@pytest.mark.parametrize(
    ("name", "text", "column", "left"),
    [
        (FILE, f"It read {FILE}.", Column.WRITTEN, "It read [x]."),
        (FILE, f"{FILE}/more", Column.WRITTEN, f"{FILE}/more"),  # a longer name
        (FILE, f"x{FILE}", Column.WRITTEN, f"x{FILE}"),
        ("jane-2.csv", "in hr/jane-2.csv, twice", Column.WRITTEN, "in hr/[x], twice"),
        ("jane-2.csv", "not-jane-2.csv", Column.WRITTEN, "not-jane-2.csv"),
        ("jane-2.csv", "a.jane-2.csv", Column.WRITTEN, "a.jane-2.csv"),
        ("payroll", "asks for payroll", Column.WRITTEN, "asks for payroll"),
        ("payroll", "used payroll once", Column.MADE, "used [x] once"),
        ("hr", "used hr once", Column.MADE, "used hr once"),
        ("hr", "hr", Column.NAME, "[x]"),
        ("payroll", "payroll/*", Column.NAME, "payroll/*"),
        # What names something of this app is no quotation, whatever a sender called himself.
        ("no_authority", "no_authority", Column.MADE, "no_authority"),
        ("CS-1234", "CS-1234", Column.MADE, "CS-1234"),
        (
            "0190a1b2-0000-7000-8000-000000000001",
            "0190a1b2-0000-7000-8000-000000000001",
            Column.MADE,
            "0190a1b2-0000-7000-8000-000000000001",
        ),
        (r"a\b(c|d)*.+?", r"so a\b(c|d)*.+? it is", Column.WRITTEN, "so [x] it is"),
    ],
)
def test_name_is_cut_where_it_stands_alone(name: str, text: str, column: Column, left: str) -> None:
    assert cut(text, Names([name]), column, "[x]") == left


@pytest.mark.parametrize(
    ("name", "part"),
    [(FILE, "jane-2.csv"), ("bucket/salaries", ""), ("a/b-1", ""), ("jane.doe", "")],
)
def test_tail_is_what_people_call_it_by(name: str, part: str) -> None:
    assert tail(name) == part


@given(st.lists(st.text("ab/. ", min_size=1), max_size=6), st.text("ab/. x", max_size=60))
def test_cutting_leaves_the_rest_in_its_order(names: list[str], text: str) -> None:
    left = cut(text, Names(names), Column.MADE, "|")
    at = 0
    for part in left.split("|"):
        found = text.find(part, at)
        assert found >= at
        at = found + len(part)
