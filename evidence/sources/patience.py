"""How long an answer may make us wait altogether, however its bytes trickle in.

Owns the connections of the one client (outside.py): they give up an answer whose waiting has used
up its time, and look around while they wait, so that a lease is renewed and a cancel is seen
between two bytes. Time that the reader spends on what it has read is not waiting.
"""

from collections.abc import Callable, Iterable
from time import monotonic
from typing import Any

import httpcore

# Beyond the pause that a request allows between two bytes.
MORE_SECONDS = 60.0
# What a file that is read as a stream has to bring for each further second.
SLOWEST_BYTES = 64 * 1024
LOOK_SECONDS = 5.0


class Slow(Exception):
    """An answer took longer than any may take; the sentence says how long."""


class Patience:
    """What one request of a client may still wait; a client asks one thing at a time."""

    def __init__(self, look: Callable[[], None]) -> None:
        self.look = look
        self._allowed, self._stream = MORE_SECONDS, False
        self._waited, self._received = 0.0, 0

    def begin(self, *, pause: float, stream: bool = False) -> None:
        """A request leaves; `pause`: seconds allowed between two bytes."""
        self._allowed, self._stream = pause + MORE_SECONDS, stream
        self._waited, self._received = 0.0, 0

    def held(self) -> None:
        """What follows is held in memory: no more time for more bytes."""
        self._stream = False

    def spent(self, seconds: float, received: int = 0) -> None:
        """So long was waited for so many bytes. Raises Slow."""
        self._waited += seconds
        self._received += received
        more = self._received / SLOWEST_BYTES if self._stream else 0.0
        if self._waited > self._allowed + more:
            raise Slow(f"sent {self._received:,} bytes in {self._waited:.0f} s")


class _Stream(httpcore.NetworkStream):
    def __init__(self, inside: httpcore.NetworkStream, patience: Patience) -> None:
        self._inside, self._patience = inside, patience

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        quiet = 0.0
        while True:
            self._patience.look()
            left = LOOK_SECONDS if timeout is None else min(LOOK_SECONDS, timeout - quiet)
            began = monotonic()
            try:
                data = self._inside.read(max_bytes, left)
            except httpcore.ReadTimeout:
                quiet += left
                self._patience.spent(monotonic() - began)
                if timeout is not None and quiet >= timeout:
                    raise
            else:
                self._patience.spent(monotonic() - began, len(data))
                return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inside.write(buffer, timeout)

    def close(self) -> None:
        self._inside.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        secured = self._inside.start_tls(ssl_context, server_hostname, timeout)
        return _Stream(secured, self._patience)

    def get_extra_info(self, info: str) -> Any:
        return self._inside.get_extra_info(info)


class Network(httpcore.SyncBackend):
    """Connections whose reading is patient within bounds."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        made = super().connect_tcp(host, port, timeout, local_address, socket_options)
        return _Stream(made, self._patience)
