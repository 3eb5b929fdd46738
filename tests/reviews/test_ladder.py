"""The ladder of silence as a policy writes it: what is read, what is refused, and at what place."""

from typing import Any

import pytest

from identities.models.identity import CRITICALITIES
from reviews import ladder
from reviews.ladder import Rung

WEEK = 168
STEPS = [
    {"after_hours": 24, "does": "remind"},
    {"after_hours": 144, "does": "add"},
    {"after_hours": 168, "does": "replace"},
    {"after_hours": 200, "does": "remind"},
    {"after_hours": 216, "does": "narrow"},
    {"after_hours": 264, "does": "suspend"},
    {"after_hours": 360, "does": "revoke"},
]


def rung(**said: Any) -> dict[str, Any]:
    return {"after_hours": 24, "does": "remind"} | said


def test_tiers_are_the_criticalities() -> None:
    assert ladder.TIERS == CRITICALITIES


def test_a_ladder_is_read_in_order() -> None:
    found = ladder.parse({"high": STEPS, "low": []}, decide_within_hours=WEEK)
    assert found == {
        "high": tuple(Rung(one["after_hours"], one["does"]) for one in STEPS),  # type: ignore[arg-type]  # the table's own types
        "low": (),
    }


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ([], "ladder: has to be an object of tiers, each with a list of rungs."),
        (
            {"medium": []},
            "ladder: names 'medium', which is no tier; there are low, normal, high, critical.",
        ),
        ({"high": {}}, "ladder, high: has to be a list of rungs."),
        ({"high": "remind"}, "ladder, high: has to be a list of rungs."),
        ({"high": [rung()] * 21}, "ladder, high: has at most 20 rungs."),
        (
            {"high": ["remind"]},
            'ladder, high, rung 1: has to be an object like {"after_hours": 24, "does": …}.',
        ),
        (
            {"high": [rung(before_hours=2)]},
            (
                "ladder, high, rung 1: holds 'before_hours', which is not known; write after_hours and"
                " does."
            ),
        ),
        *(
            (
                {"high": [rung(), rung(after_hours=hours)]},
                "ladder, high, rung 2: has to name after_hours, a whole number from 1 to 8,784.",
            )
            for hours in (0, -1, 8_785, 1.5, True, "24", None)
        ),
        (
            {"high": [rung(does="delete")]},
            (
                "ladder, high, rung 1: has to say what it does, one of remind, tell, add, replace,"
                " narrow, suspend, revoke."
            ),
        ),
        (
            {"high": [rung(), rung()]},
            "ladder, high, rung 2: has to come later than the rung before it.",
        ),
        (
            {
                "high": [
                    rung(after_hours=200, does="suspend"),
                    rung(after_hours=201),
                    rung(after_hours=202, does="narrow"),
                ]
            },
            "ladder, high, rung 3: is gentler (narrow) than suspend before it.",
        ),
        *(
            (
                {"high": [rung(after_hours=167, does=does)]},
                (
                    "ladder, high, rung 1: comes before the answers are due after 168 h:"
                    f" {does} may not."
                ),
            )
            for does in ("replace", "narrow", "suspend", "revoke")
        ),
        *(
            (
                {"critical": [rung(after_hours=200, does=does)]},
                (
                    f"ladder, critical, rung 1: may not cut ({does}): what is critical is escalated,"
                    " never cut by a clock."
                ),
            )
            for does in ("narrow", "suspend", "revoke")
        ),
    ],
)
def test_what_is_refused_names_its_place(value: Any, sentence: str) -> None:
    with pytest.raises(ladder.LadderError) as refused:
        ladder.parse(value, decide_within_hours=WEEK)
    assert str(refused.value) == sentence


def test_without_a_ladder_it_reminds_and_tells_those_above() -> None:
    found = ladder.plain(
        decide_within_hours=WEEK, remind_before_hours=[48, 4], escalate_before_hours=6
    )
    assert found == (Rung(120, "remind"), Rung(162, "tell"), Rung(164, "remind"))


def test_what_would_be_said_before_the_opening_is_left_out() -> None:
    found = ladder.plain(
        decide_within_hours=24, remind_before_hours=[48, 24, 4], escalate_before_hours=30
    )
    assert found == (Rung(20, "remind"),)


@pytest.mark.parametrize(
    ("rungs", "silence"),
    [
        ((), "escalate"),
        ((Rung(24, "remind"), Rung(WEEK, "replace")), "escalate"),
        ((Rung(WEEK, "remind"),), "escalate"),
        ((Rung(WEEK, "narrow"), Rung(200, "suspend")), "narrow"),
        ((Rung(WEEK, "suspend"),), "suspend"),
        ((Rung(WEEK, "revoke"),), "revoke"),
        ((Rung(WEEK + 1, "revoke"),), "escalate"),
    ],
)
def test_what_silence_does_when_the_answers_are_due(rungs: tuple[Rung, ...], silence: str) -> None:
    assert ladder.silence(rungs, decide_within_hours=WEEK) == silence


def test_a_cut_at_the_deadline_is_the_silence_of_the_case_itself() -> None:
    rungs = (Rung(24, "remind"), Rung(WEEK, "suspend"), Rung(200, "revoke"))
    assert ladder.plan(rungs, decide_within_hours=WEEK) == [
        Rung(24, "remind"),
        Rung(WEEK, "due"),
        Rung(200, "revoke"),
    ]
    assert ladder.plan((Rung(WEEK, "replace"),), decide_within_hours=WEEK) == [
        Rung(WEEK, "due"),
        Rung(WEEK, "replace"),
    ]
