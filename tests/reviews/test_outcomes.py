"""How answers add up: every row of midPoint's tables, and every pair of answers between seats."""

from itertools import permutations, product
from pathlib import Path

import pytest

from reviews import outcomes
from reviews.models import cases as models
from reviews.outcomes import between_seats, goes_on, in_stage

# midPoint's words -> ours.
ANSWER = {
    "accept": "keep",
    "revoke": "revoke",
    "reduce": "narrow",
    "not decided": "dont_know",
    "no response": "no_response",
}
# The tables as midPoint writes them: the first in this order that is present is the outcome.
PRECEDENCE = {
    "one_accept_accepts": ("accept", "revoke", "reduce", "not decided", "no response"),
    "all_must_accept": ("revoke", "reduce", "not decided", "no response", "accept"),
    "one_deny_denies": ("revoke", "reduce", "accept", "not decided", "no response"),
    "accepted_if_not_denied": ("revoke", "reduce"),
}
PRESENCE = [
    frozenset(word for word, here in zip(ANSWER, row, strict=True) if here)
    for row in product((False, True), repeat=len(ANSWER))
    if any(row)
]


@pytest.mark.parametrize("strategy", list(PRECEDENCE))
@pytest.mark.parametrize("present", PRESENCE, ids=lambda row: "+".join(sorted(row)))
def test_stage_outcome_by_what_is_present(strategy: str, present: frozenset[str]) -> None:
    first = [word for word in PRECEDENCE[strategy] if word in present]
    expected = ANSWER[first[0]] if first else "keep"
    answers = [None if word == "no response" else ANSWER[word] for word in sorted(present)]
    assert in_stage(answers, strategy) == expected
    # Neither order nor repetition matters.
    assert in_stage([*reversed(answers), *answers], strategy) == expected


@pytest.mark.parametrize("strategy", list(PRECEDENCE))
@pytest.mark.parametrize("default", ["keep", "revoke", "no_response"])
def test_stage_without_reviewers_has_its_own_default(strategy: str, default: str) -> None:
    assert in_stage([], strategy, default=default) == default


def test_stage_default_is_no_response_and_strategy_all_must_accept() -> None:
    assert in_stage([]) == "no_response"
    assert in_stage(["keep", None]) == "no_response"
    assert in_stage(["keep", "keep"]) == "keep"


@pytest.mark.parametrize(
    ("strategy", "answers", "expected"),
    [
        ("one_accept_accepts", ["deny", "approve"], "approve"),
        ("all_must_accept", ["deny", "approve"], "deny"),
        ("one_deny_denies", ["deny", "approve"], "deny"),
        ("accepted_if_not_denied", ["deny", "approve"], "deny"),
        ("all_must_accept", ["keep", "replace"], "replace"),
        ("all_must_accept", ["revoke", "replace", "narrow"], "revoke"),
        ("all_must_accept", ["replace", "narrow"], "replace"),
    ],
)
def test_stage_outcome_of_our_own_answers(strategy: str, answers: list[str], expected: str) -> None:
    assert in_stage(answers, strategy) == expected


def test_stage_accepts_in_the_words_of_its_door() -> None:
    assert in_stage([None, "dont_know"], "accepted_if_not_denied", accept="approve") == "approve"


@pytest.mark.parametrize(
    ("stages", "expected"),
    [
        (["keep", "keep"], "keep"),
        (["keep", "no_response"], "no_response"),
        (["keep", "narrow"], "narrow"),
        (["narrow", "revoke"], "revoke"),
    ],
)
def test_stages_add_up_like_answers(stages: list[str], expected: str) -> None:
    assert in_stage(stages) == expected


STOPS = {
    "one_accept_accepts": {"accept"},
    "all_must_accept": {"revoke", "reduce"},
    "one_deny_denies": {"revoke", "reduce"},
    "accepted_if_not_denied": {"revoke", "reduce"},
}


@pytest.mark.parametrize("strategy", list(STOPS))
@pytest.mark.parametrize("outcome", list(ANSWER))
def test_stage_stops_by_default_on(strategy: str, outcome: str) -> None:
    assert goes_on(ANSWER[outcome], strategy) is (outcome not in STOPS[strategy])


@pytest.mark.parametrize("outcome", list(ANSWER))
def test_stop_on_and_advance_on_are_complements(outcome: str) -> None:
    answer = ANSWER[outcome]
    stop_on = ["revoke", "no_response"]
    advance_on = [one for one in ANSWER.values() if one not in stop_on]
    stops = answer in stop_on
    assert goes_on(answer, stop_on=stop_on) is not stops
    assert goes_on(answer, advance_on=advance_on) is not stops
    # Given both, stop_on wins.
    assert goes_on(answer, stop_on=stop_on, advance_on=[answer]) is not stops
    # An empty list is a list: nothing stops, nothing advances.
    assert goes_on(answer, stop_on=[]) is True
    assert goes_on(answer, advance_on=[]) is False


REVIEW = ("keep", "dont_know", "narrow", "replace", "revoke")  # from lenient to strict


def test_strictness_ranks_every_answer_once() -> None:
    assert sorted(outcomes.STRICTNESS) == sorted(models.ANSWERS)
    assert set(outcomes.ANSWERS) == set(models.ANSWERS)
    assert [one for one in outcomes.STRICTNESS if one in REVIEW] == list(REVIEW)
    assert outcomes.STRICTNESS.index("approve") < outcomes.STRICTNESS.index("deny")


