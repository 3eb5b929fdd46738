"""A receiver's word: read or refused by its members, kept as one line, weighed by when it was seen."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identities.enforcers.webhook_answers import OUTCOMES, Told, Unclear, counts, from_words, read

AT = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.text(max_size=300),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=2),
    st.sampled_from(OUTCOMES),
    st.datetimes(timezones=st.timezones()).map(datetime.isoformat),
    st.datetimes().map(datetime.isoformat),
)


def _told(outcome: str, minute: int, **said: Any) -> Told:
    seen = AT + timedelta(minutes=minute)
    return Told(by="crm", outcome=outcome, message=f"m{minute}", seen_at=seen, **said)


@pytest.mark.parametrize(
    "told",
    [
        _told("confirmed", 0),
        _told("residual", 1, until=AT, said="a: b, until never"),
        _told("failed", 2, said="says failed in m1, seen x: y"),
    ],
)
def test_a_word_is_read_back_as_it_was_kept(told: Told) -> None:
    assert from_words(told.words()) == told
    assert from_words("somebody looked at it") is None


@pytest.mark.parametrize(
    ("outcomes", "number"),
    [
        ([], None),
        (["confirmed", "effective"], 1),
        (["effective", "confirmed"], 0),
        (["effective", "failed"], 1),
        (["failed", "confirmed"], 1),
        (["effective", "residual", "confirmed"], 1),
    ],
)
def test_the_word_that_was_seen_last_counts(outcomes: list[str], number: int | None) -> None:
    told = [_told(one, minute) for minute, one in enumerate(outcomes)]
    for order in (told, told[::-1]):
        assert counts(order) == (None if number is None else told[number])


def test_a_reason_is_kept_in_one_short_line() -> None:
    said = {"outcome": "failed", "reason": "a\nb\x1b" + "x" * 900, "seen_at": AT.isoformat()}
    told = read(said, by="crm", message="m")
    assert (told.said[:4], len(told.said)) == ("a b ", 200)


@given(
    data=st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("outcome", "seen_at", "until", "reason"), VALUES)
    )
)
def test_whatever_is_said_is_a_word_that_is_read_back_or_is_refused(data: dict[str, Any]) -> None:
    told, place = None, ""
    try:
        told = read(data, by="crm", message="msg_1")
    except Unclear as problem:
        place = str(problem).partition(" ")[0]
    if told is None:
        assert place in ("outcome", "seen_at", "until", "reason")
    else:
        assert (told.outcome, told.words().isprintable()) == (data["outcome"], True)
        assert from_words(told.words()) == told
