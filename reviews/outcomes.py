"""How answers add up: inside one seat, and between seats (decisions 14). Pure.

Owns the published tables. Inside one seat or stage, where several people answer, midPoint's four
strategies apply (Evolveum/midpoint docs, certification, determining case outcome): the first
answer of the strategy's list that is present is the outcome. Between seats there is one rule:
equal answers are the outcome; different ones are a conflict, in which the stricter is held
reversibly until it is settled. Silence at the deadline is never lenient: beside it an answer that
cuts stands, and one that cuts nothing is left to the policy on silence.

Knows nothing of people, rows or time: whether the deadline has passed is told by the caller.
``python -m reviews.outcomes`` prints docs/outcomes.md, which a test compares with these tables.
"""

import sys
from collections.abc import Iterable, Mapping
from typing import NamedTuple

KEEP, NARROW, REPLACE, REVOKE = "keep", "narrow", "replace", "revoke"
DONT_KNOW, APPROVE, DENY = "dont_know", "approve", "deny"
ANSWERS = (KEEP, NARROW, REPLACE, REVOKE, DONT_KNOW, APPROVE, DENY)
NO_RESPONSE = "no_response"
WORDS = {
    KEEP: "keep",
    NARROW: "narrow",
    REPLACE: "replace by a date",
    REVOKE: "revoke",
    DONT_KNOW: "don't know",
    APPROVE: "approve",
    DENY: "deny",
    NO_RESPONSE: "no answer",
}
# The later the stricter. "Don't know" changes nothing by itself, but nobody stands behind the
# access either: of "keep" and "don't know" the latter is the stricter.
STRICTNESS = (APPROVE, KEEP, DONT_KNOW, NARROW, REPLACE, REVOKE, DENY)
# These change nothing by themselves: beside a seat that was silent they are no outcome.
CUTS_NOTHING = frozenset({KEEP, DONT_KNOW})
# Requests are granted or not; everything else is a review.
REQUEST = frozenset({APPROVE, DENY})

# --- inside one seat or stage ------------------------------------------------------------------


class Strategy(NamedTuple):
    """`order`: the first that is present wins. `stop_on`: outcomes that end a stage by default."""

    order: tuple[str, ...]
    stop_on: frozenset[str]


# midPoint's accept is our keep (or approve), its reduce our narrow, its "not decided" our "don't
# know". Replace, which midPoint does not know, ends the access like revoke but later: it stands
# right behind it. Deny stands with revoke and approve with keep.
_STOPS = frozenset({REVOKE, DENY, REPLACE, NARROW})
STRATEGIES = {
    "one_accept_accepts": Strategy(
        (KEEP, APPROVE, REVOKE, DENY, REPLACE, NARROW, DONT_KNOW, NO_RESPONSE),
        frozenset({KEEP, APPROVE}),
    ),
    "all_must_accept": Strategy(
        (REVOKE, DENY, REPLACE, NARROW, DONT_KNOW, NO_RESPONSE, KEEP, APPROVE), _STOPS
    ),
    # midPoint's table leaves a denial beside an acceptance undefined; its text says that one
    # denial denies, and so does this.
    "one_deny_denies": Strategy(
        (REVOKE, DENY, REPLACE, NARROW, KEEP, APPROVE, DONT_KNOW, NO_RESPONSE), _STOPS
    ),
    # Whatever is no denial accepts, as long as anybody was asked.
    "accepted_if_not_denied": Strategy((REVOKE, DENY, REPLACE, NARROW), _STOPS),
}
DEFAULT_STRATEGY = "all_must_accept"


def in_stage(
    answers: Iterable[str | None],
    strategy: str = DEFAULT_STRATEGY,
    *,
    default: str = NO_RESPONSE,
    accept: str = KEEP,
) -> str:
    """The outcome of one stage from its reviewers' answers; None is one who did not answer.

    `default`: the outcome when there is no reviewer at all. `accept`: what "accepted" is called
    here, keep in a review and approve in a request. The same function adds up the outcomes of
    several stages.
    """
    given = {_known(answer) for answer in answers}
    if not given:
        return default
    for answer in _strategy(strategy).order:
        if answer in given:
            return answer
    return accept


def goes_on(
    outcome: str,
    strategy: str = DEFAULT_STRATEGY,
    *,
    stop_on: Iterable[str] | None = None,
    advance_on: Iterable[str] | None = None,
) -> bool:
    """Whether a stage with this outcome is followed by the next one.

    `stop_on` and `advance_on` are complements; `stop_on` wins when both are given; neither means
    the strategy's default. What a stage says replaces what its campaign says: pass that one.
    """
    outcome = _known(outcome)
    if stop_on is not None:
        return outcome not in {_known(one) for one in stop_on}
    if advance_on is not None:
        return outcome in {_known(one) for one in advance_on}
    return outcome not in _strategy(strategy).stop_on


