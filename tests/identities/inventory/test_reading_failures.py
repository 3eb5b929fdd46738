"""Lists that are refused, cut off or away: nothing ends that was not asked, and it goes on."""

from collections.abc import Callable
from typing import Any

import pytest

from evidence.models import Source
from evidence.sources.failures import Later, Stopped
from identities.inventory import reading
from identities.inventory.contract import Absent, Forbidden
from identities.models import Discovery, InventoryPlan, InventoryRead
from tests.identities.inventory.conftest import HOUR, Clock, shown
from tests.identities.inventory.shelf import Shelf, allow, bot, key, shelf, source

__all__ = ["shelf", "source"]

pytestmark = pytest.mark.django_db

Read = Callable[..., InventoryRead]


def test_a_refused_list_ends_nothing_and_the_others_are_read(
    shelf: Shelf, source: Source, read: Read
) -> None:
    shelf.bots, shelf.keys = [bot(1)], [key(1)]
    read(source)
    shelf.bots, shelf.keys = [], []
    shelf.fail["bots", 0] = Forbidden("the shelf answered 403", "Give it list bots.")
    row = read(source)
    assert (row.state, row.gone) == ("partial", 1)
    assert row.parts["bots"]["state"] == "refused"
    assert (row.parts["bots"]["said"], row.parts["bots"]["fix"]) == (
        "the shelf answered 403",
        "Give it list bots.",
    )
    assert list(shown(source)) == ["bot-1"]


@pytest.mark.parametrize(
    ("problem", "state", "part"),
    [
        (Forbidden("403", "rights"), "done", "refused"),
        (Absent("404", "not offered"), "done", "absent"),
    ],
)
def test_an_optional_list_may_be_refused(
    shelf: Shelf, source: Source, read: Read, problem: Exception, state: str, part: str
) -> None:
    shelf.bots, shelf.keys = [bot(1)], [key(1)]
    read(source)
    shelf.fail["keys", 0] = problem
    row = read(source)
    assert (row.state, row.parts["keys"]["state"]) == (state, part)
    assert len(shown(source)) == 2


def test_a_reading_that_brings_nothing_fails_with_what_to_do(
    shelf: Shelf, source: Source, read: Read
) -> None:
    shelf.fail = {
        ("bots", 0): Forbidden("the shelf answered 403", "Give it list bots."),
        ("keys", 0): Absent("404", "not offered"),
    }
    row = read(source)
    assert (row.state, row.problem, row.fix) == (
        "failed",
        "the shelf answered 403",
        "Give it list bots.",
    )


def test_half_a_list_ends_nothing(shelf: Shelf, source: Source, read: Read) -> None:
    shelf.bots = [bot(n) for n in range(7)]
    read(source)
    shelf.bots = [bot(n) for n in range(4, 11)]
    shelf.fail["bots", 2] = Stopped("garbage", "look")
    row = read(source)
    assert (row.state, row.new, row.gone) == ("partial", 3, 0)
    assert len(shown(source)) == 10


def test_what_could_not_be_asked_for_is_not_gone(shelf: Shelf, source: Source, read: Read) -> None:
    shelf.keys = [key(1, scope="user-1"), key(2, scope="user-2")]
    read(source)
    shelf.keys, shelf.unread = [], ("user-2",)
    row = read(source)
    assert (row.state, row.gone) == ("partial", 1)
    assert list(shown(source)) == ["key-2"]


def test_another_accounts_list_ends_nothing_of_the_first(
    shelf: Shelf, source: Source, read: Read
) -> None:
    shelf.bots = [bot(1)]
    read(source)
    shelf.bots, shelf.realm = [], "shelf:2"
    row = read(source)
    assert (row.state, row.realm, row.gone) == ("done", "shelf:2", 0)
    assert list(shown(source)) == ["bot-1"]


