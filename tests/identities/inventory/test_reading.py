"""Readings of lists: dated rows, nothing lost by a crash, nothing ended that was not asked."""

import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from evidence.formats.record import ActorName
from evidence.models import LedgerEntry, Source
from evidence.sources.contract import Asked
from evidence.sources.failures import Later, Stopped
from identities.enforcers.possible_aws import Possible
from identities.inventory import reading, systems
from identities.inventory.contract import Absent, Batch, Forbidden, Found, Hint, Part, System
from identities.models import Credential, DiscoveredRights, Discovery, InventoryPlan, InventoryRead
from tests.identities.conftest import NOW
from tests.identities.inventory.conftest import HOUR, Clock, everything, rights, shown

pytestmark = pytest.mark.django_db

Read = Callable[..., InventoryRead]
PER_PAGE = 3


def allow(*actions: str) -> tuple[Possible, ...]:
    return (Possible(effect="allow", actions=actions, resources=("*",), via="policy"),)


def bot(number: int | str, **said: Any) -> Found:
    return Found(ActorName("shelf:1", "app", f"bot-{number}"), "bot", **said)


def key(number: int | str, **said: Any) -> Found:
    said.setdefault("holder", bot(number).name)
    return Found(ActorName("shelf:1", "api_token", f"key-{number}"), "key", credential=True, **said)


class Shelf:
    """A system with two lists that tests fill and let fail."""

    def __init__(self) -> None:
        self.realm = "shelf:1"
        self.bots: list[Found] = []
        self.keys: list[Found] = []
        self.unread: tuple[str, ...] = ()
        self.fail: dict[tuple[str, int], Exception] = {}
        self.asked: list[tuple[str, int]] = []
        self.closed = 0

    def open(self, _: Asked) -> "Shelf":
        return self

    def close(self) -> None:
        self.closed += 1

    def pages(self, name: str, cursor: Mapping[str, Any]) -> Iterator[Batch]:
        rows = self.bots if name == "bots" else self.keys
        starts = range(0, max(len(rows), 1), PER_PAGE)
        for number in range(int(cursor.get("page", 0)), len(starts)):
            self.asked.append((name, number))
            if (name, number) in self.fail:
                raise self.fail[name, number]
            page = tuple(rows[starts[number] : starts[number] + PER_PAGE])
            yield Batch(page, {"page": number + 1}, self.unread)


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch) -> Shelf:
    made = Shelf()
    system = System(
        name="shelf",
        title="Shelf",
        fits=lambda connector, _: connector == "shelf",
        open=made.open,
        parts=(
            Part("bots", lambda _, cursor: made.pages("bots", cursor), "list bots"),
            Part("keys", lambda _, cursor: made.pages("keys", cursor), "list keys", optional=True),
        ),
    )
    monkeypatch.setattr(systems, "SYSTEMS", [*systems.SYSTEMS, system])
    return made


@pytest.fixture
def source(connect: Callable[..., Source], shelf: Shelf) -> Source:
    return connect("shelf")


def test_what_a_list_shows_is_a_row_from_the_reading_on(
    shelf: Shelf, source: Source, read: Read
) -> None:
    shelf.bots = [
        bot(1, title="Nightly", created_at=NOW - 9 * HOUR, hints=(Hint("owner", "ops", "tag Owner"),),
            rights=allow("run"))
    ]  # fmt: skip
    shelf.keys = [key(1, last_used_at=NOW, expires_at=NOW + 99 * HOUR)]
    row = read(source)
    assert (row.state, row.found, row.new, row.changed, row.gone) == ("done", 2, 2, 0, 0)
    bots, keys = Discovery.objects.order_by("credential")
    assert (bots.title, bots.status, bots.created_at, bots.hints) == (
        "Nightly",
        "active",
        NOW - 9 * HOUR,
        [{"kind": "owner", "value": "ops", "seen_in": "tag Owner"}],
    )
    assert (keys.holder_id, keys.last_used_at, keys.expires_at) == (
        bots.actor_id,
        NOW,
        NOW + 99 * HOUR,
    )
    assert bots.during.lower >= row.started_at
    assert bots.during.upper is None
    assert rights(source, "bot-1") == [(["run"], ["*"])]
    credential = Credential.objects.get()
    assert (
        credential.actor_id,
        credential.issued_to_id,
        credential.standing,
        credential.state,
    ) == (
        keys.actor_id,
        bots.actor_id,
        True,
        "active",
    )
    assert credential.expires_at == NOW + 99 * HOUR
    assert shelf.closed == 1


def test_the_same_again_changes_nothing(shelf: Shelf, source: Source, read: Read) -> None:
    shelf.bots = [bot(n, rights=allow("run", f"stop-{n}")) for n in range(7)]
    shelf.keys = [key(n) for n in range(7)]
    read(source)
    before, told = everything(), LedgerEntry.objects.count()
    again = read(source)
    assert (again.found, again.new, again.changed, again.gone) == (14, 0, 0, 0)
    assert everything() == before
    assert LedgerEntry.objects.count() == told
    assert Credential.objects.count() == 7


def test_a_change_ends_one_version_and_begins_another(
    shelf: Shelf, source: Source, read: Read, clock: Clock
) -> None:
    shelf.bots = [bot(1, rights=allow("run"))]
    read(source)
    shelf.bots = [bot(1, status="held", rights=allow("run", "stop"))]
    row = read(source)
    assert (row.new, row.changed, row.gone) == (0, 1, 0)
    for model in (Discovery, DiscoveredRights):
        versions = model.objects.filter(superseded_at__isnull=True).order_by("during")
        (first, second) = versions
        assert first.during.upper == second.during.lower
        assert second.during.upper is None
        # As it was known before stays what it was.
        assert model.objects.filter(superseded_at__isnull=False).count() == 1
    assert shown(source) == {"bot-1": ("bot", "held")}
    assert rights(source, "bot-1") == [(["run", "stop"], ["*"])]