def _strategy(name: str) -> Strategy:
    if name not in STRATEGIES:
        raise ValueError(f"{name!r} is no strategy; write one of {', '.join(STRATEGIES)}")
    return STRATEGIES[name]


def _known(answer: str | None) -> str:
    if answer is None or answer == NO_RESPONSE:
        return NO_RESPONSE
    if answer not in ANSWERS:
        raise ValueError(f"{answer!r} is no answer; it is one of {', '.join(ANSWERS)}")
    return answer


# --- between seats -----------------------------------------------------------------------------

DECIDED, CONFLICT, WAITS, STRICTER, TIE_BROKEN = (
    "decided",
    "conflict",
    "waits",
    "stricter",
    "tie_broken",
)
# One sentence per kind, for the page.
SENTENCES = {
    DECIDED: "All seats agree: {answer}.",
    CONFLICT: "The seats differ: {held} is held, and can be undone, until they agree or it is settled.",
    WAITS: "Waits for {waiting}.",
    STRICTER: "Not every seat answered by the deadline: the stricter counts, which is {answer}.",
    TIE_BROKEN: "The seats differed; the tie-breaker decided: {answer}.",
}
# What one denial is, and what nobody's answer comes to.
ONE_DENIES = "One seat denied, so it is denied."
NOBODY_KNOWS = "No seat answered by the deadline: what the policy says about silence happens."
NOT_ALL = "Not every seat answered by the deadline: what the policy says about silence happens."
NOT_SETTLED = (
    "The deadline has passed and the seats differ: {held} is held until the tie-breaker decides."
)


class Outcome(NamedTuple):
    """What the answers of the seats add up to.

    `kind`: decided, conflict, waits, stricter (silence at the deadline), tie_broken. `answer`:
    the outcome, None while there is none. `held`: the stricter answer of a conflict, done
    reversibly until it is settled. `waits_for`: the seats whose turn it is, in the given order;
    in a conflict past its deadline it is ``tie_breaker``. `sentence`: for the page.
    """

    kind: str
    answer: str | None
    held: str | None
    waits_for: tuple[str, ...]
    sentence: str


def stricter(answers: Iterable[str]) -> str:
    """The strictest of these answers; ValueError when there is none."""
    return max(answers, key=STRICTNESS.index)


def between_seats(
    answers: Mapping[str, str | None], *, due: bool, tie_break: str | None = None
) -> Outcome:
    """Add up the seats' answers on one item.

    `answers`: seat -> its answer, None while it has none. `due`: the deadline has passed.
    `tie_break`: the tie-breaker's answer; it decides only between answers that seats give, and
    only while they differ: once they agree, or none gives that answer any more, it is nothing.
    ValueError on no seats, unknown answers, and answers of a request beside those of a review.
    """
    if not answers:
        raise ValueError("a case has at least one seat")
    given = {seat: answer for seat, answer in answers.items() if answer is not None}
    for answer in (*given.values(), *([tie_break] if tie_break is not None else ())):
        if answer not in ANSWERS:
            raise ValueError(f"{answer!r} is no answer; it is one of {', '.join(ANSWERS)}")
    different = set(given.values())
    if different & REQUEST and different - REQUEST:
        raise ValueError("answers of a request and of a review cannot add up")
    missing = tuple(seat for seat in answers if seat not in given)
    if DENY in different:
        # Any denial denies: waiting for the others could change nothing.
        return Outcome(
            DECIDED,
            DENY,
            None,
            (),
            _sentence(DECIDED, answer=DENY) if different == {DENY} and not missing else ONE_DENIES,
        )
    if len(different) > 1:
        return _differ(different, tuple(given), missing, due=due, tie_break=tie_break)
    if missing:
        return _silent(different, missing, due=due)
    answer = different.pop()
    return Outcome(DECIDED, answer, None, (), _sentence(DECIDED, answer=answer))


def _differ(
    different: set[str],
    answered: tuple[str, ...],
    missing: tuple[str, ...],
    *,
    due: bool,
    tie_break: str | None,
) -> Outcome:
    if tie_break in different:
        return Outcome(TIE_BROKEN, tie_break, None, (), _sentence(TIE_BROKEN, answer=tie_break))
    held = stricter(different)
    if due:
        # Of those who were silent nothing is known; those who answered still differ.
        said = NOT_SETTLED.format(held=WORDS[held])
        return Outcome(CONFLICT, None, held, ("tie_breaker",), said)
    # Until the deadline everybody may still change an answer; who has none is asked first.
    waits_for = missing or answered
    return Outcome(CONFLICT, None, held, waits_for, _sentence(CONFLICT, held=held))


