"""A page of rows by number, and a filter, as every list draws them."""

from typing import Any, Protocol
from urllib.parse import urlencode

from evidence.parameters import Known, is_whole, whole

PER_PAGE = 50
# What a list that is narrowed by nothing asks of its address.
PAGES: Known = {"page": is_whole}


class Rows(Protocol):
    """What can be read a stretch at a time."""

    def __getitem__(self, which: slice, /) -> Any: ...


def page_of(
    rows: Rows, asked: dict[str, str], path: str, *, name: str = "page"
) -> tuple[list[Any], dict[str, Any]]:
    """One page of rows by number, with the links before and after; `name`: the number's parameter."""
    number = min(max(1, whole(asked.get(name, "")) or 1), 100_000)
    first = (number - 1) * PER_PAGE
    found = list(rows[first : first + PER_PAGE + 1])
    more = len(found) > PER_PAGE
    rest = {key: value for key, value in asked.items() if value and key != name}

    def link(to: int) -> str:
        return f"{path}?{urlencode({**rest, name: to})}"

    shown = found[:PER_PAGE]
    return shown, {
        "first": first + 1 if shown else 0,
        "last": first + len(shown),
        "total": None if more or number > 1 else len(shown),
        "prev_url": link(number - 1) if number > 1 else "",
        "next_url": link(number + 1) if more else "",
    }


def taken_out(asked: dict[str, str]) -> str:
    """The query of a list's files: what its page is narrowed by, and no page of it."""
    kept = {name: value for name, value in asked.items() if value and name != "page"}
    return f"?{urlencode(kept)}" if kept else ""


def choice(name: str, words: str, values: Any, chosen: str) -> dict[str, Any]:
    """One filter as the template draws it."""
    pairs = (
        values.items() if isinstance(values, dict) else [(v, v.replace("_", " ")) for v in values]
    )
    return {
        "name": name,
        "words": words,
        "options": [{"value": "", "words": "all", "on": not chosen}]
        + [{"value": value, "words": said, "on": value == chosen} for value, said in pairs],
    }
