"""Keys that a process makes are in the order of their making, whatever the clock does."""

import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from evidence import keys


def test_uuid7_of_one_process_ascends_within_a_millisecond_and_over_threads() -> None:
    def make(_: int) -> list[uuid.UUID]:
        return [keys.uuid7() for _ in range(5_000)]

    with ThreadPoolExecutor(4) as pool:
        runs = list(pool.map(make, range(4)))
    for run in runs:
        assert run == sorted(run)
        assert {(one.version, one.variant) for one in run} == {(7, uuid.RFC_4122)}
    assert len({one for run in runs for one in run}) == 20_000


def test_uuid7_begins_with_its_millisecond_and_never_goes_back_with_the_clock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    later = time.time_ns() + 3_600_000_000_000
    monkeypatch.setattr(keys, "_latest", [0])
    monkeypatch.setattr(time, "time_ns", lambda: later)
    first = keys.uuid7()
    monkeypatch.setattr(time, "time_ns", lambda: later - 1_000_000_000)
    second = keys.uuid7()
    assert first < second
    assert first.int >> 80 == second.int >> 80 == later // 1_000_000
