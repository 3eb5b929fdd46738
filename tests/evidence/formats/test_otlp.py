"""OTLP: whole spans, encodings, content and secrets, what is broken, and the recordings."""

import base64
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from evidence.formats import otlp, recognise
from evidence.formats.otlp import content, from_json
from evidence.formats.record import ActorName, Asked, Parsed
from evidence.vocabulary import (
    AGENT_RUN,
    API_CALL,
    MODEL_CALL,
    OUTCOME_OK,
    OUTCOME_REFUSED,
    TOOL_CALL,
)
from tests.evidence.formats.conftest import SAMPLES

ASKED = Asked(source="lab", digest_key=b"k" * 32)
SAMPLE = (SAMPLES / "otlp.json").read_bytes()
DOCUMENT: dict[str, Any] = orjson.loads(SAMPLE)
SPANS: list[dict[str, Any]] = DOCUMENT["resourceSpans"][0]["scopeSpans"][0]["spans"]
REALM = "otel:lab"
AGENT = ActorName(REALM, "agent", "clerk-agent")
SERVICE = ActorName(REALM, "service", "ledger")


def document(*spans: Any) -> dict[str, Any]:
    group = DOCUMENT["resourceSpans"][0]
    scope = group["scopeSpans"][0]
    return {"resourceSpans": [{**group, "scopeSpans": [{**scope, "spans": list(spans)}]}]}


def protobuf(value: Any) -> bytes:
    found = next(iter(from_json.requests(orjson.dumps(value))))
    assert found.request is not None
    return bytes(found.request.SerializeToString())


def parse(value: Any, asked: Asked = ASKED) -> Parsed:
    return otlp.parse(value if isinstance(value, bytes) else orjson.dumps(value), asked)


def span(**attributes: Any) -> dict[str, Any]:
    pairs = [
        {"key": name, "value": {"stringValue" if isinstance(value, str) else "intValue": value}}
        for name, value in attributes.items()
    ]
    return {**SPANS[0], "name": "work", "attributes": pairs}


def test_record_of_sdk_span_reads_whole() -> None:
    record = parse(SAMPLE).records[3]
    assert record._replace(digest=b"") == (
        "spans[0.0.3]",
        b"",
        1_930_367_160_004_000,
        REALM,
        2,
        API_CALL,
        OUTCOME_OK,
        "s3:GetObject",
        "ledgers/2031/03.csv",
        SERVICE,
        ActorName("aws", "access_key", "ASIAEXAMPLE000000001"),
        AGENT,
        None,
        None,
        "req-0002",
        bytes.fromhex("0af7651916cd43dd8448eb211c80319c"),
        bytes.fromhex("0000000000000004"),
        bytes.fromhex("0000000000000003"),
        2500,
        None,
        None,
        None,
        None,
        None,
        "2.1",
        None,
    )


def test_acts_of_sample_are_told_apart() -> None:
    read = [(one.activity, one.action, one.outcome, one.agent) for one in parse(SAMPLE).records]
    assert read == [
        (AGENT_RUN, "clerk-agent", OUTCOME_OK, AGENT),
        (MODEL_CALL, "small-model", OUTCOME_OK, AGENT),
        (TOOL_CALL, "read_ledger", OUTCOME_OK, AGENT),
        (API_CALL, "s3:GetObject", OUTCOME_OK, AGENT),
        (API_CALL, "secretsmanager:GetSecretValue", OUTCOME_REFUSED, AGENT),
    ]
    first = parse(SAMPLE).records[0]
    assert (first.conversation, first.task, first.release) == ("c-1", "close-month", "2.1")


