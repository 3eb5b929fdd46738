"""What is left of pieces that could not be read: their form, and no sentence of anybody's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.formats.unread import outlined

PROMPT = b"Please wire 4200 EUR to Ann Smith"

CASES = [
    (b'{"id":"a-1","input":"%b"' % PROMPT, b'{"id":"a-1","input":"[content:33]"'),
    (b'{"id":"a-1","input":"%b' % PROMPT, b'{"id":"a-1","input":"[content:33]'),
    (b'{"text":"one\\ntwo","n":1}', b'{"text":"[content:8]","n":1}'),
    (b'{"a":"say \\"%b\\" now","b":"c"}' % PROMPT, b'{"a":"[content:45]","b":"c"}'),
    (b'{"time":"2031-05-04T10:00:00Z","n":[1,2.5,null]', None),
    (b"\x0a\x21" + PROMPT + b"\x12\x02id", b"\x0a[content:34]\x12\x02id"),
    (b'{"%b": 1}' % PROMPT, b'{"[content:33]": 1}'),
    (b'{"a":"' + b"x" * 65 + b'"}', b'{"a":"[content:65]"}'),
    ('{"a":"アンへ4200円送金して"}'.encode(), b'{"a":"[content:12]"}'),
    (b'{"a":"\\u30a2\\u30f3"}', b'{"a":"[content:12]"}'),
    ("アンへ送金".encode(), b"[content:5]"),
    (b"", None),
]


@pytest.mark.parametrize(("raw", "left"), CASES)
def test_texts_go_and_the_form_stays(raw: bytes, left: bytes | None) -> None:
    found, gone = outlined(raw)
    assert found == (raw if left is None else left)
    assert bool(gone) == (left is not None)


@given(st.binary(max_size=200))
def test_bytes_of_any_kind_are_taken_and_no_sentence_is_left(noise: bytes) -> None:
    raw = b'{"a":"' + noise.replace(b'"', b"") + b" " + PROMPT + b'"'
    found, _ = outlined(raw)
    assert b"Ann Smith" not in found
    assert outlined(found)[0].count(b"Ann") == 0


def test_a_word_without_end_is_looked_at_once() -> None:
    # Begun anew at each of its letters, this would take weeks.
    assert outlined(b"x" * 20_000_000)[1] == 0
