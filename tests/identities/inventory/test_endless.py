"""Lists without an end, and lists that stay away: bounded, told, and the others read."""

from collections.abc import Iterator

import pytest

from evidence.models import Source
from evidence.sources.contract import Http
from evidence.sources.failures import Later, Stopped
from identities.inventory import paging, reading
from identities.inventory.paging import Caller
from identities.models import InventoryRead
from tests.evidence.sources.server import Answer, Request, There, serving
from tests.identities.inventory.conftest import Clock
from tests.identities.inventory.shelf import Shelf, bot, shelf, source

__all__ = ["shelf", "source"]


@pytest.fixture
def there() -> Iterator[There]:
    with serving() as made:
        yield made


@pytest.fixture
def call(there: There) -> Iterator[Caller]:
    clock = Clock()
    with Http(allow_private=True, clock=clock) as http:
        yield Caller(http, there.url, dict)


def page_of(there: There, number: int) -> Answer:
    link = f'<{there.url}/users?after={number}>; rel="next"'
    return Answer(200, [{"id": number}], {"Link": link})


def test_page_that_comes_again_ends_the_list(there: There, call: Caller) -> None:
    there.on("GET", "/users", lambda asked: page_of(there, 1 - int(asked.query.get("after", 1))))
    pages = call.linked("/users")
    assert [next(pages)[0], next(pages)[0], next(pages)[0]] == [
        [{"id": 0}],
        [{"id": 1}],
        [{"id": 0}],
    ]
    with pytest.raises(Stopped, match="names a page that was read"):
        next(pages)


def test_pages_are_counted(there: There, call: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "MOST_PAGES", 5)

    def answer(asked: Request) -> Answer:
        return page_of(there, int(asked.query.get("after", 0)) + 1)

    there.on("GET", "/users", answer)
    with pytest.raises(Stopped, match="goes on after 5 pages"):
        list(call.linked("/users"))
    monkeypatch.setattr(paging, "MOST_OF_ONE", 3)
    with pytest.raises(Stopped, match="lists more than 3 of one thing"):
        call.whole("/users")


def test_wrapped_pages_are_as_bounded(there: There, call: Caller) -> None:
    there.on("GET", "/users", Answer(200, {"value": [1], "next": f"{there.url}/users"}))
    with pytest.raises(Stopped, match="names a page that was read"):
        list(call.wrapped(f"{there.url}/users", "value", "next"))


@pytest.mark.django_db
def test_list_that_may_be_left_out_and_stays_away_is_told_and_left_out(
    shelf: Shelf, source: Source, clock: Clock
) -> None:
    shelf.bots = [bot(1)]
    shelf.fail["keys", 0] = Later("AWS answered 500 to iam:ListKeys")
    reading.ask(source=source, by="command", now=clock())
    for _ in range(reading.OPTIONAL_RETRIES + 1):
        reading.run_next(clock=clock, source=source)
        row = InventoryRead.objects.get()
        clock.at = row.not_before or clock.at
    assert (row.state, row.parts["bots"]["state"], row.parts["keys"]["state"]) == (
        "done",
        "done",
        "refused",
    )
    assert row.parts["keys"]["said"] == "It stayed away: AWS answered 500 to iam:ListKeys"
