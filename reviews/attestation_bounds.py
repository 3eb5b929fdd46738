"""What a review policy says of attestations: how long one may last, what it has to say, when its end
is warned of, and what happens at it. Pure.

Owns the field `attestation` of a policy's document. Which policy an identity is under is
reviews/actions/attesting.py; warning and ending are reviews/actions/expiring.py.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from evidence.words import counted
from reviews.policy_reading import list_of, members, one_of, whole

# The same words as identities/models; a test compares them.
KINDS = ("agent", "service_account", "workload", "integration", "human")
CRITICALITIES = ("low", "normal", "high", "critical")
# What happens when nobody has renewed by the end. A clock retires nothing: that cannot be undone.
AT_END = {
    "escalate": "a named person is told, and nothing is cut",
    "suspend": "the identity is suspended",
}
MOST_DAYS = 3_660
MOST_WARNED = 366


class Bound(NamedTuple):
    """So many days at most, and for what: "for critical identities"."""

    days: int
    why: str


@dataclass(frozen=True, slots=True)
class Attestation:
    """What one policy says; the defaults hold where none says anything."""

    longest_days: int | None = None
    by_criticality: Mapping[str, int] = field(default_factory=dict)
    by_kind: Mapping[str, int] = field(default_factory=dict)
    standing_days: int | None = None  # where a standing credential is active or held
    purpose_at_least: int = 1  # characters
    purpose_words: int = 1
    warn_before_days: tuple[int, ...] = (30, 7, 1)
    at_end: str = "escalate"
    accept_within_days: int = 7  # of who is asked to take over

    def longest(self, *, kind: str, criticality: str, standing: bool) -> Bound | None:
        """The strictest of what is said of such an identity; None: nothing is."""
        said = [
            (self.longest_days, "for every identity"),
            (self.by_criticality.get(criticality), f"where criticality is {criticality}"),
            (self.by_kind.get(kind), f"for the kind {kind.replace('_', ' ')}"),
            (self.standing_days if standing else None, "where a credential is standing"),
        ]
        found = [Bound(days, why) for days, why in said if days is not None]
        return min(found, default=None)

    def why_not_purpose(self, purpose: str, *, policy: str) -> str | None:
        """The sentence that this purpose says too little."""
        for given, least, what in (
            (len(purpose.strip()), self.purpose_at_least, "character"),
            (len(purpose.split()), self.purpose_words, "word"),
        ):
            if given < least:
                return (
                    f"Say the purpose in at least {counted(least, what)}, what it does and for"
                    f" whom: {given} {'is' if given == 1 else 'are'} given, and {policy} asks for"
                    " it."
                )
        return None

    def why_not_until(
        self, until: datetime, bound: Bound | None, *, now: datetime, policy: str
    ) -> str | None:
        """The sentence that this expiry lies too far ahead. `bound`: of `longest`."""
        if bound is None or until <= last_moment(bound, now=now):
            return None
        return (
            f"The expiry may lie at most {counted(bound.days, 'day')} ahead, on"
            f" {last_moment(bound, now=now):%Y-%m-%d} at the latest: {policy} says so {bound.why}."
        )


# What the shipped policy of access reviews says, and what holds where no policy says anything: an
# end that somebody will live to see, and more than a word. Two people may sign other numbers.
SHIPPED: dict[str, int] = {"longest_days": 366, "purpose_words": 3}


def last_moment(bound: Bound, *, now: datetime) -> datetime:
    """The latest expiry that this bound allows: the end of its last day, UTC."""
    day = now + timedelta(days=bound.days)
    return day.replace(hour=23, minute=59, second=59, microsecond=999_999)


def read(value: Any) -> Attestation:
    """The policy's `attestation`, or Problem."""
    return Attestation(**members(value, FIELDS))


def words(said: Attestation | None) -> list[tuple[str, str]]:
    """What the field says, as (about, sentence); nothing where it is left out."""
    if said is None:
        return []
    bounds = [(said.longest_days, "")]
    bounds += [(days, f" where criticality is {one}") for one, days in said.by_criticality.items()]
    bounds += [(days, f" for the kind {one}") for one, days in said.by_kind.items()]
    bounds.append((said.standing_days, " where a credential is standing"))
    longest = "; ".join(
        f"{counted(days, 'day')}{which.replace('_', ' ')}" for days, which in bounds if days
    )
    warned = ", ".join(f"{days:,}" for days in said.warn_before_days)
    return [
        ("Attestations", f"They last at most: {longest or 'as long as their owner says'}."),
        (
            "Purposes",
            (
                f"They are written in at least {counted(said.purpose_words, 'word')} and"
                f" {counted(said.purpose_at_least, 'character')}."
            ),
        ),
        (
            "Ends",
            (
                f"The owner is warned {warned} days before. At the end {AT_END[said.at_end]}."
                " Where a scope does not enforce, where an identity is critical or an external"
                f" integration, and where nobody could be warned: {AT_END['escalate']}."
            ),
        ),
        (
            "Taking over",
            f"Whoever is asked has {counted(said.accept_within_days, 'day')} to accept.",
        ),
    ]


def _warned(value: Any) -> tuple[int, ...]:
    return tuple(sorted(list_of(value, whole(1, MOST_WARNED), 10), reverse=True))


def _each(words: tuple[str, ...]) -> Callable[[Any], dict[str, int]]:
    return lambda value: members(value, dict.fromkeys(words, whole(1, MOST_DAYS)))


FIELDS: dict[str, Callable[[Any], Any]] = {
    "longest_days": whole(1, MOST_DAYS),
    "by_criticality": _each(CRITICALITIES),
    "by_kind": _each(KINDS),
    "standing_days": whole(1, MOST_DAYS),
    "purpose_at_least": whole(1, 500),
    "purpose_words": whole(1, 50),
    "warn_before_days": _warned,
    "at_end": one_of(tuple(AT_END)),
    "accept_within_days": whole(1, 90),
}
