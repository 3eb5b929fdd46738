"""The events that open a micro-review: one row each, and what a policy may say of them. Pure.

A micro-review asks about one thing, with a deadline of its own, because something happened that
no review has seen. It asks and never cuts: what it rests on may be late, sampled or absent, so
its silence escalates. How each is found in rows is reviews/triggers.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from reviews.policy_reading import members, whole


class Kind(NamedTuple):
    """`item`: what kind of item is asked about. `hours`: how long the seats have. `days`: what
    its number of days means and is, where it has one; at least `least`."""

    words: str
    item: str
    hours: int
    why: str
    days: int | None = None
    days_words: str = ""
    least: int = 0


# In the order in which pages and documents list them.
TRIGGERS: dict[str, Kind] = {
    "wider_entitlement": Kind(
        "new scope", "entitlement", 72, "its system allows more than when it was last reviewed"
    ),
    "wider_delegation": Kind(
        "wider delegation", "delegation", 72, "more is delegated, unsigned, than was reviewed"
    ),
    "owner_changed": Kind(
        "owner changed", "identity", 168, "somebody else answers for it than before"
    ),
    "dormant": Kind(
        "active after a silence",
        "identity",
        72,
        "it acts again after days in which nothing of it was in evidence",
        days=60,
        days_words="days without evidence",
        least=14,
    ),
    "new_tool": Kind(
        "new tool", "use", 72, "a tool in its traces that no review and no manifest has seen"
    ),
    "new_release": Kind(
        "undeclared release",
        "identity",
        72,
        "a version runs that no signed manifest declares, where earlier ones were declared",
    ),
    "outside_manifest": Kind(
        "beside its manifest", "use", 48, "a tool or call that the signed manifest leaves out"
    ),
    "refused_again": Kind(
        "used after a refusal", "identity", 24, "it uses what its owners have refused"
    ),
    "credential_expiry": Kind(
        "credential ends soon",
        "credential",
        120,
        "a standing credential ends: renew it, replace it or let it end",
        days=14,
        days_words="days before its end",
        least=1,
    ),
}
# The policy whose field counts, whatever a review of all there is was opened under.
POLICY = "access review"
MOST_HOURS = 366 * 24
MOST_DAYS = 366


class Asked(NamedTuple):
    """How a policy has one trigger asked about."""

    hours: int
    days: int


type MicroReviews = Mapping[str, Asked]


def _reader(one: Kind) -> Callable[[Any], dict[str, int]]:
    readers = {"hours": whole(1, MOST_HOURS)}
    if one.days is not None:
        readers["days"] = whole(one.least, MOST_DAYS)
    return lambda value: members(value, readers)


def read(value: Any) -> MicroReviews:
    """The field of a policy: the triggers that are asked about, each with what it says of it;
    what is not named opens nothing."""
    said = members(value, {name: _reader(one) for name, one in TRIGGERS.items()})
    return {
        name: Asked(
            hours=said[name].get("hours", one.hours), days=said[name].get("days", one.days or 0)
        )
        for name, one in TRIGGERS.items()
        if name in said
    }


# All of them, written out as a document says it: what the product's own policy begins with. A
# policy that says nothing asks at no event, so nobody's signature comes to mean more by an upgrade.
EVERY: dict[str, dict[str, int]] = {
    name: {"hours": one.hours} | ({} if one.days is None else {"days": one.days})
    for name, one in TRIGGERS.items()
}


def words(found: MicroReviews) -> list[str]:
    """One clause for each trigger that is asked about."""
    said = []
    for name, one in found.items():
        row = TRIGGERS[name]
        days = f" ({one.days:,} {row.days_words})" if row.days is not None else ""
        said.append(f"{row.words}{days}, {one.hours:,} h")
    return said
