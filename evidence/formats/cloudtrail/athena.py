"""CloudTrail's records as Athena hands them out: rows of CSV, structures in Hive's own writing.

Owns the columns that tell them, and the reading of ``{type=Role, arn=…}``; the names inside are
lowered.py's. Source: the table that CloudTrail's console makes in Athena, its documentation. Pure.
"""

import re
from typing import Any

from evidence.formats.exports import Export

# A value ends before the next name or with its structure: names of AWS may hold commas and signs of
# equality, but no space behind a comma and no brace.
_NAME = re.compile(r"\s*(\w{1,40})=")
_END = re.compile(r", (?=\w{1,40}=)|\}")
_LONGEST, _DEEPEST = 65_536, 8


def structure(text: str) -> dict[str, Any] | None:
    """A structure as an object; None where the text is none. The work is linear in it."""
    if not text.startswith("{") or len(text) > _LONGEST:
        return None
    whole: dict[str, Any] = {}
    open_ones = [whole]
    place = 1
    while open_ones:
        name = _NAME.match(text, place)
        if name is None:
            if not text.startswith("}", place):
                return None
            place += 1
        elif text.startswith("{", name.end()):
            inside: dict[str, Any] = {}
            open_ones[-1][name[1]] = inside
            open_ones.append(inside)
            place = name.end() + 1
            if len(open_ones) > _DEEPEST:
                return None
            continue
        else:
            end = _END.search(text, name.end())
            if end is None:
                return None
            value = text[name.end() : end.start()]
            if value not in ("", "null"):
                open_ones[-1][name[1]] = value
            place = end.end()
            if end[0] != "}":
                continue
        open_ones.pop()
        if text.startswith(", ", place):
            place += 2
    return whole if not text[place:].strip() else None


def _cell(path: str, cell: str) -> Any:
    found = structure(cell) if path == "useridentity" else None
    return cell if found is None else found


EXPORTS = (Export(frozenset({"eventname", "eventsource", "useridentity"}), {}, _cell),)
