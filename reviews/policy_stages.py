"""The stages of a review policy: who is asked after whom, how answers add up, when it goes on. Pure.

Owns how `stages` and `strategy` are read, and what the answers of a stage and of all stages come
to. The algebra itself is reviews/outcomes.py. Knows no rows: reviews/actions/stages.py reads them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from reviews import outcomes
from reviews.policy_reading import Problem, list_of, members, one_of, text, whole

MOST_STAGES = 6
ORDERS = ("in_turn", "parallel")
SIGHTS = ("sighted", "blind")
ASKS = ("first", "each")
NOT_OF_REQUESTS = "It does nothing for access requests: what nobody approves is denied."
STRATEGIES = tuple(outcomes.STRATEGIES)
# What a review is answered with, and a request.
REVIEWED = ("keep", "narrow", "replace", "revoke", "dont_know")
REQUESTED = ("approve", "deny")
STOPPING = (*REVIEWED, *REQUESTED, outcomes.NO_RESPONSE)
# What may count where nobody answers for an item. A replacement has a plan and a date, which only
# a person gives. What would cut is carried out as silence is: by its deadline, where the mode and
# the evidence let it, past its brake and freezes; the policy has to say that silence does it, too.
CUTTING = ("narrow", "revoke")
DEFAULTS = ("keep", *CUTTING, "dont_know", outcomes.NO_RESPONSE)
IF = ("if_no_reviewer", "if_nobody_answered", "if_dont_know")
ENDS = ("stop_on", "advance_on")
ALONE = "Review"  # the one stage of a policy that has defaults and no stages


@dataclass(frozen=True, slots=True)
class Rules:
    """One stage, as the policy says it. `seats`: who is asked, by seat, in order."""

    name: str
    hours: int
    seats: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    asks: str = "first"  # each: everybody of the order answers for himself
    strategy: str = outcomes.DEFAULT_STRATEGY
    order: str = "in_turn"
    sight: str = "sighted"
    stop_on: tuple[str, ...] | None = None
    advance_on: tuple[str, ...] | None = None
    if_no_reviewer: str = ""
    if_nobody_answered: str = ""
    if_dont_know: str = ""

    @property
    def defaults(self) -> tuple[str, ...]:
        return self.if_no_reviewer, self.if_nobody_answered, self.if_dont_know


def default_word(value: Any) -> str:
    """One of the words that may count for nobody's answer."""
    if value == outcomes.REPLACE:
        raise Problem("A person gives the plan and the date of a replacement: it is no default.")
    return one_of(DEFAULTS)(value)


def with_defaults(
    rules: Sequence[Rules], said: Mapping[str, str], *, hours: int
) -> tuple[Rules, ...]:
    """The stages with the defaults of the whole policy where they have none of their own; one
    stage of all hours where there is none."""
    if not said:
        return tuple(rules)
    found = []
    for one in rules or (Rules(ALONE, hours),):
        words: dict[str, Any] = {name: getattr(one, name) or said[name] for name in said}
        found.append(replace(one, **words))
    return tuple(found)


def with_ends(rules: Sequence[Rules], said: Mapping[str, tuple[str, ...]]) -> tuple[Rules, ...]:
    """The stages with what ends all of them as the whole policy says it, where they say nothing of
    their own: what a stage says takes the place of both."""
    ends: dict[str, Any] = dict(said)
    return tuple(
        replace(one, **ends) if one.stop_on is None and one.advance_on is None else one
        for one in rules
    )


def outcomes_of(value: Any) -> tuple[str, ...]:
    """A list of outcomes that may end stages."""
    return list_of(value, one_of(STOPPING))


def cut_as_silence(
    rules: Sequence[Rules], said: Mapping[str, str], silence: str
) -> Iterator[tuple[str, str]]:
    """Defaults of stages and of the whole policy that cut otherwise than silence: (place, why)."""
    all_said = [(name, word) for name, word in said.items()]
    for place, one in enumerate(rules):
        own = zip(IF, one.defaults, strict=True)
        all_said += [(f"stages[{place}].{name}", word) for name, word in own]
    for where, word in all_said:
        if word in CUTTING and word != silence:
            why = f"What nobody answered is cut as silence cuts: write silence: {word} as well,"
            yield where, f"{why} or keep, dont_know or no_response here."


