"""Patterns with wildcards: what matches, what covers, what overlaps."""

import fnmatch
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identities.enforcers.patterns import covers, overlaps

PATTERN = st.text(alphabet="ab*?", max_size=6)
TEXT = st.text(alphabet="ab", max_size=6)


def matches(pattern: str, text: str) -> bool:
    return re.fullmatch(fnmatch.translate(pattern), text) is not None


@pytest.mark.parametrize(
    ("outer", "inner", "covered", "overlapping"),
    [
        ("*", "", True, True),
        ("", "", True, True),
        ("", "*", False, True),
        ("s3:*", "s3:GetObject", True, True),
        ("s3:GetObject", "s3:*", False, True),
        ("s3:Get*", "s3:*Object", False, True),
        ("s3:Get*", "s3:Put*", False, False),
        ("arn:aws:s3:::a/*", "arn:aws:s3:::a/b/*", True, True),
        ("arn:aws:s3:::a?", "arn:aws:s3:::a*", False, True),
        ("?", "?", True, True),
        ("?", "", False, False),
        ("*x*", "axb", True, True),
    ],
)
def test_patterns_compared(outer: str, inner: str, covered: bool, overlapping: bool) -> None:
    assert (covers(outer, inner), overlaps(outer, inner)) == (covered, overlapping)


@given(PATTERN, PATTERN, TEXT)
def test_cover_never_promises_too_much(outer: str, inner: str, text: str) -> None:
    if covers(outer, inner) and matches(inner, text):
        assert matches(outer, text)


@given(PATTERN, TEXT)
def test_cover_of_a_text_is_matching(pattern: str, text: str) -> None:
    assert covers(pattern, text) == matches(pattern, text)


@given(PATTERN, PATTERN, TEXT)
def test_overlap_is_never_missed(one: str, other: str, text: str) -> None:
    assert overlaps(one, other) == overlaps(other, one)
    if matches(one, text) and matches(other, text):
        assert overlaps(one, other)
