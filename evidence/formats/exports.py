"""CSV that vendors' own pages and queries hand out, known by the names of its columns.

Owns the finding of the rows, and how a row becomes the object that the vendor's API would have
given. Which columns a vendor writes stands beside its format. Knows no vendor. Pure.
"""

import csv
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import orjson

from evidence.formats import lines
from evidence.formats.documents import Piece

_LONGEST_HEADER, _LONGEST_TEXT = 65_536, 1 << 20
# How the portal of Log Analytics ends the names of columns that are times.
_UTC = " [UTC]"
_BOM = b"\xef\xbb\xbf"


class Export(NamedTuple):
    """One kind of export."""

    needs: frozenset[str]  # columns that together say what it is
    # Paths of an object by the columns that are not called so; dots lead into objects.
    names: Mapping[str, str] = {}
    # Reads a cell that is no JSON, by its path.
    cell: Callable[[str, str], Any] = lambda _, cell: cell


def columns(head: bytes) -> frozenset[str]:
    """The names of the columns of CSV; of what is none, something else."""
    text = head[:_LONGEST_HEADER].removeprefix(_BOM).lstrip(b"\r\n")
    if text[:1] in (b"{", b"["):
        return frozenset()
    first = text.partition(b"\n")[0].decode("utf-8", "replace")
    try:
        return frozenset(cell.strip() for cell in next(csv.reader([first], strict=True), ()))
    except csv.Error:
        return frozenset()


def known(head: bytes, exports: tuple[Export, ...]) -> Export | None:
    """Which of these exports begins so."""
    named = columns(head)
    return next((one for one in exports if one.needs <= named), None)


def text(*exports: Export) -> tuple[Callable[[bytes], bool], Callable[[bytes], Iterator[Piece]]]:
    """(whether a body begins like one of these, its rows as objects), for a table's text."""

    def looks(head: bytes) -> bool:
        return known(head, exports) is not None

    def pieces(body: bytes) -> Iterator[Piece]:
        export = known(body, exports)
        if export is not None:
            yield from rows(body, export)

    return looks, pieces


def seams(_: bytes) -> lines.Rows:
    """Where an export may be cut: between its rows."""
    return lines.Rows()


def rows(body: bytes, export: Export) -> Iterator[Piece]:
    """The rows of an export as objects; a row that is none with what is wrong."""
    for place, row, problem, raw in lines.rows(body):
        yield place, row if problem else object_of(row, export), problem, raw


# What nobody has a table of: its columns are called as members are.
_NO_ONES = Export(frozenset())


def object_of(row: dict[str, str], export: Export = _NO_ONES) -> dict[str, Any]:
    """A row as the object whose members its columns name; one that says so is of UTC."""
    made: dict[str, Any] = {}
    for column, cell in row.items():
        path = export.names.get(column, column.removesuffix(_UTC))
        *above, name = path.split(".")
        here = made
        for step in above:
            inside = here.setdefault(step, {})
            if type(inside) is not dict:
                break
            here = inside
        else:
            here[name] = _value(path, cell, export)
    return made


def _value(path: str, cell: str, export: Export) -> Any:
    if (cell[:1] in ("{", "[") and len(cell) <= _LONGEST_TEXT) or cell in ("true", "false"):
        try:
            return orjson.loads(cell)
        except (ValueError, RecursionError):
            pass
    return export.cell(path, cell)
