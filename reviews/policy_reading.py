"""How the parts of a policy document are read: each value, or a problem with its place. Pure.

Owns the readers that the fields of reviews/policy_document.py are made of; knows no field.
"""

from collections.abc import Callable, Mapping
from typing import Any

LONGEST_LIST = 500


class Problem(ValueError):
    """One problem, at this place inside the field that is being read."""

    def __init__(self, said: str, at: str = "") -> None:
        super().__init__(said)
        self.at = at


def whole(least: int, most: int) -> Callable[[Any], int]:
    """The reader of a whole number within these bounds."""

    def read(value: Any) -> int:
        if type(value) is not int or not least <= value <= most:
            raise Problem(f"Write a whole number from {least:,} to {most:,}.")
        return value

    return read


def truth(value: Any) -> bool:
    """true or false, nothing that only looks like it."""
    if type(value) is not bool:
        raise Problem("Write true or false.")
    return value


def text(value: Any, longest: int = 200) -> str:
    """A text that says something and can be stored."""
    if not isinstance(value, str) or not value.strip() or len(value) > longest:
        raise Problem(f"Write a text of 1 to {longest} characters.")
    if value != shown(value) or "\0" in value:
        raise Problem("It holds a character that cannot be stored.")
    return value.strip()


def shown(text: str) -> str:
    """The text without halves of characters, which JSON can spell and nothing can store."""
    return text.encode("utf-8", "replace").decode()


def list_of[T](value: Any, read: Callable[[Any], T], longest: int = LONGEST_LIST) -> tuple[T, ...]:
    """A list in which nothing is twice, each of it by the reader; never an empty one."""
    if not isinstance(value, list) or not value or len(value) > longest:
        raise Problem(f"Write a list of 1 to {longest}; leave the field out for none.")
    found: list[T] = []
    for place, one in enumerate(value):
        try:
            made = read(one)
        except Problem as problem:
            raise Problem(str(problem), f"[{place}]{problem.at}") from None
        if made in found:
            raise Problem("It is in the list twice.", f"[{place}]")
        found.append(made)
    return tuple(found)


def one_of(words: tuple[str, ...]) -> Callable[[Any], str]:
    """The reader of one of these words."""

    def read(value: Any) -> str:
        if value not in words:
            raise Problem(f"Write one of: {', '.join(words)}.")
        return str(value)

    return read


def some_of(words: tuple[str, ...]) -> Callable[[Any], tuple[str, ...]]:
    """The reader of a list of these words."""
    return lambda value: list_of(value, one_of(words))


def names(value: Any) -> tuple[str, ...]:
    """A list of texts."""
    return list_of(value, text)


def members(value: Any, readers: Mapping[str, Callable[[Any], Any]]) -> dict[str, Any]:
    """The members of an object, each by its reader; an unknown one is refused by name."""
    if not isinstance(value, dict):
        raise Problem("Write an object: { … }.")
    found = {}
    for name, one in value.items():
        if name not in readers:
            raise Problem(f"It is not known. Known: {', '.join(readers)}.", f".{shown(name)[:80]}")
        try:
            found[name] = readers[name](one)
        except Problem as problem:
            raise Problem(str(problem), f".{name}{problem.at}") from None
    return found
