"""A system with two lists that tests fill and let fail, connected as a source.

Owns what the tests of reading share; knows nothing of what a reading writes.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from evidence.formats.record import ActorName
from evidence.models import Source
from evidence.sources.contract import Asked
from identities.enforcers.possible_aws import Possible
from identities.inventory import systems
from identities.inventory.contract import Batch, Found, Part, System

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
