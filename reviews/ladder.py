"""The ladder of silence: what happens, and after how many hours, while nobody decides. Pure.

Owns the words of its rungs and what may follow what. Rows are reviews/models/rungs.py; when a
rung is due and what it does are reviews/actions/rungs.py and deadlines.py.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

# How much hangs on an identity: the words of identities.models.CRITICALITIES.
TIERS = ("low", "normal", "high", "critical")
# From gentle to strict. `tell`: those above are told; `add`: backups may sign beside the owners;
# `replace`: backups may take over the seats of whoever is silent.
STEPS = ("remind", "tell", "add", "replace", "narrow", "suspend", "revoke")
CUTS = frozenset({"narrow", "suspend", "revoke"})
# What comes before the answers are due; the rest is the consequence of not giving any.
BEFORE = frozenset({"remind", "tell", "add"})
# The rung at which the answers are due: what it does is the case's own silence.
DUE = "due"
# A stage has all its answers, and the next one begins (reviews/actions/going_on.py).
GO_ON = "go_on"
MOST_RUNGS = 20
MOST_HOURS = 366 * 24

WORDS = {
    "remind": "those whose answers are missing are reminded",
    "tell": "the backups and the tie-breaker are told",
    "add": "the backups may sign beside the owners",
    "replace": "the backups may take over the seats",
    "narrow": "what was not seen in evidence is narrowed away",
    "suspend": "the identity is suspended",
    "revoke": "what not every seat answered is revoked",
}


class LadderError(ValueError):
    """What is wrong with a ladder, beginning with the place: "ladder, high, rung 2: …"."""


class Rung(NamedTuple):
    """`after_hours` of counted time after the request was sent, this is done."""

    after_hours: int
    does: str


type Ladder = Mapping[str, Sequence[Rung]]


def parse(value: Any, *, decide_within_hours: int) -> dict[str, tuple[Rung, ...]]:
    """A policy's `ladder`: {tier: [{"after_hours": 24, "does": "remind"}, …]}, in order of time.

    A tier that is not named keeps the ladder without one (`plain`). Raises LadderError.
    """
    if not isinstance(value, Mapping):
        raise LadderError("ladder: has to be an object of tiers, each with a list of rungs.")
    found = {}
    for tier, rungs in value.items():
        if tier not in TIERS:
            raise LadderError(
                f"ladder: names {str(tier)[:40]!r}, which is no tier; there are {', '.join(TIERS)}."
            )
        if not isinstance(rungs, Sequence) or isinstance(rungs, str):
            raise LadderError(f"ladder, {tier}: has to be a list of rungs.")
        if len(rungs) > MOST_RUNGS:
            raise LadderError(f"ladder, {tier}: has at most {MOST_RUNGS} rungs.")
        read = tuple(_rung(f"ladder, {tier}, rung {n}", one) for n, one in enumerate(rungs, 1))
        _in_order(tier, read, decide_within_hours)
        found[str(tier)] = read
    return found


def _rung(place: str, value: Any) -> Rung:
    if not isinstance(value, Mapping):
        raise LadderError(f'{place}: has to be an object like {{"after_hours": 24, "does": …}}.')
    more = sorted(set(value) - {"after_hours", "does"}, key=str)
    if more:
        raise LadderError(
            f"{place}: holds {str(more[0])[:40]!r}, which is not known; write after_hours and does."
        )
    hours, does = value.get("after_hours"), value.get("does")
    if not isinstance(hours, int) or isinstance(hours, bool) or not 1 <= hours <= MOST_HOURS:
        raise LadderError(
            f"{place}: has to name after_hours, a whole number from 1 to {MOST_HOURS:,}."
        )
    if does not in STEPS:
        raise LadderError(f"{place}: has to say what it does, one of {', '.join(STEPS)}.")
    return Rung(hours, str(does))


def _in_order(tier: str, rungs: Sequence[Rung], within: int) -> None:
    """Time runs forward, nothing gentler follows what is stricter, nothing is cut too early."""
    last = Rung(0, STEPS[0])
    for number, one in enumerate(rungs, 1):
        place = f"ladder, {tier}, rung {number}"
        if one.after_hours <= last.after_hours:
            raise LadderError(f"{place}: has to come later than the rung before it.")
        if one.does != "remind" and STEPS.index(one.does) < STEPS.index(last.does):
            raise LadderError(f"{place}: is gentler ({one.does}) than {last.does} before it.")
        if one.does not in BEFORE and one.after_hours < within:
            raise LadderError(
                f"{place}: comes before the answers are due after {within:,} h: {one.does} may not."
            )
        if tier == "critical" and one.does in CUTS:
            raise LadderError(
                f"{place}: may not cut ({one.does}): what is critical is escalated, never cut by a"
                " clock."
            )
        last = one if one.does != "remind" else Rung(one.after_hours, last.does)


def plain(
    *, decide_within_hours: int, remind_before_hours: Sequence[int], escalate_before_hours: int
) -> tuple[Rung, ...]:
    """The ladder of a policy without one: its reminders, and one word to those above."""
    before = [(hours, "remind") for hours in remind_before_hours]
    before.append((escalate_before_hours, "tell"))
    return tuple(
        sorted(
            Rung(decide_within_hours - hours, does)
            for hours, does in set(before)
            if 0 < hours < decide_within_hours
        )
    )


def silence(rungs: Sequence[Rung], *, decide_within_hours: int) -> str:
    """What silence does when the answers are due: the rung at that hour, else it escalates."""
    does = {one.does for one in rungs if one.after_hours == decide_within_hours} - BEFORE
    return next(iter(does - {"replace"}), "escalate")


def plan(rungs: Sequence[Rung], *, decide_within_hours: int) -> list[Rung]:
    """The rungs of one case in order of time, with the one at which its answers are due."""
    others = [
        one for one in rungs if one.after_hours != decide_within_hours or one.does not in CUTS
    ]
    return sorted([*others, Rung(decide_within_hours, DUE)])
