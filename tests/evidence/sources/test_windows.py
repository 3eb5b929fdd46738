"""Windows of time: every moment is asked for, late records are found, a crash anywhere is harmless."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.sources import windows

START = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
RULE = windows.Rule(longest=timedelta(hours=6), near=timedelta(minutes=10), far=timedelta(hours=3))


def run(
    lane: windows.Lane, until: datetime, *, rule: windows.Rule = RULE, since: datetime = START
) -> tuple[windows.Lane, list[tuple[datetime, datetime]]]:
    """The lane after a whole run, and the windows that were asked for."""
    asked = []
    while (open_ := windows.opened(lane, since=since, until=until, rule=rule)) is not None:
        asked.append((windows.moment(open_["begins"]), windows.moment(open_["ends"])))
        lane = windows.closed(open_, until=until)
    return lane, asked


def test_first_run_goes_from_since_to_now_in_windows() -> None:
    until = START + timedelta(hours=14)
    lane, asked = run({}, until)
    assert asked == [
        (START, START + timedelta(hours=6)),
        (START + timedelta(hours=6), START + timedelta(hours=12)),
        (START + timedelta(hours=12), until),
    ]
    assert lane == {"through": windows.written(until), "swept": windows.written(until)}


def test_next_run_begins_a_little_before_and_a_sweep_far_before() -> None:
    first = START + timedelta(hours=5)
    lane, _ = run({}, first)
    soon = first + timedelta(minutes=5)
    lane, asked = run(lane, soon)
    assert asked == [(first - RULE.near, soon)]
    late = first + timedelta(hours=1)
    lane, asked = run(lane, late)
    assert asked == [(first - RULE.far, late)]
    assert lane == {"through": windows.written(late), "swept": windows.written(late)}


def test_nothing_is_asked_twice_at_the_same_moment() -> None:
    until = START + timedelta(hours=1, microseconds=5)
    lane, _ = run({}, until)
    assert run(lane, until) == (lane, [])
    assert run(lane, until - timedelta(hours=1)) == (lane, [])


def test_window_that_was_left_open_is_ended_first() -> None:
    until = START + timedelta(hours=8)
    open_ = windows.opened({}, since=START, until=until, rule=RULE)
    assert open_ is not None
    left = windows.turned(open_, "page-2")
    again = windows.opened(left, since=START, until=until + timedelta(hours=9), rule=RULE)
    assert again == left
    _, asked = run(windows.closed(left, until=until), until + timedelta(hours=9))
    assert asked[0][0] == START + timedelta(hours=6)


@pytest.mark.parametrize(
    ("days", "silent"),
    [(10, None), (40, (START - timedelta(days=40), START - timedelta(days=30)))],
)
def test_stretch_that_is_kept_no_more_is_said(
    days: int, silent: tuple[datetime, datetime] | None
) -> None:
    said = windows.forgotten(
        {},
        since=START - timedelta(days=days),
        until=START,
        rule=RULE,
        kept=timedelta(days=30),
        reason="gone",
    )
    assert (said and (said.begins, said.ends)) == silent


def test_stretch_that_was_read_is_not_forgotten() -> None:
    lane = {"through": windows.written(START), "swept": windows.written(START)}
    said = windows.forgotten(
        lane,
        since=START,
        until=START + timedelta(days=30, hours=-1),
        rule=RULE,
        kept=timedelta(days=30),
        reason="gone",
    )
    assert said is None


@given(
    steps=st.lists(st.integers(1, 20_000), min_size=3, max_size=40),
    happened=st.integers(0, 200_000),
    late=st.integers(0, 3 * 3600),
    crashes=st.sets(st.integers(0, 60)),
)
def test_record_published_within_far_is_found_whenever_pulls_come(
    steps: list[int], happened: int, late: int, crashes: set[int]
) -> None:
    """Time is cut at any moments, and some windows are lost half-way and asked for again."""
    at = START + timedelta(seconds=happened)
    published = at + timedelta(seconds=late)
    lane: windows.Lane = {}
    now, number, found = START, 0, False
    for step in [*steps, 3600, 3600]:
        now += timedelta(seconds=step)
        while (open_ := windows.opened(lane, since=START, until=now, rule=RULE)) is not None:
            number += 1
            begins, ends = (windows.moment(open_[name]) for name in ("begins", "ends"))
            found |= begins <= at < ends and published <= now
            if number in crashes:
                lane = windows.turned(open_, "page")
                continue
            lane = windows.closed(open_, until=now)
    settled = now - timedelta(seconds=7200)
    assert found or published > settled
