"""OTLP: what the attributes of each convention make of a span: acts, agents, people, decisions."""

from typing import Any

import pytest

from evidence.formats.record import ActorName
from evidence.vocabulary import (
    AGENT_RUN,
    API_CALL,
    DECISION,
    MODEL_CALL,
    OUTCOME_FAILED,
    OUTCOME_OK,
    OUTCOME_REFUSED,
    STEP,
    TOOL_CALL,
)
from tests.evidence.formats.test_otlp import REALM, SPANS, document, parse, span

ACTS = [
    ({"openinference.span.kind": "AGENT", "agent.name": "a"}, AGENT_RUN, "a"),
    ({"openinference.span.kind": "TOOL", "tool.name": "t"}, TOOL_CALL, "t"),
    ({"openinference.span.kind": "LLM", "llm.model_name": "m"}, MODEL_CALL, "m"),
    ({"openinference.span.kind": "CHAIN"}, STEP, "work"),
    ({"mcp.method.name": "tools/call", "gen_ai.tool.name": "t"}, TOOL_CALL, "t"),
    ({"mcp.method.name": "resources/read"}, STEP, "work"),
    ({"gen_ai.operation.name": "invoke_workflow", "gen_ai.workflow.name": "w"}, AGENT_RUN, "w"),
    ({"gen_ai.operation.name": "retrieval"}, STEP, "work"),
    ({"gen_ai.tool.name": "t"}, TOOL_CALL, "t"),
    ({"openinference.span.kind": "DECISION"}, DECISION, "work"),
    ({"openinference.span.kind": "GUARDRAIL"}, DECISION, "work"),
    ({"gen_ai.operation.name": "create_agent", "openinference.span.kind": "AGENT"}, STEP, "work"),
    ({"gen_ai.operation.name": "apply_guardrail"}, DECISION, "work"),
    ({"gen_ai.operation.name": "Chat", "gen_ai.request.model": "m"}, MODEL_CALL, "m"),
    ({"ai.operationId": "ai.generateText", "ai.model.id": "m"}, STEP, "work"),
    ({"ai.operationId": "ai.generateText.doGenerate", "ai.model.id": "m"}, MODEL_CALL, "m"),
    ({"mlflow.spanType": '"WORKFLOW"'}, AGENT_RUN, "work"),
    ({"langsmith.span.kind": "tool", "gen_ai.system": "langchain"}, TOOL_CALL, "work"),
    ({"langsmith.span.kind": "chain", "gen_ai.operation.name": "chain"}, STEP, "work"),
    ({"genkit:metadata:subtype": "tool"}, TOOL_CALL, "work"),
    ({"genkit:metadata:subtype": "flow"}, STEP, "work"),
    ({"llm.request.type": "chat", "gen_ai.response.model": "m"}, MODEL_CALL, "m"),
    ({"flue.tool.name": "t", "flue.tool.call_id": "1"}, TOOL_CALL, "t"),
    ({"flue.task.agent": "a", "flue.task.id": "1"}, AGENT_RUN, "a"),
    ({"flue.operation.kind": "prompt"}, STEP, "work"),
    ({"lk.function_tool.name": "t", "lk.agent_name": "a"}, TOOL_CALL, "t"),
    ({"langfuse.observation.type": "tool"}, TOOL_CALL, "work"),
    ({"mlflow.spanType": '"AGENT"', "agent_name": "a"}, AGENT_RUN, "a"),
    (
        {
            "rpc.system": "aws-api",
            "rpc.service": "Bedrock Runtime",
            "rpc.method": "Converse",
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "m",
        },
        API_CALL,
        "bedrock:Converse",
    ),
    ({"rpc.system.name": "aws-api", "rpc.method": "S3/ListObjectsV2"}, API_CALL, "s3:ListObjects"),
    (
        {"rpc.system": "aws-api", "rpc.service": "AmazonS3", "rpc.method": "PutObject"},
        API_CALL,
        "s3:PutObject",
    ),
]


@pytest.mark.parametrize(("attributes", "activity", "action"), ACTS)
def test_act_of_each_convention(attributes: dict[str, Any], activity: int, action: str) -> None:
    record = parse(document(span(**attributes))).records[0]
    assert (record.activity, record.action) == (activity, action)


def test_request_id_of_a_header_makes_a_client_span_an_api_call() -> None:
    pairs = [
        {
            "key": "http.response.header.x-okta-request-id",
            "value": {"arrayValue": {"values": [{"stringValue": "ok-1"}]}},
        }
    ]
    record = parse(document({**SPANS[0], "kind": 3, "name": "GET", "attributes": pairs})).records[0]
    assert (record.activity, record.request_id, record.action) == (API_CALL, "ok-1", "GET")


def test_people_and_ids_become_actors() -> None:
    record = parse(document(span(**{"gen_ai.agent.id": "a-1", "user.id": "rosa"}))).records[0]
    assert record.agent == ActorName(REALM, "agent_id", "a-1")
    assert record.on_behalf == ActorName(REALM, "user", "rosa")


ENTRA = "entra:9a1b"
DIRECTORY = {
    "microsoft.tenant.id": "9A1B",
    "gen_ai.agent.id": "AGENT-1",
    "gen_ai.agent.name": "clerk",
    "gen_ai.operation.name": "invoke_agent",
}


def test_agent_of_a_directory_has_the_directorys_name() -> None:
    record = parse(document(span(**DIRECTORY, **{"user.id": "ROSA-7"}))).records[0]
    assert record.agent == ActorName(ENTRA, "agent_id", "agent-1")
    assert record.on_behalf == ActorName(ENTRA, "user", "rosa-7")
    assert record.action == "clerk"
    caller = {"microsoft.a365.caller.agent.id": "AGENT-0"}
    called = parse(document(span(**DIRECTORY, **caller))).records[0]
    assert called.on_behalf == ActorName(ENTRA, "agent_id", "agent-0")


