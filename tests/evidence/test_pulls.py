"""Pulls: nothing lost and nothing doubled, whoever dies when; waiting, cancelling, schedules."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from evidence import connecting, intake, leases, nudge, pulls
from evidence.models import Connection, Event, Gap, LedgerEntry, Pull, Source
from evidence.permissions import COMMAND, NotPossible
from evidence.sources import CONNECTORS
from evidence.sources.contract import Asked, Check, Connector, Field, Page, Silent
from evidence.sources.failures import Later, Stopped
from tests.connector_secrets import Kept
from tests.evidence.bodies import record
from tests.evidence.conftest import NOW

pytestmark = pytest.mark.django_db

PAGES = 5
PER_PAGE = 3


class Shelf:
    """A system with pages on a shelf, which can be told to fail."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.fail: dict[int, Exception] = {}
        self.after_page: Callable[[int], None] = lambda _: None
        self.silent: Silent | None = None

    def pages(self, asked: Asked) -> Iterator[Page]:
        assert asked.secret("token") == "s3cret"
        for number in range(int(asked.cursor.get("page", 0)), PAGES):
            self.asked.append(number)
            if number in self.fail:
                raise self.fail[number]
            records = [
                record(10 * number + n, at=NOW - timedelta(hours=1)) for n in range(PER_PAGE)
            ]
            yield Page(
                body=json.dumps({"Records": records}).encode(),
                cursor={"page": number + 1},
                format="cloudtrail",
                reached=NOW - timedelta(days=7) + timedelta(days=7) * (number + 1) / PAGES,
                total=PAGES * PER_PAGE,
                silent=self.silent,
            )
            self.after_page(number)

    def check(self, asked: Asked) -> Iterator[Check]:
        yield Check("shelf", ok=True, said=asked.secret("token")[:1])


