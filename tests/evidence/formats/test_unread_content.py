"""Of a source that drops content, no sentence of what could not be read is shown or kept."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from evidence.formats import otlp
from evidence.formats.marking import Gone, is_gone
from evidence.formats.otlp import wire
from evidence.formats.record import Parsed
from tests.evidence.formats.abuse import ASKED, parse, sample

SAID = "Please wire 4200 EUR to Ann Smith"
NAME = "gen_ai.input.messages"


def span(said: Any = SAID, **members: Any) -> dict[str, Any]:
    """A span with a prompt, in OTLP/JSON."""
    return {
        "traceId": "0af7651916cd43dd8448eb211c80319c",
        "spanId": "b7ad6b7169203331",
        "name": "chat",
        "startTimeUnixNano": "1930467900000000000",
        "endTimeUnixNano": "1930467901000000000",
        "attributes": [{"key": NAME, "value": {"stringValue": said}}],
        **members,
    }


def spans(one: Any) -> bytes:
    return orjson.dumps({"resourceSpans": [{"scopeSpans": [{"spans": one}]}]})


def bedrock(**members: Any) -> bytes:
    record: dict[str, Any] = sample("bedrock")[0]
    record["input"]["inputBodyJson"] = {"messages": [{"content": [{"text": SAID}]}]}
    return orjson.dumps(record | members)


OBSERVATION = {
    "id": "b7ad6b7169203331",
    "traceId": "0af7651916cd43dd8448eb211c80319c",
    "type": "GENERATION",
    "startTime": "2031-03-05T09:00:00Z",
    "parentObservationId": None,
    "name": "chat",
    "input": SAID,
}
AUDIT = {
    "kind": "Event",
    "apiVersion": "audit.k8s.io/v1",
    "auditID": "a-1",
    "stage": "ResponseComplete",
    "verb": "create",
    "user": {"username": "ann"},
    "objectRef": {"resource": "secrets", "name": "s"},
    "requestReceivedTimestamp": "2031-03-05T09:00:00Z",
    "requestObject": {"data": {"k": SAID}},
}
MLFLOW = {
    "trace_id": "0af7651916cd43dd8448eb211c80319c",
    "span_id": "b7ad6b7169203331",
    "name": "chat",
    "start_time_unix_nano": 1930467900000000000,
    "attributes": {"mlflow.spanInputs": SAID},
}
CALL = {
    "eventVersion": "1.09",
    "eventTime": "2031-03-05T09:00:00Z",
    "eventSource": "bedrock.amazonaws.com",
    "eventName": "InvokeAgent",
    "eventID": "0d1c2b3a-0000-4000-8000-00000000a001",
    "requestParameters": {"inputText": SAID},
}
STATEMENT = f'{{"timestamp":"2031-03-05 09:00:00 UTC","user":"u","message":"say {SAID}'.encode()


def lines(record: dict[str, Any]) -> bytes:
    """A record, and the same cut off."""
    whole = orjson.dumps(record)
    return whole + b"\n" + whole[: whole.index(SAID.encode()) + len(SAID)] + b"\n"


def protobuf() -> bytes:
    """An export request whose only span is damaged behind its prompt."""
    found = next(wire.requests(spans([span()]))).request
    assert found is not None
    return bytes(found.SerializeToString())[:-3] + b"\xff\xff\xff"


BODIES: dict[str, tuple[str, bytes]] = {
    "otlp: one bad id": ("otlp", spans([span(), span(traceId="zz")])),
    "otlp: ends before it starts": ("otlp", spans([span(), span(endTimeUnixNano="5")])),
    "otlp: cut off": ("otlp", spans([span()])[:-4]),
    "otlp: spans are no list": ("otlp", spans(span())),
    "otlp: no request": ("otlp", orjson.dumps({"spans": [span()]})),
    "otlp: a value of the wrong type": ("otlp", spans([span(said=[SAID])])),
    "otlp: damaged": ("otlp", protobuf()),
    "otlp: not base64": ("otlp", b"CgZhYmNkZWY=\n" + SAID.encode()),
    "bedrock: a line cut off": ("bedrock", bedrock() + b"\n" + bedrock()[:-3] + b"\n"),
    "bedrock: no record": ("bedrock", orjson.dumps([SAID, [SAID]])),
    "langfuse: no trace": ("langfuse", orjson.dumps({"data": [{**OBSERVATION, "traceId": 1}]})),
    "langfuse: a line cut off": ("langfuse", lines(OBSERVATION)),
    "kubernetes: a line cut off": ("kubernetes", lines(AUDIT)),
    "mlflow: a line cut off": ("mlflow", lines(MLFLOW)),
    "postgres: a broken line": ("postgres", STATEMENT),
    "cloudtrail: no record": (
        "cloudtrail",
        orjson.dumps({"Records": [CALL, SAID, [SAID], {"prompt": SAID}, {"note": {"a": SAID}}]}),
    ),
    "cloudtrail: a line cut off": ("cloudtrail", lines(CALL)),
}


@pytest.mark.parametrize("name", BODIES)
def test_no_sentence_of_a_reject_is_shown_or_kept(name: str) -> None:
    format_name, body = BODIES[name]
    parsed = parse(format_name, body)
    assert parsed.rejects != []
    assert b"Ann Smith" not in parsed.kept
    assert "Ann Smith" not in repr(parsed.rejects)


@pytest.mark.parametrize("name", [name for name in BODIES if "otlp" not in name])
def test_reading_what_was_kept_rejects_the_same_and_takes_no_more(name: str) -> None:
    format_name, body = BODIES[name]
    first = parse(format_name, body)
    again = parse(format_name, first.kept)
    assert again.redactions == []
    assert len(again.rejects) == len(first.rejects)


def test_source_that_keeps_content_shows_and_keeps_it() -> None:
    asked = ASKED._replace(keep_content=True)
    for name in ("bedrock: a line cut off", "langfuse: a line cut off", "postgres: a broken line"):
        parsed = parse(*BODIES[name], asked)
        assert b"Ann Smith" in parsed.kept
    assert "Ann Smith" in parsed.rejects[0].excerpt


def test_name_of_a_rejected_span_is_not_shown() -> None:
    [reject] = parse("otlp", spans([span(name=SAID, endTimeUnixNano="5")])).rejects
    assert reject.excerpt == '{"name":"[content:33]"}'


def attribute(parsed: Parsed) -> Any:
    request = next(wire.requests(parsed.kept)).request
    assert request is not None
    return request.resource_spans[0].scope_spans[0].spans[0]


def test_span_keeps_length_and_digest_of_each_content() -> None:
    said = [{"name": "gen_ai.user.message", "attributes": span()["attributes"]}]
    nested = {"kvlistValue": {"values": span()["attributes"]}}
    both = [*span()["attributes"], {"key": "input.value", "value": nested}]
    parsed = parse("otlp", spans([span(attributes=both, events=said)]))
    kept = attribute(parsed)
    mark = Gone(ASKED.digest_key).mark(SAID)
    assert kept.attributes[0].key == NAME
    assert kept.attributes[0].value.string_value == mark
    assert is_gone(kept.attributes[1].value.string_value)
    assert kept.events[0].attributes[0].value.string_value == mark
    assert [one.length for one in parsed.redactions][::2] == [len(SAID), len(SAID)]
    again = otlp.parse(parsed.kept, ASKED)
    assert (again.kept, again.redactions) == (parsed.kept, [])


@pytest.mark.parametrize(
    ("format_name", "body", "place"),
    [
        ("langfuse", orjson.dumps({"data": [OBSERVATION]}), lambda row: row["input"]),
        ("mlflow", orjson.dumps(MLFLOW), lambda row: row["attributes"]["mlflow.spanInputs"]),
    ],
)
def test_record_keeps_length_and_digest_of_its_content(
    format_name: str, body: bytes, place: Callable[[Any], str]
) -> None:
    [row] = orjson.loads(parse(format_name, body).kept)["Records"]
    assert place(row) == Gone(ASKED.digest_key).mark(SAID)
