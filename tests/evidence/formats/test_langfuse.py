"""Langfuse: observations read as the spans they were, whichever way they were handed out."""

import copy
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.formats import FORMATS, recognise
from evidence.formats.record import ActorName, Record
from evidence.vocabulary import AGENT_RUN, DECISION, MODEL_CALL, STEP, TOOL_CALL
from tests.evidence.formats.abuse import ASKED, anywhere, parse, said, survives, told
from tests.evidence.formats.conftest import SAMPLES

DOCUMENT: dict[str, Any] = orjson.loads((SAMPLES / "langfuse.json").read_bytes())
ROWS: list[dict[str, Any]] = DOCUMENT["data"]
REALM = "otel:lab"
TRACE = "0af7651916cd43dd8448eb211c80319c"
KEY = " | access_key ASIAEXAMPLE000000001 | @agent clerk-agent"
EXPECTED = [
    "agent run, ok: clerk-agent | - | service ledger | - | @agent clerk-agent | >user rosa",
    "model call, ok: small-model | - | service ledger | - | @agent clerk-agent",
    "tool call, ok: read_ledger | - | service ledger | - | @agent clerk-agent",
    f"API call, ok: s3:GetObject | ledgers/2031/03.csv | service ledger{KEY}",
    "tool call, refused: get_secret | - | service ledger | - | @agent clerk-agent",
    "decision, ok: check payment | - | service ledger | - | @agent clerk-agent",
    "step, ok: prepare | - | service ledger | - | @agent clerk-agent",
    "step, ok: noted | - | service ledger | - | @agent clerk-agent",
]


def row(number: int = 6, **members: Any) -> dict[str, Any]:
    return {**copy.deepcopy(ROWS[number]), **members}


def one(**members: Any) -> Record:
    parsed = parse("langfuse", {"data": [row(**members)]})
    assert parsed.rejects == []
    return parsed.records[0]


def lower(value: dict[str, Any]) -> dict[str, Any]:
    """A row as exports to object storage write it."""
    names = {"startTime": "start_time", "endTime": "end_time", "traceId": "trace_id"}
    names |= {"parentObservationId": "parent_observation_id", "statusMessage": "status_message"}
    return {names.get(name, name): inside for name, inside in value.items()}


BODIES = {
    "page of the API": DOCUMENT,
    "list": ROWS,
    "lines": b"\n".join(orjson.dumps(each) for each in ROWS),
    "export of the page": {"trace": {"id": TRACE, "observations": ROWS}, "observations": ROWS},
    "trace with observations": {"id": TRACE, "timestamp": "2031-03-05", "observations": ROWS},
    "lines of traces": orjson.dumps({"trace": {"id": TRACE}, "observations": ROWS[:5]})
    + b"\n"
    + orjson.dumps({"trace": {"id": TRACE}, "observations": ROWS[5:]}),
    "export to storage": [lower(each) for each in ROWS],
    "metadata as text": [
        {**each, "metadata": orjson.dumps(each["metadata"]).decode()}
        if isinstance(each["metadata"], dict)
        else each
        for each in ROWS
    ],
}


@pytest.mark.parametrize("way", BODIES)
def test_body_of_any_way_says_the_same(way: str) -> None:
    value = BODIES[way]
    body = value if isinstance(value, bytes) else orjson.dumps(value)
    parsed = parse("langfuse", body)
    assert recognise(body) == "langfuse"
    assert parsed.rejects == []
    assert [said(record) for record in parsed.records] == EXPECTED


def test_record_of_an_observation_reads_whole() -> None:
    record = parse("langfuse", DOCUMENT).records[3]
    assert record._replace(digest=b"") == Record(
        position="Records[3]",
        digest=b"",
        at=1_930_471_204_000_000,
        realm=REALM,
        plane=2,
        activity=11,
        outcome=1,
        action="s3:GetObject",
        resource="ledgers/2031/03.csv",
        principal=ActorName(REALM, "service", "ledger"),
        credential=ActorName("aws", "access_key", "ASIAEXAMPLE000000001"),
        agent=ActorName(REALM, "agent", "clerk-agent"),
        request_id="req-0002",
        trace_id=bytes.fromhex(TRACE),
        span_id=bytes.fromhex("0000000000000004"),
        parent_span_id=bytes.fromhex("0000000000000003"),
        duration=500_000,
        release="2.1",
    )


def as_otlp(each: dict[str, Any], start: int) -> dict[str, Any]:
    """The span that the sample's observation was, as its sender would have sent it here."""
    metadata = each["metadata"]
    metadata = orjson.loads(metadata) if isinstance(metadata, str) else metadata
    return {
        "traceId": TRACE,
        "spanId": each["id"],
        "parentSpanId": each["parentObservationId"] or "",
        "name": each["name"],
        "kind": 3,
        "startTimeUnixNano": str(start),
        "endTimeUnixNano": str(start + 500_000_000),
        "status": {"code": 2 if each["level"] == "ERROR" else 0, "message": each["statusMessage"]},
        "attributes": [
            {"key": name, "value": {"stringValue": value}}
            for name, value in metadata["attributes"].items()
        ],
    }


