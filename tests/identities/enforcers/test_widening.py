"""Whether more is allowed than was remembered: a table, and what is ours and what only says so."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identities.enforcers.widening import allowed, wider

TASK = {"effect": "allow", "actions": ["s3:*"], "resources": ["*"], "via": "inline task"}
GUARD = {"effect": "deny", "actions": ["iam:*"], "resources": ["*"], "via": "inline guard"}
LIMIT = TASK | {"via": "boundary arn:b", "layer": "boundary"}
UNREAD = {"effect": "unknown", "via": "managed arn:m"}
OURS = {"effect": "deny", "actions": ["*"], "resources": ["*"], "via": "inline CountersignNarrow"}
OTHER = TASK | {"actions": ["sqs:*"], "via": "inline other"}


@pytest.mark.parametrize(
    ("before", "now", "more"),
    [
        ([TASK], [TASK], []),
        ([TASK, GUARD], [GUARD, TASK], []),
        ([TASK, OTHER], [TASK], []),
        ([TASK], [TASK, GUARD], []),
        ([TASK], [TASK | {"via": "inline renamed"}], []),
        ([TASK], [TASK | {"effect": "Allow"}], []),
        ([TASK], [TASK, OURS], []),
        ([TASK, OURS], [TASK], []),
        ([TASK], [TASK, LIMIT], ["new: allows by boundary arn:b"]),
        ([TASK], [TASK, OTHER], ["new: allows by inline other"]),
        ([TASK], [TASK | {"resources": ["a", "b"]}], ["new: allows by inline task"]),
        ([TASK], [TASK | {"conditions": {"Bool": {}}}], ["new: allows by inline task"]),
        ([TASK], [TASK, OURS | {"effect": "allow"}], ["new: allows by inline CountersignNarrow"]),
        ([TASK, GUARD], [TASK], ["gone: denies by inline guard"]),
        ([TASK, LIMIT], [TASK], ["gone: limits by boundary arn:b"]),
        ([TASK], [TASK, UNREAD], ["new: could not be read: managed arn:m"]),
        ([TASK, UNREAD], [TASK, UNREAD], []),
        # What could not be read when it was held is not compared.
        ([TASK, UNREAD], [TASK, OTHER | {"via": "managed arn:m"}], []),
        ([], [TASK], ["new: allows by inline task"]),
        (
            [TASK | {"effect": "eligible"}],
            [TASK],
            ["new: allows by inline task"],
        ),
        ([], [TASK | {"effect": "eligible"}], ["new: allows after activation by inline task"]),
    ],
)
def test_wider(before: list[dict[str, Any]], now: list[dict[str, Any]], more: list[str]) -> None:
    assert wider(allowed(before), allowed(now)) == more


def test_names_of_an_attacker_are_one_short_line() -> None:
    (words,) = allowed([TASK | {"via": "inline a\n\x1b[31m" + "x" * 9_000}]).values()
    assert (len(words) < 200, words.isprintable()) == (True, True)


@given(st.lists(st.sampled_from([TASK, GUARD, LIMIT, UNREAD, OURS, OTHER])))
def test_what_is_as_before_is_never_wider(found: list[dict[str, Any]]) -> None:
    assert wider(allowed(found), allowed(list(reversed(found)))) == []
