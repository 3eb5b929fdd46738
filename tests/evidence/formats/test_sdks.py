"""What instrumentations of agents really send: `tests/samples/agents.jsonl`, one export a line.

Made with openai-agents 0.24 under three instrumentations (OpenInference 2.6, OpenTelemetry's
contrib 0.1 and OpenLLMetry 0.62), MCP's own SDK 2.3, Langfuse's 5.0, Agent 365's 2.0, Strands 1.62
and Google's ADK 2.13, with models that answer as told and a tool that fails; shortened. Whatever
was said in them ends in MARK.
"""

import re
from typing import Any

import orjson
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from evidence.formats.marking import Gone
from evidence.formats.otlp import content, from_json
from evidence.vocabulary import OUTCOME_FAILED, OUTCOME_REFUSED
from tests.evidence.formats import abuse
from tests.evidence.formats.conftest import SAMPLES
from tests.evidence.formats.test_otlp import document, span

BODY = (SAMPLES / "agents.jsonl").read_bytes()
LINES = BODY.splitlines()
# What an application notes beside its traces is its own, and no prompt.
SAID = re.compile(rb"(?:PROMPT|ARG|RESULT|EXC|SYS|OUT|GUARD)MARK\d?")


def request(line: bytes) -> ExportTraceServiceRequest:
    [found] = from_json.requests(line)
    assert found.request is not None
    return found.request


def test_spans_of_each_say_what_is_expected() -> None:
    parsed = abuse.parse("otlp", BODY)
    expected = (SAMPLES / "agents.expected.txt").read_text().splitlines()
    assert [abuse.said(record) for record in parsed.records] == expected
    assert parsed.rejects == []


@pytest.mark.parametrize("line", LINES, ids=range(len(LINES)))
def test_nothing_that_was_said_is_kept_wherever_it_stood(line: bytes) -> None:
    dropped = abuse.parse("otlp", line)
    kept = abuse.parse("otlp", line, abuse.ASKED._replace(keep_content=True))
    assert SAID.findall(dropped.kept) == []
    assert set(SAID.findall(kept.kept)) == set(SAID.findall(line))
    # What a span means is the same, whether what it said is kept or not.
    assert [one[2:] for one in dropped.records] == [one[2:] for one in kept.records]


@pytest.mark.parametrize("line", LINES, ids=range(len(LINES)))
def test_what_was_kept_reads_the_same_and_loses_nothing_more(line: bytes) -> None:
    first = abuse.parse("otlp", line)
    again = abuse.parse("otlp", first.kept)
    assert [abuse.said(one) for one in again.records] == [abuse.said(one) for one in first.records]
    assert (again.kept, again.redactions) == (first.kept, [])


@pytest.mark.parametrize("line", LINES, ids=range(len(LINES)))
def test_protobuf_says_what_json_says(line: bytes) -> None:
    by_json, by_wire = (
        abuse.parse("otlp", body) for body in (line, request(line).SerializeToString())
    )
    assert by_wire.records == by_json.records
    assert by_wire.kept == by_json.kept


REFUSALS = [
    ("User: arn:aws:iam::1:user/ann is not authorized to perform: s3:GetObject", True),
    ("AccessDenied: no invoice of Ann Smith for you", True),
    ("PermissionError: [Errno 13] /srv/ann", True),
    ("7 PERMISSION_DENIED: Ann Smith", True),
    ("no invoice of Ann Smith", False),
]


@pytest.mark.parametrize(("message", "refused"), REFUSALS)
def test_of_an_error_only_the_refusal_and_its_mark_stay(message: str, refused: bool) -> None:
    body = document({**span(), "status": {"code": 2, "message": message}})
    first = abuse.parse("otlp", body)
    again = abuse.parse("otlp", first.kept)
    assert b"Ann" not in first.kept
    assert b"ann" not in first.kept
    outcome = OUTCOME_REFUSED if refused else OUTCOME_FAILED
    assert [one.outcome for one in (*first.records, *again.records)] == [outcome, outcome]
    assert [(one.kind, one.length) for one in first.redactions] == [("content", len(message))]


@pytest.mark.parametrize(
    "text", ["", "[content:5:0123456789abcdef]", "forbidden [content:5:0123456789abcdef]"]
)
def test_what_is_gone_already_stays_as_it_is(text: str) -> None:
    lost = Gone(b"k")
    assert (content.without_words(text, lost), lost) == (text, [])


