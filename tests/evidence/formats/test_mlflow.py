"""MLflow: traces of every schema read as the spans they were."""

import base64
import copy
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.formats import FORMATS, recognise
from evidence.formats.record import ActorName, Record
from tests.evidence.formats.abuse import ASKED, anywhere, parse, said, survives, told
from tests.evidence.formats.conftest import SAMPLES

TRACE: dict[str, Any] = orjson.loads((SAMPLES / "mlflow.json").read_bytes())
SPANS: list[dict[str, Any]] = TRACE["data"]["spans"]
REALM = "otel:lab"
IDS = "0af7651916cd43dd8448eb211c80319c"
WHO = "service close_month.py"
KEY = " | access_key ASIAEXAMPLE000000001 | @agent clerk-agent | >user rosa"
EXPECTED = [
    f"agent run, ok: clerk-agent | - | {WHO} | - | @agent clerk-agent | >user rosa",
    f"model call, ok: small-model | - | {WHO} | - | @agent clerk-agent | >user rosa",
    f"tool call, ok: read_ledger | - | {WHO} | - | @agent clerk-agent | >user rosa",
    f"API call, ok: s3:GetObject | ledgers/2031/03.csv | {WHO}{KEY}",
    f"tool call, failed: pay | - | {WHO} | - | @agent clerk-agent | >user rosa",
    f"decision, ok: check payment | - | {WHO} | - | @agent clerk-agent | >user rosa",
    f"step, ok: search | - | {WHO} | - | @agent clerk-agent | >user rosa",
]


def trace(spans: list[Any], **info: Any) -> dict[str, Any]:
    return {"info": {**TRACE["info"], **info}, "data": {"spans": spans}}


def number(text: str | None) -> str | None:
    return None if text is None else base64.b64decode(text).hex()


def old(span: dict[str, Any]) -> dict[str, Any]:
    """A span as schema 2 wrote it."""
    ids = {"trace_id": f"0x{number(span['trace_id'])}", "span_id": f"0x{number(span['span_id'])}"}
    return {
        "name": span["name"],
        "context": ids,
        "parent_id": span["parent_span_id"] and f"0x{number(span['parent_span_id'])}",
        "start_time": span["start_time_unix_nano"],
        "end_time": span["end_time_unix_nano"],
        "status_code": span["status"]["code"].removeprefix("STATUS_CODE_"),
        "status_message": span["status"]["message"],
        "attributes": span["attributes"],
        "events": [{**event, "timestamp": 1} for event in span["events"]],
    }


def hexed(span: dict[str, Any]) -> dict[str, Any]:
    """A span as version 3.5 wrote it, its ids as MLflow shows them."""
    ids = {name: number(span[name]) for name in ("span_id", "parent_span_id")}
    status = {**span["status"], "code": span["status"]["code"].removeprefix("STATUS_CODE_")}
    return {**span, **ids, "trace_id": f"tr-{number(span['trace_id'])}", "status": status}


def served(span: dict[str, Any]) -> dict[str, Any]:
    """A span as the server answers it: numbers as text, attributes in a list."""
    attributes = [
        {"key": name, "value": {"string_value": value}}
        for name, value in span["attributes"].items()
    ]
    times = {name: str(span[name]) for name in ("start_time_unix_nano", "end_time_unix_nano")}
    return {**span, **times, "attributes": attributes}


INFO: dict[str, Any] = TRACE["info"]
OLD_INFO = {
    "request_id": INFO["trace_id"],
    "client_request_id": INFO["client_request_id"],
    "timestamp_ms": 1,
    "request_metadata": {
        name: value for name, value in INFO["trace_metadata"].items() if "source.name" not in name
    },
    "tags": {"mlflow.source.name": "close_month.py"},
}
BODIES = {
    "one trace": TRACE,
    "list": [TRACE],
    "lines": b"\n".join(orjson.dumps(trace(part)) for part in (SPANS[:5], SPANS[5:])),
    "schema 2": {"info": OLD_INFO, "data": {"spans": [old(span) for span in SPANS]}},
    "version 3.5": trace([hexed(span) for span in SPANS]),
    "answer of the server": {
        "trace": {"trace_info": INFO, "spans": [served(span) for span in SPANS]}
    },
    "row of a data frame": {**INFO, "trace": orjson.dumps(TRACE).decode(), "spans": SPANS},
}


@pytest.mark.parametrize("way", BODIES)
def test_body_of_any_way_says_the_same(way: str) -> None:
    value = BODIES[way]
    body = value if isinstance(value, bytes) else orjson.dumps(value)
    parsed = parse("mlflow", body)
    assert recognise(body) == "mlflow"
    assert parsed.rejects == []
    assert {one.trace_id for one in parsed.records} == {bytes.fromhex(IDS)}
    # Agents come from ancestors in the same body.
    assert [said(record) for record in parsed.records] == EXPECTED


