"""Members of a record for the functions beside a table, whatever the record holds there.

Owns the careful reading of one member: exports write names in lower case, and an attacker puts
anything anywhere. Knows no vendor. Pure; nothing here raises.
"""

from collections.abc import Callable
from typing import Any

NOTHING: dict[str, Any] = {}


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


def either(*names: str) -> Callable[[Any], str | None]:
    """What finds the text at these names, for a table: a path that knows both cases."""
    return lambda record: said(record, *names) or None


def first(here: Any) -> Any:
    """The first element of a list; what is no list as it is."""
    if type(here) is list:
        return here[0] if here else None
    return here
