"""Paths and signs as one Python function each: written as text, compiled once.

Owns the writing. A table has some forty paths, and a record is asked for all of them: a function
that looks by itself takes half the time of one that calls another for each path. What is written
holds nothing of a table but the names of members, quoted. What a path means is paths.py's. Pure.
"""

from collections.abc import Callable, Sequence
from typing import Any

from evidence.formats import aws, paths
from evidence.formats.paths import Sign


class _Writing:
    """The text of one function of `record`, and the objects that it names."""

    def __init__(self) -> None:
        self.objects: dict[str, Any] = {"text": paths.text}
        self.lines = ["def written(record):"]

    def named(self, thing: Any) -> str:
        """The name under which the function finds an object."""
        name = f"object{len(self.objects)}"
        self.objects[name] = thing
        return name

    def value(self, path: str, *, folded: bool) -> str:
        """The expression of what stands at a path; None where nothing does."""
        walk = paths.steps(path.lower() if folded else path)
        if not all(step.name for step in walk):
            return f"{self.named(paths.getter(path, folded=folded))}(record)"
        *above, last = (repr(step.name) for step in walk)
        here, guards = "record", []
        for name in above:
            guards.append(f"type(v := {here}.get({name})) is dict")
            here = "v"
        found = f"{here}.get({last})"
        return f"({found} if {' and '.join(guards)} else None)" if guards else found

    def compiled(self) -> Callable[[dict[str, Any]], Any]:
        exec("\n".join(self.lines), self.objects)  # noqa: S102 - quoted names, no words of a table
        function: Callable[[dict[str, Any]], Any] = self.objects["written"]
        return function


def plain(value: str) -> str | None:
    """A text as it may be kept: without NULs, bounded; None when nothing is left."""
    if "\0" in value:
        value = value.replace("\0", "")
    return (value if len(value) <= aws.LONGEST else aws.bounded(value)) or None


def first_text(
    ways: Sequence[str | Callable[[dict[str, Any]], Any]], *, folded: bool = False
) -> Callable[[dict[str, Any]], str | None]:
    """The text that the first of these paths and functions finds in a record."""
    writing = _Writing()
    keep = writing.named(plain)
    for way in ways:
        found = (
            writing.value(way, folded=folded)
            if isinstance(way, str)
            else f"{writing.named(way)}(record)"
        )
        writing.lines += (
            f" value = {found}",
            " if value is not None:",
            "  if type(value) is not str: value = text(value)",
            "  if value:",
            f"   return value if len(value) <= {aws.LONGEST} and '\\0' not in value else {keep}(value)",
        )
    writing.lines.append(" return None")
    return writing.compiled()


def has_signs(
    groups: Sequence[Sequence[str]], *, folded: bool = False
) -> Callable[[dict[str, Any]], bool]:
    """Whether a record has all signs of at least one group; see paths.Sign."""
    writing = _Writing()
    told = [
        " and ".join(_sign(writing, Sign.of(sign), folded=folded) for sign in group) or "True"
        for group in groups
    ]
    writing.lines.append(f" return {' or '.join(told) or 'False'}")
    return writing.compiled()


def _sign(writing: _Writing, sign: Sign, *, folded: bool) -> str:
    value = writing.value(sign.path, folded=folded)
    if sign.absent:
        return f"{value} is None"
    if sign.one_of:
        told = f"(s if type(s := {value}) is str else text(s))"
        return f"{told} in {writing.named(sign.one_of)}"
    if sign.begins:
        return f"(type(s := {value}) is str and s.startswith({sign.begins!r}))"
    return f"{value} is not None"
