"""What every door for pushed evidence does: who sends, how much, how many at once, what is said.

Owns the token's meaning, the bounds of a body and the gate under pressure; the doors' addresses
and encodings are evidence/api.py's. Success is only ever said after the commit.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from threading import BoundedSemaphore

from django.http import HttpRequest
from django.http.request import UnreadablePostError

from evidence.actions import token_digest
from evidence.formats import bodies
from evidence.formats.bodies import BodyRefused
from evidence.models import Source

# As received, compressed or not; an exporter's batch is well under one MiB.
MOST_RECEIVED = 32 << 20
MOST_UNPACKED = 128 << 20
LONGEST_TOKEN = 200
# The last use is kept to the minute: one write a minute, not one a request.
USED_STEP = timedelta(minutes=1)

# Intakes at once in one process, and how many more may wait how long: what comes on top is told
# when to try again, so that people's pages are never behind a queue of batches.
AT_ONCE = max(2, os.cpu_count() or 1)
MAY_WAIT = AT_ONCE
PATIENCE_SECONDS = 0.5
RETRY_SECONDS = 2

_ENCODINGS = {"": "", "identity": "", "gzip": "gzip", "x-gzip": "gzip", "deflate": "zlib",
              "zstd": "zstd"}  # fmt: skip
_MAGIC = {"gzip": b"\x1f\x8b", "zlib": b"\x78", "zstd": b"\x28\xb5\x2f\xfd"}
_PIECE = 256 * 1024


class Refused(Exception):
    """The request is answered without taking anything."""

    def __init__(self, status: int, sentence: str, *, retry_after: int | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.retry_after = retry_after


class Gate:
    """At most so many inside at once, a few more wait a moment, the rest are sent away."""

    def __init__(self, *, at_once: int, may_wait: int, patience: float) -> None:
        self.inside = BoundedSemaphore(at_once)
        self.waiting = BoundedSemaphore(may_wait)
        self.patience = patience

    @contextmanager
    def enter(self) -> Iterator[None]:
        if not self.inside.acquire(blocking=False):
            if not self.waiting.acquire(blocking=False):
                raise self._full()
            try:
                if not self.inside.acquire(timeout=self.patience):
                    raise self._full()
            finally:
                self.waiting.release()
        try:
            yield
        finally:
            self.inside.release()

    def _full(self) -> Refused:
        return Refused(
            503, "Too much is being taken in at this moment; send it again.",
            retry_after=RETRY_SECONDS,
        )  # fmt: skip


gate = Gate(at_once=AT_ONCE, may_wait=MAY_WAIT, patience=PATIENCE_SECONDS)


def sender(request: HttpRequest, *, now: datetime) -> Source:
    """The source whose bearer token this is. Raises Refused: 401 unknown, 403 ended."""
    words = request.headers.get("Authorization", "").split()
    if len(words) != 2 or words[0].lower() != "bearer" or len(words[1]) > LONGEST_TOKEN:
        raise Refused(401, "Send the source's token: Authorization: Bearer <token>.")
    source = Source.objects.filter(token_digest=token_digest(words[1])).first()
    if source is None:
        raise Refused(401, "This token is not known; it may have been replaced by a new one.")
    if source.token_expires_at is not None and source.token_expires_at <= now:
        raise Refused(
            403, f"The token of {source.name} has ended; an administrator makes a new one."
        )
    if source.token_used_at is None or source.token_used_at < now - USED_STEP:
        Source.objects.filter(pk=source.pk).update(token_used_at=now)
    return source


def body_of(request: HttpRequest) -> bytes:
    """The request's body without its compression. Raises Refused: 400, 413, 415."""
    said = request.headers.get("Content-Encoding", "").strip().lower()
    packed = _ENCODINGS.get(said)
    if packed is None:
        raise Refused(415, "The content encoding is one of gzip, deflate, zstd, or none.")
    declared = request.META.get("CONTENT_LENGTH") or "0"
    if declared.isdigit() and int(declared) > MOST_RECEIVED:
        raise _too_large()
    received = _received(request)
    if packed and not received.startswith(_MAGIC[packed]):
        raise Refused(400, f"The content encoding says {said}, but the body is not that.")
    try:
        return bodies.decompress(received, limit=MOST_UNPACKED)
    except BodyRefused as problem:
        too_large = "larger" in problem.reason or "more than" in problem.reason
        raise Refused(413 if too_large else 400, f"The body {problem.reason}.") from None


def _received(request: HttpRequest) -> bytes:
    """All bytes, bounded, also when they come in chunks without a length before them."""
    chunked = "chunked" in request.META.get("HTTP_TRANSFER_ENCODING", "").lower()
    stream = request.META["wsgi.input"] if chunked and "wsgi.input" in request.META else request
    pieces: list[bytes] = []
    total = 0
    try:
        while piece := stream.read(_PIECE):
            pieces.append(piece)
            total += len(piece)
            if total > MOST_RECEIVED:
                raise _too_large()
    except (UnreadablePostError, OSError):
        raise Refused(400, "The body broke off before its end.") from None
    return b"".join(pieces)


def _too_large() -> Refused:
    return Refused(
        413, f"The body is larger than {MOST_RECEIVED >> 20} MiB; send it in parts, or as a file."
    )
