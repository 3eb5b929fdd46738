"""Objects of JSON in which no member stands twice: of two nobody knows which is meant. Pure."""

from typing import Any


class Twice(ValueError):
    """A name that stands twice in one object."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name[:60]!r} stands twice in one object")
        self.name = name


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """For `json.loads`, as its `object_pairs_hook`. Raises Twice."""
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            raise Twice(name)
        seen.add(name)
    return found
