"""Input for the benchmarks, of our own making: CloudTrail bodies and OTLP export requests.

Shaped like real ones (1.3 KB a record, 1.4 KB a span), every id different, names repeating as
they do in a fleet of a few hundred identities. Deterministic for a seed.
"""

import random
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import orjson
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

ACTIONS = (
    ("s3.amazonaws.com", "GetObject"),
    ("s3.amazonaws.com", "PutObject"),
    ("s3.amazonaws.com", "ListObjects"),
    ("secretsmanager.amazonaws.com", "GetSecretValue"),
    ("dynamodb.amazonaws.com", "GetItem"),
    ("kms.amazonaws.com", "Decrypt"),
)


def cloudtrail(
    *,
    records: int,
    body: int,
    start: datetime,
    seed: int = 1,
    identities: int = 300,
    apart: int = 120,
    heavy: int = 0,
) -> Iterator[bytes]:
    """Bodies of `body` CloudTrail records each, `records` in all, at most `apart` milliseconds
    between two; of `heavy` records one more is the first identity's."""
    dice = random.Random(seed)
    at = start
    batch = []
    for number in range(records):
        at += timedelta(milliseconds=dice.randrange(1, apart))
        source, action = dice.choice(ACTIONS)
        who = 0 if heavy and number % heavy == 0 else dice.randrange(identities)
        user = f"svc-agent-{who:04}"
        batch.append(
            {
                "eventVersion": "1.11",
                "userIdentity": {
                    "type": "IAMUser",
                    "principalId": f"AIDA{who:016}",
                    "arn": f"arn:aws:iam::123456789012:user/{user}",
                    "accountId": "123456789012",
                    "accessKeyId": f"AKIA{who:016}",
                    "userName": user,
                },
                "eventTime": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "eventSource": source,
                "eventName": action,
                "awsRegion": "eu-central-1",
                "sourceIPAddress": f"10.0.{who % 250}.{dice.randrange(1, 5)}",
                "userAgent": "Boto3/1.44.8 md/Botocore#1.44.8 ua/2.1 os/linux#6.18 "
                "md/arch#x86_64 lang/python#3.13.5 md/pyimpl#CPython m/N,E,b,Z,e "
                "cfg/retry-mode#standard Botocore/1.44.8",
                "requestParameters": {
                    "bucketName": f"bucket-{who % 40}",
                    "key": f"2026/{dice.randrange(3000)}/part-{dice.randrange(4)}.json",
                    "Host": f"bucket-{who % 40}.s3.eu-central-1.amazonaws.com",
                },
                "responseElements": None,
                "additionalEventData": {
                    "SignatureVersion": "SigV4",
                    "CipherSuite": "TLS_AES_128_GCM_SHA256",
                    "bytesTransferredIn": 0,
                    "bytesTransferredOut": dice.randrange(90_000),
                    "AuthenticationMethod": "AuthHeader",
                    "x-amz-id-2": f"{dice.getrandbits(256):064x}",
                },
                "requestID": f"{dice.getrandbits(80):020X}",
                "eventID": str(uuid.UUID(int=dice.getrandbits(128), version=4)),
                "readOnly": action != "PutObject",
                "eventType": "AwsApiCall",
                "managementEvent": False,
                "recipientAccountId": "123456789012",
                "eventCategory": "Data",
                "tlsDetails": {
                    "tlsVersion": "TLSv1.3",
                    "cipherSuite": "TLS_AES_128_GCM_SHA256",
                    "clientProvidedHostHeader": f"bucket-{who % 40}.s3.eu-central-1.amazonaws.com",
                },
            }
        )
        if len(batch) == body or number == records - 1:
            yield orjson.dumps({"Records": batch})
            batch = []


def otlp(
    *, spans: int, body: int, start: datetime, seed: int = 2, apart: int = 300
) -> Iterator[bytes]:
    """Export requests of `body` GenAI spans each, five to a trace, as an exporter sends them; at
    most `apart` milliseconds between two traces."""
    dice = random.Random(seed)
    at = start
    done = 0
    while done < spans:
        request = ExportTraceServiceRequest()
        resource = request.resource_spans.add()
        name = f"agent-{dice.randrange(40):03}"
        resource.resource.attributes.extend(
            [_text("service.name", name), _text("service.version", "1.4.0")]
        )
        scope = resource.scope_spans.add()
        scope.scope.name = "bench"
        for _ in range(min(body, spans - done)):
            if done % 5 == 0:
                trace = dice.randbytes(16)
                root = dice.randbytes(8)
                tool = dice.randbytes(8)
                session = f"s-{dice.getrandbits(32)}"
                at += timedelta(milliseconds=dice.randrange(1, apart))
            nanos = int((at - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1e9)
            span = scope.spans.add()
            span.trace_id = trace
            step = done % 5
            span.span_id = root if step == 4 else tool if step == 3 else dice.randbytes(8)
            span.parent_span_id = b"" if step == 4 else root if step in (3, 0) else tool
            span.start_time_unix_nano = nanos + step * 1_000_000
            span.end_time_unix_nano = nanos + step * 1_000_000 + 40_000_000
            _fill(span, step, name, session, dice)
            done += 1
        yield request.SerializeToString()


def _fill(span: object, step: int, agent: str, session: str, dice: random.Random) -> None:
    attributes = [
        _text("gen_ai.agent.name", agent),
        _text("session.id", session),
    ]
    if step == 4:
        span.name = f"invoke_agent {agent}"  # type: ignore[attr-defined]  # a protobuf Span
        attributes.append(_text("gen_ai.operation.name", "invoke_agent"))
    elif step == 3:
        span.name = "execute_tool fetch"  # type: ignore[attr-defined]  # a protobuf Span
        attributes += [
            _text("gen_ai.operation.name", "execute_tool"),
            _text("gen_ai.tool.name", "fetch"),
        ]
    elif step == 0:
        span.name = "chat model"  # type: ignore[attr-defined]  # a protobuf Span
        attributes += [
            _text("gen_ai.operation.name", "chat"),
            _text("gen_ai.request.model", "model-large"),
            _text("gen_ai.input.messages", "x" * 300),
            _text("gen_ai.output.messages", "y" * 300),
        ]
    else:
        span.name = "S3.GetObject"  # type: ignore[attr-defined]  # a protobuf Span
        attributes += [
            _text("rpc.system", "aws-api"),
            _text("rpc.service", "S3"),
            _text("rpc.method", "GetObject"),
            _text("aws.request_id", f"{dice.getrandbits(80):020X}"),
        ]
    attributes.append(_text("padding", f"{dice.getrandbits(2000):0500x}"))
    span.attributes.extend(attributes)  # type: ignore[attr-defined]  # a protobuf Span


def _text(key: str, value: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=value))
