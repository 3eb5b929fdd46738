"""The burn-down of the claim wave as lines over its days. Pure but for the rows that it is given."""

from collections.abc import Callable, Sequence
from typing import Any

from identities.claims import counting
from identities.models import ClaimDay

WIDTH, HEIGHT = 720, 160
# Each line: its class, what of a day it draws, and what it is called beside the picture.
LINES: tuple[tuple[str, Callable[[ClaimDay], int], str], ...] = (
    ("answered", lambda row: row.owned, "have an owner by an answer"),
    ("asked", lambda row: row.asked, "asked, no answer yet"),
    ("left", counting.left_of, "without an owner"),
)


def chart(days: Sequence[ClaimDay]) -> dict[str, Any] | None:
    """Lines over the days, from zero up; a day that was not counted has no point of its own."""
    if len(days) < 2:
        return None
    first, last = days[0], days[-1]
    reach = (last.day - first.day).days
    top = max(1, *(value(row) for _, value, _ in LINES for row in days))

    def points(value: Callable[[ClaimDay], int]) -> str:
        return " ".join(
            f"{round(WIDTH * (row.day - first.day).days / reach, 1)},"
            f"{round(HEIGHT * (1 - value(row) / top), 1)}"
            for row in days
        )

    said = "; ".join(
        f"{words}: {value(first):,} on {first.day:%-d %b}, {value(last):,} on {last.day:%-d %b %Y}"
        for _, value, words in reversed(LINES)
    )
    return {
        "width": WIDTH,
        "height": HEIGHT,
        "top": top,
        "lines": [
            {"kind": kind, "words": words, "points": points(value), "now": value(last)}
            for kind, value, words in LINES
        ],
        "first": first.day,
        "last": last.day,
        "label": said[:1].upper() + said[1:],
    }
