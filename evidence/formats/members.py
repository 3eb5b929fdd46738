"""Members of a record for the functions beside a table, whatever the record holds there.

Owns the careful reading of one member: exports write names in lower case, and an attacker puts
anything anywhere. Knows no vendor. Pure; nothing here raises.
"""

from collections.abc import Callable
from typing import Any

NOTHING: dict[str, Any] = {}
# Names of members, each with its twin in lower case; '' where that is the same.
type Ways = tuple[tuple[str, str], ...]


def text(value: Any) -> str:
    """A member that is text, without NULs; '' for any other."""
    if type(value) is not str:
        return ""
    return value.replace("\0", "") if "\0" in value else value


def row(value: Any) -> dict[str, Any]:
    """A member that is an object; an empty one for any other."""
    return value if type(value) is dict else NOTHING


def member(here: Any, name: str) -> Any:
    """The member of this name, also where the export wrote it in lower case."""
    if type(here) is not dict:
        return None
    found = here.get(name)
    return here.get(name.lower()) if found is None else found


def inside(here: Any, *names: str) -> dict[str, Any]:
    """The object at these names, one inside the other; an empty one when there is none."""
    for name in names:
        if type(here) is not dict:
            return NOTHING
        found = here.get(name)
        here = here.get(name.lower()) if found is None else found
    return here if type(here) is dict else NOTHING


def said(here: Any, *names: str) -> str:
    """The text at these names; '' when there is none."""
    for name in names:
        if type(here) is not dict:
            return ""
        found = here.get(name)
        here = here.get(name.lower()) if found is None else found
    if type(here) is not str:
        return ""
    return here.replace("\0", "") if "\0" in here else here


def ways(*names: str) -> Ways:
    """Names of which the first that says something counts; see `told`."""
    return tuple((name, "" if name == name.lower() else name.lower()) for name in names)


def told(here: dict[str, Any], names: Ways) -> str:
    """The text at the first of these members that has one; '' when none has."""
    for name, low in names:
        found = here.get(name)
        if found is None and low:
            found = here.get(low)
        if found and (plain := text(found)):
            return plain
    return ""


def either(*names: str) -> Callable[[Any], str | None]:
    """What finds the text at these names, for a table: a path that knows both cases."""
    steps = tuple((name, name.lower()) for name in names)

    def get(here: Any) -> str | None:
        for name, low in steps:
            if type(here) is not dict:
                return None
            found = here.get(name)
            here = here.get(low) if found is None else found
        return text(here) or None

    return get


def first(here: Any) -> Any:
    """The first element of a list; what is no list as it is."""
    if type(here) is list:
        return here[0] if here else None
    return here
