"""What is left of a child within its parent: never wider than either, nothing where in doubt."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identities import authority
from identities.authority import Grant

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
PARENT = Grant("DLG-1", 2, ("s3:Get*", "s3:PutObject"), ("invoices/*", "reports/2026/*"))
CHILD = Grant("DLG-2", 1, ("s3:GetObject",), ("invoices/*",))


@pytest.mark.parametrize(
    ("child", "parent", "left"),
    [
        ({}, {}, {}),
        ({"actions": ("s3:*",)}, {}, {"actions": ("s3:Get*", "s3:PutObject")}),
        (
            {"actions": ("s3:GetObject", "s3:DeleteObject")},
            {},
            {"actions": ("s3:GetObject",)},
        ),
        ({"resources": ("*",)}, {}, {"resources": ("invoices/*", "reports/2026/*")}),
        (
            {"resources": ("invoices/7.pdf", "hr/*", "reports/*")},
            {},
            {"resources": ("invoices/7.pdf", "reports/2026/*")},
        ),
        ({"actions": ("s3:DeleteObject",)}, {}, None),
        ({"resources": ("hr/*",)}, {}, None),
        # Two patterns that overlap without one lying in the other: nothing is seen to be left.
        ({"resources": ("*/7.pdf",)}, {"resources": ("invoices/*",)}, None),
        ({"ends_at": NOW + 9 * DAY}, {"ends_at": NOW + DAY}, {"ends_at": NOW + DAY}),
        ({}, {"ends_at": NOW + DAY}, {"ends_at": NOW + DAY}),
        ({"ends_at": NOW + DAY}, {"ends_at": NOW + 9 * DAY}, {"ends_at": NOW + DAY}),
        ({"starts_at": NOW}, {"starts_at": NOW + DAY}, {"starts_at": NOW + DAY}),
        ({"ends_at": NOW + DAY}, {"starts_at": NOW + DAY}, None),
        ({}, {"revoked_at": NOW + DAY}, {"ends_at": NOW + DAY}),
        ({}, {"task": "close"}, {"task": "close"}),
        ({"task": "close"}, {}, {"task": "close"}),
        ({"task": "open"}, {"task": "close"}, None),
        ({}, {"on_behalf": "ines"}, {"on_behalf": "ines"}),
        ({"on_behalf": "leila"}, {"on_behalf": "ines"}, None),
        ({}, {"conditions": {"mfa": True}}, {"conditions": {"mfa": True}}),
        (
            {"conditions": {"address": ["10.0.0.0/8"]}},
            {"conditions": {"address": ["10.1.0.0/16"]}},
            None,
        ),
        (
            {"conditions": {"address": ["10.1.2.0/24"]}},
            {"conditions": {"address": ["10.1.0.0/16"], "mfa": True}},
            {"conditions": {"address": ["10.1.2.0/24"], "mfa": True}},
        ),
    ],
)
def test_meet(child: dict[str, Any], parent: dict[str, Any], left: dict[str, Any] | None) -> None:
    have = CHILD._replace(**child)
    found = authority.meet(have, PARENT._replace(**parent))
    assert found == (None if left is None else have._replace(**left))


ACTIONS = st.lists(
    st.sampled_from(["s3:*", "s3:Get*", "s3:GetObject", "s3:PutObject", "sqs:*", "*"]),
    min_size=1,
    max_size=3,
)
RESOURCES = st.lists(
    st.sampled_from(["*", "a/*", "a/b", "arn:aws:s3:::a/*", "*/b", "c"]), min_size=1, max_size=3
)


@given(ACTIONS, RESOURCES, ACTIONS, RESOURCES)
def test_meet_is_never_wider_than_either(
    actions: list[str], resources: list[str], of_parent: list[str], on_parent: list[str]
) -> None:
    child = CHILD._replace(actions=tuple(actions), resources=tuple(resources))
    parent = PARENT._replace(actions=tuple(of_parent), resources=tuple(on_parent))
    left = authority.meet(child, parent)
    if left is not None:
        assert authority.narrower([left], [parent]) == []
        assert authority.narrower([left], [child]) == []
    if not authority.narrower([child], [parent]):
        assert left is not None
        assert left.actions[: len(actions)] == child.actions