@pytest.mark.parametrize(
    ("attribute", "task"),
    [
        ("acme.job", "night run"),
        # One that is read anyway, and one that is content: content is never a task's name.
        ("gen_ai.conversation.id", "c-1"),
        ("gen_ai.input.messages", "close-month"),
        ("acme.absent", "close-month"),
    ],
)
def test_task_is_named_by_the_attribute_of_the_source(attribute: str, task: str) -> None:
    told = orjson.loads(SAMPLE)
    told["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["attributes"] += [
        {"key": "acme.job", "value": {"stringValue": "night run"}},
        {"key": "gen_ai.input.messages", "value": {"stringValue": "private"}},
    ]
    read = otlp.parse(orjson.dumps(told), ASKED._replace(task_attribute=attribute))
    assert read.records[0].task == task
    again = otlp.parse(read.kept, ASKED._replace(task_attribute=attribute))
    assert again.records[0].task == task


ENCODINGS = {
    "json": SAMPLE,
    "compact json": orjson.dumps(DOCUMENT),
    "protobuf": protobuf(DOCUMENT),
    "json lines": b"\n".join(orjson.dumps(document(one)) for one in SPANS),
    "base64 lines": b"\n".join(base64.b64encode(protobuf(document(one))) for one in SPANS),
    "one base64 line": base64.b64encode(protobuf(DOCUMENT)),
    "list of documents": orjson.dumps([document(one) for one in SPANS]),
}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_encoding_any_gives_same_digests(encoding: str) -> None:
    body = ENCODINGS[encoding]
    read = parse(body)
    assert recognise(body) == "otlp"
    assert read.rejects == []
    assert [one.digest for one in read.records] == [one.digest for one in parse(SAMPLE).records]
    assert [one.agent for one in read.records] == [AGENT] * 5


def test_order_does_not_change_digests_or_agents() -> None:
    shuffled = SPANS[:]
    random.Random(3).shuffle(shuffled)
    expected = {(one.span_id, one.digest, one.agent) for one in parse(SAMPLE).records}
    assert {(one.span_id, one.digest, one.agent) for one in parse(document(*shuffled)).records} == (
        expected
    )


def test_kept_reads_again_as_the_same() -> None:
    first = parse(SAMPLE)
    again = parse(first.kept)
    assert again.redactions == []
    assert [one._replace(digest=b"") for one in again.records] == [
        one._replace(digest=b"") for one in first.records
    ]


def test_content_is_dropped_unless_kept_on_purpose() -> None:
    dropped, kept = parse(SAMPLE), parse(SAMPLE, ASKED._replace(keep_content=True))
    assert [tuple(one) for one in dropped.redactions] == [
        ("spans[0.0.1] gen_ai.input.messages", "content", 35),
        ("spans[0.0.1] event gen_ai.user.message", "content", 5),
        ("spans[0.0.2] gen_ai.tool.call.arguments", "content", 14),
        ("spans[0.0.4] status", "content", 6),
    ]
    assert (b"hello" in dropped.kept, b"hello" in kept.kept) == (False, True)
    assert kept.redactions == []
    assert [one.digest for one in kept.records] == [one.digest for one in dropped.records]


CONTENT_NAMES = [
    "gen_ai.prompt.0.content",
    "gen_ai.completion.1.role",
    "llm.input_messages.0.message.content",
    "llm.output_messages.2.message.tool_calls.0.tool_call.function.arguments",
    "input.value",
    "pydantic_ai.all_messages",
    "langfuse.observation.input",
    "mlflow.spanOutputs",
    "ai.prompt.messages",
    "gcp.vertex.agent.llm_request",
    "db.query.parameter.0",
]
PLAIN_NAMES = ["gen_ai.usage.input_tokens", "gen_ai.tool.definitions", "ai.prompt.toolChoice", "x"]


@pytest.mark.parametrize("name", CONTENT_NAMES)
def test_name_of_content_is_content(name: str) -> None:
    assert content.kind_of(name) == content.CONTENT


@pytest.mark.parametrize("name", PLAIN_NAMES)
def test_name_of_anything_else_is_kept(name: str) -> None:
    assert content.kind_of(name) == content.PLAIN