@pytest.fixture
def shelf(secret_file: Kept, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    made = Shelf()
    kind = Connector(
        name="shelf",
        title="Shelf",
        format="cloudtrail",
        plane="identity",
        fields=(Field("token", "Token", "secret"), Field("place", "Place", required=False)),
        pages=made.pages,
        check=made.check,
    )
    monkeypatch.setitem(CONNECTORS, "shelf", kind)
    secret_file("SHELF_TOKEN", "s3cret")
    return made


@pytest.fixture
def connected(shelf: Shelf, source: Callable[..., Source]) -> Source:
    made = source()
    connecting.connect(
        source=made,
        connector="shelf",
        settings={"token": "SHELF_TOKEN"},
        by=COMMAND,
        now=NOW,
    )
    return made


def run(now: datetime = NOW, **said: Any) -> int:
    return pulls.run_next(clock=lambda: now, **said)


def ids() -> set[int]:
    return set(Event.objects.values_list("id", flat=True))


def test_a_due_source_is_pulled_to_its_end(connected: Source) -> None:
    assert pulls.ask_due(now=NOW) == 1
    assert pulls.ask_due(now=NOW) == 0
    steps: list[pulls.Step] = []
    number = run(on_step=steps.append)
    pull = Pull.objects.get(pk=number)
    assert (pull.state, pull.pages, pull.events, pull.duplicates) == ("done", 5, 15, 0)
    assert [step.share for step in steps] == [0.2, 0.4, 0.6, 0.8, 1.0]
    assert len(ids()) == PAGES * PER_PAGE
    link = Connection.objects.get(source=connected)
    assert link.cursor == {"page": 5}
    assert link.next_at == NOW + timedelta(seconds=300)
    connected.refresh_from_db()
    assert connected.watermark == NOW - timedelta(seconds=connected.lag_seconds)
    assert connected.completeness == "cursor"
    assert run() == 0


@pytest.mark.parametrize("last", range(PAGES))
def test_a_worker_that_dies_after_storing_a_page_loses_and_doubles_nothing(
    connected: Source, shelf: Shelf, last: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = pulls._keep

    def die(pull: Pull, *rest: Any) -> pulls.Step:
        if shelf.asked[-1] == last:
            raise Killed
        return keep(pull, *rest)

    monkeypatch.setattr(pulls, "_keep", die)
    pull = pulls.ask(source=connected, by="test", now=NOW)
    with pytest.raises(Killed):
        run()
    monkeypatch.setattr(pulls, "_keep", keep)
    assert run() == 0  # its lease still stands
    assert run(NOW + pulls.LEASE * 2) == pull.pk
    assert len(ids()) == PAGES * PER_PAGE
    pull.refresh_from_db()
    assert (pull.state, pull.events + pull.duplicates) == ("done", PAGES * PER_PAGE)


class Killed(BaseException):
    """Nothing of ours catches it, as nothing catches kill -9."""


@pytest.mark.parametrize("last", range(PAGES))
def test_a_worker_that_dies_before_a_page_is_stored_is_asked_for_it_again(
    connected: Source, shelf: Shelf, last: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = intake.take

    def die(**said: Any) -> intake.Taken:
        if shelf.asked[-1] == last:
            raise Killed
        return take(**said)

    monkeypatch.setattr(intake, "take", die)
    pull = pulls.ask(source=connected, by="test", now=NOW)
    with pytest.raises(Killed):
        run()
    # The cursor is where the last page on disk left it.
    assert Connection.objects.get(source=connected).cursor == ({"page": last} if last else {})
    assert len(ids()) == last * PER_PAGE
    monkeypatch.setattr(intake, "take", take)
    assert run(NOW + pulls.LEASE * 2) == pull.pk
    assert (len(ids()), shelf.asked.count(last)) == (PAGES * PER_PAGE, 2)


def test_whoever_lost_its_lease_at_the_end_neither_ends_the_pull_nor_moves_the_watermark(
    connected: Source, shelf: Shelf
) -> None:
    pulls.ask(source=connected, by="test", now=NOW)

    def another_takes_over(number: int) -> None:
        if number == PAGES - 1:
            Pull.objects.update(attempts=99)

    shelf.after_page = another_takes_over
    run()
    connected.refresh_from_db()
    pull = Pull.objects.get()
    assert (pull.state, pull.ended_at, pull.pages) == ("running", None, PAGES)
    assert (connected.watermark, connected.completeness) == (None, "")


def test_a_pull_ends_with_its_watermark_or_not_at_all(
    connected: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    pull = pulls.ask(source=connected, by="test", now=NOW)
    after_commit = nudge.after_commit

    def die(name: str) -> None:
        if name == "evidence.linked":
            raise Killed
        after_commit(name)

    monkeypatch.setattr(nudge, "after_commit", die)
    with pytest.raises(Killed):
        run()
    connected.refresh_from_db()
    pull.refresh_from_db()
    assert (pull.state, connected.watermark) == ("running", None)
    monkeypatch.setattr(nudge, "after_commit", after_commit)
    assert run(NOW + pulls.LEASE * 2) == pull.pk
    connected.refresh_from_db()
    assert (Pull.objects.get().state, connected.completeness) == ("done", "cursor")


def test_whoever_lost_its_lease_stops_before_it_moves_the_cursor(
    connected: Source, shelf: Shelf
) -> None:
    pulls.ask(source=connected, by="test", now=NOW)

    def another_takes_over(number: int) -> None:
        if number == 1:
            Pull.objects.update(attempts=99)

    shelf.after_page = another_takes_over
    run()
    assert Connection.objects.get(source=connected).cursor == {"page": 2}
    assert shelf.asked == [0, 1, 2]
    assert Pull.objects.get().state == "running"


def test_the_server_says_how_long_to_wait(connected: Source, shelf: Shelf) -> None:
    shelf.fail[2] = Later("answered 429", 90.0)
    pull = pulls.ask(source=connected, by="test", now=NOW)
    run()
    pull.refresh_from_db()
    assert (pull.state, pull.problem, pull.retries) == ("waiting", "answered 429", 1)
    assert pull.not_before == NOW + timedelta(seconds=90)
    assert run(NOW + timedelta(seconds=89)) == 0
    shelf.fail.clear()
    assert run(NOW + timedelta(seconds=91)) == pull.pk
    pull.refresh_from_db()
    assert (pull.state, pull.problem, shelf.asked) == ("done", "", [0, 1, 2, 2, 3, 4])


def test_waits_grow_and_end_in_a_failure_that_says_so(connected: Source, shelf: Shelf) -> None:
    shelf.fail[0] = RuntimeError("boom")
    pull = pulls.ask(source=connected, by="test", now=NOW)
    now, waits = NOW, []
    for _ in range(pulls.MOST_RETRIES + 1):
        assert run(now) == pull.pk
        pull.refresh_from_db()
        if pull.not_before and pull.state == "waiting":
            waits.append(pull.not_before - now)
            now = pull.not_before
    assert pull.state == "failed"
    assert "boom" in pull.problem
    assert waits == sorted(waits)
    assert waits[-1] == leases.LONGEST_WAIT
    assert Connection.objects.get(source=connected).next_at is not None


def test_what_only_a_person_can_mend_ends_the_pull_at_once(connected: Source, shelf: Shelf) -> None:
    shelf.fail[1] = Stopped("the key is refused", "Give it a new one.")
    pull = pulls.ask(source=connected, by="test", now=NOW)
    run()
    pull.refresh_from_db()
    assert (pull.state, pull.problem, pull.fix) == (
        "failed",
        "the key is refused",
        "Give it a new one.",
    )
    connected.refresh_from_db()
    assert connected.watermark is None


def test_cancel_ends_after_the_page(connected: Source, shelf: Shelf) -> None:
    pull = pulls.ask(source=connected, by="test", now=NOW)
    shelf.after_page = lambda number: (
        connecting.cancel(source=connected, by=COMMAND, now=NOW) if number == 1 else None
    )
    run()
    pull.refresh_from_db()
    assert (pull.state, shelf.asked) == ("cancelled", [0, 1, 2])
    with pytest.raises(NotPossible):
        connecting.cancel(source=connected, by=COMMAND, now=NOW)


def test_a_pull_nobody_is_at_is_cancelled_at_once(connected: Source) -> None:
    pull = pulls.ask(source=connected, by="test", now=NOW)
    connecting.cancel(source=connected, by=COMMAND, now=NOW)
    pull.refresh_from_db()
    assert pull.state == "cancelled"
    assert run() == 0
    # The schedule asks again at its time, not at once.
    assert [pulls.ask_due(now=NOW + timedelta(seconds=after)) for after in (5, 300)] == [0, 1]


@pytest.mark.parametrize("why", ["its time is over", "the system is away"])
def test_a_pull_cancelled_while_its_run_stops_does_not_wait(
    connected: Source, shelf: Shelf, why: str
) -> None:
    pull = pulls.ask(source=connected, by="test", now=NOW)

    def cancel() -> bool:
        return pulls.cancel(pull=pull, now=NOW)

    def meanwhile(_: int) -> None:
        shelf.fail[1] = Later("away")
        cancel()

    if why == "its time is over":
        run(enough=cancel)
    else:
        shelf.after_page = meanwhile
        run()
    pull.refresh_from_db()
    assert (pull.state, pull.pages, pull.ended_at, pull.leased_until) == (
        "cancelled", 1, NOW, None,
    )  # fmt: skip


def test_a_run_whose_time_is_over_leaves_the_rest(connected: Source, shelf: Shelf) -> None:
    pull = pulls.ask(source=connected, by="test", now=NOW)
    run(enough=lambda: len(shelf.asked) == 2)
    pull.refresh_from_db()
    assert (pull.state, pull.leased_until, pull.pages) == ("waiting", None, 2)
    run()
    assert shelf.asked == [0, 1, 2, 3, 4]


def test_a_stretch_that_is_gone_becomes_a_gap(connected: Source, shelf: Shelf) -> None:
    shelf.silent = Silent(NOW - timedelta(days=9), NOW - timedelta(days=8), "kept 90 days only")
    pulls.ask(source=connected, by="test", now=NOW)
    run()
    assert Gap.objects.get(reason="kept 90 days only").source == connected


def test_asking_twice_gives_the_live_pull_and_ends_its_waiting(
    connected: Source, shelf: Shelf
) -> None:
    shelf.fail[0] = Later("away")
    pull = pulls.ask(source=connected, by="test", now=NOW)
    run()
    assert connecting.pull_now(source=connected, by=COMMAND, now=NOW) == pull
    shelf.fail.clear()
    assert run() == pull.pk


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"connector": "nothing"}, "no connector named"),
        ({"settings": {}}, "Token: it has to be said"),
        ({"settings": {"token": "/etc/passwd"}}, "a secret is named, not given"),
        ({"settings": {"token": "A", "colour": "red"}}, "no setting named colour"),
        ({"every_seconds": 1}, "every 10 to"),
        ({"first_days": 100_000}, "goes back at most"),
    ],
)
def test_a_wrong_setting_is_named(connected: Source, said: dict[str, Any], words: str) -> None:
    asked: dict[str, Any] = {"connector": "shelf", "settings": {"token": "SHELF_TOKEN"}} | said
    with pytest.raises(NotPossible, match=words):
        connecting.connect(source=connected, by=COMMAND, now=NOW, **asked)


def test_another_place_begins_without_a_cursor_and_another_secret_does_not(
    connected: Source,
) -> None:
    pulls.ask(source=connected, by="test", now=NOW)
    run()
    for settings, cursor in (
        ({"token": "OTHER"}, {"page": 5}),
        ({"token": "OTHER", "place": "elsewhere"}, {}),
    ):
        link = connecting.connect(
            source=connected, connector="shelf", settings=settings, by=COMMAND, now=NOW
        )
        assert link.cursor == cursor
    assert LedgerEntry.objects.filter(act="source.connected").count() == 3


def test_checks_say_what_is_missing(connected: Source, secret_file: Kept) -> None:
    def clock() -> datetime:
        return datetime.now(UTC)

    assert pulls.check(source=connected, now=NOW, clock=clock)[0].ok
    secret_file.drop("SHELF_TOKEN")
    (found,) = pulls.check(source=connected, now=NOW, clock=clock)
    assert (found.ok, found.said) == (
        False,
        "There is no secret SHELF_TOKEN, which token names.",
    )
    assert "s3cret" not in json.dumps(list(Connection.objects.values("settings")))
