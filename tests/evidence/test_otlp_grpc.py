"""OTLP over gRPC: real exporters, tokens, bounds, pressure, and a server that is killed."""

import gzip
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from django.core.management import CommandError, call_command
from django.db import OperationalError
from django.utils import timezone
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    SpanExporter,
    SpanExportResult,
)

from evidence import actions, doors, intake, otlp_grpc
from evidence.models import Deposit, Event, Reject, Source
from evidence.otlp_grpc import Receiver
from evidence.permissions import COMMAND
from tests.evidence.bodies import export, run_of
from tests.evidence.test_listening import WITHIN, running, until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.real_clock]

METHOD = f"/{otlp_grpc.SERVICE}/Export"


def recent_run() -> bytes:
    return bytes(run_of("REQ1", at=timezone.now() - timedelta(minutes=5)).SerializeToString())


@pytest.fixture
def token(source: Callable[..., Source], transactional_db: None) -> str:
    """The token of the source `traces`."""
    row = source("traces", plane="ai")
    return actions.new_token(source=row, by=COMMAND, now=timezone.now())[1]


@pytest.fixture
def receiver(token: str) -> Iterator[Receiver]:
    made = Receiver("127.0.0.1", 0)
    yield made
    made.close()


class Said(NamedTuple):
    """An answer: OK or a refusal, with what it carries."""

    code: str
    words: str
    retry_after: int | None
    rejected: int = 0


def send(port: int, body: bytes, token: str, **more: Any) -> Said:
    headers = (("authorization", f"Bearer {token}"),) if token else ()
    options = (("grpc.use_local_subchannel_pool", 1), ("grpc.max_send_message_length", -1))
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
        try:
            export: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(METHOD)
            answer = export(body, metadata=headers, timeout=WITHIN, **more)
        except grpc.RpcError as problem:
            trailing = {one.key: one.value for one in problem.trailing_metadata() or ()}
            status = Status.FromString(trailing.get("grpc-status-details-bin", b""))
            after = None
            for detail in status.details:
                info = RetryInfo()
                assert detail.Unpack(info)
                after = info.retry_delay.seconds
            return Said(problem.code().name, str(problem.details()), after)
    partial = ExportTraceServiceResponse.FromString(answer).partial_success
    return Said("OK", partial.error_message, None, partial.rejected_spans)


def exporter(port: int, token: str, **more: Any) -> OTLPSpanExporter:
    return OTLPSpanExporter(
        endpoint=f"http://127.0.0.1:{port}",
        headers={"authorization": f"Bearer {token}"},
        **more,
    )


def tracing(with_: SpanExporter) -> TracerProvider:
    made = TracerProvider(resource=Resource.create({"service.name": "reporting"}))
    made.add_span_processor(BatchSpanProcessor(with_, max_export_batch_size=64))
    return made


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
def test_spans_of_a_real_exporter_arrive_once(
    receiver: Receiver, token: str, compression: grpc.Compression
) -> None:
    provider = tracing(exporter(receiver.port, token, compression=compression))
    tracer = provider.get_tracer("tests")
    for number in range(200):
        tracer.start_span(f"step {number}").end()
    provider.shutdown()
    assert Event.objects.count() == 200
    assert Event.objects.values("span").distinct().count() == 200
    assert set(Deposit.objects.values_list("received_by", "format")) == {("source:traces", "otlp")}


def test_same_request_again_is_acknowledged_and_stored_once(receiver: Receiver, token: str) -> None:
    body = recent_run()
    assert [send(receiver.port, body, token).code for _ in range(2)] == ["OK", "OK"]
    assert (Event.objects.count(), Deposit.objects.count()) == (3, 1)


@pytest.mark.parametrize("wrong", ["", "css_unknown", "x" * 500])
def test_wrong_token_is_refused_and_stores_nothing(receiver: Receiver, wrong: str) -> None:
    assert send(receiver.port, recent_run(), wrong) == Said(
        "UNAUTHENTICATED", "Send the token of a source: Authorization: Bearer <token>.", None
    )
    assert Deposit.objects.count() == 0