def reader(sitting: Callable[[str], Callable[[Any], tuple[str, ...]]]) -> Callable[[Any], Any]:
    """How `stages` is read. `sitting`: how the order of a seat is (reviews/policy_document.py)."""
    seats = {seat: sitting(seat) for seat in ("identity_owner", "ai_owner")}
    readers: dict[str, Callable[[Any], Any]] = {
        "name": lambda value: text(value, 60),
        "hours": whole(1, 366 * 24),
        "seats": lambda value: members(value, seats),
        "asks": one_of(ASKS),
        "strategy": one_of(STRATEGIES),
        "order": one_of(ORDERS),
        "sight": one_of(SIGHTS),
        "stop_on": outcomes_of,
        "advance_on": outcomes_of,
        **dict.fromkeys(IF, default_word),
    }

    def one(value: Any) -> Rules:
        found = members(value, readers)
        for name in ("name", "hours"):
            if name not in found:
                raise Problem("It is missing: a stage has a name and its hours.", f".{name}")
        if found.get("asks") == "each" and not found.get("seats"):
            raise Problem("Say in seats who is asked, each for himself.", ".asks")
        return Rules(**found)

    def read(value: Any) -> tuple[Rules, ...]:
        rules = list_of(value, one, MOST_STAGES)
        _beside_each_other(rules)
        return rules

    return read


def _beside_each_other(rules: Sequence[Rules]) -> None:
    for place, one in enumerate(rules):
        if one.name in [other.name for other in rules[:place]]:
            raise Problem("Another stage has this name.", f"[{place}].name")
        if place == 0 and one.order == "parallel":
            raise Problem("The first stage runs beside nothing: leave order out.", "[0].order")
        if one.order == "parallel" and one.hours != rules[place - 1].hours:
            raise Problem("It runs beside the stage before it: give both the same hours.",
                          f"[{place}].hours")  # fmt: skip
        if place == 0 and one.sight == "blind":
            raise Problem("Nothing is answered before the first stage: leave sight out.",
                          "[0].sight")  # fmt: skip


def not_here(rules: Sequence[Rules], *, requests: bool) -> Iterator[tuple[str, str]]:
    """What stages say that does nothing in requests, or in reviews: (place, sentence)."""
    words, never = (REVIEWED, "a request") if requests else (REQUESTED, "a review")
    for place, one in enumerate(rules):
        for name in ENDS:
            for value in getattr(one, name) or ():
                if value in words:
                    said = f"{outcomes.WORDS[value].capitalize()} is no answer to {never}."
                    yield f"stages[{place}].{name}", said
        for name in IF:
            if requests and getattr(one, name):
                yield f"stages[{place}].{name}", NOT_OF_REQUESTS


def hours(rules: Sequence[Rules]) -> int:
    """How long all stages have together: those side by side count once."""
    return sum(rules[group[0]].hours for group in groups(rules))


def groups(rules: Sequence[Rules]) -> list[list[int]]:
    """The places of the stages that run side by side, in their turn."""
    found: list[list[int]] = []
    for place, one in enumerate(rules):
        if one.order == "parallel" and found:
            found[-1].append(place)
        else:
            found.append([place])
    return found


# --- how the answers add up ----------------------------------------------------------------------


def of_seat(
    answers: Sequence[str | None], strategy: str, *, possible: Iterable[str], over: bool
) -> str | None:
    """The answer of one seat in which several may be asked; None while it has none.

    Before the stage is over it stands as soon as no missing answer could change it. A seat that
    nobody has answered has no answer under any strategy: joint means signed.
    """
    given = [one for one in answers if one is not None]
    if not given:
        return None
    if over or len(given) == len(answers):
        found = outcomes.in_stage(answers, strategy)
        return None if found == outcomes.NO_RESPONSE else found
    found = outcomes.in_stage(given, strategy)
    if any(outcomes.in_stage([*given, one], strategy) != found for one in possible):
        return None
    return found


