"""Bodies as senders make them: CloudTrail records and OTLP export requests, small and exact."""

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
# When the spans of a test begin.
RECORDED = NOW - timedelta(minutes=5)
# In place of ORPHAN_SECONDS: files of any age are swept, also those that a moved clock makes young.
AT_ANY_AGE = -(10**10)


def record(number: int, *, at: datetime | None = None, **said: Any) -> dict[str, Any]:
    """One CloudTrail record of the report agent's key; `number` makes its ids."""
    when = at or NOW - timedelta(minutes=number)
    return {
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "IAMUser",
            "arn": "arn:aws:iam::123456789012:user/svc-report",
            "accountId": "123456789012",
            "accessKeyId": "AKIAIOSFODNN7EXAMPLE",
            "userName": "svc-report",
        },
        "eventTime": when.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "eventSource": "s3.amazonaws.com",
        "eventName": "GetObject",
        "awsRegion": "eu-central-1",
        "sourceIPAddress": "10.0.3.17",
        "requestParameters": {"bucketName": "invoices", "key": f"{number}.json"},
        "requestID": f"REQ{number:013}",
        "eventID": f"00000000-0000-4000-8000-{number:012}",
        "recipientAccountId": "123456789012",
    } | said


def trail(*records: dict[str, Any]) -> bytes:
    """A CloudTrail document."""
    return orjson.dumps({"Records": list(records)})


def export(
    *spans: dict[str, Any], service: str = "reports", at: datetime = RECORDED
) -> ExportTraceServiceRequest:
    """An export request; a span says trace, span, parent, name and attributes."""
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    group.resource.attributes.append(
        KeyValue(key="service.name", value=AnyValue(string_value=service))
    )
    scope = group.scope_spans.add()
    begin = int(at.timestamp() * 1e9)
    for number, said in enumerate(spans):
        span = scope.spans.add()
        span.trace_id = said.get("trace", 1).to_bytes(16)
        span.span_id = said.get("span", number + 1).to_bytes(8)
        if said.get("parent"):
            span.parent_span_id = said["parent"].to_bytes(8)
        span.name = said.get("name", "step")
        span.start_time_unix_nano = begin + number * 1_000_000
        span.end_time_unix_nano = begin + number * 1_000_000 + 5_000_000
        for key, value in said.get("attributes", {}).items():
            span.attributes.append(KeyValue(key=key, value=AnyValue(string_value=value)))
    return request


def run_of(
    request_id: str, *, trace: int = 1, at: datetime = RECORDED
) -> ExportTraceServiceRequest:
    """An agent run: agent, tool call, and the SDK's call with this request id under it."""
    return export(
        {"trace": trace, "span": 1, "name": "invoke_agent report-agent",
         "attributes": {"gen_ai.operation.name": "invoke_agent",
                        "gen_ai.agent.name": "report-agent"}},
        {"trace": trace, "span": 2, "parent": 1, "name": "execute_tool read_invoice",
         "attributes": {"gen_ai.operation.name": "execute_tool",
                        "gen_ai.tool.name": "read_invoice"}},
        {"trace": trace, "span": 3, "parent": 2, "name": "S3.GetObject",
         "attributes": {"rpc.system": "aws-api", "rpc.service": "S3", "rpc.method": "GetObject",
                        "aws.request_id": request_id}},
        at=at,
    )  # fmt: skip