def test_real_exporter_with_a_wrong_token_fails_at_once(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    provider = tracing(exporter(receiver.port, "css_wrong"))
    provider.get_tracer("tests").start_span("step").end()
    provider.shutdown()
    assert "StatusCode.UNAUTHENTICATED" in caplog.text
    assert Event.objects.count() == 0


def test_nothing_is_read_of_a_sender_without_a_token(receiver: Receiver) -> None:
    """The answer comes although the message never does."""

    def never() -> Iterator[bytes]:
        threading.Event().wait(WITHIN)
        yield b""

    with grpc.insecure_channel(f"127.0.0.1:{receiver.port}") as channel:
        export: grpc.StreamUnaryMultiCallable[bytes, bytes] = channel.stream_unary(METHOD)
        call = export.future(never(), timeout=WITHIN / 2)
        assert call.code() == grpc.StatusCode.UNAUTHENTICATED


def test_token_that_ended_is_refused(receiver: Receiver, token: str) -> None:
    Source.objects.update(token_expires_at=timezone.now() - timedelta(seconds=1))
    said = send(receiver.port, recent_run(), token)
    assert said == Said(
        "PERMISSION_DENIED",
        "The token of traces has ended; an administrator makes a new one.",
        None,
    )


def test_source_of_another_format_is_refused(receiver: Receiver, token: str) -> None:
    Source.objects.update(format="cloudtrail")
    said = send(receiver.port, recent_run(), token)
    assert said[:2] == ("PERMISSION_DENIED", "The source traces sends cloudtrail, not OTLP.")


def test_partial_success_names_the_rejected_span(receiver: Receiver, token: str) -> None:
    body = export({"span": 1}, {"span": 2}, at=timezone.now() - timedelta(minutes=5))
    body.resource_spans[0].scope_spans[0].spans[1].trace_id = b"short"
    said = send(receiver.port, body.SerializeToString(), token)
    row = Reject.objects.get()
    assert said == Said("OK", f"spans[0.0.1]: {row.reason}", None, 1)
    assert Event.objects.count() == 1


def test_nothing_to_send_is_a_success(receiver: Receiver, token: str) -> None:
    assert send(receiver.port, b"", token) == Said("OK", "", None)
    assert Deposit.objects.count() == 0


def test_body_that_is_none_is_refused_and_kept(receiver: Receiver, token: str) -> None:
    said = send(receiver.port, b"this is no export request", token)
    assert said.code == "INVALID_ARGUMENT"
    assert "is not an OTLP export request" in said.words
    assert Reject.objects.get().position == "body"


def test_message_that_is_too_large_is_refused(receiver: Receiver, token: str) -> None:
    said = send(receiver.port, b"\x0a" * (doors.LARGEST_BODY + 1), token)
    # Without a moment to try again at, a sender gives up.
    assert (said.code, said.retry_after) == ("RESOURCE_EXHAUSTED", None)


def test_message_that_unpacks_to_too_much_is_refused_within_bounds(
    receiver: Receiver, token: str
) -> None:
    body = b"\0" * (doors.LARGEST_UNPACKED + 1)
    said = send(receiver.port, body, token, compression=grpc.Compression.Gzip)
    assert (said.code, said.retry_after) == ("RESOURCE_EXHAUSTED", None)
    assert said.words == "The body unpacks to more than 64 MiB; send it in parts."
    broken = send(receiver.port, gzip.compress(recent_run())[:-9], token)
    assert broken.code == "INVALID_ARGUMENT"


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        (
            OperationalError("secret"),
            ("UNAVAILABLE", "The database does not answer; try again.", 5),
        ),
        (doors.Busy(), ("UNAVAILABLE", "Too much at once; try again.", 2)),
        (
            RuntimeError("secret"),
            ("INTERNAL", "Nothing was stored: an error of Countersign's; its log says more.", None),
        ),
    ],
)
def test_sender_is_told_when_to_try_again(
    receiver: Receiver,
    token: str,
    monkeypatch: pytest.MonkeyPatch,
    problem: Exception,
    said: tuple[str, str, int | None],
) -> None:
    def fails(**_: Any) -> intake.Taken:
        raise problem

    monkeypatch.setattr(intake, "take", fails)
    assert send(receiver.port, recent_run(), token)[:3] == said
    monkeypatch.undo()
    assert send(receiver.port, recent_run(), token).code == "OK"