def of_stage(
    seats: Mapping[str, Sequence[str | None]],
    rules: Rules,
    *,
    possible: Sequence[str],
    over: bool,
    tie_break: str | None = None,
) -> outcomes.Outcome:
    """What the seats of a stage come to: each by the strategy, together by `between_seats`."""
    answers = {
        seat: of_seat(given, rules.strategy, possible=possible, over=over)
        for seat, given in seats.items()
    }
    return outcomes.between_seats(answers, due=over, tie_break=tie_break)


def default(
    found: outcomes.Outcome,
    rules: Rules,
    *,
    anybody: bool,
    may_keep: bool,
    may_cut: bool = True,
    request: bool = False,
) -> str:
    """The answer of a stage that is over: of its seats, else what the stage says of having none.

    `anybody`: somebody could be asked. `may_keep`: a person may answer keep on it. `may_cut`:
    silence may cut what it is about. `request`: what is asked for is denied by silence.
    """
    if found.answer is None and request:
        return outcomes.DENY
    if found.answer is None:
        said = rules.if_nobody_answered if anybody else rules.if_no_reviewer
        given = outcomes.NO_RESPONSE
    else:
        said = rules.if_dont_know if found.answer == outcomes.DONT_KNOW else ""
        given = found.answer
    never = (said == outcomes.KEEP and not may_keep) or (said in CUTTING and not may_cut)
    return given if not said or never else said


def by_nobody(outcome: str, answers: Iterable[str]) -> bool:
    """Whether an outcome of all stages would cut what no seat said is to be cut: silence does that,
    and nothing else. `answers`: all that stand on the item."""
    return outcome in CUTTING and outcome not in answers


def stops(outcome: str, rules: Rules, strategy: str) -> bool:
    """Whether a stage with this outcome ends them all."""
    return not outcomes.goes_on(
        outcome, strategy, stop_on=rules.stop_on, advance_on=rules.advance_on
    )


def of_all(found: Mapping[int, str], rules: Sequence[Rules], strategy: str) -> str | None:
    """The outcome over all stages; None where the next one is asked.

    `found`: the outcomes of stages by their place. A stage may end them all (`stop_on`).
    """
    known = [found[place] for place in sorted(found)]
    over = any(stops(found[place], rules[place], strategy) for place in found)
    if not known or (not over and len(known) < len(rules)):
        return None
    if set(known) == {outcomes.NO_RESPONSE}:
        # Where nobody has signed, no strategy accepts.
        return outcomes.NO_RESPONSE
    return outcomes.in_stage(known, strategy)


# --- in words ------------------------------------------------------------------------------------


def words(rules: Sequence[Rules], strategy: str) -> list[tuple[str, str]]:
    """(about, sentence) for each stage, and how they add up."""
    found = []
    for place, one in enumerate(rules, start=1):
        said = [f"{one.hours:,} h"]
        if place > 1:
            before = rules[place - 2].name
            said.append(f"beside {before}" if one.order == "parallel" else f"after {before}")
        if one.sight == "blind":
            said.append("does not see earlier answers before it has answered")
        if one.seats:
            between = " and " if one.asks == "each" else ", then "
            said += [
                f"{seat.replace('_', ' ')}: {between.join(order)}"
                for seat, order in one.seats.items()
            ]
        if one.strategy != outcomes.DEFAULT_STRATEGY:
            said.append(f"inside a seat {one.strategy.replace('_', ' ')}")
        for what, values in (("ends all on", one.stop_on), ("goes on only with", one.advance_on)):
            if values is not None:
                said.append(f"{what} {', '.join(outcomes.WORDS[value] for value in values)}")
        for what, value in zip(
            ("nobody is there", "nobody answers", "nobody knows"), one.defaults, strict=True
        ):
            if value:
                said.append(f"where {what}: {outcomes.WORDS[value]}")
        found.append((f"Stage {place}: {one.name}", f"{'; '.join(said)}."))
    if rules:
        found.append(("Stages together", f"{strategy.replace('_', ' ').capitalize()}."))
    return found
