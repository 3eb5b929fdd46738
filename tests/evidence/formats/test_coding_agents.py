"""OTLP of coding agents: whose turn it was, what the agent did in it, what they let it do."""

from typing import Any

import pytest

from evidence.formats.record import ActorName, Record
from evidence.vocabulary import (
    AGENT_RUN,
    DECISION,
    MODEL_CALL,
    OUTCOME_FAILED,
    OUTCOME_OK,
    OUTCOME_REFUSED,
    STEP,
    TOOL_CALL,
)
from tests.evidence.formats.test_otlp import REALM, document, parse, span

# As Anthropic's documentation of Claude Code's traces names what stands on every span.
WHO: dict[str, Any] = {
    "session.id": "11111111-2222-4333-8444-555555555555",
    "user.id": "d1" * 32,
    "user.account_uuid": "77777777-2222-4333-8444-555555555555",
    "user.email": "rosa@example.com",
    "organization.id": "99999999-2222-4333-8444-555555555555",
}


def read(**attributes: Any) -> Record:
    return parse(document(span(**{**WHO, **attributes}))).records[0]


@pytest.mark.parametrize(
    ("said", "activity", "action"),
    [
        ({"span.type": "interaction"}, AGENT_RUN, "work"),
        ({"span.type": "llm_request", "model": "m"}, MODEL_CALL, "m"),
        ({"span.type": "tool", "tool_name": "Bash"}, TOOL_CALL, "Bash"),
        ({"span.type": "tool.blocked_on_user", "decision": "accept"}, DECISION, "work"),
        ({"span.type": "tool.execution", "success": "true"}, STEP, "work"),
        ({"span.type": "web", "tool_name": "Bash", "model": "m"}, STEP, "work"),
    ],
)
def test_kind_of_span_says_what_was_done(said: dict[str, Any], activity: int, action: str) -> None:
    record = read(**said)
    assert (record.activity, record.action, record.outcome) == (activity, action, OUTCOME_OK)
    assert record.conversation == WHO["session.id"]


def test_person_is_named_where_their_id_is_a_digest_of_an_installation() -> None:
    assert read().on_behalf == ActorName(REALM, "user", "rosa@example.com")
    assert read(**{"user.id": "u-1"}).on_behalf == ActorName(REALM, "user", "u-1")
    account = ActorName(REALM, "user", WHO["user.account_uuid"])
    assert read(**{"user.email": ""}).on_behalf == account


@pytest.mark.parametrize(
    ("said", "outcome", "error"),
    [
        ({"span.type": "tool.blocked_on_user", "decision": "reject"}, OUTCOME_REFUSED, None),
        (
            {"span.type": "llm_request", "success": "false", "status_code": 429},
            OUTCOME_FAILED,
            "429",
        ),
        (
            {"span.type": "llm_request", "success": "false", "status_code": 403},
            OUTCOME_REFUSED,
            "403",
        ),
        ({"span.type": "tool.execution", "success": "false"}, OUTCOME_FAILED, "error"),
        # Anybody's own attributes of these names say nothing of the span.
        ({"success": "false", "status_code": 429, "decision": "reject"}, OUTCOME_OK, None),
    ],
)
def test_span_says_in_words_of_its_own_how_it_ended(
    said: dict[str, Any], outcome: int, error: str | None
) -> None:
    record = read(**said)
    assert (record.outcome, record.error) == (outcome, error)


def test_call_of_a_model_carries_the_id_of_its_request_and_a_tool_its_file() -> None:
    call = read(**{"span.type": "llm_request", "model": "m", "request_id": "req_1"})
    assert (call.request_id, read(request_id="req_1").request_id) == ("req_1", None)
    tool = read(**{"span.type": "tool", "tool_name": "Edit", "file_path": "/books/may.csv"})
    assert (tool.resource, read(file_path="/books/may.csv").resource) == ("/books/may.csv", None)


@pytest.mark.parametrize(
    "name", ["user_prompt", "full_command", "bash_command", "tool_parameters", "new_context"]
)
def test_what_a_person_or_the_agent_wrote_goes_however_short(name: str) -> None:
    body = document(span(**{**WHO, "span.type": "tool", name: "salaries"}))
    assert b"salaries" not in parse(body).kept
