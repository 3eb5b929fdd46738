"""Which token or pod a span names: what evidence/key_links.py joins with the log of what was called."""

from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from evidence.formats.otlp import names, reading
from evidence.formats.record import ActorName

REALM = "otel:lab"
SERVICE = ActorName(REALM, "service", "agent")


@pytest.mark.parametrize(
    ("attributes", "resource", "kind", "value"),
    [
        *[({name: "9f3a"}, {}, "token", "9f3a") for name in names.TOKENS],
        ({"token.jti": "9f3a", "aws.auth.account.access_key": "AKIA1"}, {}, "access_key", "AKIA1"),
        ({"token.jti": "9f3a"}, {"k8s.pod.uid": "4c1b"}, "token", "9f3a"),
        ({"gen_ai.operation.name": "execute_tool"}, {"k8s.pod.uid": "4c1b"}, "pod", "4c1b"),
        ({"k8s.pod.uid": "4c1b", "mcp.method.name": "tools/call"}, {}, "pod", "4c1b"),
        # A model call and a step call nothing that a cluster logs.
        ({"gen_ai.operation.name": "chat"}, {"k8s.pod.uid": "4c1b"}, "", ""),
        ({}, {"k8s.pod.uid": "4c1b"}, "", ""),
    ],
)
def test_span_names_its_token_or_its_pod(
    attributes: dict[str, Any], resource: dict[str, Any], kind: str, value: str
) -> None:
    said = {"service.name": "agent"} | resource
    assert {*attributes, *resource} <= names.READ
    start = 1_800_000_000_000_000_000
    record = reading.record(
        position="spans[0]",
        digest=bytes(16),
        span=Span(
            trace_id=b"t" * 16, span_id=b"s" * 8, name="x",
            start_time_unix_nano=start, end_time_unix_nano=start,
        ),
        attributes=attributes,
        sender=reading.sender(said, REALM),
    )  # fmt: skip
    found = record.credential
    assert (("", "") if found is None else (found.kind, found.value)) == (kind, value)
    # Of the sender's own realm and under its service: never a name of the system it called.
    if kind in ("token", "pod"):
        assert found == ActorName(REALM, kind, value, SERVICE)
