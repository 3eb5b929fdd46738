"""Members of a record for the functions beside a table, whatever the record holds there.

Owns the careful reading of one member: exports write names in lower case, and an attacker puts
anything anywhere; and the remembering of what values and shapes that come again decide. Knows no
vendor. What it remembers depends on nothing but its key, and is bounded; nothing here raises.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any

import orjson

# What decides who acted is longer than this (bytes) only where somebody made it so.
_REMEMBERED, _LONGEST_REMEMBERED = 8_192, 4_000
# Exporters write few sets of names; those of which more is written than this are nobody's.
_MOST_SHAPES, _LONGEST_SHAPE = 1024, 4_000

NOTHING: dict[str, Any] = {}
# Names of members, each with its twin in lower case; '' where that is the same.
type Ways = tuple[tuple[str, str], ...]


def text(value: Any) -> str:
    """A member that is text; '' for any other."""
    return value if type(value) is str else ""


def row(value: Any) -> dict[str, Any]:
    """A member that is an object; an empty one for any other."""
    return value if type(value) is dict else NOTHING


def member(here: Any, name: str) -> Any:
    """The member of this name, also where the export wrote it in lower case."""
    if type(here) is not dict:
        return None
    found = here.get(name)
    return here.get(name.lower()) if found is None else found


def inside(here: Any, *names: str) -> dict[str, Any]:
    """The object at these names, one inside the other; an empty one when there is none."""
    for name in names:
        if type(here) is not dict:
            return NOTHING
        found = here.get(name)
        here = here.get(name.lower()) if found is None else found
    return here if type(here) is dict else NOTHING


def said(here: Any, *names: str) -> str:
    """The text at these names; '' when there is none."""
    for name in names:
        if type(here) is not dict:
            return ""
        found = here.get(name)
        here = here.get(name.lower()) if found is None else found
    return here if type(here) is str else ""


def stated(here: dict[str, Any], name: str) -> str:
    """The same as `said` of one name in an object, in half the time."""
    found = here.get(name)
    if type(found) is str:
        return found
    return text(here.get(name.lower()) if found is None else found)


def ways(*names: str) -> Ways:
    """Names of which the first that says something counts; see `told`."""
    return tuple((name, "" if name == name.lower() else name.lower()) for name in names)


def told(here: dict[str, Any], names: Ways) -> str:
    """The text at the first of these members that has one; '' when none has."""
    for name, low in names:
        found = here.get(name)
        if found is None and low:
            found = here.get(low)
        if found and (plain := text(found)):
            return plain
    return ""


def either(*names: str) -> Callable[[Any], str | None]:
    """What finds the text at these names, for a table: a path that knows both cases."""
    steps = tuple((name, name.lower()) for name in names)
    name = names[0]

    def here_itself(here: Any) -> str | None:
        found = here.get(name) if type(here) is dict else None
        if type(found) is str and found:
            return found
        return get(here)

    def get(here: Any) -> str | None:
        for name, low in steps:
            if type(here) is not dict:
                return None
            found = here.get(name)
            here = here.get(low) if found is None else found
        return text(here) or None

    return here_itself if len(steps) == 1 else get


def first(here: Any) -> Any:
    """The first element of a list; what is no list as it is."""
    if type(here) is list:
        return here[0] if here else None
    return here


def remembered[T](make: Callable[[Any], T]) -> Callable[[Any], T]:
    """A function of a few values of a record that remembers what it made of them.

    The values may be anything that JSON can say; they are told apart by how they are written, so
    that 1 and true are two. What is made is given to many records: nobody may change it.
    """

    @lru_cache(maxsize=_REMEMBERED)
    def known(written: bytes) -> T:
        return make(orjson.loads(written))

    def get(values: Any) -> T:
        try:
            written = orjson.dumps(values)
        except (TypeError, ValueError, RecursionError):
            return make(values)
        return known(written) if len(written) <= _LONGEST_REMEMBERED else make(values)

    return get


def latest[T](make: Callable[[Any], T]) -> Callable[[Any], T]:
    """A function of one object inside a record that remembers what it made of the last one.

    Where a record's reader asks several things of it, one after the other, it is looked through
    once. Nobody may change the object between.
    """
    last: tuple[Any, T] | None = None

    def get(value: Any) -> T:
        nonlocal last
        if last is not None and last[0] is value:
            return last[1]
        made = make(value)
        last = value, made
        return made

    return get


def picked(names: tuple[str, ...]) -> Callable[[dict[str, Any]], Sequence[Any]]:
    """What finds all these members, which must be there; see `Shapes`."""
    if len(names) > 1:
        return itemgetter(*names)
    return lambda here: [here[name] for name in names]


class Shapes[T](dict[tuple[str, ...], T]):
    """What a function makes of the names of an object's members: ``shapes[tuple(here)]``.

    Where many names are looked for, of which an object has few, they need not be looked for again
    in the next object of the same shape.
    """

    def __init__(self, make: Callable[[tuple[str, ...]], T]) -> None:
        super().__init__()
        self.make = make

    def __missing__(self, names: tuple[str, ...]) -> T:
        made = self.make(names)
        if sum(map(len, names)) <= _LONGEST_SHAPE:
            if len(self) >= _MOST_SHAPES:
                self.clear()
            self[names] = made
        return made