def test_observation_reads_as_its_span_sent_by_otlp() -> None:
    rows = ROWS[:5]
    read = parse("langfuse", rows).records
    starts = [record.at or 0 for record in read]
    spans = [as_otlp(each, at * 1000) for each, at in zip(rows, starts, strict=True)]
    service = [
        {"key": name, "value": {"stringValue": value}}
        for name, value in ROWS[0]["metadata"]["resourceAttributes"].items()
    ]
    group = {"resource": {"attributes": service}, "scopeSpans": [{"spans": spans}]}
    sent = parse("otlp", {"resourceSpans": [group]})
    assert [told(record) for record in sent.records] == [told(record) for record in read]


TYPES = [
    ("AGENT", AGENT_RUN, "prepare"),
    ("TOOL", TOOL_CALL, None),
    ("GENERATION", MODEL_CALL, None),
    ("EMBEDDING", MODEL_CALL, None),
    ("GUARDRAIL", DECISION, None),
    *((kind, STEP, None) for kind in ("SPAN", "EVENT", "CHAIN", "RETRIEVER", "EVALUATOR")),
]


@pytest.mark.parametrize(("kind", "activity", "agent"), TYPES)
def test_type_says_what_no_attribute_says(kind: str, activity: int, agent: str | None) -> None:
    record = one(type=kind)
    assert (record.activity, record.agent and record.agent.value) == (activity, agent)


@pytest.mark.parametrize(
    ("name", "metadata", "activity"),
    [
        ("get_weather", {"langgraph_node": "tools"}, TOOL_CALL),
        ("get_weather", {"langgraph_node": "model_request"}, STEP),
        ("tools", {"langgraph_node": "tools", "tags": ["graph:step:2"]}, STEP),
        ("ChannelWrite<...>", {"langgraph_node": "tools"}, STEP),
        ("RunnableSequence", {"langgraph_node": "tools"}, STEP),
        ("fetch", {"langgraph_node": "tools", "tags": ["seq:step:1"]}, STEP),
        ("", {"langgraph_node": "tools"}, STEP),
    ],
)
def test_tool_of_a_graph_is_one_though_its_callback_had_no_type_for_it(
    name: str, metadata: dict[str, Any], activity: int
) -> None:
    record = one(type="SPAN", name=name, metadata=metadata)
    assert record.activity == activity
    if activity == TOOL_CALL:
        assert record.action == name


def test_attributes_of_the_span_come_before_the_type() -> None:
    attributes = {"gen_ai.operation.name": "create_agent", "gen_ai.agent.id": "a-1"}
    assert one(type="AGENT", metadata={"attributes": attributes}).activity == STEP


def test_trace_gives_person_conversation_and_release() -> None:
    trace = {"id": TRACE, "userId": "rosa", "sessionId": "s-1", "release": "7"}
    read = parse("langfuse", {"trace": trace, "observations": [row(metadata={})]})
    record = read.records[0]
    assert record.on_behalf == ActorName(REALM, "user", "rosa")
    assert (record.conversation, record.release) == ("s-1", "7")
    assert one().conversation == "th-9"


def test_ids_that_are_no_span_ids_keep_their_places() -> None:
    above, below = parse(
        "langfuse",
        [
            row(id="5e0c6d3e-6b43-4a43-9a3b-0f6c1c1f9a11", parentObservationId=None),
            row(id="child", parentObservationId="5e0c6d3e-6b43-4a43-9a3b-0f6c1c1f9a11"),
        ],
    ).records
    assert below.parent_span_id == above.span_id
    assert (above.vendor_id, below.vendor_id) == ("5e0c6d3e-6b43-4a43-9a3b-0f6c1c1f9a11", "child")
    uuid = one(traceId="0af76519-16cd-43dd-8448-eb211c80319c")
    assert uuid.trace_id == bytes.fromhex(TRACE)


def test_attribute_that_is_written_as_text_reads_as_what_it_is() -> None:
    attributes = {
        "http.response.header.x-okta-request-id": '["ok-1"]',
        "http.response.status_code": "403",
        "url.full": "https://org.example/api",
    }
    record = one(metadata={"attributes": attributes})
    assert (record.request_id, record.activity, record.outcome) == ("ok-1", 11, 2)
    served = one(metadata={"attributes": {**attributes, "http.route": "/api"}})
    assert served.activity == STEP


