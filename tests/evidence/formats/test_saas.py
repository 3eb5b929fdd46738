"""SaaS products: what the words in the names of their actions say."""

from typing import Any

import pytest

from evidence.vocabulary import OUTCOME_OK, OUTCOME_REFUSED
from tests.evidence.formats.abuse import read


def _asana(action: str) -> dict[str, Any]:
    return {"event_category": "x", "event_type": action, "actor": {"gid": "9"}}


def _atlassian(action: str) -> dict[str, Any]:
    return {"attributes": {"action": action, "actor": {"id": "9"}}}


def _box(action: str) -> dict[str, Any]:
    return {"event_type": action, "created_by": {"type": "user", "login": "ben@example.com"}}


def _notion(action: str) -> dict[str, Any]:
    return {"workspace_id": "ws-9", "type": action, "actor": {"object": "user", "id": "9"}}


@pytest.mark.parametrize(
    ("name", "made"),
    [("asana", _asana), ("atlassian", _atlassian), ("box", _box), ("notion", _notion)],
)
@pytest.mark.parametrize(
    ("action", "outcome"),
    [
        ("app_unblocked", OUTCOME_OK),
        ("login_blocked", OUTCOME_REFUSED),
        ("request_rejected", OUTCOME_REFUSED),
    ],
)
def test_what_is_blocked_was_refused_and_what_is_unblocked_was_not(
    name: str, made: Any, action: str, outcome: int
) -> None:
    assert read(name, made(action)).outcome == outcome
