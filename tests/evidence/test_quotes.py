"""What a text quotes of something, in tables; and that cutting leaves everything else."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.quotes import Column, Names, Pieces, cut, leaves, prose, tail, why_no_piece

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


@pytest.mark.parametrize(
    ("piece", "text", "left"),
    [
        ("Jane Doe", "JANE\n DOE asked; so did Jane  Doe's brother", "[x] asked; so did [x]'s brother"),
        ("Jane Doe", r'{"said": "it\nJane\nDoe\tleft"}', r'{"said": "it\n[x]\tleft"}'),
        ("Jane Doe", "Jane Doe-Smith, Mary-Jane Doe", "Jane Doe-Smith, Mary-Jane Doe"),
        ("Doe", "Doe and doe, Doeful", "[x] and doe, Doeful"),  # one word: as it is written
        ("jane@x.org", "to Jane@X.org.", "to [x]."),
        ("jane@x.org", "mary.jane@x.org", "mary.jane@x.org"),
        ("DE89 3704 0044", "de89 3704 0044 05", "[x] 05"),
        ("4711-0815", "4711-0815-1 is not 4711-0815", "4711-0815-1 is not [x]"),
        ("\u738b\u5c0f\u660e", "\u8bf7\u627e\u738b\u5c0f\u660e\u5427", "\u8bf7\u627e[x]\u5427"),
        ("a.*(b)", "so a.*(b) it is, axx(b)", "so [x] it is, axx(b)"),
        ("Revoke", "revoke", "revoke"),
        ("No Authority", "no_authority", "no_authority"),
        # What was cut before keeps saying when, and of what.
        ("2026-11-26", "[erased 2026-11-26, deposit 12] on 2026-11-26", "[erased 2026-11-26, deposit 12] on [x]"),
    ],
)  # fmt: skip
def test_piece_is_cut_where_it_stands_alone(piece: str, text: str, left: str) -> None:
    assert cut(text, Pieces([piece]), Column.WRITTEN, "[x]") == left


@pytest.mark.parametrize(
    ("piece", "why"),
    [
        ("Jane Doe", ""),
        ("Doe", ""),
        ("jane doe", ""),
        ("\u738b\u660e", ""),
        ("jane@x.org", ""),
        ("12345", ""),
        ("salary", "it may be the name of something here, or anybody's word: write more of it"),
        ("m\u00fcller", "it may be anybody's word: write more of it"),
        ("CS-1234", "it may be the name of something here, or anybody's word: write more of it"),
        ("2026", "so short a number may be anything's"),
        ("Jo", "it is too short"),
        ("...", "it is too short"),
    ],
)
def test_piece_that_would_stand_in_too_much_is_not_taken(piece: str, why: str) -> None:
    assert why_no_piece(piece) == why


@given(
    st.lists(st.sampled_from(["Jane Doe", "jane@x.org", "4711-0815", "Ab", "b a"]), min_size=1),
    st.lists(st.sampled_from(["Jane", "Doe", " ", "jane@x.org", "4711-0815", ",", "a", "Ab"])),
)
def test_no_piece_is_left_where_it_stood_and_nothing_else_goes(
    pieces: list[str], parts: list[str]
) -> None:
    text = "".join(parts)
    wanted = Pieces(pieces)
    left = cut(text, wanted, Column.WRITTEN, "[]")
    assert wanted.spans(left, Column.WRITTEN) == []
    # What stays is the text, in its order, and what lies between is a piece in other blanks.
    said = {"".join(one.lower().split()) for one in pieces}
    at = 0
    for part in left.split("[]"):
        found = text.index(part, at)
        gone = "".join(text[at:found].lower().split())
        assert gone == "" or re.fullmatch("(?:" + "|".join(map(re.escape, said)) + ")+", gone)
        at = found + len(part)
    assert cut(left, wanted, Column.WRITTEN, "[]") is left
