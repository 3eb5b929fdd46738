"""Readings of lists: dated rows, nothing lost by a crash, nothing ended that was not asked."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from evidence.formats.record import ActorName
from evidence.models import LedgerEntry, Source
from evidence.sources.failures import Stopped
from identities.enforcers.possible_aws import Possible
from identities.inventory import reading
from identities.inventory.contract import Found, Hint
from identities.models import Credential, DiscoveredRights, Discovery, InventoryPlan, InventoryRead
from tests.identities.conftest import NOW
from tests.identities.inventory.conftest import HOUR, Clock, everything, rights, shown
from tests.identities.inventory.shelf import Shelf, allow, bot, key, shelf, source

__all__ = ["shelf", "source"]

pytestmark = pytest.mark.django_db

Read = Callable[..., InventoryRead]


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


def test_statements_of_a_page_do_not_grow_with_it(
    shelf: Shelf, source: Source, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.identities.inventory.shelf.PER_PAGE", 1000)
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
