"""How stages add up, as pure tables: inside a seat, between seats, over all stages."""

from itertools import product

import pytest

from reviews import outcomes, policy_stages
from reviews.actions.answers import OF_KIND
from reviews.policy_stages import Rules

KEY = OF_KIND["credential"]


@pytest.mark.parametrize("strategy", list(outcomes.STRATEGIES))
@pytest.mark.parametrize("answers", list(product([*KEY, None], repeat=2)), ids=str)
def test_a_seat_stands_only_when_no_missing_answer_could_change_it(
    strategy: str, answers: tuple[str | None, ...]
) -> None:
    found = policy_stages.of_seat(answers, strategy, possible=KEY, over=False)
    missing = answers.count(None)
    ends = {
        policy_stages.of_seat(
            [*(one for one in answers if one is not None), *more],
            strategy,
            possible=KEY,
            over=True,
        )
        for more in product([*KEY, None], repeat=missing)
    } - ({None} if missing == 2 else set())
    # Who never answers may still leave a seat without an answer: then the deadline says so.
    settled = {one for one in ends if one is not None}
    assert found == (settled.pop() if len(settled) == 1 else None)


@pytest.mark.parametrize("strategy", list(outcomes.STRATEGIES))
def test_a_seat_nobody_answered_has_no_answer_under_any_strategy(strategy: str) -> None:
    assert policy_stages.of_seat([None, None], strategy, possible=KEY, over=True) is None
    assert policy_stages.of_seat([], strategy, possible=KEY, over=True) is None


@pytest.mark.parametrize(
    ("answers", "strategy", "over"),
    [
        (["keep", "revoke", None], "one_accept_accepts", "keep"),
        (["keep", None], "all_must_accept", None),
        (["keep", None], "one_deny_denies", "keep"),
        (["dont_know", None], "accepted_if_not_denied", "keep"),
    ],
)
def test_a_seat_when_its_stage_is_over(
    answers: list[str | None], strategy: str, over: str | None
) -> None:
    assert policy_stages.of_seat(answers, strategy, possible=KEY, over=True) == over


def test_one_seats_yes_is_never_a_stages_yes() -> None:
    for strategy in outcomes.STRATEGIES:
        rules = Rules("a", 1, strategy=strategy)
        seats: dict[str, list[str | None]] = {"identity_owner": ["keep"] * 2, "ai_owner": [None]}
        for over in (False, True):
            found = policy_stages.of_stage(seats, rules, possible=KEY, over=over)
            assert found.answer is None


@pytest.mark.parametrize(
    ("answer", "anybody", "said", "may_keep", "expected"),
    [
        (None, True, {}, True, "no_response"),
        (None, True, {"if_nobody_answered": "keep"}, True, "keep"),
        (None, True, {"if_nobody_answered": "keep"}, False, "no_response"),
        (None, False, {"if_nobody_answered": "keep"}, True, "no_response"),
        (None, False, {"if_no_reviewer": "dont_know"}, True, "dont_know"),
        ("dont_know", True, {"if_dont_know": "keep"}, True, "keep"),
        ("dont_know", True, {"if_dont_know": "keep"}, False, "dont_know"),
        ("dont_know", True, {"if_nobody_answered": "keep"}, True, "dont_know"),
        ("keep", True, {"if_dont_know": "dont_know"}, True, "keep"),
    ],
)
def test_default_of_a_stage(
    answer: str | None, anybody: bool, said: dict[str, str], may_keep: bool, expected: str
) -> None:
    found = outcomes.Outcome(outcomes.WAITS, answer, None, (), "")
    rules = Rules("a", 1, **said)  # type: ignore[arg-type]  # names of fields that hold texts
    assert policy_stages.default(found, rules, anybody=anybody, may_keep=may_keep) == expected


@pytest.mark.parametrize("word", policy_stages.CUTTING)
def test_a_default_cuts_only_where_silence_may(word: str) -> None:
    found = outcomes.Outcome(outcomes.WAITS, None, None, (), "")
    rules = Rules("a", 1, if_nobody_answered=word)
    for may_cut, expected in ((True, word), (False, outcomes.NO_RESPONSE)):
        came = policy_stages.default(found, rules, anybody=True, may_keep=True, may_cut=may_cut)
        assert came == expected
    assert policy_stages.by_nobody(word, ["keep"])
    assert not policy_stages.by_nobody(word, ["keep", word])


TWO = (Rules("a", 1), Rules("b", 1))


@pytest.mark.parametrize("strategy", list(outcomes.STRATEGIES))
@pytest.mark.parametrize("first", [*KEY, "no_response"])
def test_midpoints_defaults_say_whether_a_second_stage_is_asked(strategy: str, first: str) -> None:
    found = policy_stages.of_all({0: first}, TWO, strategy)
    stops = first in outcomes.STRATEGIES[strategy].stop_on
    assert found == (first if stops else None)


@pytest.mark.parametrize("strategy", list(outcomes.STRATEGIES))
@pytest.mark.parametrize("known", list(product([*KEY, "no_response"], repeat=2)), ids=str)
def test_all_stages_add_up_as_the_strategy_says(strategy: str, known: tuple[str, str]) -> None:
    found = policy_stages.of_all(dict(enumerate(known)), TWO, strategy)
    nobody = set(known) == {outcomes.NO_RESPONSE}  # where nobody signed, no strategy accepts
    assert found == (outcomes.NO_RESPONSE if nobody else outcomes.in_stage(known, strategy))


@pytest.mark.parametrize(
    ("rules", "first", "found"),
    [
        ({"stop_on": ("keep",)}, "keep", "keep"),
        ({"stop_on": ("keep",)}, "revoke", None),
        ({"advance_on": ("keep",)}, "dont_know", "dont_know"),
        ({"stop_on": ("revoke",), "advance_on": ("revoke",)}, "revoke", "revoke"),
    ],
)
def test_what_a_stage_says_replaces_the_default(
    rules: dict[str, tuple[str, ...]], first: str, found: str | None
) -> None:
    said = (Rules("a", 1, **rules), Rules("b", 1))  # type: ignore[arg-type]  # two fields of this shape
    assert policy_stages.of_all({0: first}, said, "all_must_accept") == found


def test_groups_and_hours_count_stages_side_by_side_once() -> None:
    rules = (Rules("a", 5), Rules("b", 5, order="parallel"), Rules("c", 7))
    assert (policy_stages.groups(rules), policy_stages.hours(rules)) == ([[0, 1], [2]], 12)
