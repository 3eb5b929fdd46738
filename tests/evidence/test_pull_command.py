"""manage.py pull now, while somebody else is at the pull already."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from io import StringIO
from threading import Event as Signal
from threading import Thread
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from evidence import connecting, pulls
from evidence.management.commands import pull as command
from evidence.models import Event, Pull, Source
from evidence.permissions import COMMAND
from evidence.sources import CONNECTORS
from evidence.sources.contract import Asked, Connector, Page
from tests.evidence.bodies import record

pytestmark = pytest.mark.django_db(transaction=True)

PAGES = 3


class Shelf:
    """Pages of a system; the second one is handed out when somebody lets it."""

    def __init__(self) -> None:
        self.begun, self.go = Signal(), Signal()
        self.go.set()

    def pages(self, asked: Asked) -> Iterator[Page]:
        for number in range(int(asked.cursor.get("page", 0)), PAGES):
            if number == 1:
                self.begun.set()
                assert self.go.wait(60)
            rows = [record(number, at=timezone.now() - timedelta(hours=1))]
            body = json.dumps({"Records": rows}).encode()
            yield Page(body=body, cursor={"page": number + 1}, format="cloudtrail", total=PAGES)


class Heard(StringIO):
    """Where a command complains to; does something once it has said so."""

    def __init__(self, words: str, then: Callable[[], None]) -> None:
        super().__init__()
        self.words, self.then = words, then

    def write(self, text: str, /) -> int:
        if self.words in text:
            self.then()
        return super().write(text)


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch, source: Callable[..., Source]) -> Shelf:
    made = Shelf()
    kind = Connector(
        name="shelf",
        title="Shelf",
        format="cloudtrail",
        plane="identity",
        fields=(),
        pages=made.pages,
        check=lambda _: iter(()),
    )
    monkeypatch.setitem(CONNECTORS, "shelf", kind)
    monkeypatch.setattr(command, "PAUSE", 0.01)
    said: Any = {"connector": "shelf", "settings": {}, "by": COMMAND, "now": timezone.now()}
    connecting.connect(source=source("trail"), **said)
    return made


@pytest.fixture
def worker(shelf: Shelf) -> Iterator[Thread]:
    """Somebody who is at the second page of the pull, until they are let go on."""
    pulls.ask_due(now=timezone.now())
    shelf.go.clear()

    def work() -> None:
        try:
            pulls.run_next(clock=timezone.now)
        finally:
            connection.close()

    thread = Thread(target=work)
    thread.start()
    assert shelf.begun.wait(60)
    yield thread
    shelf.go.set()
    thread.join()


def now(stderr: StringIO, *more: str) -> str:
    out = StringIO()
    call_command("pull", "now", "trail", *more, stdout=out, stderr=stderr)
    return out.getvalue()


def test_pull_that_nobody_is_at_is_carried_here(shelf: Shelf) -> None:
    err = StringIO()
    assert now(err).startswith("done: 3 pages, 3 events")
    assert (err.getvalue(), Event.objects.count()) == ("", 3)


def test_pull_that_the_worker_is_at_is_followed_to_its_end(shelf: Shelf, worker: Thread) -> None:
    err = Heard("is being pulled already", shelf.go.set)
    assert now(err).startswith("done: 3 pages, 3 events")
    assert "trail is being pulled already: following that pull." in err.getvalue()
    assert (Pull.objects.count(), Event.objects.count()) == (1, 3)


def test_following_that_is_broken_off_leaves_the_pull_and_says_so(
    shelf: Shelf, worker: Thread
) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    said = now(Heard("is being pulled already", stop))
    assert said.startswith("running: 1 pages, 1 events")
    assert "It goes on in the worker; this command only followed it." in said
    shelf.go.set()
    worker.join()
    assert (Pull.objects.get().state, Event.objects.count()) == (Pull.DONE, 3)


def test_pull_of_a_worker_that_died_is_taken_over(shelf: Shelf) -> None:
    pulls.ask_due(now=timezone.now())
    Pull.objects.update(
        state=Pull.RUNNING, attempts=1, leased_until=timezone.now() - timedelta(seconds=1)
    )
    assert json.loads(now(StringIO(), "--json"))["state"] == "done"
    assert Event.objects.count() == 3


def test_pull_that_fails_while_it_is_followed_ends_the_command_with_1(
    shelf: Shelf, worker: Thread
) -> None:
    def cancelled() -> None:
        connecting.cancel(source=Source.objects.get(name="trail"), by=COMMAND, now=timezone.now())
        shelf.go.set()

    with pytest.raises(SystemExit) as ended:
        now(Heard("is being pulled already", cancelled))
    assert (ended.value.code, Pull.objects.get().state) == (1, Pull.CANCELLED)