def test_statement_loses_its_values() -> None:
    read = parse(document(span(**{"db.query.text": "SELECT a FROM t WHERE b='x y' AND c = 42"})))
    assert b"SELECT a FROM t WHERE b=? AND c = ?" in read.kept
    assert [(one.kind, one.length) for one in read.redactions] == [("content", 7)]


SECRETS = {
    "in a value": span(note="key is ghp_" + "a" * 36),
    "in a name of a span": {**span(), "name": "call ghp_" + "a" * 36},
    "by its attribute name": span(**{"http.request.header.authorization": "Basic Zm9vOmJhcg=="}),
    "in a status": {**span(), "status": {"code": 2, "message": "bad ghp_" + "a" * 36}},
    "in a read attribute": span(**{"gen_ai.tool.name": "ghp_" + "a" * 36}),
    "in an address": span(**{"url.full": "https://u:hunter22@h/p?sig=abcdefgh12345678"}),
}


@pytest.mark.parametrize("where", SECRETS)
def test_secret_anywhere_in_a_span_is_replaced(where: str) -> None:
    read = parse(document(SECRETS[where]))
    leaks = (b"a" * 36, b"Zm9vOmJhcg", b"hunter22", b"abcdefgh12345678")
    assert [leak for leak in leaks if leak in read.kept] == []
    assert [leak for leak in leaks if leak.decode() in repr(read.records)] == []
    assert len(read.records) == 1
    assert read.redactions != []
    assert parse(read.kept).redactions == []


BROKEN: dict[str, Any] = {
    "zero trace": {**SPANS[1], "traceId": "0" * 32},
    "short trace": {**SPANS[1], "traceId": "abcd"},
    "no hex": {**SPANS[1], "traceId": "z" * 32},
    "no span id": {**SPANS[1], "spanId": ""},
    "end before start": {**SPANS[1], "endTimeUnixNano": "1930367160000000001"},
    "no start": {**SPANS[1], "startTimeUnixNano": "0"},
    "absurd start": {**SPANS[1], "startTimeUnixNano": str(2**63)},
    "number beyond": {**SPANS[1], "startTimeUnixNano": str(2**70)},
    "not an object": 7,
    "attributes of a wrong type": {**SPANS[1], "attributes": "x"},
}


@pytest.mark.parametrize("broken", BROKEN)
def test_broken_span_is_named_and_its_neighbours_stored(broken: str) -> None:
    read = parse(document(SPANS[0], BROKEN[broken], SPANS[2]))
    assert [one.position for one in read.records] == ["spans[0.0.0]", "spans[0.0.2]"]
    assert [one.position for one in read.rejects] == ["spans[0.0.1]"]
    assert read.rejects[0].reason != ""


def test_surrogate_in_json_costs_one_span() -> None:
    body = orjson.dumps(document(*SPANS)).replace(b'"read_ledger"', b'"\\ud800"')
    read = parse(body)
    assert [one.position for one in read.rejects] == ["spans[0.0.2]"]
    assert len(read.records) == 4


@pytest.mark.parametrize("damage", [b"[" * 5000 + b"]" * 5000, b"oops"])
def test_damaged_json_keeps_the_whole_spans_and_their_service(damage: bytes) -> None:
    body = orjson.dumps(document(*SPANS)).replace(b'"read_ledger"', damage)
    read = parse(body)
    assert {one.span_id for one in read.records} == {
        bytes.fromhex(one["spanId"]) for one in SPANS if one is not SPANS[2]
    }
    assert {one.principal for one in read.records} == {SERVICE}
    assert len(read.rejects) == 1


def test_damaged_protobuf_keeps_the_whole_spans() -> None:
    body = protobuf(DOCUMENT).replace(b"read_ledger", b"read\xff\xfeedger")
    read = parse(body)
    assert [one.position for one in read.rejects] == ["spans[0.0.2]"]
    assert [one.position for one in read.records] == [f"spans[0.0.{n}]" for n in (0, 1, 3, 4)]
    assert {one.principal for one in read.records} == {SERVICE}