def test_caller_and_person_are_both_told_where_a_span_says_both() -> None:
    both = {"microsoft.a365.caller.agent.id": "AGENT-0", "user.id": "ROSA-7"}
    run = parse(document(span(**DIRECTORY, **both))).records[0]
    assert run.on_behalf == ActorName(ENTRA, "agent_id", "agent-0")
    tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "find"}
    within = parse(document(span(**DIRECTORY | both | tool))).records[0]
    assert within.on_behalf == ActorName(ENTRA, "user", "rosa-7")


@pytest.mark.parametrize(
    ("user", "conversation"),
    [("user_id", "session_id"), ("user_id", "thread_id"), ("userId", "chatId")],
)
def test_what_openllmetry_associates_is_read(user: str, conversation: str) -> None:
    start = "traceloop.association.properties."
    told = {start + user: "rosa", start + conversation: "c-9", "traceloop.span.kind": "tool"}
    record = parse(document(span(**told))).records[0]
    assert record.on_behalf == ActorName(REALM, "user", "rosa")
    assert record.conversation == "c-9"


@pytest.mark.parametrize(
    ("user", "conversation"),
    [
        ("ai.telemetry.metadata.userId", "ai.telemetry.metadata.sessionId"),
        ("langsmith.metadata.user_id", "langsmith.metadata.thread_id"),
        (
            "langfuse.trace.metadata.langfuse_user_id",
            "langfuse.observation.metadata.langfuse_session_id",
        ),
    ],
)
def test_what_an_application_tells_its_library_is_read(user: str, conversation: str) -> None:
    record = parse(document(span(**{user: "rosa", conversation: "c-9"}))).records[0]
    assert (record.on_behalf, record.conversation) == (ActorName(REALM, "user", "rosa"), "c-9")


def test_agent_that_is_an_arn_has_the_name_that_aws_gives_it() -> None:
    arn = "arn:aws:bedrock-agentcore:eu-north-1:600700800900:runtime/clerk"
    record = parse(document(span(**{"gen_ai.agent.id": arn, "gen_ai.agent.name": "c"}))).records[0]
    assert record.agent == ActorName("aws:600700800900", "arn", arn)


def test_decision_that_denies_is_a_refusal() -> None:
    decision = {
        "gen_ai.operation.name": "apply_guardrail",
        "microsoft.security.decision.type": "deny",
        "microsoft.security.decision.code": "PII-4",
        "microsoft.security.target.id": "call-9",
        "microsoft.security.content.input.value": "private words",
    }
    read = parse(document(span(**decision)))
    record = read.records[0]
    assert (record.outcome, record.error, record.resource) == (OUTCOME_REFUSED, "PII-4", "call-9")
    assert b"private words" not in read.kept
    allowed = {**decision, "microsoft.security.decision.type": "allow"}
    assert parse(document(span(**allowed))).records[0].outcome == OUTCOME_OK


def test_mcp_span_says_tool_session_and_resource() -> None:
    called = {"mcp.method.name": "tools/call", "gen_ai.tool.name": "t", "mcp.session.id": "m-1"}
    record = parse(document(span(**called))).records[0]
    assert (record.activity, record.action, record.conversation) == (TOOL_CALL, "t", "m-1")
    opened = {"mcp.method.name": "resources/read", "mcp.resource.uri": "file:///ledger"}
    assert parse(document(span(**opened))).records[0].resource == "file:///ledger"


def test_agent_of_googles_kit_stands_without_its_brackets() -> None:
    agent = {"openinference.span.kind": "AGENT"}
    record = parse(document({**span(**agent), "name": "agent_run [clerk]"})).records[0]
    assert record.agent == ActorName(REALM, "agent", "clerk")


def test_failed_span_names_its_exception() -> None:
    event = {
        "name": "exception",
        "attributes": [{"key": "exception.type", "value": {"stringValue": "TimeoutError"}}],
    }
    record = parse(document({**span(), "status": {"code": 2}, "events": [event]})).records[0]
    assert (record.outcome, record.error) == (OUTCOME_FAILED, "TimeoutError")


@pytest.mark.parametrize(
    ("said", "address"),
    [("2001:DB8:0:0:0:0:0:7", "2001:db8::7"), ("10.1.2.3", "10.1.2.3"), ("a:b:c", "a:b:c")],
)
def test_address_of_ipv6_has_one_form(said: str, address: str) -> None:
    (record,) = parse(document(span(**{"client.address": said}))).records
    assert record.address == address


@pytest.mark.parametrize(
    "before", ["MCP request: tools/call ", "MCP server handle request: tools/call "]
)
def test_tool_of_an_mcp_call_is_in_the_name_of_logfires_span(before: str) -> None:
    called = {
        **span(**{"rpc.method": "tools/call", "request": "salaries"}),
        "name": f"{before}find",
    }
    parsed = parse(document(called))
    assert (parsed.records[0].activity, parsed.records[0].action) == (TOOL_CALL, "find")
    assert b"salaries" not in parsed.kept


@pytest.mark.parametrize(
    "name",
    [
        "code.function.parameters.place.value",
        "code.function.return.value",
        "trace.annotations.0.annotation.explanation",
        "llm.input_messages.0.message.contents.0.message_content.audio.audio.transcript",
        "combined_chunk_content",
        "stdout",
    ],
)
def test_arguments_answers_and_opinions_go_however_short(name: str) -> None:
    assert b"salaries" not in parse(document(span(**{name: "salaries"}))).kept
