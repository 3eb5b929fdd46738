"""Which modules of tests come first: those whose tests need most.

A process that takes a long test while the others have nothing left keeps all of them waiting, so
what is left for the end must be short. How long a test takes is not written down anywhere, where
it would be wrong soon; what it needs says enough: a browser takes seconds, as do a server or a
story that tests share and a whole recording; a commit has to be cleaned away, rows are rolled
back, and a pure function takes milliseconds. A module stays together, so what it shares is made
once.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

# What nearly every test shares says nothing about one.
EVERYWHERE = frozenset({"django_db_setup", "settings_of_tests"})
# Browsers come second: the story that they look at is still being told when a run begins.
SHARED, BROWSER, COMMITS, ROWS, NOTHING = range(5)


def need(item: pytest.Item) -> int:
    """What this test needs most."""
    return SHARED if "recording" in getattr(item, "fixturenames", []) else holds(item)


def holds(item: pytest.Item) -> int:
    """The same, of what it makes itself or shares: a recording is only read."""
    names: list[str] = getattr(item, "fixturenames", [])
    if "browser" in names:
        return BROWSER
    if any(shared(item, name) for name in names):
        return SHARED
    marked = item.get_closest_marker("django_db")
    if (marked and marked.kwargs.get("transaction")) or "transactional_db" in names:
        return COMMITS
    return ROWS if marked or "db" in names else NOTHING


def shared(item: pytest.Item, name: str) -> bool:
    """Whether this is a fixture of ours that outlives a test."""
    return name not in EVERYWHERE and any(
        one.scope != "function" and one.func.__module__.startswith("tests.")
        for one in definitions(item).get(name, ())
    )


def definitions(item: pytest.Item) -> Mapping[str, Sequence[pytest.FixtureDef[Any]]]:
    """The fixtures of this test by name; of each name, the last is the one that it gets."""
    info = getattr(item, "_fixtureinfo", None)  # pytest shows a test's fixtures nowhere else
    return info.name2fixturedefs if info else {}


def sort(items: list[pytest.Item]) -> None:
    """Module by module, by the most that a test of each needs; otherwise as they were."""
    places: dict[Path, tuple[int, int]] = {}
    for number, item in enumerate(items):
        most, first = places.get(item.path, (NOTHING, number))
        places[item.path] = (min(need(item), most), first)
    items.sort(key=lambda item: places[item.path])
