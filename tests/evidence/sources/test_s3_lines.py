"""Large objects and lines that break, from a small server of S3's documented answers.

moto answers from memory and never breaks off, so these have a server of their own: ListObjectsV2
with one object, GetObject with Range and If-Match, after the S3 API reference.
"""

import gzip
import json
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from datetime import timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from evidence.sources.contract import Page
from evidence.sources.failures import Later, Stopped
from evidence.sources.s3 import CONNECTOR
from tests.connector_secrets import Kept
from tests.evidence.bodies import record
from tests.evidence.sources import pulling
from tests.evidence.sources.pulling import NOW
from tests.evidence.sources.server import Answer, serving

LISTED = """<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name>
<KeyCount>1</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated>
<Contents><Key>large.jsonl</Key><LastModified>2026-11-24T11:00:00.000Z</LastModified>
<ETag>&quot;abc&quot;</ETag><Size>%d</Size></Contents></ListBucketResult>"""


class Store:
    """One object; `breaks` says after how many bytes each of the next answers hangs up."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.breaks: list[int] = []
        self.asked: list[tuple[str, str]] = []  # Range and If-Match of each GetObject
        self.url = ""


@pytest.fixture
def store() -> Iterator[Store]:
    there = Store(b"\n".join(json.dumps(record(n, at=NOW)).encode() for n in range(20_000)))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if "list-type" in self.path:
                self.answer(200, (LISTED % len(there.body)).encode())
                return
            said = self.headers.get("Range", "")
            there.asked.append((said, self.headers.get("If-Match", "")))
            begin = int(said.removeprefix("bytes=").rstrip("-") or 0)
            self.answer(206 if said else 200, there.body[begin:], breaks=True)

        def answer(self, status: int, body: bytes, *, breaks: bool = False) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if breaks and there.breaks:
                self.wfile.write(body[: there.breaks.pop(0)])
                self.close_connection = True
            else:
                self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """What was asked is in `asked`."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    there.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield there
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def said(store: Store, secret_file: Kept) -> dict[str, str]:
    secret_file("STORE_SECRET", "s" * 40, store.url)
    return {
        "bucket": "b",
        "endpoint": store.url,
        "access_key_id": "AKIAIOSFODNN7EXAMPLE",
        "secret_access_key": "STORE_SECRET",
    }


def test_line_that_breaks_is_taken_up_where_it_was_lost(store: Store, said: dict[str, str]) -> None:
    third = len(store.body) // 3
    store.breaks = [third, third]
    found = pulling.pages(CONNECTOR, said)
    assert b"".join(page.body for page in found) == store.body
    assert [match for _, match in store.asked] == ['"abc"'] * 3
    begins = [int(said.removeprefix("bytes=").rstrip("-") or 0) for said, _ in store.asked]
    assert begins == sorted(set(begins))
    assert begins[1] > third // 2


def test_line_that_breaks_at_once_every_time_waits_and_keeps_its_parts(
    store: Store, said: dict[str, str]
) -> None:
    half = len(store.body) * 6 // 10
    store.breaks = [half, 0, 0, 0, 0]
    one = pulling.asked(CONNECTOR, said)
    found: list[Page] = []
    with one.http, pytest.raises(Later, match=r"large\.jsonl broke off"):
        found.extend(CONNECTOR.pages(one))
    assert found == []
    store.breaks = []
    assert len(pulling.pages(CONNECTOR, said)) == 3


SCRIPT = """
    import resource, sys
    import django
    django.setup()
    from datetime import UTC, datetime, timedelta
    from evidence.sources import s3
    from evidence.sources.contract import Asked, Http
    until = datetime(2026, 11, 24, 12, tzinfo=UTC)
    settings = {"bucket": "b", "endpoint": sys.argv[1], "access_key_id": "AKIAIOSFODNN7EXAMPLE",
                "secret_access_key": "STORE_SECRET"}
    def peak():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    with Http(allow_private=True, clock=lambda: until) as http:
        records = total = 0
        for number, page in enumerate(s3.pages(Asked(settings, {}, until - timedelta(days=1), until, http))):
            records += page.body.count(b"eventName")
            total += len(page.body)
            if number == 2:
                before = peak()
        print(records, total >> 20, peak() - before)
"""


def test_huge_object_is_read_in_bounded_memory(store: Store, said: dict[str, str]) -> None:
    line = json.dumps(record(1, at=NOW)).encode() + b"\n"
    block = gzip.compress(line * 20_000, compresslevel=1)
    store.body = block * 25  # members one after the other are one file
    assert said["endpoint"] == store.url
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SCRIPT), store.url],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    records, size, grown = (int(word) for word in ended.stdout.split())
    assert (records, size > 250) == (500_000, True)
    assert grown < 64


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (Answer(500), Later, "AWS answered 500 to s3:ListBucket"),
        (Answer(503, headers={"Retry-After": "30"}), Later, "answered 503 and asks to wait"),
        (Answer(429, headers={"Retry-After": "30"}), Later, "answered 429 and asks to wait"),
        (Answer(429), Later, "AWS answered 429"),
        (Answer(401), Stopped, "AWS answered 401 to s3:ListBucket"),
        (Answer(403), Stopped, "AWS refused s3:ListBucket"),
        (Answer(404), Stopped, "does not exist"),
        (Answer(301, headers={"x-amz-bucket-region": "eu-west-3"}), Stopped, "lies in eu-west-3"),
        (
            Answer(302, headers={"Location": "http://127.0.0.1:1/"}),
            Stopped,
            "answered 302, which leads to",
        ),
        (Answer(200, "<not xml"), Later, "AWS answered 500"),
        (Answer(200, b"x" * (65 << 20)), Stopped, "more than 64 MiB"),
    ],
)
def test_odd_answer_is_waited_for_or_said(
    said: dict[str, str], answer: Answer, error: type[Exception], words: str
) -> None:
    with serving() as there:
        there.on("GET", "*", answer)
        there.on("HEAD", "*", answer)
        with pytest.raises(error, match=words) as caught:
            pulling.pages(CONNECTOR, said | {"endpoint": there.url})
    if "Retry-After" in answer.headers:
        assert isinstance(caught.value, Later)
        assert caught.value.seconds == 30


def test_wait_until_a_date_is_counted_from_now(said: dict[str, str]) -> None:
    until = format_datetime(NOW + timedelta(seconds=40), usegmt=True)
    with serving() as there:
        there.on("GET", "*", Answer(503, headers={"Retry-After": until}))
        with pytest.raises(Later) as caught:
            pulling.pages(CONNECTOR, said | {"endpoint": there.url})
    assert caught.value.seconds == 40
