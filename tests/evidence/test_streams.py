"""Long bodies through the real web server: chunked, packed, broken off, and in bounded memory."""

import contextlib
import gzip
import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from evidence import actions
from evidence.models import Deposit, Event, Source
from evidence.permissions import COMMAND
from tests.evidence.vault_log import entries, entry

pytestmark = pytest.mark.django_db(transaction=True)

# Granian as config/up.py starts it, on this run's database.
SERVER = """
import sys
import django
django.setup()
from django.db import connections
connections.settings["default"]["NAME"] = sys.argv[1]
from granian import Granian
from granian.constants import Interfaces
Granian(
    "tests.evidence.test_streams:served", address="127.0.0.1", port=int(sys.argv[2]),
    interface=Interfaces.WSGI, workers=1, blocking_threads=4, log_enabled=False,
).serve()
"""
WITHIN = 60.0


def served(environ: dict[str, Any], start: Callable[..., Any]) -> Any:
    """The application of the server's worker, which is a process of its own."""
    from django.core.handlers.wsgi import WSGIHandler
    from django.db import connections

    connections.settings["default"]["NAME"] = os.environ["STREAMS_DATABASE"]
    return WSGIHandler()(environ, start)


class Server:
    """The web server, and how much memory its worker ever had."""

    def __init__(self, port: int, process: "subprocess.Popen[bytes]") -> None:
        self.port, self.process = port, process

    def most_memory(self) -> int:
        """Bytes, of the server and of the workers under it."""
        most = 0
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        for pid in [str(self.process.pid), *children.split()]:
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    most = max(most, int(line.split()[1]) * 1024)
        return most

    def send(self, token: str, pieces: Any, **headers: str) -> tuple[int, dict[str, Any]]:
        """One request; pieces of an iterator go out as chunks."""
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        with contextlib.closing(link):
            said = {"Authorization": f"Bearer {token}", "Content-Type": "application/x-ndjson"}
            link.request("POST", "/api/evidence/stream/", pieces, {**said, **headers})
            answer = link.getresponse()
            return answer.status, json.loads(answer.read())


@pytest.fixture
def server() -> Iterator[Server]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    name = str(connection.settings_dict["NAME"])
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, name, str(port)],
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "STREAMS_DATABASE": name,
            "COUNTERSIGN_BASE_URL": f"http://127.0.0.1:{port}",
        },
    )
    try:
        deadline = time.monotonic() + WITHIN
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.1)
        yield Server(port, process)
    finally:
        process.terminate()
        try:
            process.wait(WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture
def token(source: Callable[..., Source]) -> str:
    row = source("stream", format="vault")
    return actions.new_token(source=row, by=COMMAND, now=timezone.now())[1]


def chunks(text: bytes, size: int = 10_000) -> Iterator[bytes]:
    for first in range(0, len(text), size):
        yield text[first : first + size]


def long_lines(count: int, size: int) -> Iterator[bytes]:
    """Lines of a size, some at a time, as somebody writes them who never holds them all."""
    for first in range(0, count, 50):
        lines = []
        for number in range(first, min(first + 50, count)):
            said = entry(number)
            said["response"] = {"data": {"note": "x" * size}}
            lines.append(json.dumps(said).encode() + b"\n")
        yield b"".join(lines)


def test_bodies_in_chunks_are_read_to_their_end_and_in_bounded_memory(
    server: Server, token: str
) -> None:
    text = entries(0, 2000).encode()
    status, answer = server.send(token, chunks(text))
    assert (status, answer["events"]) == (200, 2000)
    status, answer = server.send(token, chunks(gzip.compress(text)), **{"Content-Encoding": "gzip"})
    assert (status, answer["repeat"]) == (200, True)
    # What one part of a file takes is taken by the first 80 MiB; 240 MiB more take no more, but for
    # what the allocator keeps of parts that wait while the machine is busy: half of it was kept
    # by no run, all of it is by a body that is not read in parts.
    assert server.send(token, long_lines(1600, 50_000))[0] == 200
    before = server.most_memory()
    status, answer = server.send(token, long_lines(6400, 50_000))
    assert (status, answer["rejected"], answer["duplicates"] + answer["events"]) == (200, 0, 6400)
    assert server.most_memory() - before < 128 << 20


def break_off(server: Server, token: str, header: bytes, body: bytes) -> None:
    """Send a request whose end never comes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as link:
        link.sendall(
            b"POST /api/evidence/stream/ HTTP/1.1\r\nHost: localhost\r\n"
            b"Authorization: Bearer %b\r\n%b\r\n\r\n%b" % (token.encode(), header, body)
        )
        time.sleep(0.5)


def test_body_that_breaks_off_is_not_acknowledged_and_comes_again(
    server: Server, token: str
) -> None:
    lines = entries(0, 2).encode()
    break_off(server, token, b"Content-Length: %d" % (2 * len(lines)), lines)
    # Chunks that end early look like an end to the web server: whole lines are stored.
    chunk = b"%x\r\n%b\r\n" % (len(lines), lines)
    break_off(server, token, b"Transfer-Encoding: chunked", chunk)
    status, answer = server.send(token, chunks(entries(0, 3).encode()))
    assert (status, answer["events"] + answer["duplicates"]) == (200, 3)
    assert Event.objects.count() == 3
    # The early end may be noticed after the whole body has come.
    assert sorted(row.records for row in Deposit.objects.all()) in ([2, 3], [3])