def test_order_of_statements_is_no_change(shelf: Shelf, source: Source, read: Read) -> None:
    shelf.bots = [bot(1, rights=(*allow("run"), *allow("stop")))]
    read(source)
    shelf.bots = [bot(1, rights=(*allow("stop"), *allow("run")))]
    assert read(source).changed == 0


def test_use_moves_in_place_and_never_back(shelf: Shelf, source: Source, read: Read) -> None:
    shelf.keys = [key(1, last_used_at=NOW)]
    read(source)
    shelf.keys = [key(1, last_used_at=NOW + HOUR)]
    read(source)
    shelf.keys = [key(1, last_used_at=None)]
    read(source)
    assert [row.last_used_at for row in Discovery.objects.all()] == [NOW + HOUR]


def test_what_a_whole_list_shows_no_more_ends(shelf: Shelf, source: Source, read: Read) -> None:
    shelf.bots = [bot(1, rights=allow("run")), bot(2)]
    read(source)
    shelf.bots = [bot(2)]
    row = read(source)
    assert (row.gone, row.parts["bots"]["gone"]) == (1, 1)
    assert list(shown(source)) == ["bot-2"]
    gone = Discovery.objects.get(
        actor__value="bot-1", superseded_at__isnull=True, during__upper_inf=False
    )
    assert gone.during.upper <= row.ended_at
    assert not DiscoveredRights.objects.filter(
        superseded_at__isnull=True, during__upper_inf=True
    ).exists()
    # And when it is back, it begins anew, with the hole between.
    shelf.bots = [bot(1), bot(2)]
    assert read(source).new == 1
    assert sorted(shown(source)) == ["bot-1", "bot-2"]


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


def test_statements_of_a_page_do_not_grow_with_it(
    shelf: Shelf, source: Source, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.identities.inventory.test_reading.PER_PAGE", 1000)
    read(source)  # makes the plan
    counted = []
    for base, many in ((0, 2), (1000, 400)):
        shelf.bots += [bot(base + n, rights=allow(f"run-{n}")) for n in range(many)]
        shelf.keys += [key(base + n) for n in range(many)]
        with CaptureQueriesContext(connection) as captured:
            read(source)
        counted.append(len(captured))
    # One more where some of the names are there already.
    assert counted[1] <= counted[0] + 1


def test_twice_in_one_answer_is_one_row(shelf: Shelf, source: Source, read: Read) -> None:
    shelf.bots = [bot(1), bot(1), bot(2), bot(1)]
    row = read(source)
    assert (row.new, Discovery.objects.count()) == (2, 2)


def test_names_and_policies_of_attackers_are_kept_as_text(
    shelf: Shelf, source: Source, read: Read
) -> None:
    nasty = 'x\0"; DROP TABLE \ud800<script>' + "y" * 5000
    shelf.bots = [
        Found(
            ActorName("shelf:1", "app", "bot"),
            "bot",
            title=nasty,
            missing=nasty,
            hints=(Hint("owner", nasty, nasty),),
            rights=(Possible("allow", (nasty,), (nasty,), {nasty: [nasty]}, nasty),),
        )
    ]
    assert read(source).state == "done"
    row = Discovery.objects.get()
    assert (len(row.title), "\0" in row.title) == (500, False)
    assert read(source).changed == 0


def test_schedule_asks_each_connected_source_once_it_is_due(
    shelf: Shelf, source: Source, connect: Callable[..., Source], clock: Clock
) -> None:
    connect("phoenix", name="traces")
    assert reading.ask_due(now=clock()) == 1
    assert InventoryPlan.objects.get().source_id == source.pk
    assert reading.ask_due(now=clock()) == 0
    reading.run_next(clock=clock)
    assert reading.ask_due(now=clock.later(timedelta(hours=5))) == 0
    assert reading.ask_due(now=clock.later(timedelta(hours=2))) == 1


def test_paused_connection_is_not_asked(shelf: Shelf, source: Source, clock: Clock) -> None:
    source.connection.paused = True
    source.connection.save()
    assert reading.ask_due(now=clock()) == 0


def test_source_without_lists_says_what_to_connect(
    connect: Callable[..., Source], clock: Clock
) -> None:
    with pytest.raises(Stopped, match="has no lists"):
        reading.ask(source=connect("phoenix", name="traces"), by="command", now=clock())


@pytest.mark.django_db(transaction=True)
def test_two_workers_read_a_source_once(shelf: Shelf, source: Source, clock: Clock) -> None:
    shelf.bots = [bot(n) for n in range(9)]
    reading.ask(source=source, by="command", now=clock())
    done: list[int] = []

    def work() -> None:
        try:
            done.append(reading.run_next(clock=clock))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(bool(number) for number in done) == [False, False, False, True]
    assert Discovery.objects.count() == 9


def test_each_reading_that_changed_something_is_in_the_ledger(
    shelf: Shelf, source: Source, read: Read
) -> None:
    shelf.bots = [bot(1)]
    read(source)
    read(source)
    shelf.bots = []
    read(source)
    assert list(LedgerEntry.objects.order_by("pk").values_list("act", "words")) == [
        ("inventory.read", "the lists of Shelf show 1 new, 0 changed and 0 gone"),
        ("inventory.read", "the lists of Shelf show 0 new, 0 changed and 1 gone"),
    ]
