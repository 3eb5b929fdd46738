"""A system on loopback that answers from a table, for connectors whose system cannot run here.

Owns routes -> canned answers, a record of what was asked, and scripted failures. Knows no vendor.

    with serving() as there:
        there.on("GET", "/logs", lambda asked: Answer(body=[...]))
        there.fail(Answer(429, headers={"Retry-After": "7"}))  # the next request, once
"""

import contextlib
import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit


@dataclass
class Answer:
    """What is sent back: bytes and text as they are, anything else as JSON."""

    status: int = 200
    body: Any = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    def sent(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()


class Request(NamedTuple):
    """One request as it came; header names in small letters, the last value of each parameter."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    target: str = ""  # path and query as they came, with every value of a parameter

    def json(self) -> Any:
        return json.loads(self.body)

    def form(self) -> dict[str, str]:
        return {name: values[-1] for name, values in parse_qs(self.body.decode()).items()}


type Route = Callable[[Request], Answer] | Answer


class There:
    """The system: its address, its routes, and what it was asked."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: list[Request] = []
        self.now: datetime | None = None  # what its clock says; None: what it is
        self._routes: dict[tuple[str, str], Route] = {}
        self._failures: list[Answer | None] = []

    def on(self, method: str, path: str, answer: Route) -> None:
        """Answer this; a path that ends with * is a beginning, the longest one counts."""
        self._routes[method, path] = answer

    def fail(self, *answers: Answer | None) -> None:
        """What the next requests get instead, one each; None lets one through."""
        self._failures.extend(answers)

    def answer(self, request: Request) -> Answer:
        self.asked.append(request)
        failure = self._failures.pop(0) if self._failures else None
        if failure is not None:
            return failure
        found = self._routes.get((request.method, request.path)) or self._beginning(request)
        if found is None:
            return Answer(404, f"nothing at {request.method} {request.path}")
        return found if isinstance(found, Answer) else found(request)

    def _beginning(self, request: Request) -> Route | None:
        fitting = [
            path
            for method, path in self._routes
            if method == request.method
            and path.endswith("*")
            and request.path.startswith(path[:-1])
        ]
        return self._routes[request.method, max(fitting, key=len)] if fitting else None


@contextlib.contextmanager
def serving(*, certificate: tuple[Path, Path] | None = None) -> Iterator[There]:
    """A system of its own on a free port, gone afterwards; `certificate` and its key: over TLS."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def take(self) -> None:
            parts = urlsplit(self.path)
            size = int(self.headers.get("Content-Length") or 0)
            answer = there.answer(
                Request(
                    self.command,
                    parts.path,
                    {
                        name: values[-1]
                        for name, values in parse_qs(parts.query, keep_blank_values=True).items()
                    },
                    {name.lower(): value for name, value in self.headers.items()},
                    self.rfile.read(size),
                    self.path,
                )
            )
            body = answer.sent()
            self.send_response(answer.status)
            for name, value in {"Content-Type": "application/json", **answer.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self.wfile.write(body)

        def date_time_string(self, timestamp: float | None = None) -> str:
            if there.now is None:
                return super().date_time_string(timestamp)
            return format_datetime(there.now, usegmt=True)

        do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = take

        def log_message(self, *_: Any) -> None:
            """Nothing is written: what was asked is in `asked`."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    scheme = "http" if certificate is None else "https"
    there = There(f"{scheme}://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield there
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