def test_a_crash_goes_on_after_the_last_page_that_was_kept(
    shelf: Shelf, source: Source, clock: Clock
) -> None:
    """Whatever page it dies at, the rows are those of a reading that never died."""
    shelf.bots = [bot(n, rights=allow(f"run-{n}")) for n in range(7)]
    shelf.keys = [key(n) for n in range(4)]
    asked = reading.ask(source=source, by="command", now=clock())

    def dies(step: reading.Step) -> None:
        raise KeyboardInterrupt

    for _ in range(5):
        with pytest.raises(KeyboardInterrupt):
            reading.run_next(clock=clock, source=source, on_step=dies)
        # Nobody takes it while the lease of the dead one runs.
        assert reading.run_next(clock=clock, source=source) == 0
        clock.later(reading.LEASE)
    assert reading.run_next(clock=clock, source=source) == asked.pk
    row = InventoryRead.objects.get()
    assert (row.state, row.found, row.new, row.gone) == ("done", 11, 11, 0)
    # No page was asked for twice.
    assert shelf.asked == [("bots", 0), ("bots", 1), ("bots", 2), ("keys", 0), ("keys", 1)]
    assert len(shown(source)) == 11
    assert Discovery.objects.count() == 11


def test_a_place_that_is_too_old_begins_its_list_anew(
    shelf: Shelf, source: Source, clock: Clock
) -> None:
    shelf.bots = [bot(n) for n in range(7)]
    reading.ask(source=source, by="command", now=clock())
    reading.run_next(clock=clock, source=source, enough=lambda: len(shelf.asked) == 2)
    clock.later(2 * HOUR)
    reading.run_next(clock=clock, source=source)
    assert shelf.asked == [
        ("bots", 0), ("bots", 1), ("bots", 0), ("bots", 1), ("bots", 2), ("keys", 0)
    ]  # fmt: skip
    assert InventoryRead.objects.get().parts["bots"]["new"] == 1
    assert len(shown(source)) == 7


def test_a_place_that_the_system_forgot_begins_its_list_anew(
    shelf: Shelf, source: Source, clock: Clock
) -> None:
    shelf.bots = [bot(n) for n in range(7)]
    reading.ask(source=source, by="command", now=clock())
    reading.run_next(clock=clock, source=source, enough=lambda: len(shelf.asked) == 1)
    shelf.fail["bots", 1] = Stopped("the mark is worn", "ask anew")

    class Once(dict[Any, Any]):
        def __getitem__(self, at: Any) -> Any:
            return self.pop(at)

    shelf.fail = Once(shelf.fail)
    reading.run_next(clock=clock, source=source)
    assert InventoryRead.objects.get().state == "done"
    assert len(shown(source)) == 7


def test_a_system_that_is_away_is_tried_again_longer_each_time(
    shelf: Shelf, source: Source, clock: Clock
) -> None:
    shelf.bots = [bot(1)]
    shelf.fail["keys", 0] = Later("the shelf did not answer", None)
    reading.ask(source=source, by="command", now=clock())
    waits = []
    for _ in range(3):
        reading.run_next(clock=clock, source=source)
        row = InventoryRead.objects.get()
        assert (row.state, row.problem) == ("waiting", "the shelf did not answer")
        assert row.not_before is not None
        waits.append(round((row.not_before - clock.at).total_seconds()))
        assert reading.run_next(clock=clock, source=source) == 0
        clock.at = row.not_before
    assert waits == [10, 20, 40]
    # The list that was read is not read again.
    assert shelf.asked.count(("bots", 0)) == 1
    shelf.fail["keys", 0] = Later("slow down", 120.0)
    reading.run_next(clock=clock, source=source)
    row = InventoryRead.objects.get()
    assert row.not_before is not None
    assert round((row.not_before - clock.at).total_seconds()) == 120
    del shelf.fail["keys", 0]
    clock.at = row.not_before
    reading.run_next(clock=clock, source=source)
    assert InventoryRead.objects.get().state == "done"


def test_it_is_given_up_after_many_tries(shelf: Shelf, source: Source, clock: Clock) -> None:
    shelf.fail["bots", 0] = Later("away", None)
    reading.ask(source=source, by="command", now=clock())
    for _ in range(reading.MOST_RETRIES + 1):
        reading.run_next(clock=clock, source=source)
        clock.later(2 * HOUR)
    row = InventoryRead.objects.get()
    assert (row.state, row.problem, row.leased_until) == ("failed", "away", None)
    assert InventoryPlan.objects.get().next_at is not None


def test_our_own_fault_is_told_and_tried_again(shelf: Shelf, source: Source, clock: Clock) -> None:
    shelf.fail["bots", 0] = RuntimeError("a fault of ours")
    reading.ask(source=source, by="command", now=clock())
    reading.run_next(clock=clock, source=source)
    row = InventoryRead.objects.get()
    assert (row.state, row.problem) == ("waiting", "RuntimeError: a fault of ours")