def _silent(different: set[str], missing: tuple[str, ...], *, due: bool) -> Outcome:
    if not due:
        return Outcome(WAITS, None, None, missing, _sentence(WAITS, seats=missing))
    if not different:
        return Outcome(WAITS, None, None, missing, NOBODY_KNOWS)
    given = different.pop()
    if given in REQUEST:
        # Access nobody signed for is not given: silence on a request is a denial.
        return Outcome(STRICTER, DENY, None, (), _sentence(STRICTER, answer=DENY))
    if given in CUTS_NOTHING:
        # One seat's yes is never enough: it must not switch off what silence does.
        return Outcome(WAITS, None, None, missing, NOT_ALL)
    return Outcome(STRICTER, given, None, (), _sentence(STRICTER, answer=given))


def _sentence(
    kind: str, *, answer: str | None = None, held: str | None = None, seats: Iterable[str] = ()
) -> str:
    return SENTENCES[kind].format(
        answer=WORDS.get(answer or "", ""),
        held=WORDS.get(held or "", ""),
        waiting=" and ".join(seat.replace("_", " ") for seat in seats),
    )


# --- the document ------------------------------------------------------------------------------


def document() -> str:
    """docs/outcomes.md."""
    lines = [
        "# How answers add up",
        "",
        "Written by `python -m reviews.outcomes > docs/outcomes.md`; a test compares the two.",
        "",
        "## Between seats",
        "",
        f"From lenient to strict: {', '.join(WORDS[one] for one in STRICTNESS)}.",
        "",
        "| first seat | second seat | before the deadline | after it |",
        "| --- | --- | --- | --- |",
    ]
    for group in ((KEEP, NARROW, REPLACE, REVOKE, DONT_KNOW), (APPROVE, DENY)):
        choices = [*group, None]
        for number, one in enumerate(choices):
            for two in choices[number:]:
                cells = [WORDS[one or NO_RESPONSE], WORDS[two or NO_RESPONSE]]
                cells += [
                    _cell(between_seats({"first": one, "second": two}, due=due))
                    for due in (False, True)
                ]
                lines.append(f"| {' | '.join(cells)} |")
    lines += [
        "",
        "A held answer can be undone. A conflict past its deadline waits for the tie-breaker, who",
        "decides between the answers that the seats gave. Any denial denies a request; a request",
        "that a seat was silent on is denied. With more than two seats the same rules apply.",
        "",
        "Two narrowings of a delegation leave what lies within both; where that is nothing, or cannot",
        "be written as patterns, they differ: a conflict, and the first of them is held. What is held",
        "follows the answers that stand, and what they agreed on works as narrowly until it goes out.",
        "",
        "Where a seat was silent, what the policy on silence does comes on top, and the stricter of",
        "it and this table happens: what silence revokes is revoked, though the other seat would",
        "narrow it. Where silence suspends the identity, only a revocation by the other seat goes",
        "out; everything else stays open, and the missing seat may still answer.",
        "",
        "## Inside one seat or stage",
        "",
        "The first answer of the list that is present is the outcome; with no reviewer at all the",
        "stage's own default is. An outcome under *stops* ends the stages by default.",
        "",
        "A stage in which a seat was silent has no answer, unless its policy names one for it. Where",
        "all stages together then have none, what the policy on silence does happens at the end of",
        "the last one. What is left after that waits for the missing seats as in a case without",
        "stages: whoever was silent in an earlier stage is asked again, beside the last one.",
        "",
        "| strategy | first present wins | stops |",
        "| --- | --- | --- |",
    ]
    for name, (order, stop_on) in STRATEGIES.items():
        listed = ", ".join(WORDS[one] for one in order)
        if KEEP not in order:
            listed += ", else keep (approve) when anybody was asked"
        stops = ", ".join(WORDS[one] for one in order if one in stop_on)
        lines.append(f"| {name.replace('_', ' ')} | {listed} | {stops} |")
    return "\n".join(lines) + "\n"


def _cell(outcome: Outcome) -> str:
    if outcome.kind == CONFLICT:
        held = f"conflict, {WORDS[outcome.held or '']} is held"
        return f"{held} for the tie-breaker" if outcome.waits_for == ("tie_breaker",) else held
    if outcome.answer is not None:
        return WORDS[outcome.answer]
    return "the policy on silence" if outcome.sentence in (NOBODY_KNOWS, NOT_ALL) else "waits"


if __name__ == "__main__":
    sys.stdout.write(document())
