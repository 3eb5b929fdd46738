"""Spans as the console, Jaeger and Phoenix write them: the same act, whoever wrote it."""

from typing import Any

import orjson
import pytest

from evidence.formats import FORMATS, recognise
from evidence.formats.record import ActorName
from evidence.vocabulary import AGENT_RUN, API_CALL, OUTCOME_FAILED, STEP, TOOL_CALL
from tests.evidence.formats import abuse
from tests.evidence.formats.abuse import parse
from tests.evidence.formats.conftest import SAMPLES

BODY = (SAMPLES / "spans.jsonl").read_bytes()
ROWS: list[dict[str, Any]] = [orjson.loads(line) for line in BODY.splitlines()]
TRACE, RUN, TOOL = "0af7651916cd43dd8448eb211c80319c", "00000000000000a1", "00000000000000a2"
START = 1_930_366_860_000_000
CLERK = ActorName("otel:lab", "agent", "Clerk")


def tag(key: str, value: Any) -> dict[str, Any]:
    return {"key": key, "type": "string", "value": value}


JAEGER: dict[str, Any] = {
    "data": [
        {
            "traceID": TRACE,
            "spans": [
                {
                    "traceID": TRACE,
                    "spanID": "a1",
                    "operationName": "invoke_agent Clerk",
                    "references": [],
                    "startTime": START,
                    "duration": 2_000_000,
                    "tags": [
                        tag("gen_ai.operation.name", "invoke_agent"),
                        tag("gen_ai.agent.name", "Clerk"),
                        tag("gen_ai.input.messages", "private words"),
                    ],
                    "logs": [
                        {
                            "timestamp": START,
                            "fields": [
                                tag("event", "gen_ai.user.message"),
                                tag("content", "private words"),
                            ],
                        }
                    ],
                    "processID": "p1",
                },
                {
                    "traceID": TRACE,
                    "spanID": "a2",
                    "operationName": "execute_tool lookup",
                    "references": [{"refType": "CHILD_OF", "traceID": TRACE, "spanID": "a1"}],
                    "startTime": START + 1_000_000,
                    "duration": 500_000,
                    "tags": [
                        tag("gen_ai.operation.name", "execute_tool"),
                        tag("gen_ai.tool.name", "lookup"),
                        tag("gen_ai.tool.call.arguments", '{"name":"private words"}'),
                        {"key": "error", "type": "bool", "value": True},
                        tag("otel.status_description", "TimeoutError"),
                    ],
                    "logs": [
                        {
                            "timestamp": START,
                            "fields": [
                                tag("event", "exception"),
                                tag("exception.type", "TimeoutError"),
                            ],
                        }
                    ],
                    "processID": "p1",
                },
            ],
            "processes": {"p1": {"serviceName": "desk", "tags": []}},
        }
    ]
}


def phoenix(row: dict[str, Any]) -> dict[str, Any]:
    """A row of Phoenix's data frame that says what the console's span says."""
    return {
        "name": row["name"],
        "span_kind": "AGENT",
        "parent_id": row["parent_id"] and row["parent_id"][2:],
        "start_time": row["start_time"].replace("Z", "+00:00"),
        "end_time": row["end_time"].replace("Z", "+00:00"),
        "status_code": row["status"]["status_code"],
        "status_message": row["status"].get("description", ""),
        "events": row["events"],
        "context.span_id": row["context"]["span_id"][2:],
        "context.trace_id": row["context"]["trace_id"][2:],
        **{f"attributes.{name}": value for name, value in row["attributes"].items()},
    }


BODIES = {
    "console, lines": BODY,
    "console, as it prints": b"\n".join(
        orjson.dumps(row, option=orjson.OPT_INDENT_2) for row in ROWS
    ),
    "jaeger": orjson.dumps(JAEGER),
    "jaeger, one trace": orjson.dumps(JAEGER["data"][0]),
    "phoenix, lines": b"\n".join(orjson.dumps(phoenix(row)) for row in ROWS),
    "phoenix, rest": orjson.dumps(
        {
            "data": [
                {
                    **{name: phoenix(row)[name] for name in list(phoenix(row))[:8]},
                    "context": {"trace_id": TRACE, "span_id": row["context"]["span_id"][2:]},
                    "attributes": row["attributes"],
                }
                for row in ROWS
            ]
        }
    ),
}


@pytest.mark.parametrize("name", BODIES)
def test_body_tells_who_ran_and_what_was_called(name: str) -> None:
    body = BODIES[name]
    assert recognise(body) == "spans"
    parsed = parse("spans", body)
    assert parsed.rejects == []
    run, tool = parsed.records
    assert (run.activity, run.agent, run.at) == (AGENT_RUN, CLERK, START)
    assert (tool.activity, tool.agent, tool.outcome) == (TOOL_CALL, CLERK, OUTCOME_FAILED)
    assert (tool.action, tool.error, tool.duration) == ("lookup", "TimeoutError", 500_000)
    assert (run.trace_id, run.span_id, run.parent_span_id) == (
        bytes.fromhex(TRACE),
        bytes.fromhex(RUN),
        None,
    )
    assert (tool.span_id, tool.parent_span_id) == (bytes.fromhex(TOOL), bytes.fromhex(RUN))
    service = None if "phoenix" in name else ActorName("otel:lab", "service", "desk")
    assert run.principal == service


@pytest.mark.parametrize("name", BODIES)
def test_what_is_kept_has_no_content_and_reads_again_as_the_same(name: str) -> None:
    first = parse("spans", BODIES[name])
    assert b"private words" not in first.kept
    assert recognise(first.kept) == "spans"
    again = parse("spans", first.kept)
    assert [abuse.told(one) for one in again.records] == [abuse.told(one) for one in first.records]
    whole = parse("spans", BODIES[name], abuse.ASKED._replace(keep_content=True))
    assert b"private words" in whole.kept
    assert [one.digest for one in whole.records] == [one.digest for one in first.records]


def test_server_s_span_is_one_that_was_called() -> None:
    row = {
        **ROWS[1],
        "kind": "SpanKind.SERVER",
        "name": "GET /pay",
        "attributes": {"azure.service.request.id": "request-1"},
    }
    client = parse("spans", {**row, "kind": "SpanKind.CLIENT"}).records[0]
    server = parse("spans", row).records[0]
    assert client.activity == API_CALL
    assert server.activity == STEP


def test_hostile_values_break_nothing() -> None:
    abuse.survives("spans", [*ROWS, *JAEGER["data"], phoenix(ROWS[1])])


def test_what_is_no_span_is_a_reject() -> None:
    parsed = FORMATS["spans"].parse(orjson.dumps([ROWS[0], {"a": 1}]), abuse.ASKED)
    assert (len(parsed.records), len(parsed.rejects)) == (1, 1)