def test_content_is_dropped_wherever_it_stands() -> None:
    said_there = {"messages": ["private words"], "attributes": {"input.value": "private words"}}
    nested = {
        "deep": [{"prompt": {"a": "private words"}}],
        "db.statement": "SELECT 'private words'",
    }
    value = row(
        input="private words",
        output={"a": "private words"},
        toolCalls=[{"arguments": "private words"}],
        metadata=orjson.dumps({**said_there, **nested}).decode(),
    )
    body = {"trace": {"id": TRACE, "input": "private words"}, "observations": [value]}
    dropped = parse("langfuse", body)
    whole = parse("langfuse", body, ASKED._replace(keep_content=True))
    assert (b"private words" in dropped.kept, b"private words" in whole.kept) == (False, True)
    assert {one.kind for one in dropped.redactions} == {"content"}
    assert [one.digest for one in dropped.records] == [one.digest for one in whole.records]
    again = parse("langfuse", dropped.kept)
    assert [told(one) for one in again.records] == [told(one) for one in dropped.records]
    assert again.redactions == []


def test_metadata_nested_beyond_reason_is_dropped() -> None:
    deep = '{"a":' * 900 + '"private words"' + "}" * 900
    parsed = parse("langfuse", row(metadata=deep))
    assert (len(parsed.records), b"private words" in parsed.kept) == (1, False)


def test_source_speaks_for_its_own_realms_only() -> None:
    narrow = parse("langfuse", DOCUMENT, ASKED._replace(realms=frozenset({REALM})))
    assert [(one.position, one.reason) for one in narrow.rejects] == [
        (
            "Records[3]",
            "names somebody of the realm 'aws', which this source may not speak for",
        )
    ]
    wide = parse("langfuse", DOCUMENT, ASKED._replace(realms=frozenset({"aws"})))
    assert len(wide.records) == len(ROWS)


BROKEN: dict[str, Any] = {
    "ids of observations only": "obs-1",
    "no start": row(startTime=None),
    "absurd start": row(startTime="1812-01-01T00:00:00Z"),
    "no id": row(id=""),
    "no trace": row(traceId=None),
    "no observation": {"id": "x"},
}


@pytest.mark.parametrize("broken", BROKEN)
def test_broken_observation_is_named_and_its_neighbours_read(broken: str) -> None:
    parsed = parse("langfuse", {"trace": {}, "observations": [ROWS[0], BROKEN[broken], ROWS[1]]})
    assert [one.position for one in parsed.rejects] == ["Records[0].observations[1]"]
    assert len(parsed.records) == 2


def test_cut_off_export_keeps_the_whole_observations() -> None:
    body = orjson.dumps({"trace": {"id": TRACE}, "observations": ROWS})
    cut = body[: body.index(b"check payment")]
    parsed = parse("langfuse", cut)
    assert recognise(cut) == "langfuse"
    assert [said(record) for record in parsed.records] == EXPECTED[:5]
    assert len(parsed.rejects) == 1


def test_hostile_values_are_read_or_rejected() -> None:
    survives("langfuse", [DOCUMENT, {"trace": {"id": TRACE}, "observations": ROWS[:2]}])


@given(st.data())
def test_wrong_byte_never_raises(data: st.DataObject) -> None:
    body = data.draw(anywhere(ROWS[:4]))
    recognise(body)
    parsed = FORMATS["langfuse"].parse(body, ASKED)
    assert FORMATS["langfuse"].parse(parsed.kept, ASKED).redactions == []


# Agent runs, tool calls, model calls and all observations of each recording.
RECORDED = {
    "agno": (1, 1, 4, 6),
    "beeai": (18, 3, 5, 29),
    "crewai": (1, 0, 1, 6),
    "google-adk": (1, 1, 2, 5),
    "koog": (1, 2, 2, 11),
    "langgraph-python": (0, 0, 2, 9),
    "microsoft-agent": (1, 1, 2, 4),
    "pydantic-ai-2025-06": (1, 0, 1, 3),
    "pydantic-ai-tools": (3, 3, 4, 12),
    "vercel-aisdk": (0, 1, 1, 3),
}


@pytest.mark.parametrize("framework", RECORDED)
def test_recorded_trace_reads_whole(data: Path, framework: str) -> None:
    (file,) = (data / "traces-frameworks").glob(f"{framework}*.trace.json")
    body = file.read_bytes()
    parsed = parse("langfuse", body)
    acts = [record.activity for record in parsed.records]
    assert recognise(body) == recognise(body[:65_536]) == "langfuse"
    assert parsed.rejects == []
    assert (*map(acts.count, (AGENT_RUN, TOOL_CALL, MODEL_CALL)), len(acts)) == RECORDED[framework]
    spans = {record.span_id for record in parsed.records}
    assert {record.parent_span_id for record in parsed.records} - spans <= {None}
    again = parse("langfuse", parsed.kept)
    assert [told(one) for one in again.records] == [told(one) for one in parsed.records]
