"""Rows of a search: the vendor's own record inside them where it was kept, else the row.

Owns how the rows of a SIEM are handed on. What it kept as text of the original is handed on as it
was received, without what the SIEM put around it: its own fields may carry the same names with
half of the meaning. Which vendor's record it is, formats find out. Knows no SIEM. Pure.
"""

from collections.abc import Iterable
from typing import Any

import orjson

from evidence.formats import recognise


def bodies(rows: Iterable[tuple[str, dict[str, Any]]]) -> list[bytes]:
    """Of (text of the original, row) the bodies to take in: JSON lines, then log lines.

    Text that is no JSON is handed on as lines when a format knows those lines; else the row is,
    with all its fields, for a mapping to read.
    """
    documents: list[bytes] = []
    lines: list[bytes] = []
    beside: list[bytes] = []
    for original, row in rows:
        text = original.strip()
        if text.startswith("{"):
            whole = _one_line(text)
            if whole:
                documents.append(whole)
                continue
        if text:
            lines.append(text.encode("utf-8", "replace"))
            beside.append(orjson.dumps(row))
        else:
            documents.append(orjson.dumps(row))
    joined = b"\n".join(lines)
    if lines and recognise(joined) is None:
        documents.extend(beside)
        lines = []
    return [body for body in (b"\n".join(documents), joined if lines else b"") if body]


def _one_line(text: str) -> bytes:
    """A JSON object on one line, as it was written where it was on one; empty: it is none."""
    try:
        value = orjson.loads(text)
    except (ValueError, RecursionError):
        return b""
    if type(value) is not dict:
        return b""
    return orjson.dumps(value) if "\n" in text else text.encode()
