"""Answers of Snowflake's SQL API: a list of rows, and apart from it the names of their columns.

Owns the joining of both. Source: Snowflake's documentation, "Handling responses" of the SQL API
(ResultSet: `resultSetMetaData.rowType[].name`, `data`). Of an answer in several partitions only the
first names the columns: the others cannot be read alone. A time is seconds since 1970; one with a
zone has its offset behind it, which says nothing more. Knows no view. Pure.
"""

import re
from collections.abc import Iterator
from typing import Any

import orjson

from evidence.formats.documents import Piece
from evidence.formats.tables import Text

_BEGINS = re.compile(rb'\s*\{\s*"')
_META = b'"resultSetMetaData"'
_COLUMN = re.compile(rb'"name"\s*:\s*"([^"\\]{1,255})"')
_LOOKED_AT = 65_536
_WITH_OFFSET = "timestamp_tz"


def text(views: frozenset[frozenset[str]]) -> Text:
    """Answers whose columns include all of one of these views."""

    def looks(head: bytes) -> bool:
        if _BEGINS.match(head) is None:
            return False
        at = head.find(_META, 0, _LOOKED_AT)
        if at < 0:
            return False
        named = _COLUMN.findall(head, at, _LOOKED_AT)
        found = {name.decode("utf-8", "replace").upper() for name in named}
        return any(view <= found for view in views)

    return Text(looks, _pieces)


def _pieces(body: bytes) -> Iterator[Piece]:
    try:
        answer = orjson.loads(body)
    except (ValueError, RecursionError):
        yield "data", None, "is an answer of the SQL API that is broken or cut off", body
        return
    meta = answer.get("resultSetMetaData")
    columns = meta.get("rowType") if type(meta) is dict else None
    rows = answer.get("data")
    if type(columns) is not list or type(rows) is not list:
        yield "data", None, "is an answer of the SQL API without columns or rows", body
        return
    names = [_column(one) for one in columns]
    for number, row in enumerate(rows):
        if type(row) is list and len(row) == len(names):
            yield f"data[{number}]", _object(names, row), "", b""
        else:
            problem = f"is no row of {len(names)} columns"
            yield f"data[{number}]", None, problem, orjson.dumps(row)


def _column(said: Any) -> tuple[str, bool]:
    """(its name, whether an offset follows its times)."""
    if type(said) is not dict or type(said.get("name")) is not str:
        return "", False
    return said["name"], str(said.get("type")).lower() == _WITH_OFFSET


def _object(names: list[tuple[str, bool]], row: list[Any]) -> dict[str, Any]:
    made = {}
    for (name, offset), cell in zip(names, row, strict=True):
        if name and cell is not None:
            made[name] = cell.partition(" ")[0] if offset and type(cell) is str else cell
    return made
