"""What many tests of a module begin with is told once; what each of them does is taken back.

Owns the transaction that stays open around such tests. A fixture that is `told` makes rows and
returns what it made; it asks for `db` and for others that are told, and for nothing else. Its rows
stand until a test of the module begins with something else, or the module ends; each test works in
savepoints of its own and on copies of what was returned. A test that commits, or that shares what
outlives it, is told everything anew, as part of it. Knows no story.
"""

import copy
import functools
from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction

from tests import order

type Tell = Callable[..., Any]
# What stands in the database, one upon the other, each with what was returned up to there; and the
# copies of that which this test may change.
standing: list[tuple[Tell, transaction.Atomic, dict[Tell, Any]]] = []
copies: dict[Tell, Any] = {}


def told[**P, R](tell: Callable[P, R]) -> Callable[P, R]:
    """Of a fixture's function: it is not asked where what it tells stands already."""

    @functools.wraps(tell)
    def fixture(*given: P.args, **named: P.kwargs) -> R:
        return copies[tell] if tell in copies else tell(*given, **named)

    fixture.tell = tell  # type: ignore[attr-defined]  # found again in `beginning`
    return fixture


def beginning(item: pytest.Item) -> dict[Tell, dict[str, Tell | None]]:
    """What this test begins with, each after what it is built on, and what that is asked with."""
    found: dict[Tell, dict[str, Tell | None]] = {}
    if order.holds(item) != order.ROWS:
        return found
    known = order.definitions(item)

    def add(name: str) -> Tell | None:
        definition = known[name][-1] if name in known else None
        tell: Tell | None = getattr(definition.func, "tell", None) if definition else None
        if definition is None or tell is None or tell in found:
            return tell
        asked = {one: add(one) for one in definition.argnames}
        # Built on what a module tells in its own way, it is told with that.
        if any(on is None for one, on in asked.items() if one != "db"):
            return None
        found[tell] = asked
        return tell

    for name in sorted(known):
        add(name)
    return found


def leave(item: pytest.Item | None = None) -> None:
    """Take back what this test does not begin with, and what stands upon that."""
    copies.clear()
    wanted = list(beginning(item)) if item else []
    while [tell for tell, _, _ in standing] != wanted[: len(standing)]:
        _take_back(standing.pop()[1])


def stand(item: pytest.Item) -> None:
    """Tell what this test begins with and does not stand yet."""
    for tell, asked in list(beginning(item).items())[len(standing) :]:
        atomic = transaction.atomic()
        atomic._from_testcase = True  # type: ignore[attr-defined]  # so it hides nothing durable
        atomic.__enter__()
        made = _copied()
        try:
            made[tell] = tell(**{name: one and made[one] for name, one in asked.items()})
        except BaseException:
            _take_back(atomic)
            raise
        standing.append((tell, atomic, made))
    copies.update(_copied())


def _copied() -> dict[Tell, Any]:
    return copy.deepcopy(standing[-1][2]) if standing else {}


def _take_back(atomic: transaction.Atomic) -> None:
    transaction.set_rollback(True)
    atomic.__exit__(None, None, None)