@pytest.mark.parametrize("answer", models.ANSWERS)
@pytest.mark.parametrize("due", [False, True])
def test_seats_that_agree_decide(answer: str, due: bool) -> None:
    for seats in (["a"], ["a", "b"], ["a", "b", "c"]):
        found = between_seats(dict.fromkeys(seats, answer), due=due)
        assert found == (
            "decided",
            answer,
            None,
            (),
            f"All seats agree: {outcomes.WORDS[answer]}.",
        )


@pytest.mark.parametrize(("one", "two"), list(permutations(REVIEW, 2)))
def test_seats_that_differ_hold_the_stricter(one: str, two: str) -> None:
    held = max(one, two, key=REVIEW.index)
    before = between_seats({"owner": one, "ai": two}, due=False)
    assert before == (
        "conflict",
        None,
        held,
        ("owner", "ai"),
        (
            f"The seats differ: {outcomes.WORDS[held]} is held, and can be undone, until they agree"
            " or it is settled."
        ),
    )
    after = between_seats({"owner": one, "ai": two}, due=True)
    assert after[:4] == ("conflict", None, held, ("tie_breaker",))
    for answer in (one, two):
        settled = between_seats({"owner": one, "ai": two}, due=True, tie_break=answer)
        assert settled == (
            "tie_broken",
            answer,
            None,
            (),
            f"The seats differed; the tie-breaker decided: {outcomes.WORDS[answer]}.",
        )
    other = next(answer for answer in REVIEW if answer not in (one, two))
    assert between_seats({"owner": one, "ai": two}, due=True, tie_break=other) == after


@pytest.mark.parametrize("answer", ["keep", "dont_know"])
def test_what_cuts_nothing_is_left_to_silence_beside_a_silent_seat(answer: str) -> None:
    found = between_seats({"owner": answer, "ai": None}, due=True)
    assert found == ("waits", None, None, ("ai",), outcomes.NOT_ALL)


@pytest.mark.parametrize(
    ("answer", "at_the_deadline"),
    [
        ("narrow", "narrow"),
        ("replace", "replace"),
        ("revoke", "revoke"),
        ("approve", "deny"),
    ],
)
def test_silent_seat_at_the_deadline_gives_the_stricter(answer: str, at_the_deadline: str) -> None:
    answers = {"owner": answer, "ai": None}
    assert between_seats(answers, due=False) == (
        "waits",
        None,
        None,
        ("ai",),
        "Waits for ai.",
    )
    assert between_seats(answers, due=True) == (
        "stricter",
        at_the_deadline,
        None,
        (),
        (
            "Not every seat answered by the deadline: the stricter counts, which is"
            f" {outcomes.WORDS[at_the_deadline]}."
        ),
    )


def test_nobody_answered_is_left_to_the_policy() -> None:
    answers: dict[str, str | None] = {"identity_owner": None, "ai_owner": None}
    waits = between_seats(answers, due=False)
    assert waits[:4] == ("waits", None, None, ("identity_owner", "ai_owner"))
    assert waits.sentence == "Waits for identity owner and ai owner."
    assert between_seats(answers, due=True) == (
        *waits[:4],
        "No seat answered by the deadline: what the policy says about silence happens.",
    )


@pytest.mark.parametrize("other", [None, "approve", "deny"])
@pytest.mark.parametrize("due", [False, True])
def test_one_denial_denies_a_request_at_once(other: str | None, due: bool) -> None:
    for answers in ({"a": "deny", "b": other}, {"a": other, "b": "deny"}):
        found = between_seats(answers, due=due)
        assert found[:4] == ("decided", "deny", None, ())


def test_request_is_approved_by_all_seats_only() -> None:
    answers: dict[str, str | None] = {"a": "approve", "b": "approve", "c": None}
    assert between_seats(answers, due=False)[:4] == ("waits", None, None, ("c",))
    assert between_seats(answers | {"c": "approve"}, due=False)[:2] == ("decided", "approve")


def test_differing_seats_ask_the_missing_one_first() -> None:
    answers = {"a": "keep", "b": "revoke", "c": None}
    assert between_seats(answers, due=False)[:4] == ("conflict", None, "revoke", ("c",))
    assert between_seats(answers, due=True)[:4] == ("conflict", None, "revoke", ("tie_breaker",))


def test_tie_break_is_nothing_once_the_seats_agree() -> None:
    found = between_seats({"a": "keep", "b": "keep"}, due=True, tie_break="revoke")
    assert found[:2] == ("decided", "keep")


@pytest.mark.parametrize(
    ("answers", "tie_break", "sentence"),
    [
        ({}, None, "a case has at least one seat"),
        ({"a": "maybe"}, None, "'maybe' is no answer; it is one of"),
        ({"a": "keep", "b": "revoke"}, "maybe", "'maybe' is no answer; it is one of"),
        ({"a": "keep", "b": "deny"}, None, "answers of a request and of a review cannot add up"),
    ],
)
def test_answers_that_cannot_be_added_up(
    answers: dict[str, str | None], tie_break: str | None, sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        between_seats(answers, due=False, tie_break=tie_break)


@pytest.mark.parametrize(
    "act",
    [
        lambda: in_stage(["maybe"]),
        lambda: in_stage(["keep"], "most_win"),
        lambda: goes_on("maybe"),
        lambda: goes_on("keep", stop_on=["maybe"]),
        lambda: goes_on("keep", "most_win"),
    ],
)
def test_unknown_answer_or_strategy_is_refused(act: object) -> None:
    assert callable(act)
    with pytest.raises(ValueError, match=r"'(maybe|most_win)' is no (answer|strategy); "):
        act()


def test_document_is_the_one_in_docs() -> None:
    written = Path(__file__).parents[2] / "docs" / "outcomes.md"
    assert written.read_text(encoding="utf-8") == outcomes.document()
