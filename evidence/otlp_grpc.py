"""The door over gRPC: `TraceService/Export` of OTLP, for senders that speak nothing else.

Owns connections, how long a message may take to come, and how gRPC says what evidence/api.py says
over HTTP: the same tokens, bounds, turns and sentences, and success means committed. Nothing is
read of a sender before its token is known. Sources: opentelemetry.io, "OTLP/gRPC" (which codes
have a sender try again), google.rpc (status details).
"""

import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import grpc
from django.db import close_old_connections, connections
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from evidence import api, doors
from evidence.listening import Wrong

log = logging.getLogger(__name__)

SERVICE = "opentelemetry.proto.collector.trace.v1.TraceService"
MOST_CONNECTIONS, MOST_STREAMS = 128, 8
# More only wait for their turn, each with a message in memory.
WORKERS = 8
READ_WITHIN = 30.0
STOP_WITHIN = 15.0
OPTIONS = (
    # A second process at the same port would be an error of somebody's.
    ("grpc.so_reuseport", 0),
    ("grpc.max_allowed_incoming_connections", MOST_CONNECTIONS),
    ("grpc.max_concurrent_streams", MOST_STREAMS),
    ("grpc.max_receive_message_length", doors.LARGEST_BODY),
    # The library unpacks without a bound; evidence/doors.py has one.
    ("grpc.per_message_decompression", 0),
    # Whoever has gone without a word, or says nothing for ten minutes, makes room.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.max_connection_idle_ms", 600_000),
)
CODES = {code.value[0]: code for code in grpc.StatusCode}


class Receiver:
    """Takes exports from when it is made until it is closed. Raises Wrong."""

    def __init__(self, host: str, port: int, *, keys: tuple[bytes, bytes] | None = None) -> None:
        """`keys`: the private key and the certificates in PEM, for TLS."""
        self._open: set[Any] = set()
        self._workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="otlp")
        self._server = grpc.server(self._workers, options=OPTIONS)
        # As a stream of one message: a unary one is read before anybody asks who sends it.
        export: grpc.RpcMethodHandler[bytes, bytes] = grpc.stream_unary_rpc_method_handler(
            self._export
        )
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(SERVICE, {"Export": export}),)
        )
        at = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            if keys is None:
                self.port = self._server.add_insecure_port(at)
            else:
                self.port = self._server.add_secure_port(at, grpc.ssl_server_credentials([keys]))
        except RuntimeError:
            raise Wrong(f"{at} cannot be used: it is taken, or no address of ours") from None
        self._server.start()

    def close(self) -> None:
        """Take nothing new, end what is at hand, let go of the address."""
        self._server.stop(STOP_WITHIN).wait()
        self._workers.shutdown()
        for made in self._open:
            made.inc_thread_sharing()
            made.close()

    def _export(self, messages: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
        self._open.add(connections["default"])
        close_old_connections()
        try:
            return _exported(messages, context)
        except grpc.RpcError:
            return b""  # it went, or was too slow
        except api.STOPS as problem:
            refused = api.refusal(problem)
        except Exception:
            log.exception("an export failed")
            # Not said again and again: what fails here would fail again.
            context.set_code(grpc.StatusCode.INTERNAL)
            context.set_details("Nothing was stored: an error of Countersign's; its log says more.")
            return b""
        _refuse(context, refused)
        return b""


def _exported(messages: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
    sent = dict(context.invocation_metadata())
    source = api.sender_of(str(sent.get("authorization", "")))
    api.require_otlp(source)
    with _in_time(context):
        message = next(messages, b"")
    body = doors.read_body(BytesIO(message), stated=len(message))
    answer: bytes = api.exported(source, body).SerializeToString()
    return answer


@contextmanager
def _in_time(context: grpc.ServicerContext) -> Iterator[None]:
    """A message that does not come in time gives its worker free; the sender tries again."""
    timer = threading.Timer(READ_WITHIN, context.cancel)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _refuse(context: grpc.ServicerContext, refused: api.Refused) -> None:
    code = api.CODES[refused.status]
    words = refused.sentence[: api.MOST_MESSAGE]
    status = Status(code=code, message=words)
    if refused.retry_after:
        again = RetryInfo()
        again.retry_delay.seconds = refused.retry_after
        status.details.add().Pack(again)
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.set_code(CODES[code])
    context.set_details(words)
