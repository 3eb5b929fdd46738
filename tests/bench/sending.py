"""A real sender in a process of its own: the OpenTelemetry SDK's exporter, OTLP over HTTP protobuf.

``python -m tests.bench.sending URL BATCHES SEED [NAME=VALUE …]``: makes its spans, says "ready",
waits for a line, exports batch after batch, each acknowledged before the next, and says how many
spans were acknowledged. Knows nothing of the product.
"""

import random
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags

BATCH = 512
A_TRACE = 5


def spans(seed: int) -> list[ReadableSpan]:
    """One batch: traces of an agent, a tool call, a model call and two calls of an API."""
    dice = random.Random(seed)
    agent = f"agent-{dice.randrange(40):03}"
    resource = Resource({"service.name": agent, "service.version": "1.4.0"})
    begins = datetime.now(UTC) - timedelta(hours=1)
    made: list[ReadableSpan] = []
    while len(made) < BATCH:
        trace, session = dice.getrandbits(128), f"s-{dice.getrandbits(32)}"
        nanos = int((begins + timedelta(seconds=dice.random() * 3000)).timestamp() * 1e9)
        above = [SpanContext(trace, dice.getrandbits(64) or 1, False, TraceFlags(1))]
        above += [
            SpanContext(trace, dice.getrandbits(64) or 1, False, TraceFlags(1))
            for _ in range(A_TRACE - 1)
        ]
        for place, context in enumerate(above[: BATCH - len(made)]):
            made.append(
                ReadableSpan(
                    name=("invoke_agent", "execute_tool fetch", "chat", "S3.GetObject")[
                        min(place, 3)
                    ],
                    context=context,
                    parent=above[min(place - 1, 1)] if place else None,
                    resource=resource,
                    attributes={
                        "gen_ai.agent.name": agent,
                        "session.id": session,
                        "padding": f"{dice.getrandbits(2000):0500x}",
                        **_said(place, dice),
                    },
                    kind=SpanKind.INTERNAL,
                    instrumentation_scope=InstrumentationScope("bench"),
                    start_time=nanos + place * 1_000_000,
                    end_time=nanos + place * 1_000_000 + 40_000_000,
                )
            )
    return made


def _said(place: int, dice: random.Random) -> dict[str, str]:
    if place == 0:
        return {"gen_ai.operation.name": "invoke_agent"}
    if place == 1:
        return {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "fetch"}
    if place == 2:
        return {
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "model-large",
            "gen_ai.input.messages": "x" * 300,
            "gen_ai.output.messages": "y" * 300,
        }
    return {
        "rpc.system": "aws-api",
        "rpc.service": "S3",
        "rpc.method": "GetObject",
        "aws.request_id": f"{dice.getrandbits(80):020X}",
    }


def main(url: str, batches: int, seed: int, headers: Sequence[str]) -> None:
    ready = [spans(seed * 100_000 + number) for number in range(batches)]
    said = dict(header.split("=", 1) for header in headers)
    exporter = OTLPSpanExporter(endpoint=f"{url}/v1/traces", headers=said)
    print("ready", flush=True)
    sys.stdin.readline()
    done = sum(len(batch) for batch in ready if exporter.export(batch) is SpanExportResult.SUCCESS)
    print(done, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
