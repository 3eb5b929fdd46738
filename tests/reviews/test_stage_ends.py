"""What ends stages, said once for the whole policy: a stage that says its own takes its place."""

from typing import Any

import pytest

from reviews import policy_document, policy_stages
from reviews.policy_document import REQUESTS, DocumentError
from reviews.policy_stages import words

A: dict[str, Any] = {"name": "A", "hours": 84}
B: dict[str, Any] = {"name": "B", "hours": 84}


def parsed(*stages: dict[str, Any], name: str = "agents", **said: Any) -> Any:
    return policy_document.parse({"stages": list(stages)} | said, name=name)


@pytest.mark.parametrize(
    ("of_stage", "of_all", "outcome", "ends"),
    [
        ({}, {"stop_on": ["keep"]}, "keep", True),
        ({}, {"stop_on": ["keep"]}, "revoke", False),
        ({}, {"advance_on": ["keep"]}, "keep", False),
        ({}, {"advance_on": ["keep"]}, "narrow", True),
        # stop_on wins where both are given.
        ({}, {"stop_on": ["keep"], "advance_on": ["keep"]}, "keep", True),
        # A stage replaces all of it, not one half.
        ({"stop_on": ["revoke"]}, {"stop_on": ["keep"]}, "keep", False),
        ({"stop_on": ["revoke"]}, {"stop_on": ["keep"]}, "revoke", True),
        ({"advance_on": ["keep"]}, {"stop_on": ["keep"]}, "keep", False),
        # Said nowhere: what the strategy stops on.
        ({}, {}, "keep", False),
        ({}, {}, "revoke", True),
    ],
)
def test_a_stage_replaces_what_the_policy_says(
    of_stage: dict[str, Any], of_all: dict[str, Any], outcome: str, ends: bool
) -> None:
    found = parsed(A | of_stage, B, **of_all)
    assert policy_stages.stops(outcome, found.stages[0], found.strategy) is ends


def test_each_stage_says_what_ends_it_in_words() -> None:
    found = parsed(A, B | {"stop_on": ["revoke"]}, stop_on=["keep", "narrow"])
    assert [said for _, said in words(found.stages, found.strategy)][:2] == [
        "84 h; ends all on keep, narrow.",
        "84 h; after A; ends all on revoke.",
    ]


@pytest.mark.parametrize(
    ("value", "name", "problem"),
    [
        ({"stop_on": ["keep"]}, "agents", "It says what ends stages, and there are none."),
        ({"stages": [A, B], "stop_on": ["approve"]}, "agents", "Approve is no answer to a review."),
        ({"stages": [A, B], "stop_on": ["keep"]}, REQUESTS, "Keep is no answer to a request."),
    ],
)
def test_what_does_nothing_is_refused_once_with_its_place(
    value: dict[str, Any], name: str, problem: str
) -> None:
    with pytest.raises(DocumentError) as refused:
        policy_document.parse(value, name=name)
    assert refused.value.problems == [("stop_on", problem)]


def test_requests_have_it_too() -> None:
    found = parsed(A, B, name=REQUESTS, stop_on=["approve"])
    assert [one.stop_on for one in found.stages] == [("approve",), ("approve",)]
