"""What a body of OTLP was found to hold. Owns the shape between encodings and reading. Pure."""

from typing import NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Found(NamedTuple):
    """One export request of a body, or a part of it that is none."""

    before: str  # its place, '' for the only one
    request: ExportTraceServiceRequest | None
    # The spans' numbers in what was received, by (resource, scope), where some are missing.
    numbers: dict[tuple[int, int], list[int]]
    lost: list[tuple[str, str, bytes]]  # place, reason, raw
