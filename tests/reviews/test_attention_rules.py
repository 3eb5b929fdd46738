"""What counts as hasty: the numbers at their edges, and words that name nobody."""

from datetime import UTC, datetime, timedelta

import pytest

from reviews import attention

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
STEP = timedelta(microseconds=1)


@pytest.mark.parametrize(("answered", "hasty"), [(0, False), (49, False), (50, True), (51, True)])
def test_fifty_are_a_burst(answered: int, hasty: bool) -> None:
    assert attention.is_hasty(answered) is hasty


@pytest.mark.parametrize(
    ("after", "goes_on"),
    [
        (timedelta(0), True),
        (timedelta(seconds=30), True),
        (timedelta(seconds=30) + STEP, False),
        (-STEP, False),
    ],
)
def test_a_burst_ends_thirty_seconds_after_its_last_answer(after: timedelta, goes_on: bool) -> None:
    assert attention.goes_on(NOW, NOW + after) is goes_on


def test_only_what_lets_in_can_be_hasty() -> None:
    assert frozenset({"keep", "approve"}) == attention.QUICK


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "within 1 second:"), (1, "within 1 second:"), (24, "within 24 seconds")],
)
def test_the_sentence_names_the_numbers(seconds: int, said: str) -> None:
    words = attention.sentence(1_052, NOW, NOW + timedelta(seconds=seconds))
    assert "1,052 items" in words
    assert said in words
