"""One line of `make bench`: what was measured, the figure, its target, and whether it is met."""

from typing import NamedTuple


class Said(NamedTuple):
    """A line. `met` is None where there is no target."""

    what: str
    figure: str
    target: str = ""
    met: bool | None = None

    def line(self) -> str:
        mark = {True: "met", False: "NOT met", None: ""}[self.met]
        return f"{self.what:<58} {self.figure:>28}   {self.target:<30} {mark}".rstrip()
