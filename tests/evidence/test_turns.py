"""Whose turn an intake is, and what a source may use."""

from threading import Event as Signal
from threading import Thread
from time import sleep

import pytest

from evidence.turns import CLAIM_SECONDS, Busy, Quota, Spent, Turns

LONG = 60.0


class Watch:
    """A clock that goes when the test says so."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def watch() -> Watch:
    return Watch()


def use(turns: Turns, watch: Watch, source: int, *, seconds: float) -> None:
    with turns.one(source):
        watch.now += seconds


def test_flooders_do_not_starve_a_source_that_used_less() -> None:
    """Six senders that come again at once whenever they may, and a seventh every 0.2 s."""
    turns = Turns(2, 2, 0.05)
    stop = Signal()

    def flood(source: int) -> None:
        while not stop.is_set():
            try:
                with turns.one(source):
                    sleep(0.02)
            except Busy:
                sleep(0.001)

    flooders = [Thread(target=flood, args=(source,)) for source in range(6)]
    for thread in flooders:
        thread.start()
    sleep(0.5)
    taken = 0
    try:
        for _ in range(10):
            # Sent away once it has a claim, and in when it comes again.
            for _ in range(2):
                try:
                    with turns.one(7):
                        taken += 1
                    break
                except Busy:
                    sleep(0.2)
    finally:
        stop.set()
        for thread in flooders:
            thread.join(LONG)
    assert taken == 10


def test_turn_is_kept_for_a_source_that_was_sent_away(watch: Watch) -> None:
    turns = Turns(1, 0, 0.0, clock=watch)
    use(turns, watch, 1, seconds=10.0)
    with turns.one(1), pytest.raises(Busy), turns.one(2):
        pass
    # It is free, and it is not for the one that used more.
    with pytest.raises(Busy), turns.one(1):
        pass
    with turns.one(2):
        pass
    with turns.one(1):
        pass


def test_turn_is_not_kept_for_ever(watch: Watch) -> None:
    turns = Turns(1, 0, 0.0, clock=watch)
    use(turns, watch, 1, seconds=10.0)
    with turns.one(1), pytest.raises(Busy), turns.one(2):
        pass
    watch.now += CLAIM_SECONDS
    with turns.one(1):
        pass


def test_lone_source_has_every_turn(watch: Watch) -> None:
    turns = Turns(2, 0, 0.0, clock=watch)
    use(turns, watch, 1, seconds=1_000.0)
    with turns.one(1), turns.one(1):
        assert turns.running == 2
    assert turns.running == 0


@pytest.mark.parametrize(
    ("seconds", "unpacked", "records"), [(20.0, 0, 0), (0.0, 2_000, 0), (0.0, 0, 20)]
)
def test_source_waits_once_it_used_its_quota(
    watch: Watch, seconds: float, unpacked: int, records: int
) -> None:
    turns = Turns(2, 0, 0.0, quota=Quota(seconds=10.0, bytes=1_000, records=10), clock=watch)
    with turns.one(1) as used:
        used.bytes, used.records = unpacked, records
        watch.now += seconds
    # Two minutes' worth; one may be ahead of its time.
    with pytest.raises(Spent) as refused, turns.one(1):
        pass
    assert refused.value.retry_after == 60
    with turns.one(2):
        pass
    watch.now += 59.0
    with pytest.raises(Spent), turns.one(1):
        pass
    watch.now += 1.0
    with turns.one(1):
        pass


def test_failed_intake_counts_as_well(watch: Watch) -> None:
    turns = Turns(2, 0, 0.0, quota=Quota(seconds=1.0, bytes=1, records=1), clock=watch)

    def fail() -> None:
        with turns.one(1):
            watch.now += 13.0
            raise ValueError("unreadable")

    with pytest.raises(ValueError, match="unreadable"):
        fail()
    with pytest.raises(Spent) as refused, turns.one(1):
        pass
    assert refused.value.retry_after == 12 * 60
