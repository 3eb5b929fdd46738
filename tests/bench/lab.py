"""The recorded lab as data: what was delivered, and which run made which call.

Owns reading `lab/` of the recorded evidence, and the pace of a seed. Everything here is a pure
function over a `Recording`; variants.py changes one, truth.py brings one through the product.
"""

import base64
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import batched
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

type Json = dict[str, Any]

LOG, TRACES = "lab-aws", "lab-otel"
REQUEST_ID = "aws.request_id"
NANOS = 1_000_000_000
# The recorded model answers at once: a run takes 24 to 90 ms, and all runs together 1.2 s. At the
# pace of a seed a run takes a hundred times as long, as with a model that thinks, and all begin
# within two minutes, so that one or two of them run at any moment.
STRETCH = 100
BEGIN_WITHIN = 120 * NANOS
# Of the recorded export requests, which hold two spans on average, so many come in one body, as a
# collector batches them.
BATCH = 10


class Delivery(NamedTuple):
    """One body that a source sends: CloudTrail records, or an OTLP export request."""

    source: str
    records: tuple[Json, ...] = ()
    export: ExportTraceServiceRequest | None = None

    @property
    def plane(self) -> str:
        return "identity" if self.export is None else "ai"

    @property
    def format(self) -> str:
        return "cloudtrail" if self.export is None else "otlp"

    def body(self) -> bytes:
        if self.export is None:
            return json.dumps({"Records": self.records}).encode()
        return bytes(self.export.SerializeToString())


class Call(NamedTuple):
    """One API call of the log. `trace` and `tool` (lower-case hex) name the run that made it and
    the span of its tool call; both are empty where no run made it."""

    request_id: str
    trace: str = ""
    tool: str = ""


class Recording(NamedTuple):
    """What sources delivered, in this order, and what is true of it."""

    deliveries: tuple[Delivery, ...]
    calls: tuple[Call, ...]  # of the lab's own log, in its order
    agents: Mapping[str, str]  # trace of a run -> its agent's name
    stolen: frozenset[str]  # request ids of the calls that a thief made with an agent's key

    def each_record(self, change: Callable[[Json], Json]) -> "Recording":
        """With every record of a log replaced by what `change` makes of it."""
        return self._replace(
            deliveries=tuple(
                one._replace(records=tuple(map(change, one.records))) for one in self.deliveries
            )
        )

    def each_span(self, change: Callable[[Span], None]) -> "Recording":
        """With a copy of every span changed in place by `change`."""

        def changed(export: ExportTraceServiceRequest) -> None:
            for span in spans_of(export):
                change(span)

        return self._each_export(changed)

    def only_spans(self, kept: Callable[[Span], bool]) -> "Recording":
        """Without the spans of which `kept` is not true."""

        def cut(export: ExportTraceServiceRequest) -> None:
            for resource in export.resource_spans:
                for scope in resource.scope_spans:
                    left = [span for span in scope.spans if kept(span)]
                    del scope.spans[:]
                    scope.spans.extend(left)

        return self._each_export(cut)

    def _each_export(self, change: Callable[[ExportTraceServiceRequest], None]) -> "Recording":
        return self._replace(
            deliveries=tuple(
                one if one.export is None else one._replace(export=_copied(one.export, change))
                for one in self.deliveries
            )
        )

    def records(self) -> Iterator[Json]:
        for delivery in self.deliveries:
            yield from delivery.records

    def spans(self) -> Iterator[Span]:
        for delivery in self.deliveries:
            if delivery.export is not None:
                yield from spans_of(delivery.export)


def _copied(
    export: ExportTraceServiceRequest, change: Callable[[ExportTraceServiceRequest], None]
) -> ExportTraceServiceRequest:
    copy = merged([export])
    change(copy)
    return copy


def spans_of(export: ExportTraceServiceRequest) -> Iterator[Span]:
    for resource in export.resource_spans:
        for scope in resource.scope_spans:
            yield from scope.spans


def merged(exports: Iterable[ExportTraceServiceRequest]) -> ExportTraceServiceRequest:
    """One export request with all that these have."""
    together = ExportTraceServiceRequest()
    for one in exports:
        together.MergeFrom(one)
    return together


def attribute(span: Span, key: str) -> str:
    """A text attribute; empty where the span has none of that name."""
    return next((one.value.string_value for one in span.attributes if one.key == key), "")


def is_tool(span: Span) -> bool:
    return attribute(span, "gen_ai.operation.name") == "execute_tool"


def load(folder: Path, batch: int = BATCH) -> Recording:
    """The recording in this folder: its log, then its traces, `batch` export requests a body."""
    truth = json.loads((folder / "truth.json").read_bytes())
    records = json.loads((folder / "cloudtrail.json").read_bytes())["Records"]
    exports = [
        ExportTraceServiceRequest.FromString(base64.b64decode(line))
        for line in (folder / "traces.pb.jsonl").read_bytes().splitlines()
    ]
    tools = {
        attribute(span, REQUEST_ID): span.parent_span_id.hex()
        for export in exports
        for span in spans_of(export)
        if attribute(span, REQUEST_ID)
    }
    runs = truth["request_to_trace"]
    return Recording(
        deliveries=(
            Delivery(LOG, tuple(records)),
            *(Delivery(TRACES, export=merged(some)) for some in batched(exports, batch)),
        ),
        calls=tuple(
            Call(request, runs.get(request, ""), tools.get(request, ""))
            for request in (record["requestID"] for record in records)
        ),
        agents={
            trace: name for name, agent in truth["agents"].items() for trace in agent["traces"]
        },
        stolen=frozenset(truth["unattributed_request_ids"]),
    )


def paced(recording: Recording, seed: int) -> Recording:
    """The same runs at the pace of this seed; seed 0 leaves them as they were recorded.

    A run moves as one, its calls with it: each is logged in the second in which the middle of its
    SDK's span lies. A stolen use comes at a moment of its own; what prepared the lab stays.
    """
    if not seed:
        return recording
    dice = Random(seed)
    first: dict[str, int] = {}
    for span in recording.spans():
        trace = span.trace_id.hex()
        first[trace] = min(first.get(trace, span.start_time_unix_nano), span.start_time_unix_nano)
    origin = min(first.values())
    begins = {trace: origin + dice.randrange(BEGIN_WITHIN) for trace in sorted(first)}
    moments = {
        request: origin + dice.randrange(BEGIN_WITHIN) for request in sorted(recording.stolen)
    }

    def stretch(span: Span) -> None:
        trace = span.trace_id.hex()
        move_times(span, lambda at: begins[trace] + (at - first[trace]) * STRETCH)

    moved = recording.each_span(stretch)
    for span in moved.spans():
        if request := attribute(span, REQUEST_ID):
            moments[request] = (span.start_time_unix_nano + span.end_time_unix_nano) // 2
    return moved.each_record(
        lambda record: (
            record | {"eventTime": logged_at(moments[record["requestID"]])}
            if record["requestID"] in moments
            else record
        )
    )


def move_times(span: Span, move: Callable[[int], int]) -> None:
    """Change every time of a span, in nanoseconds since the epoch."""
    span.start_time_unix_nano = move(span.start_time_unix_nano)
    span.end_time_unix_nano = move(span.end_time_unix_nano)
    for event in span.events:
        event.time_unix_nano = move(event.time_unix_nano)


def logged_at(nanos: int) -> str:
    """A time as CloudTrail writes it, cut to whole seconds."""
    return f"{datetime.fromtimestamp(nanos // NANOS, UTC):%Y-%m-%dT%H:%M:%SZ}"