def test_words_before_a_mark_are_no_mark() -> None:
    lost = Gone(b"k")
    text = content.without_words("Ann Smith [content:5:0123456789abcdef]", lost)
    assert (text.startswith("[content:38:"), lost) == (True, [38])


NOTES = '{"lc_agent_name":"clerk","asked":"Please wire 4200 EUR to Ann Smith","n":[1,"Ann"]}'


@pytest.mark.parametrize("name", ["otlp", "spans"])
@pytest.mark.parametrize("notes", [NOTES, "Please wire 4200 EUR to Ann Smith"])
def test_sentences_in_notes_beside_a_span_are_content(name: str, notes: str) -> None:
    attributes = {"metadata": notes, "openinference.span.kind": "AGENT"}
    body: Any = (
        document(span(**attributes))
        if name == "otlp"
        else orjson.dumps(CONSOLE | {"attributes": attributes})
    )
    first = abuse.parse(name, body)
    again = abuse.parse(name, first.kept)
    assert b"wire" not in first.kept
    assert 33 in [one.length for one in first.redactions]
    assert (again.records[0].agent, again.redactions) == (first.records[0].agent, [])
    named = first.records[0].agent
    assert (named is not None and named.value == "clerk") == (notes is NOTES)


def observation(level: str | None, **members: str) -> bytes:
    row = {
        "id": "b7ad6b7169203331",
        "traceId": "0af7651916cd43dd8448eb211c80319c",
        "type": "TOOL",
        "startTime": "2031-03-05T09:00:00Z",
        "name": "pay",
        "level": level,
        **members,
    }
    return orjson.dumps({"data": [row]})


@pytest.mark.parametrize("level", ["ERROR", "DEFAULT", None])
def test_message_of_an_observation_is_content(level: str | None) -> None:
    parsed = abuse.parse("langfuse", observation(level, statusMessage="AccessDenied for Ann"))
    assert b"Ann" not in parsed.kept
    refused = [one.outcome == OUTCOME_REFUSED for one in parsed.records]
    assert refused == [level == "ERROR"]


CONSOLE: dict[str, Any] = {
    "name": "pay",
    "context": {"trace_id": "0x0af7651916cd43dd8448eb211c80319c", "span_id": "0xb7ad6b7169203331"},
    "kind": "SpanKind.INTERNAL",
    "parent_id": None,
    "start_time": "2031-03-05T09:00:00Z",
    "end_time": "2031-03-05T09:00:01Z",
    "status": {"status_code": "ERROR", "description": "PermissionError: Ann"},
    "attributes": {"openinference.span.kind": "TOOL"},
    "events": [
        {"name": "exception", "attributes": {"exception.message": "Ann", "exception.type": "E"}}
    ],
    "links": [],
    "resource": {"attributes": {}},
}
LOGGED = [
    {"key": "event", "value": "error"},
    {"key": "error.kind", "value": "PermissionError"},
    {"key": "message", "value": "Ann"},
    {"key": "stack", "value": "in Ann"},
]
JAEGER: dict[str, Any] = {
    "traceID": "0af7651916cd43dd8448eb211c80319c",
    "spanID": "b7ad6b7169203331",
    "operationName": "pay",
    "startTime": 1_930_467_900_000_000,
    "duration": 5,
    "tags": [
        {"key": "error", "value": True},
        {"key": "otel.status_description", "value": "for Ann"},
        {"key": "openinference.span.kind", "value": "TOOL"},
    ],
    "logs": [{"timestamp": 1_930_467_900_000_001, "fields": LOGGED}],
}
MLFLOW: dict[str, Any] = {
    "trace_id": "CvdlGRbNQ92ESOshHIAxnA==",
    "span_id": "t61rcWkgMzE=",
    "parent_span_id": "",
    "name": "pay",
    "start_time_unix_nano": 1_930_467_900_000_000_000,
    "end_time_unix_nano": 1_930_467_901_000_000_000,
    "status": {"code": "STATUS_CODE_ERROR", "message": "PermissionError: Ann"},
    "attributes": {"mlflow.spanType": '"TOOL"'},
    "events": CONSOLE["events"],
}


@pytest.mark.parametrize(
    ("name", "row"), [("spans", CONSOLE), ("spans", JAEGER), ("mlflow", MLFLOW)]
)
def test_errors_of_other_writers_keep_no_words(name: str, row: dict[str, object]) -> None:
    first = abuse.parse(name, row)
    again = abuse.parse(name, first.kept)
    assert b"Ann" not in first.kept
    assert [one.outcome for one in (*first.records, *again.records)] == [OUTCOME_REFUSED] * 2
    assert again.redactions == []
