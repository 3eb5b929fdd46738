"""What the address of a list may ask for: anything else is refused or said, never ignored in silence.

A list that ignores what it is asked to leave out answers with more than was asked for, and whoever
reads it by script takes that for the answer: files and the API refuse it (`checked`). Behind a page
stand people, old bookmarks, and what a mail program adds to a link: there the rest of the address
holds, and the page says what it left out (`understood`).
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from evidence.permissions import NotPossible

# What a list is narrowed by, with the values of each: none named: any text; else whether it is one.
type Known = Mapping[str, tuple[str, ...] | Callable[[str], bool]]

# As many digits as every column of numbers takes.
LONGEST = 18

NOTHING: Known = {}
MOST_NAMED = 5


class Understood(NamedTuple):
    """What of an address a list knows, and the sentence about the rest: "" where there is none."""

    asked: dict[str, str]
    left_out: str


def whole(text: str, *, longest: int = LONGEST) -> int | None:
    """The whole number that somebody typed; nothing when it is none, or too long to be meant.

    Only 0 to 9: `str.isdigit` is also true of digits that `int` refuses, such as a superscript.
    """
    return int(text) if len(text) <= longest and text.isascii() and text.isdigit() else None


def is_whole(text: str) -> bool:
    """Whether a parameter is a whole number, as `Known` asks."""
    return whole(text) is not None


def checked(said: Mapping[str, str], known: Known) -> None:
    """NotPossible for a parameter that a list does not know, and for a value it cannot have."""
    for name, value in said.items():
        if name not in known:
            raise NotPossible(f"This list is not narrowed by {name[:40]!r}{_only(known)}.")
        why = _why_not(name, value, known)
        if why:
            raise NotPossible(f"{name} is {value[:40]!r}{why}.")


def understood(said: Mapping[str, str], known: Known) -> Understood:
    """What of an address a list knows; the rest is dropped, and said."""
    asked: dict[str, str] = {}
    dropped: list[str] = []
    for name, value in said.items():
        if name not in known:
            dropped.append(f"{name[:40]!r}")
        elif why := _why_not(name, value, known):
            dropped.append(f"{name}={value[:40]!r}{why}")
        else:
            asked[name] = value
    if not dropped:
        return Understood(asked, "")
    more = len(dropped) - MOST_NAMED
    names = ", ".join(dropped[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
    return Understood(
        asked, f"Not understood, so this list is not narrowed by it: {names}{_only(known)}."
    )


def _why_not(name: str, value: str, known: Known) -> str:
    values = known[name]
    if not value or values == ():
        return ""
    if not isinstance(values, tuple):
        return "" if values(value) else "; it is written otherwise"
    return "" if value in values else f"; choose one of {', '.join(values)}"


def _only(known: Known) -> str:
    return f", only by {', '.join(sorted(known))}" if known else ": it takes no parameters"