def test_realm_outside_the_sources_is_rejected() -> None:
    narrow = ASKED._replace(realms=frozenset({"otel:lab"}))
    read = parse(SAMPLE, narrow)
    assert [one.position for one in read.rejects] == ["spans[0.0.3]"]
    wide = ASKED._replace(realms=frozenset({"otel:lab", "aws"}))
    assert len(parse(SAMPLE, wide).records) == 5


@pytest.mark.parametrize("body", [b"", b"{}", b'{"resourceSpans":[]}'])
def test_export_of_nothing_is_no_error(body: bytes) -> None:
    assert parse(body) == (b"", [], [], [])


@given(st.binary(max_size=300))
def test_bytes_of_any_kind_never_raise(body: bytes) -> None:
    parse(body)
    parse(b"\n" + body)
    recognise(body)


@given(st.data())
def test_mutated_protobuf_never_raises(data: st.DataObject) -> None:
    body = bytearray(ENCODINGS["protobuf"])
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    read = parse(bytes(body))
    parse(read.kept)


@given(st.data())
def test_mutated_json_never_raises(data: st.DataObject) -> None:
    body = bytearray(ENCODINGS["compact json"])
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    parse(bytes(body))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["key", "value", "stringValue", "intValue", "arrayValue", "values"]),
            inner,
        )
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(sorted(SPANS[1])), VALUES, max_size=5))
def test_span_with_any_values_is_read_or_rejected(changes: dict[str, Any]) -> None:
    try:
        body = orjson.dumps(document({**SPANS[1], **changes}, SPANS[0]))
    except (TypeError, UnicodeEncodeError):
        return
    read = parse(body)
    assert len(read.records) + len(read.rejects) == 2


PAIRS = st.dictionaries(
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=12),
    st.text(st.characters(codec="utf-8"), max_size=12),
    max_size=6,
)


@given(PAIRS)
def test_both_encodings_of_any_attributes_have_one_digest(pairs: dict[str, str]) -> None:
    value = document(span(**pairs))
    left, right = parse(value), parse(protobuf(value))
    assert [one.digest for one in left.records] == [one.digest for one in right.records]
    assert left.kept == right.kept


def test_recordings_lab_joins_equal_truth(data: Path) -> None:
    truth = json.loads((data / "lab" / "truth.json").read_text())
    body = (data / "lab" / "traces.pb.jsonl").read_bytes()
    read = parse(body)
    assert (len(read.records), read.rejects) == (177, [])
    found = {
        one.request_id: one.trace_id.hex()
        for one in read.records
        if one.request_id and one.trace_id
    }
    assert found == truth["request_to_trace"]
    by_trace = {
        one.trace_id.hex(): one.agent.value for one in read.records if one.trace_id and one.agent
    }
    assert by_trace == {
        trace: name for name, agent in truth["agents"].items() for trace in agent["traces"]
    }
    assert Counter(one.activity for one in read.records) == Counter(
        {MODEL_CALL: 66, TOOL_CALL: 45, API_CALL: 45, AGENT_RUN: 21}
    )
    assert b"task 79a0eaf5" not in read.kept


def test_recordings_lab_protobuf_and_json_have_one_digest(data: Path) -> None:
    from google.protobuf.json_format import MessageToDict  # type: ignore[import-untyped]  # no types

    lines = (data / "lab" / "traces.pb.jsonl").read_bytes().split()
    for line in lines[:40]:
        request = ExportTraceServiceRequest.FromString(base64.b64decode(line))
        value = MessageToDict(request)
        for group in value["resourceSpans"]:
            for scope in group["scopeSpans"]:
                for one in scope["spans"]:
                    for name in ("traceId", "spanId", "parentSpanId"):
                        if name in one:
                            one[name] = base64.b64decode(one[name]).hex()
        left, right = parse(base64.b64decode(line)), parse(value)
        assert [one.digest for one in left.records] == [one.digest for one in right.records]