def test_message_that_does_not_come_leaves_room_for_others(
    receiver: Receiver, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(otlp_grpc, "READ_WITHIN", 0.2)
    over = threading.Event()

    def never() -> Iterator[bytes]:
        over.wait(WITHIN)
        yield b""

    with grpc.insecure_channel(f"127.0.0.1:{receiver.port}") as channel:
        headers = (("authorization", f"Bearer {token}"),)
        export: grpc.StreamUnaryMultiCallable[bytes, bytes] = channel.stream_unary(METHOD)
        calls = [export.future(never(), metadata=headers) for _ in range(otlp_grpc.MOST_STREAMS)]
        assert send(receiver.port, recent_run(), token).code == "OK"
        assert {call.code() for call in calls} == {grpc.StatusCode.CANCELLED}
        over.set()


def test_connections_are_counted(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    few = [one for one in otlp_grpc.OPTIONS if one[0] != "grpc.max_allowed_incoming_connections"]
    monkeypatch.setattr(otlp_grpc, "OPTIONS", (*few, ("grpc.max_allowed_incoming_connections", 2)))
    made = Receiver("127.0.0.1", 0)
    held = [socket.create_connection(("127.0.0.1", made.port), timeout=WITHIN) for _ in range(3)]
    try:
        # The server speaks first (SETTINGS), but not to the third.
        assert [bool(one.recv(1)) for one in held] == [True, True, False]
    finally:
        for one in held:
            one.close()
        made.close()


# --- the command


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate of localhost that vouches for itself, and its key."""
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = timezone.now()
    made = (
        x509.CertificateBuilder(name, name, private.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(private, hashes.SHA256())
    )
    paths = tmp_path / "certificate.pem", tmp_path / "key.pem"
    paths[0].write_bytes(made.public_bytes(Encoding.PEM))
    paths[1].write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return paths


def test_command_with_a_certificate_listens_everywhere_encrypted(
    token: str, certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    port = free_port()
    with running(
        tmp_path, "otlp_grpc", "--bind", f"0.0.0.0:{port}",
        "--certificate", str(certificate[0]), "--key", str(certificate[1]),
    ) as made:  # fmt: skip
        ready(made)
        sender = OTLPSpanExporter(
            endpoint=f"https://localhost:{port}",
            headers={"authorization": f"Bearer {token}"},
            credentials=grpc.ssl_channel_credentials(certificate[0].read_bytes()),
        )
        provider = tracing(sender)
        provider.get_tracer("tests").start_span("step").end()
        provider.shutdown()
        assert send(port, recent_run(), token).code == "UNAVAILABLE"
    assert Event.objects.count() == 1


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"bind": "0.0.0.0:4317"}, "tokens are not encrypted, so only this machine may write"),
        ({"bind": "localhost"}, "is no loopback address and port"),
        ({"certificate": "/nowhere"}, "belong together"),
        ({"certificate": "/nowhere", "key": "/nowhere"}, "No such file"),
        ({"certificate": __file__, "key": __file__}, "are no certificate in PEM"),
    ],
)
def test_command_says_what_is_wrong(said: dict[str, str], words: str) -> None:
    with pytest.raises(CommandError, match=words):
        call_command("otlp_grpc", **said)


def test_command_says_that_its_port_is_taken(receiver: Receiver) -> None:
    with pytest.raises(CommandError, match=f"127.0.0.1:{receiver.port} cannot be used"):
        call_command("otlp_grpc", bind=f"127.0.0.1:{receiver.port}")


class Counted(SpanExporter):
    """A real exporter, and the spans that were acknowledged to it."""

    def __init__(self, inner: OTLPSpanExporter) -> None:
        self.inner, self.acknowledged = inner, set[int]()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self.inner.export(spans)
        if result is SpanExportResult.SUCCESS:
            self.acknowledged |= {one.context.span_id for one in spans if one.context}
        return result

    def shutdown(self) -> None:
        self.inner.shutdown()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as made:
        return int(made.getsockname()[1])


def ready(made: "subprocess.Popen[str]") -> None:
    assert made.stderr is not None
    while "is taken at" not in (line := made.stderr.readline()):
        assert line, "it ended"


def test_server_that_is_killed_loses_nothing_that_it_acknowledged(
    token: str, tmp_path: Path
) -> None:
    port = free_port()
    command = ("otlp_grpc", "--bind", f"127.0.0.1:{port}")
    counted = Counted(exporter(port, token, timeout=60))
    provider = tracing(counted)
    tracer = provider.get_tracer("tests")
    ended = threading.Event()

    def work() -> None:
        while not ended.wait(0.002):
            tracer.start_span("step").end()

    sender = threading.Thread(target=work)
    with running(tmp_path, *command) as first:
        ready(first)
        sender.start()
        until(lambda: len(counted.acknowledged) > 300)
        first.kill()
        first.communicate()
    before = len(counted.acknowledged)
    with running(tmp_path, *command) as second:
        ready(second)
        until(lambda: len(counted.acknowledged) > before + 300)
        ended.set()
        sender.join()
        provider.force_flush()
        provider.shutdown()
        second.send_signal(signal.SIGTERM)
        second.communicate(timeout=WITHIN)
        assert second.returncode == 0
    stored = list(Event.objects.values_list("span", flat=True))
    assert len(stored) == len(set(stored))
    assert counted.acknowledged - {number % 2**64 for number in stored if number} == set()
