"""Variants of a recording, without a database: each changes what its name says and nothing else."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.bench import lab, truth, variants
from tests.bench.lab import NANOS, REQUEST_ID, Call, Delivery, Json, Recording, attribute, is_tool

BEGAN = 1_800_000_000 * NANOS
RUNS, TOOLS = 4, 5
AGENTS = ("clerk", "auditor")


def traces(run: int) -> ExportTraceServiceRequest:
    """A run: the agent, and below it tools, each with a call of the SDK. A tool call takes 10 ms."""
    export = ExportTraceServiceRequest()
    spans = export.resource_spans.add().scope_spans.add().spans
    trace, began = bytes([run + 1]) * 16, BEGAN + run * NANOS // 10

    def span(number: int, above: int, at: int, attributes: dict[str, str]) -> None:
        made = spans.add(
            trace_id=trace,
            span_id=bytes([run + 1, number]) * 4,
            parent_span_id=bytes([run + 1, above]) * 4 if above else b"",
            start_time_unix_nano=at,
            end_time_unix_nano=at + NANOS // 100,
        )
        made.events.add(time_unix_nano=at)
        for key, value in attributes.items():
            made.attributes.add(key=key).value.string_value = value

    span(1, 0, began, {"gen_ai.operation.name": "invoke_agent"})
    for tool in range(TOOLS):
        at = began + tool * NANOS // 100
        span(10 + tool, 1, at, {"gen_ai.operation.name": "execute_tool"})
        span(50 + tool, 10 + tool, at, {REQUEST_ID: f"R{run}-{tool}", "rpc.method": "GetObject"})
    return export


def record(request: str, at: int = BEGAN) -> Json:
    return {
        "eventID": f"event of {request}",
        "eventTime": lab.logged_at(at),
        "eventSource": "s3.amazonaws.com",
        "eventName": "GetObject",
        "requestID": request,
        "sourceIPAddress": "10.0.0.1",
    }


def recording() -> Recording:
    made = [(f"R{run}-{tool}", run, tool) for run in range(RUNS) for tool in range(TOOLS)]
    requests = ["setup", *(request for request, _, _ in made), "stolen"]
    return Recording(
        deliveries=(
            Delivery(lab.LOG, tuple(record(request) for request in requests)),
            *(Delivery(lab.TRACES, export=traces(run)) for run in range(RUNS)),
        ),
        calls=(
            Call("setup"),
            *(
                Call(
                    request, (bytes([run + 1]) * 16).hex(), (bytes([run + 1, 10 + tool]) * 4).hex()
                )
                for request, run, tool in made
            ),
            Call("stolen"),
        ),
        agents={(bytes([run + 1]) * 16).hex(): AGENTS[run % 2] for run in range(RUNS)},
        stolen=frozenset({"stolen"}),
    )


def spans(of: Recording) -> Counter[bytes]:
    """Each span as it is sent, and how often."""
    return Counter(span.SerializeToString(deterministic=True) for span in of.spans())


def records(of: Recording) -> Counter[str]:
    return Counter(repr(one) for one in of.records())


def bodies(of: Recording) -> list[tuple[str, bytes]]:
    return [(one.source, one.body()) for one in of.deliveries]


ALL: dict[str, Callable[[Recording], Recording]] = {
    name: change for name, (change, _) in truth.of_seed(1).items()
}


@pytest.mark.parametrize("name", ALL)
def test_variant_leaves_its_recording_as_it_is_and_is_the_same_each_time(name: str) -> None:
    plain = recording()
    one, other = ALL[name](plain), ALL[name](plain)
    assert bodies(plain) == bodies(recording())
    assert bodies(one) == bodies(other)
    assert (bodies(one) == bodies(plain)) is (name == "undisturbed")
    assert (one.calls, one.agents, one.stolen) == (plain.calls, plain.agents, plain.stolen)


def test_shift_moves_every_time_of_spans_and_no_record() -> None:
    plain = recording()
    ahead = variants.shifted(plain, 7)

    def times(span: Span) -> list[int]:
        events = [event.time_unix_nano for event in span.events]
        return [span.start_time_unix_nano, span.end_time_unix_nano, *events]

    assert [times(span) for span in ahead.spans()] == [
        [at + 7 * NANOS for at in times(span)] for span in plain.spans()
    ]
    assert records(ahead) == records(plain)


@pytest.mark.parametrize("seed", [0, 1])
def test_drop_takes_one_tool_span_in_five_and_no_other_span(seed: int) -> None:
    plain = recording()
    lost = spans(plain) - spans(variants.dropped(plain, seed))
    assert sum(lost.values()) == RUNS * TOOLS // 5
    assert all(is_tool(Span.FromString(span)) for span in lost)
    assert lost != spans(plain) - spans(variants.dropped(plain, seed + 2))


def test_strip_takes_the_request_ids_and_leaves_the_spans() -> None:
    plain = recording()
    bare = variants.stripped(plain)
    assert [attribute(span, REQUEST_ID) for span in bare.spans()] == [""] * len(list(plain.spans()))
    assert [attribute(span, "rpc.method") for span in bare.spans()] == [
        attribute(span, "rpc.method") for span in plain.spans()
    ]


def test_without_sdk_takes_its_spans_and_no_other() -> None:
    plain = recording()
    lost = spans(plain) - spans(variants.without_sdk(plain))
    assert {attribute(Span.FromString(span), REQUEST_ID) for span in lost} == {
        call.request_id for call in plain.calls if call.trace
    }


def test_shuffle_keeps_everything_once_in_another_order() -> None:
    plain = recording()
    dealt = variants.shuffled(plain, 1)
    assert (spans(dealt), records(dealt)) == (spans(plain), records(plain))
    assert [one["requestID"] for one in dealt.records()] != [
        one["requestID"] for one in plain.records()
    ]
    assert bodies(dealt) != bodies(variants.shuffled(plain, 2))


@pytest.mark.parametrize("runs", [RUNS, RUNS - 1])
def test_twice_brings_everything_twice_and_no_body_again(runs: int) -> None:
    plain = recording()
    plain = plain._replace(deliveries=plain.deliveries[: runs + 1])
    double = variants.twice(plain)
    assert spans(double) == spans(plain) + spans(plain)
    assert records(double) == records(plain) + records(plain)
    # An intake that knows a body by its digest would not look into the second one.
    again = {body for _, body in bodies(double)[len(plain.deliveries) :]}
    odd = {plain.deliveries[-1].body()} if runs % 2 else set()
    assert again & {body for _, body in bodies(plain)} == odd


def test_copied_by_spans_gives_calls_to_agents_that_did_not_make_them() -> None:
    plain = recording()
    hostile = [
        one
        for one in variants.copied_by_spans(plain, 1).deliveries
        if one.source == variants.HOSTILE_TRACES
    ]
    made = {call.request_id: plain.agents.get(call.trace) for call in plain.calls}
    claimed = {}
    for one in hostile:
        assert one.export is not None
        agent, _, call = lab.spans_of(one.export)
        claimed[attribute(call, REQUEST_ID)] = attribute(agent, "gen_ai.agent.name")
    assert len(claimed) == len(hostile) == variants.COPIED + 1
    assert "stolen" in claimed
    assert {request for request, agent in claimed.items() if agent == made[request]} == set()
    assert set(claimed.values()) <= set(AGENTS)


def test_copied_by_a_log_repeats_ids_of_runs_on_other_records() -> None:
    plain = recording()
    (hostile,) = [
        one
        for one in variants.copied_by_records(plain, 1).deliveries
        if one.source == variants.HOSTILE_LOG
    ]
    before = {one["requestID"]: one for one in plain.records()}
    assert len(hostile.records) == variants.COPIED
    assert {one["requestID"] for one in hostile.records} <= {
        call.request_id for call in plain.calls if call.trace
    }
    for one in hostile.records:
        assert one["eventID"] != before[one["requestID"]]["eventID"]
        assert one["eventName"] == "DeleteObject"


def test_seed_0_is_the_lab_as_it_was_recorded() -> None:
    assert bodies(lab.paced(recording(), 0)) == bodies(recording())


@pytest.mark.parametrize("seed", [1, 2])
def test_pace_moves_a_run_as_one_and_its_calls_with_it(seed: int) -> None:
    plain = recording()
    moved = lab.paced(plain, seed)
    assert bodies(moved) != bodies(lab.paced(plain, seed + 2))
    logged = {one["requestID"]: one["eventTime"] for one in moved.records()}
    assert logged["setup"] == lab.logged_at(BEGAN)
    began: dict[bytes, int] = {}
    for before, after in zip(plain.spans(), moved.spans(), strict=True):
        first = BEGAN + (before.trace_id[0] - 1) * NANOS // 10
        start = after.start_time_unix_nano - (before.start_time_unix_nano - first) * lab.STRETCH
        assert began.setdefault(before.trace_id, start) == start
        assert 0 <= start - BEGAN < lab.BEGIN_WITHIN
        if request := attribute(after, REQUEST_ID):
            second = int(datetime.fromisoformat(logged[request]).timestamp())
            assert second <= after.end_time_unix_nano // NANOS
            assert second >= after.start_time_unix_nano // NANOS
    assert len(began) == RUNS
