"""Planted items: which kinds there are, how many of them, and what they would be answered. Pure.

Owns the table of plants, each with its known answer and the reason in words, and the bounds.
A plant is a copy of a real item of the same review, with a key of its own and at most one fact
changed, so that its answer follows from what the page says. Choosing and writing them is
reviews/actions/planting.py.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

# Of a hundred real items; none, where nobody asks for them.
MOST_SHARE = 5
# Whoever is asked about fewer items gets none: one would be a larger share than that.
FEWEST_ITEMS = 20
# So long ago a purpose ended, where that is the fact that was changed.
ENDED = (8, 28)
# "AKIA…QP7D": how a credential is shown, and what of it is made up.
SHORT = re.compile(r"(.*…)(.{4})")
# What a made-up user or role of the same kind is called: as the real one, with another ending.
ENDINGS = ("-batch", "-blue", "-dev", "-job", "-legacy", "-old", "-poc", "-tmp", "-v2", "-worker")
LETTERS = ("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdef", "23456789")


class Copied(NamedTuple):
    """What a plant is a copy of: a real item as it was made."""

    kind: str
    title: str
    note: str
    recommendation: str
    snapshot: Mapping[str, Any]
    keep_bounded: bool  # its policy says how long a standing credential may be kept


class Plant(NamedTuple):
    """One kind of planted item."""

    of: str  # the kind of item
    known: str  # the answer that follows from what it says
    fits: Callable[[Copied], bool]
    why: str


def _plain(one: Copied) -> bool:
    """Nothing is known against it that would make the answer a matter of opinion."""
    seen = one.snapshot
    return not seen.get("findings") and not seen.get("together")


def _allowed(one: Copied) -> bool:
    """Nothing against it, and a list of what is allowed and not delegated that is shown whole."""
    return _plain(one) and len(one.snapshot.get("wider", [])) < 50


def _delegation(one: Copied) -> bool:
    whole = len(one.snapshot.get("unseen", [])) < 50  # longer lists are cut off
    return _plain(one) and whole and not one.note.startswith("proposed")


PLANTS: dict[str, Plant] = {
    "key_without_purpose": Plant(
        of="credential",
        known="revoke",
        # Where the policy refuses "keep" anyway, it would ask nothing.
        fits=lambda one: _plain(one) and not one.keep_bounded and bool(SHORT.search(one.title)),
        why="A standing key that no evidence shows in use, for a purpose that has ended: nobody"
        " needs it, and whoever finds it can use it.",
    ),
    "delegation_without_purpose": Plant(
        of="delegation",
        known="revoke",
        fits=lambda one: _delegation(one) and not one.snapshot.get("evidence"),
        why="Its purpose has ended: authority without a purpose is taken away.",
    ),
    "partly_used": Plant(
        of="delegation",
        known="narrow",
        fits=lambda one: _delegation(one) and one.recommendation == "narrow",
        why="Some of its actions were seen lately and the others never: what was used stays.",
    ),
    "wholly_used": Plant(
        of="delegation",
        known="keep",
        fits=lambda one: _delegation(one) and one.recommendation == "keep",
        why="Each of its actions was seen lately, inside what was granted: it is needed as it is.",
    ),
    "allows_more": Plant(
        of="entitlement",
        known="narrow",
        fits=lambda one: (
            _allowed(one) and one.recommendation == "narrow" and bool(one.snapshot.get("wider"))
        ),
        why="The target allows more than was delegated, and no evidence says that the rest is"
        " needed: it comes down to what is delegated.",
    ),
    "allows_no_more": Plant(
        of="entitlement",
        known="keep",
        fits=lambda one: _allowed(one) and one.recommendation == "keep",
        why="The target allows nothing beyond what was delegated: there is nothing to take away.",
    ),
}


def fitting(one: Copied) -> list[str]:
    """The plants that a copy of this item could be."""
    return [name for name, plant in PLANTS.items() if plant.of == one.kind and plant.fits(one)]


def how_many(items: int, share: int, reviews: int) -> int:
    """How many of a person's `items` in so many reviews are planted: one a review at most."""
    if items < FEWEST_ITEMS or not share:
        return 0
    return min(max(1, items * share // 100), reviews)


def changed(
    plant: str, one: Copied, *, now: datetime, days: int
) -> tuple[str, Mapping[str, Any] | None]:
    """The note of the copy, and its snapshot where that is the fact that is changed."""
    ended = f"{now - timedelta(days=days):%-d %b %Y}"
    if plant == "key_without_purpose":
        unused = {
            "count": 0,
            "words": "0 calls",
            "first_at": None,
            "last_at": None,
            "findings": [],
            "state": "active",
        }
        return f"{one.note}, for a purpose that ended {ended}", unused
    if plant == "delegation_without_purpose":
        return f"its purpose ended {ended}; {one.note}", None
    return one.note, None


def other_key(title: str, choose: Callable[[Sequence[str]], str]) -> str:
    """The title of a credential with another ending: `choose` gives a letter out of several."""

    def other(letter: str) -> str:
        return next((choose(some) for some in LETTERS if letter in some), choose(LETTERS[2]))

    return SHORT.sub(lambda found: found[1] + "".join(map(other, found[2])), title)


def other_name(title: str, choose: Callable[[Sequence[str]], str]) -> str:
    """The title of what a system allows somebody, with another ending of the name."""
    for ending in ENDINGS:
        title = title.removesuffix(ending)
    return f"{title}{choose(ENDINGS)}"


def sentence(share: int) -> str:
    """What everybody is told beforehand."""
    return (
        f"About {share} in 100 items are planted: their answer is known, and none is ever applied"
        " or counted. Which they are is said when the review is over."
    )


def part(answers: Sequence[tuple[str, str]]) -> tuple[int, int, int]:
    """Of (given, known) answers: how many, as known, and "don't know"."""
    return (
        len(answers),
        sum(given == known for given, known in answers),
        sum(given == "dont_know" for given, _ in answers),
    )
