"""Field paths: where a value stands inside a record, written as text.

Owns the path language of the formats' tables and of mapping files, and nothing of what a value
means. Pure. A path that finds nothing gives None; no record makes one raise.

    actor.alternateId                 members
    target[0].id                      an element of a list
    target[type=User].id              the first element whose member has this value
    extra["a.dotted/name"][0]         a member whose name holds dots or brackets
    parameters{Name=UserId}.Value     the same as [Name=UserId], for lists of names and values
    commits[*].message                every element: only where content is dropped (dropping.py)
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

type Get = Callable[[Any], Any]

_STEP = re.compile(
    r"""\.?(?:
        (?P<name>[^.\[\]{}"]+)
      | \["(?P<quoted>[^"]+)"\]
      | \[(?P<index>-?\d{1,4})\]
      | (?P<every>\[\*\])
      | [\[{](?P<member>[^=\]}]+)=(?P<wanted>[^\]}]*)[\]}]
    )""",
    re.VERBOSE,
)
# A list is searched this far for the element that a path asks for.
_FURTHEST = 200
_NESTED = frozenset({dict, list})


class BadPath(ValueError):
    """A path that cannot be read; the sentence shows where it stops making sense."""


class Step(NamedTuple):
    """One step of a path: a member, a place in a list, or the element with this member."""

    name: str = ""
    place: int | None = None
    member: str = ""
    wanted: str = ""
    every: bool = False


def steps(path: str) -> list[Step]:
    """A path in its steps. Raises BadPath."""
    found: list[Step] = []
    place = 0
    while place < len(path):
        match = _STEP.match(path, place)
        if match is None:
            raise BadPath(
                f"the path {path!r} makes no sense from {path[place:]!r} on; write names with dots"
                ' between them, list[0], list[member=value] or object["a name"]'
            )
        if match["index"] is not None:
            found.append(Step(place=int(match["index"])))
        elif match["every"]:
            found.append(Step(every=True))
        elif match["member"] is not None:
            found.append(Step(member=match["member"], wanted=match["wanted"]))
        else:
            found.append(Step(name=match["name"] or match["quoted"]))
        place = match.end()
    if not found:
        raise BadPath("a path is empty")
    return found


@lru_cache(maxsize=4096)
def getter(path: str, *, folded: bool = False) -> Get:
    """The function that follows a path; `folded`: in records whose member names are lower case."""
    walk = steps(path.lower() if folded else path)
    if all(step.name for step in walk):
        names = tuple(step.name for step in walk)
        if len(names) == 1:
            return _of_one(names[0])
        return _of_names(names)
    if len(walk) == 3 and walk[0].name and walk[1].member and walk[2].name:
        return _of_element(walk[0].name, walk[1], walk[2].name, folded=folded)

    def get(here: Any) -> Any:
        for step in walk:
            if step.name:
                here = here.get(step.name) if type(here) is dict else None
            elif type(here) is not list:
                return None
            elif step.place is not None:
                here = here[step.place] if -len(here) <= step.place < len(here) else None
            else:
                here = _element(here, step, folded=folded)
            if here is None:
                return None
        return here

    return get


def _of_one(name: str) -> Get:
    def get(here: Any) -> Any:
        return here.get(name) if type(here) is dict else None

    return get


def _of_names(names: tuple[str, ...]) -> Get:
    if len(names) <= 3:
        # Most paths are this short, and most time is spent here.
        first, second, last = names[0], names[-2], names[-1]
        return _of_two(first, last) if len(names) == 2 else _of_three(first, second, last)

    def get(here: Any) -> Any:
        for name in names:
            if type(here) is not dict:
                return None
            here = here.get(name)
        return here

    return get


def _of_two(first: str, last: str) -> Get:
    def get(here: Any) -> Any:
        if type(here) is dict:
            here = here.get(first)
            if type(here) is dict:
                return here.get(last)
        return None

    return get


def _of_three(first: str, second: str, last: str) -> Get:
    def get(here: Any) -> Any:
        if type(here) is dict:
            here = here.get(first)
            if type(here) is dict:
                here = here.get(second)
                if type(here) is dict:
                    return here.get(last)
        return None

    return get


def _of_element(first: str, step: Step, last: str, *, folded: bool) -> Get:
    member, wanted = step.member, step.wanted

    def get(here: Any) -> Any:
        if type(here) is dict:
            here = here.get(first)
            if type(here) is list:
                for one in here[:_FURTHEST]:
                    if type(one) is dict and (said := one.get(member)) is not None:
                        said = said if type(said) is str else str(said)
                        if said == wanted or (folded and said.lower() == wanted):
                            return one.get(last)
        return None

    return get


def _element(here: list[Any], step: Step, *, folded: bool) -> Any:
    for one in here[:_FURTHEST]:
        if type(one) is not dict:
            continue
        value = one.get(step.member)
        if value is None:
            continue
        said = str(value)
        if said == step.wanted or (folded and said.lower() == step.wanted):
            return one
    return None


def text(value: Any) -> str | None:
    """A value as the text of a name: numbers are written out; objects and lists are no names."""
    if type(value) is str:
        return value or None
    if type(value) is int:
        return str(value)
    if type(value) is float:
        return str(int(value)) if value.is_integer() else str(value)
    return None


def lower_names(value: Any, depth: int = 24, most: int | None = None) -> Any:
    """The value with all member names in lower case, as some exports write them.

    `most`: of lists only so many elements, where no more are looked at.
    """
    if depth == 0:
        return value
    if type(value) is dict:
        return {
            name.lower(): (
                lower_names(inside, depth - 1, most) if type(inside) in _NESTED else inside
            )
            for name, inside in value.items()
        }
    if type(value) is list:
        return [
            lower_names(inside, depth - 1, most) if type(inside) in _NESTED else inside
            for inside in value[:most]
        ]
    return value


class Sign(NamedTuple):
    """What shows that a record is of a format: a path, and what may stand there."""

    path: str
    one_of: frozenset[str] = frozenset()  # empty: anything that is not null
    begins: str = ""
    absent: bool = False

    @classmethod
    def of(cls, written: str) -> "Sign":
        """``path``, ``path=this|or this``, ``path^begins with``, ``!path`` (nothing there)."""
        if written.startswith("!"):
            return cls(written[1:], absent=True)
        quoted = written.rsplit("]", maxsplit=1)[-1]
        for mark in "=^":
            if mark in quoted:
                cut = len(written) - len(quoted) + quoted.index(mark)
                path, rest = written[:cut], written[cut + 1 :]
                if mark == "=":
                    return cls(path, frozenset(rest.split("|")))
                return cls(path, begins=rest)
        return cls(written)
