"""Connected sources, a clock that tests move, and short ways to read lists and look at rows."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from evidence.models import Connection, Source
from identities.inventory import reading
from identities.models import DiscoveredRights, Discovery, InventoryRead
from tests.evidence.sources.server import There, serving
from tests.identities.conftest import NOW

HOUR = timedelta(hours=1)


class Clock:
    """A time that stands still until a test moves it; each look is a millisecond later."""

    def __init__(self) -> None:
        self.at = NOW

    def __call__(self) -> datetime:
        self.at += timedelta(milliseconds=1)
        return self.at

    def later(self, by: timedelta = HOUR) -> datetime:
        self.at += by
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def there(settings: Any) -> Iterator[There]:
    """A system that answers from a table, on loopback."""
    settings.ALLOW_PRIVATE = True
    with serving() as made:
        yield made


@pytest.fixture
def connect(db: None, settings: Any) -> Callable[..., Source]:
    """A source that is asked with this connector."""
    settings.ALLOW_PRIVATE = True

    def make(connector: str, name: str = "lists", **said: str) -> Source:
        source = Source.objects.create(name=name, created_at=NOW, created_by="command")
        Connection.objects.create(source=source, connector=connector, settings=said)
        return source

    return make


@pytest.fixture
def read(clock: Clock) -> Callable[..., InventoryRead]:
    """One reading to its end, an hour after the last one."""

    def run(source: Source, **more: Any) -> InventoryRead:
        asked = reading.ask(source=source, by="command", now=clock.later())
        reading.run_next(clock=clock, source=source, **more)
        return InventoryRead.objects.get(pk=asked.pk)

    return run


def shown(source: Source, **more: Any) -> dict[str, tuple[str, str]]:
    """Actor's value → (kind, status) of what the lists show now."""
    rows = Discovery.objects.filter(
        source=source, superseded_at__isnull=True, during__upper_inf=True, **more
    ).select_related("actor")
    return {row.actor.value: (row.kind, row.status) for row in rows}


def rights(source: Source, value: str) -> list[tuple[list[str], list[str]]]:
    """(actions, resources) of what the lists allow this actor now."""
    row = DiscoveredRights.objects.get(
        source=source, actor__value=value, superseded_at__isnull=True, during__upper_inf=True
    )
    return [(one["actions"], one["resources"]) for one in row.possible]


def everything(*but: str) -> list[Any]:
    """Every row that a reading may write but for its own, to compare before and after."""
    moving = ("read_id", "read_at", *but)
    return [
        [
            {key: value for key, value in row.items() if key not in moving}
            for row in model.objects.order_by("pk").values()
        ]
        for model in (Discovery, DiscoveredRights)
    ]
