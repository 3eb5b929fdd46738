"""The burn-down of the claim wave as lines over its days. Pure but for the rows that it is given."""

from collections.abc import Iterable, Sequence
from typing import Any

from identities.claims import counting
from identities.models import ClaimDay

WIDTH, HEIGHT = 720, 160


def chart(days: Sequence[ClaimDay]) -> dict[str, Any] | None:
    """Lines over the days, from zero up; a day that was not counted has no point of its own."""
    if len(days) < 2:
        return None
    first, reach = days[0].day, (days[-1].day - days[0].day).days
    top = max(1, *(counting.left_of(row) for row in days))

    def points(values: Iterable[tuple[ClaimDay, int]]) -> str:
        return " ".join(
            f"{round(WIDTH * (row.day - first).days / reach, 1)},"
            f"{round(HEIGHT * (1 - value / top), 1)}"
            for row, value in values
        )

    return {
        "width": WIDTH,
        "height": HEIGHT,
        "top": top,
        "left": points((row, counting.left_of(row)) for row in days),
        "asked": points((row, row.asked) for row in days),
        "first": days[0].day,
        "last": days[-1].day,
        "label": f"Without an owner: {counting.left_of(days[0]):,} on {days[0].day:%-d %b},"
        f" {counting.left_of(days[-1]):,} on {days[-1].day:%-d %b %Y}",
    }
