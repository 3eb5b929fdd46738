"""The fast way to canonical JSON says byte for byte what the library says, and refuses what it does."""

from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from evidence import canonical

TEXTS = st.text(st.characters(codec=None), max_size=8)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**54), 2**54)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda one: st.lists(one, max_size=4) | st.dictionaries(TEXTS, one, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_bytes_and_refusals_are_the_library_s(value: Any) -> None:
    try:
        expected = rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError) as problem:
        with pytest.raises(type(problem)):
            canonical.dumps(value)
    else:
        assert canonical.dumps(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        {'\x7f\x00\x1f\b\f\n\r\t"\\/': "\u2028é😀", "B": 1, "a": 2, "": 3},
        {"\ue000": 1, "\U0001f600": 2},
        {"n": [2**53 - 1, -(2**53 - 1), 1.0, 1e21, -0.0, True, None, {}]},
        [[], {}, ""],
    ],
)
def test_what_encoders_differ_in(value: Any) -> None:
    assert canonical.dumps(value) == rfc8785.dumps(value)
