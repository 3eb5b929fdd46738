"""The events that open a micro-review: one row each, and what a policy may say of them. Pure.

A micro-review asks about one thing, with a deadline of its own, because something happened that
no review has seen. It asks and never cuts: what it rests on may be late, sampled or absent, so
its silence escalates. How each is found in rows is reviews/triggers.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from identities.findings import RULES
from reviews.policy_reading import members, some_of, whole

SERIOUS = "serious_finding"
# What follows a refusal has an event of its own.
MAY_BE_SERIOUS = tuple(rule for rule in RULES if rule != "after_refusal")


class Kind(NamedTuple):
    """`item`: what kind of item is asked about. `hours`: how long the seats have. `days`: what
    its number of days means and is, where it has one; at least `least`. `rules`: of which rules
    the findings are that it is about, where it is about findings."""

    words: str
    item: str
    hours: int
    why: str
    days: int | None = None
    days_words: str = ""
    least: int = 0
    rules: tuple[str, ...] = ()


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
    SERIOUS: Kind(
        "serious finding",
        "identity",
        24,
        "behaviour that says somebody else may act with it, or that what was stopped goes on",
        rules=("after_revocation", "shared_credential", "no_run", "left_task"),
    ),
    "received_signal": Kind(
        "signal received",
        "identity",
        24,
        "another system signals that a session or credential of it was revoked, or a risk",
    ),
    "unusual": Kind(
        "unusual for it",
        "identity",
        72,
        "a family of actions, a network, an hour or a volume that is new for this identity",
        days=28,
        days_words="days it is compared with",
        least=14,
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
    rules: tuple[str, ...] = ()


type MicroReviews = Mapping[str, Asked]


def _reader(one: Kind) -> Callable[[Any], dict[str, Any]]:
    readers: dict[str, Callable[[Any], Any]] = {"hours": whole(1, MOST_HOURS)}
    if one.days is not None:
        readers["days"] = whole(one.least, MOST_DAYS)
    if one.rules:
        readers["rules"] = some_of(MAY_BE_SERIOUS)
    return lambda value: members(value, readers)


def read(value: Any) -> MicroReviews:
    """The field of a policy: the triggers that are asked about, each with what it says of it;
    what is not named opens nothing."""
    said = members(value, {name: _reader(one) for name, one in TRIGGERS.items()})
    return {
        name: Asked(
            hours=said[name].get("hours", one.hours),
            days=said[name].get("days", one.days or 0),
            rules=said[name].get("rules", one.rules),
        )
        for name, one in TRIGGERS.items()
        if name in said
    }


# All of them, written out as a document says it: what the product's own policy begins with. A
# policy that says nothing asks at no event, so nobody's signature comes to mean more by an upgrade.
EVERY: dict[str, dict[str, Any]] = {
    name: {"hours": one.hours}
    | ({} if one.days is None else {"days": one.days})
    | ({"rules": list(one.rules)} if one.rules else {})
    for name, one in TRIGGERS.items()
}


def words(found: MicroReviews) -> list[str]:
    """One clause for each trigger that is asked about."""
    said = []
    for name, one in found.items():
        row = TRIGGERS[name]
        more = f" ({one.days:,} {row.days_words})" if row.days is not None else ""
        if one.rules:
            more = f" ({', '.join(RULES[rule].lower() for rule in one.rules)})"
        said.append(f"{row.words}{more}, {one.hours:,} h")
    return said
