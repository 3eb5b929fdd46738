"""Which agent a span is of: what states it, how an id and a name go together, and what is no name."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from evidence.formats import FORMATS
from evidence.formats.record import ActorName, Asked, Record
from evidence.inference import plain_name
from evidence.vocabulary import AGENT_RUN, API_CALL, MODEL_CALL, STEP, TOOL_CALL

REALM = "otel:agents"
TRACE = "5b8efff798038103d269b633813fc60c"
WORKLOAD = (
    "arn:aws:bedrock-agentcore:eu-north-1:600700800900:workload-identity-directory/default"
    "/workload-identity/clerk"
)
WORKLOAD_NAME = "aws.bedrock.agentcore.identity.workload_identity.arn"


def pairs(attributes: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": {"stringValue": value}} for key, value in attributes.items()]


def read(
    *spans: tuple[str, dict[str, Any]], resource: dict[str, Any] | None = None
) -> list[Record]:
    """Spans of one trace, each the child of the one before."""
    listed = [
        {
            "traceId": TRACE,
            "spanId": f"{number + 1:016x}",
            "parentSpanId": f"{number:016x}" if number else "",
            "name": name,
            "kind": 1,
            "startTimeUnixNano": "1795171200000000000",
            "endTimeUnixNano": "1795171201000000000",
            "attributes": pairs(attributes),
        }
        for number, (name, attributes) in enumerate(spans)
    ]
    about = {"attributes": pairs({"service.name": "svc", **(resource or {})})}
    body = {"resourceSpans": [{"resource": about, "scopeSpans": [{"spans": listed}]}]}
    parsed = FORMATS["otlp"].parse(
        json.dumps(body).encode(), Asked(source="agents", digest_key=b"k" * 32)
    )
    assert parsed.rejects == []
    return parsed.records


def named(name: str | None) -> ActorName | None:
    return ActorName(REALM, "agent", name) if name else None


INVOKED = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "clerk"}


def test_two_agents_of_one_name_are_two_below_it() -> None:
    one, other = (read(("x", {**INVOKED, "gen_ai.agent.id": f"prod-{n}"}))[0] for n in (1, 2))
    assert one.agent == ActorName(REALM, "agent_id", "prod-1/clerk", named("clerk"))
    assert other.agent == ActorName(REALM, "agent_id", "prod-2/clerk", named("clerk"))


def test_agent_with_an_id_is_compared_by_its_name() -> None:
    agent = read(("x", {**INVOKED, "gen_ai.agent.id": "prod:1"}))[0].agent
    assert agent is not None
    assert plain_name(agent.value) == plain_name("arn:aws:iam::1:user/clerk-agent")


MADE_UP = {
    "UUID of chance": "171105b7-59dd-49c0-9677-0b95395aa46a",
    "in upper case": "171105B7-59DD-49C0-9677-0B95395AA46A",
    "UUID of a time": "0199c3f2-7e1a-7b3c-8d4e-5f6071829304",
    "UUID of a time and a host": "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
    "without dashes": "171105b759dd49c096770b95395aa46a",
    "ULID": "01ARZ3NDEKTSV4RRFFQ69G5FAV",
}
LASTING = {
    "a word": "prod-1",
    "UUID of a name": "886313e1-3b8a-5372-9b90-0c9aee199e5d",
    "a resource of a cloud": f"projects/p/locations/l/agents/{MADE_UP['UUID of chance']}",
    "a SPIFFE id": f"spiffe://acme/agent/{MADE_UP['UUID of chance']}",
    "given by a platform": "asst_5j66UpCpwteGg4YSxUnt7lPY",
    "a digest": "9e107d9d372bb6826bd81d3542a419d6",
}


@pytest.mark.parametrize("made_up", ["clerk", *MADE_UP.values()])
def test_id_that_says_no_more_than_the_name_makes_no_other_agent(made_up: str) -> None:
    assert read(("x", {**INVOKED, "gen_ai.agent.id": made_up}))[0].agent == named("clerk")


@pytest.mark.parametrize("made_up", MADE_UP.values())
@pytest.mark.parametrize("way", ["{}", "clerk-{}", "clerk/{}", "{}:clerk", "clerk_{}_v2"])
def test_agent_is_what_of_its_id_and_name_is_there_after_the_next_start(
    made_up: str, way: str
) -> None:
    invoked = {"gen_ai.operation.name": "invoke_agent"}
    text = way.format(made_up)
    left = text.replace(made_up, "").replace("__", "_").strip("-/:")
    by_id = read(("x", {**invoked, "gen_ai.agent.id": text}))[0]
    assert by_id.agent == (ActorName(REALM, "agent_id", left) if left else None)
    by_name = read(("x", {**invoked, "gen_ai.agent.name": text}))[0]
    assert by_name.agent == named(left or None)
    by_span = read((f"invoke_agent {text}", invoked))[0]
    assert by_span.agent == named(left or None)
    assert made_up not in by_name.action


@pytest.mark.parametrize("lasting", LASTING.values())
def test_agents_that_have_ids_of_their_own_are_never_one(lasting: str) -> None:
    ids = (lasting, f"{lasting}2" if "agent" in lasting else f"{lasting[:-1]}z")
    one, other = (read(("x", {**INVOKED, "gen_ai.agent.id": n}))[0].agent for n in ids)
    assert [one, other] == [ActorName(REALM, "agent_id", f"{n}/clerk", named("clerk")) for n in ids]


def test_thousand_runs_of_one_agent_are_one_agent_and_one_service() -> None:
    seen = set()
    for number in range(1_000):
        made_up = str(UUID(int=number * 2**65, version=4))
        resource = {"service.name": f"clerks-{made_up}", "service.instance.id": made_up}
        record = read(
            (f"invoke_agent clerk-{made_up}", {**INVOKED, "gen_ai.agent.id": made_up}),
            resource=resource,
        )[0]
        seen.add((record.agent, record.principal, record.action))
    assert seen == {(named("clerk"), ActorName(REALM, "service", "clerks"), "clerk")}


def test_id_that_the_deployment_states_tells_agents_apart_whatever_it_looks_like() -> None:
    ids = ["171105b7-59dd-49c0-9677-0b95395aa46a", "271105b7-59dd-49c0-9677-0b95395aa46a"]
    found = [
        read(
            ("x", {**INVOKED, "gen_ai.agent.id": "371105b7-59dd-49c0-9677-0b95395aa46a"}),
            ("y", {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "t"}),
            resource={"gen_ai.agent.id": one},
        )
        for one in ids
    ]
    for one, records in zip(ids, found, strict=True):
        clerk = ActorName(REALM, "agent_id", f"{one}/clerk", named("clerk"))
        assert [record.agent for record in records] == [clerk, clerk]


def test_service_that_is_named_by_chance_alone_names_nobody() -> None:
    record = read(("x", INVOKED), resource={"service.name": MADE_UP["UUID of chance"]})[0]
    assert (record.principal, record.agent) == (None, named("clerk"))


def test_identity_that_aws_gave_an_agent_is_the_agent() -> None:
    arn = ActorName("aws:600700800900", "arn", WORKLOAD)
    invoked = {"gen_ai.operation.name": "invoke_agent"}
    tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "t"}
    records = read(("x", {**invoked, WORKLOAD_NAME: WORKLOAD}), ("y", tool))
    assert [record.agent for record in records] == [arn, arn]
    assert read(("x", invoked), resource={WORKLOAD_NAME: WORKLOAD})[0].agent == arn


def test_identity_that_a_call_to_aws_is_about_is_its_resource() -> None:
    call = {
        "rpc.system": "aws-api",
        "rpc.service": "X",
        "rpc.method": "Get",
        WORKLOAD_NAME: WORKLOAD,
    }
    record = read(("X.Get", call))[0]
    assert (record.activity, record.agent, record.resource) == (API_CALL, None, WORKLOAD)


AGENT = {"openinference.span.kind": "AGENT"}
NAMES: list[tuple[str, dict[str, Any], str | None]] = [
    ("smol_bot.run", AGENT, "smol_bot"),
    ("Invoice Clerk", AGENT, "Invoice Clerk"),
    ("clerk.ainvoke", AGENT, "clerk"),
    ("agent_run [clerk]", AGENT, "clerk"),
    ("agent.react.update-13", AGENT, None),
    ("iteration-3", AGENT, None),
    ("step 2", AGENT, None),
    ("run.6f8d2449-33ed-4c7c-82e7-5410e34ee4e6", AGENT, None),
    ("Task._execute_core", AGENT, None),
    ("ToolCallingAgent.run", AGENT, None),
    ("Agent.run", AGENT, None),
    ("", AGENT, None),
    ("x.run", {**AGENT, "graph.node.id": "clerk"}, "clerk"),
    ("x", {**AGENT, "graph.node.name": "Clerk", "graph.node.id": "n1"}, "Clerk"),
    ("x", {**AGENT, "agent.name": "step-9"}, "step-9"),
    (
        "planner.agent",
        {"traceloop.span.kind": "agent", "traceloop.entity.name": "planner"},
        "planner",
    ),
    ("wf.workflow", {"traceloop.span.kind": "workflow", "traceloop.entity.name": "wf"}, None),
    ("clerk", {"openinference.span.kind": "CHAIN"}, None),
]


@pytest.mark.parametrize(("name", "attributes", "agent"), NAMES)
def test_name_of_a_span_names_an_agent_only_where_it_is_one(
    name: str, attributes: dict[str, Any], agent: str | None
) -> None:
    record = read((name, attributes))[0]
    assert record.agent == named(agent)


def test_steps_of_an_agent_are_of_the_agent_above() -> None:
    records = read(
        ("clerk", AGENT),
        ("agent.react.start-4", AGENT),
        ("search-12", {"openinference.span.kind": "TOOL", "tool.name": "search"}),
    )
    assert [record.agent for record in records] == [named("clerk")] * 3
    assert [record.activity for record in records] == [AGENT_RUN, AGENT_RUN, TOOL_CALL]


GRAPH = {"metadata": json.dumps({"lc_agent_name": "clerk", "langgraph_step": 1})}
CHAIN = {"openinference.span.kind": "CHAIN", **GRAPH}


def test_graph_is_the_run_of_the_agent_that_its_notes_name() -> None:
    model = {"openinference.span.kind": "LLM", "llm.model_name": "m", **GRAPH}
    records = read(("clerk", CHAIN), ("model", CHAIN), ("ChatFake", model))
    assert [record.agent for record in records] == [named("clerk")] * 3
    assert [record.activity for record in records] == [AGENT_RUN, STEP, MODEL_CALL]


@pytest.mark.parametrize(
    "notes",
    [
        '{"lc_agent_name": 7}',
        '{"lc_agent_name": ""}',
        '["lc_agent_name"]',
        '{"lc_agent_name": "x"',
        '{"lc_agent_name": "' + "x" * 70_000 + '"}',
    ],
    ids=["number", "empty", "list", "broken", "endless"],
)
def test_notes_that_name_no_agent_are_passed_over(notes: str) -> None:
    assert read(("x", {"openinference.span.kind": "CHAIN", "metadata": notes}))[0].agent is None


def test_real_trace_of_many_steps_has_no_agent_for_each(data: Path) -> None:
    body = (data / "traces-frameworks" / "beeai-2025-08-01.trace.json").read_bytes()
    records = FORMATS["langfuse"].parse(body, Asked(source="agents", digest_key=b"k" * 32)).records
    assert (len(records), {record.agent for record in records}) == (29, {None})
