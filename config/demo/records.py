"""The demo's evidence: CloudTrail records and OTLP spans of one agent fleet, at given times.

Owns shapes only; what happened when is config/demo/story.py's. Everything goes in through the
real intake.
"""

import random
import uuid
from datetime import datetime
from typing import Any

import orjson
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

ACCOUNT = "123456789012"
INSIDE_ADDRESS = "10.0.3.17"


class Evidence:
    """Collects records and spans; `bodies` gives them as their senders would."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)  # noqa: S311 - a story that repeats, not a secret
        self.records: list[dict[str, Any]] = []
        self.spans: dict[str, list[Span]] = {}

    def request_id(self) -> str:
        return f"{self.dice.getrandbits(80):020X}"

    def call(
        self,
        *,
        at: datetime,
        user: str,
        key: str,
        action: str,
        request: dict[str, Any],
        response: dict[str, Any] | None = None,
        address: str = INSIDE_ADDRESS,
        error: str = "",
    ) -> str:
        """One CloudTrail record; returns its request id. `action` is `service:Operation`."""
        service, _, operation = action.partition(":")
        request_id = self.request_id()
        record: dict[str, Any] = {
            "eventVersion": "1.11",
            "userIdentity": {
                "type": "IAMUser",
                "principalId": f"AIDA{sum(user.encode()):016}",
                "arn": f"arn:aws:iam::{ACCOUNT}:user/{user}",
                "accountId": ACCOUNT,
                "accessKeyId": key,
                "userName": user,
            },
            "eventTime": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "eventSource": f"{service}.amazonaws.com",
            "eventName": operation,
            "awsRegion": "eu-central-1",
            "sourceIPAddress": address,
            "userAgent": "Boto3/1.44.8 md/Botocore#1.44.8 lang/python#3.13.5",
            "requestParameters": request,
            "responseElements": response,
            "requestID": request_id,
            "eventID": str(uuid.UUID(int=self.dice.getrandbits(128), version=4)),
            "readOnly": operation.startswith(("Get", "List")),
            "eventType": "AwsApiCall",
            "managementEvent": service != "s3",
            "recipientAccountId": ACCOUNT,
            "eventCategory": "Data" if service == "s3" else "Management",
        }
        if error:
            record["errorCode"] = error
        self.records.append(record)
        return request_id

    def span(
        self,
        *,
        service: str,
        trace: bytes,
        parent: bytes,
        name: str,
        at: datetime,
        seconds: float,
        attributes: dict[str, str],
        span_id: bytes | None = None,
    ) -> bytes:
        """One span of a service; returns its id."""
        number = span_id or self.dice.randbytes(8)
        start = int(at.timestamp() * 1_000_000) * 1_000
        self.spans.setdefault(service, []).append(
            Span(
                trace_id=trace,
                span_id=number,
                parent_span_id=parent,
                name=name,
                start_time_unix_nano=start,
                end_time_unix_nano=start + int(seconds * 1e9),
                attributes=[
                    KeyValue(key=key, value=AnyValue(string_value=value))
                    for key, value in attributes.items()
                ],
            )
        )
        return number

    def cloudtrail(self) -> bytes:
        """The records so far as one CloudTrail file; they are taken out."""
        body = orjson.dumps({"Records": sorted(self.records, key=lambda r: r["eventTime"])})
        self.records = []
        return body

    def otlp(self) -> list[bytes]:
        """The spans so far as export requests of at most 512; they are taken out."""
        bodies = []
        for service, spans in sorted(self.spans.items()):
            for first in range(0, len(spans), 512):
                request = ExportTraceServiceRequest()
                resource = request.resource_spans.add()
                resource.resource.attributes.extend(
                    [
                        KeyValue(key="service.name", value=AnyValue(string_value=service)),
                        KeyValue(key="service.version", value=AnyValue(string_value="1.4.0")),
                    ]
                )
                scope = resource.scope_spans.add()
                scope.scope.name = "agent-runtime"
                scope.spans.extend(spans[first : first + 512])
                bodies.append(request.SerializeToString())
        self.spans = {}
        return bodies