def test_record_of_a_span_reads_whole() -> None:
    record = parse("mlflow", TRACE).records[3]
    assert record._replace(digest=b"") == Record(
        position="Records[0].spans[3]",
        digest=b"",
        at=1_930_367_160_004_000,
        realm=REALM,
        plane=2,
        activity=11,
        outcome=1,
        action="s3:GetObject",
        resource="ledgers/2031/03.csv",
        principal=ActorName(REALM, "service", "close_month.py"),
        credential=ActorName("aws", "access_key", "ASIAEXAMPLE000000001"),
        agent=ActorName(REALM, "agent", "clerk-agent"),
        on_behalf=ActorName(REALM, "user", "rosa"),
        request_id="req-0002",
        trace_id=bytes.fromhex(IDS),
        span_id=bytes.fromhex("0000000000000004"),
        parent_span_id=bytes.fromhex("0000000000000003"),
        duration=2_500,
        conversation="s-1",
        release="4f1c2d",
    )


def test_span_has_the_ids_and_words_of_the_same_span_sent_by_otlp() -> None:
    sent = orjson.loads((SAMPLES / "otlp.json").read_bytes())
    ours, theirs = parse("mlflow", TRACE).records[3], parse("otlp", sent).records[3]
    assert ours.trace_id == theirs.trace_id
    for field in ("span_id", "at", "action", "activity", "resource", "credential", "request_id"):
        assert getattr(ours, field) == getattr(theirs, field), field


def test_root_carries_the_callers_request_id_and_failure_its_exception() -> None:
    records = parse("mlflow", TRACE).records
    assert [one.request_id for one in records[:3]] == ["req-77", None, None]
    assert records[4].error == "TimeoutError"


def test_person_whom_the_server_knows_is_the_principal() -> None:
    metadata = {**INFO["trace_metadata"], "mlflow.auth.username": "tom"}
    record = parse("mlflow", trace(SPANS, trace_metadata=metadata)).records[0]
    assert record.principal == ActorName(REALM, "user", "tom")


def test_content_is_dropped_and_digests_stay() -> None:
    dropped, whole = parse("mlflow", TRACE), parse("mlflow", TRACE, KEEP)
    words = (b"close the month", b"the month is closed", b"month = 3")
    assert [word for word in words if word in dropped.kept] == []
    # What a trace shows of its request is only ever a copy of what its root span holds.
    assert [word for word in words if word not in whole.kept] == []
    assert b"SELECT sum FROM ledger WHERE month = ?" in dropped.kept
    assert [one.digest for one in dropped.records] == [one.digest for one in whole.records]
    again = parse("mlflow", dropped.kept)
    assert again.redactions == []
    assert [told(one) for one in again.records] == [told(one) for one in dropped.records]


KEEP = ASKED._replace(keep_content=True)


def test_message_of_an_event_is_content() -> None:
    span = copy.deepcopy(SPANS[1])
    said_there = {"gen_ai.prompt": "private words"}
    span["events"] = [
        {"name": "gen_ai.content.prompt", "attributes": said_there},
        {"name": "retry", "attributes": {"prompt": "private words", "attempt": 2}},
    ]
    parsed = parse("mlflow", trace([span]))
    assert (len(parsed.records), b"private words" in parsed.kept) == (1, False)
    assert b'"attempt":2' in parsed.kept


def test_digest_does_not_depend_on_the_other_spans() -> None:
    many = trace([{**SPANS[2], "span_id": f"{place:016x}"} for place in range(1, 700)])
    alone = [trace([span]) for span in many["data"]["spans"]]
    assert [one.digest for one in parse("mlflow", many).records] == (
        [one.digest for one in parse("mlflow", alone).records]
    )


BROKEN: dict[str, Any] = {
    "no object": 7,
    "no span id": {**SPANS[1], "span_id": ""},
    "no start": {**SPANS[1], "start_time_unix_nano": None},
    "absurd start": {**SPANS[1], "start_time_unix_nano": 2**62},
    "zero trace": {**SPANS[1], "trace_id": "0" * 32},
}


@pytest.mark.parametrize("broken", BROKEN)
def test_broken_span_is_named_and_its_neighbours_read(broken: str) -> None:
    parsed = parse("mlflow", trace([SPANS[0], BROKEN[broken], SPANS[2]]))
    assert [one.position for one in parsed.rejects] == ["Records[0].spans[1]"]
    assert len(parsed.records) == 2


def test_hostile_values_are_read_or_rejected() -> None:
    survives("mlflow", [TRACE])


@given(st.data())
def test_wrong_byte_never_raises(data: st.DataObject) -> None:
    body = data.draw(anywhere([trace(SPANS[:4])]))
    recognise(body)
    parsed = FORMATS["mlflow"].parse(body, ASKED)
    assert FORMATS["mlflow"].parse(parsed.kept, ASKED).redactions == []
