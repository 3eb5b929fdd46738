"""What a mapping's paths find in a record, beyond what tables.py finds for every format.

Owns texts that are put together, true and false as words, and what a record must hold at least
to be one. Pure.
"""

from collections.abc import Callable, Iterator
from typing import Any

from evidence.formats import paths
from evidence.formats.tables import Froms, Name, Row, Table, Unreadable


def joined(gets: list[Callable[[Row], str | None]], between: str) -> Callable[[Row], str | None]:
    """The texts that are found, with this between them."""

    def join(record: Row) -> str | None:
        return between.join(said for get in gets if (said := get(record))) or None

    return join


def first(froms: Froms) -> Callable[[Row], str | None]:
    """The first text that is found; true and false are words here."""
    ways = froms if isinstance(froms, tuple) else (froms,)
    gets = [paths.getter(one) if isinstance(one, str) else one for one in ways]

    def find(record: Row) -> str | None:
        for get in gets:
            value = get(record)
            said = ("true" if value else "false") if type(value) is bool else paths.text(value)
            if said is not None:
                return said
        return None

    return find


def plain_paths(table: Table) -> Iterator[str]:
    """The paths of a table's action, time and people: what a record has at least one of."""
    ways: list[Any] = [table.action, table.at, *(one.value for one in people(table))]
    for way in ways:
        for one in way if isinstance(way, tuple) else (way,):
            if isinstance(one, str):
                yield one


def people(table: Table) -> list[Name]:
    """The ways in which a table names principals and credentials."""
    return [one for one in (*table.principal, *table.credential) if isinstance(one, Name)]


def says_something(table: Table) -> Table:
    """The table, which refuses a record in which none of its paths finds anything."""
    action = first(table.action)
    rest = [first(one.value) for one in people(table)] + [first(table.at)]

    def said(record: Row) -> str | None:
        found = action(record)
        if found is None and not any(find(record) is not None for find in rest):
            raise Unreadable("has nothing at the paths of this mapping's action, time and people")
        return found

    return table._replace(action=said)
