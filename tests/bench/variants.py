"""Variants of a recording: what goes wrong between an agent and its log, one thing at a time.

Pure functions over a `Recording` (lab.py); what is true of it stays as it is. Where something is
drawn, it is drawn from a seed.
"""

import uuid
from collections.abc import Iterator
from datetime import datetime
from itertools import batched
from random import Random
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.bench.lab import (
    NANOS,
    REQUEST_ID,
    Call,
    Delivery,
    Json,
    Recording,
    attribute,
    is_tool,
    merged,
    move_times,
)

DROPPED = 0.2
# So many calls of runs does a hostile source copy, besides all stolen ones.
COPIED = 12
HOSTILE_TRACES, HOSTILE_LOG = "hostile-otel", "hostile-aws"
HOSTILE_ADDRESS = "203.0.113.66"


def shifted(recording: Recording, seconds: int) -> Recording:
    """The clock of the agents is so many seconds ahead of the log's."""

    def shift(span: Span) -> None:
        move_times(span, lambda at: at + seconds * NANOS)

    return recording.each_span(shift)


def dropped(recording: Recording, seed: int) -> Recording:
    """One tool span in five never arrives; what lies below it does."""
    tools = sorted({span.span_id for span in recording.spans() if is_tool(span)})
    lost = set(Random(seed).sample(tools, round(len(tools) * DROPPED)))
    return recording.only_spans(lambda span: span.span_id not in lost)


def without_sdk(recording: Recording) -> Recording:
    """The SDK is not instrumented: its spans never arrive, and with them the request ids."""
    return recording.only_spans(lambda span: not attribute(span, REQUEST_ID))


def stripped(recording: Recording) -> Recording:
    """Spans of the SDK arrive, and state no request id."""

    def strip(span: Span) -> None:
        kept = [one for one in span.attributes if one.key != REQUEST_ID]
        del span.attributes[:]
        span.attributes.extend(kept)

    return recording.each_span(strip)


def shuffled(recording: Recording, seed: int) -> Recording:
    """Everything in another order: records dealt anew to small bodies, bodies in any order."""
    dice = Random(seed)
    deliveries = [one for one in recording.deliveries if one.export is not None]
    by_source: dict[str, list[Json]] = {}
    for one in recording.deliveries:
        by_source.setdefault(one.source, []).extend(one.records)
    for source, records in by_source.items():
        dice.shuffle(records)
        while records:
            size = dice.randint(1, 9)
            deliveries.append(Delivery(source, tuple(records[:size])))
            del records[:size]
    dice.shuffle(deliveries)
    return recording._replace(deliveries=tuple(deliveries))


def twice(recording: Recording) -> Recording:
    """Everything is delivered a second time, in other bodies: records backwards, export requests
    two at a time."""
    again = [
        one._replace(records=one.records[::-1])
        for one in recording.deliveries
        if one.export is None
    ]
    traces = [one for one in recording.deliveries if one.export is not None]
    again += [
        pair[0]._replace(export=merged(one.export for one in pair if one.export is not None))
        for pair in batched(traces, 2)
    ]
    return recording._replace(deliveries=(*recording.deliveries, *again))


def copied_by_spans(recording: Recording, seed: int) -> Recording:
    """A hostile source of traces copies request ids of the log: its spans say that another agent
    than the true one made these calls, and that an agent made the stolen ones."""
    dice = Random(seed)
    agents = sorted(set(recording.agents.values()))
    exports = []
    for call, record in _copied(recording, dice):
        others = [one for one in agents if one != recording.agents.get(call.trace)]
        exports.append(_claim(record, dice.choice(others), dice))
    hostile = (Delivery(HOSTILE_TRACES, export=one) for one in exports)
    return recording._replace(deliveries=(*recording.deliveries, *hostile))


def copied_by_records(recording: Recording, seed: int) -> Recording:
    """A hostile log copies request ids of agents' calls onto deeds that nobody did."""
    dice = Random(seed)
    records = tuple(
        record
        | {
            "eventID": str(uuid.UUID(bytes=dice.randbytes(16), version=4)),
            "eventName": "DeleteObject" if service_of(record) == "s3" else record["eventName"],
            "requestParameters": {"bucketName": "hr", "key": "salaries.json"},
            "sourceIPAddress": HOSTILE_ADDRESS,
        }
        for call, record in _copied(recording, dice)
        if call.trace
    )
    hostile = Delivery(HOSTILE_LOG, records)
    return recording._replace(deliveries=(*recording.deliveries, hostile))


def _copied(recording: Recording, dice: Random) -> Iterator[tuple[Call, Json]]:
    """The calls whose request ids are copied, with their records."""
    records = {record["requestID"]: record for record in recording.records()}
    made = [call for call in recording.calls if call.trace]
    stolen = [call for call in recording.calls if call.request_id in recording.stolen]
    for call in (*stolen, *dice.sample(made, COPIED)):
        yield call, records[call.request_id]


def service_of(record: Json) -> str:
    service: str = record["eventSource"].partition(".")[0]
    return service


def _claim(record: Json, agent: str, dice: Random) -> ExportTraceServiceRequest:
    """A run of one tool call that says it made this call."""
    at = int(datetime.fromisoformat(record["eventTime"]).timestamp()) * NANOS
    operation = record["eventName"]
    export = ExportTraceServiceRequest()
    resource = export.resource_spans.add()
    _state(resource.resource.attributes, {"service.name": agent})
    spans = resource.scope_spans.add().spans
    trace, parent = dice.randbytes(16), b""
    for depth, (name, kind, attributes) in enumerate(
        (
            (
                f"invoke_agent {agent}",
                Span.SPAN_KIND_INTERNAL,
                {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": agent},
            ),
            (
                f"execute_tool {operation}",
                Span.SPAN_KIND_INTERNAL,
                {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": operation},
            ),
            (
                operation,
                Span.SPAN_KIND_CLIENT,
                {
                    "rpc.system": "aws-api",
                    "rpc.service": service_of(record),
                    "rpc.method": operation,
                    REQUEST_ID: record["requestID"],
                },
            ),
        )
    ):
        span = spans.add(
            trace_id=trace,
            span_id=dice.randbytes(8),
            parent_span_id=parent,
            name=name,
            kind=kind,
            start_time_unix_nano=at + depth * NANOS // 100,
            end_time_unix_nano=at + NANOS - depth * NANOS // 100,
        )
        _state(span.attributes, attributes)
        parent = span.span_id
    return export


def _state(attributes: Any, values: dict[str, str]) -> None:
    for key, value in values.items():
        attributes.add(key=key).value.string_value = value
