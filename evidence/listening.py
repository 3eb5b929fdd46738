"""A socket that takes JSON lines: the socket device of Vault, and what writes like it.

Owns connections: how many, how long a line waits for others, and that whoever connects is on this
machine (a Unix socket with the rights of its file, or a loopback port). The protocol has no
answers: what a writer has sent and we have not stored is gone when this process dies. Must not
know the database beyond handing lines on. Source: developer.hashicorp.com, socket audit device.
"""

import fcntl
import logging
import os
import socketserver
import stat
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple

from evidence.arriving import BATCH, LONGEST_LINE, Ended

log = logging.getLogger(__name__)

MOST_CONNECTIONS = 32
# A line waits so long for others of its batch.
GATHER_SECONDS = 0.5
READ = 256 * 1024


class Wrong(Exception):
    """An address that is not listened at; the sentence says why."""


class Where(NamedTuple):
    """A Unix socket, or a loopback port."""

    path: Path | None
    host: str = ""
    port: int = 0


def where(*, unix: str, tcp: str) -> Where:
    """Raises Wrong."""
    if bool(unix) == bool(tcp):
        raise Wrong("name one address: --unix PATH or --tcp HOST:PORT")
    if unix:
        return Where(Path(unix).absolute())
    host, port = address(tcp, what="what is written here is neither signed nor encrypted")
    return Where(None, host, port)


def address(said: str, *, what: str, anywhere: bool = False) -> tuple[str, int]:
    """Host and port of an address, which has to be loopback unless it may be `anywhere`; `what`
    says why. Raises Wrong."""
    host, _, port = said.rpartition(":")
    host = host.strip("[]")
    try:
        allowed = ip_address(host).is_loopback or anywhere
    except ValueError:
        allowed = False
    if not allowed or not port.isascii() or not port.isdigit() or int(port) > 65_535:
        if anywhere:
            raise Wrong(f"{said!r} is no IP address and port")
        raise Wrong(
            f"{said!r} is no loopback address and port: {what}, so only this machine may write"
        )
    return host, int(port)


class _Connection(socketserver.BaseRequestHandler):
    """One writer: its lines in batches, in their order."""

    server: "_Server"

    def handle(self) -> None:
        held, since = b"", 0.0
        self.request.settimeout(GATHER_SECONDS)
        while not self.server.ended.is_set():
            piece: bytes | None = None
            with suppress(TimeoutError):
                piece = self.request.recv(READ)
            if piece:
                since = since or time.monotonic()
                held += piece
            waited = since and time.monotonic() - since >= GATHER_SECONDS
            if held and (piece == b"" or waited or len(held) >= BATCH):
                # The last line may lack its end, but not once nothing more comes.
                cut = len(held) if piece == b"" or len(held) >= LONGEST_LINE else 0
                cut = max(held.rfind(b"\n") + 1, cut)
                self.server.hand_on(held[:cut])
                held, since = held[cut:], time.monotonic() if held[cut:] else 0.0
            if piece == b"":
                return
        # What was written before we were told to stop is here already.
        self.request.settimeout(0)
        with suppress(OSError):
            while len(held) < LONGEST_LINE and (piece := self.request.recv(READ)):
                held += piece
        self.server.hand_on(held[: held.rfind(b"\n") + 1])


class _Server(socketserver.ThreadingMixIn, socketserver.BaseServer):
    """What both kinds of address share."""

    daemon_threads = False
    block_on_close = True
    allow_reuse_address = True
    request_queue_size = 64

    def prepare(self, take: Callable[[bytes], None], done: Callable[[], None]) -> None:
        self.take, self.done = take, done
        self.ended = threading.Event()
        self.left, self._counting = MOST_CONNECTIONS, threading.Lock()

    def hand_on(self, lines: bytes) -> None:
        if lines.strip():
            self.take(lines)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._counting:
            full = not self.left
            self.left -= not full
        if full:
            log.warning("more than %s connections: one was closed", MOST_CONNECTIONS)
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            # Its place is free again whatever becomes of the rest.
            try:
                self.done()
            except Exception:
                log.exception("what a connection held could not be let go")
            finally:
                with self._counting:
                    self.left += 1

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - socketserver's
        """A connection that broke ends itself; what it had sent whole is stored."""
        log.warning("a connection ended early: %s", sys.exception())


class _Unix(_Server, socketserver.UnixStreamServer):
    pass


class _Tcp(_Server, socketserver.TCPServer):
    pass


class _Tcp6(_Tcp):
    address_family = 10  # AF_INET6 of Linux


class Listener:
    """Listens from when it is made until it is closed."""

    def __init__(
        self,
        at: Where,
        *,
        take: Callable[[bytes], None],
        done: Callable[[], None] = lambda: None,
    ) -> None:
        self.at, self._lock = at, -1
        self._server: _Unix | _Tcp
        if at.path is not None:
            self._lock = _free(at.path)
            self._server = _Unix(str(at.path), _Connection)
            at.path.chmod(0o660)
        else:
            kind = _Tcp6 if ":" in at.host else _Tcp
            self._server = kind((at.host, at.port), _Connection)
            self.at = at._replace(port=int(self._server.server_address[1]))
        self._server.prepare(self._safely(take), done)
        # Batches that were not taken: each ended its own connection, and no other.
        self.refused = 0
        self._counting = threading.Lock()
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.2}, name="listen"
        )
        self._thread.start()

    def _safely(self, take: Callable[[bytes], None]) -> Callable[[bytes], None]:
        def taken(lines: bytes) -> None:
            try:
                take(lines)
            except Ended:
                log.warning("%s bytes were not stored: the database was away", len(lines))
            except Exception as problem:
                with self._counting:
                    self.refused += 1
                log.warning("%s bytes were not taken: %s", len(lines), str(problem)[:300])
                raise

        return taken

    @property
    def room(self) -> int:
        """How many more may connect now."""
        return self._server.left

    def close(self) -> None:
        """Stop, store what came whole, let go of the address."""
        self._server.ended.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        if self.at.path is not None:
            self.at.path.unlink(missing_ok=True)
            os.close(self._lock)


def _free(path: Path) -> int:
    """Take a socket's place from a process that is gone; the lock that says we are here."""
    lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise Wrong(f"another process listens at {path}") from None
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            os.close(lock)
            raise Wrong(f"{path} is there and is no socket")
        path.unlink()
    return lock
