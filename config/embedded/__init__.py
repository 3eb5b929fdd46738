"""The embedded PostgreSQL and Valkey, for whoever has set neither DATABASE_URL nor REDIS_URL.

`ensure(var)` is all that the rest of the house calls: when it returns, both services answer on
unix sockets under `var`, and they stay as long as this process (or a child that inherited the
connection) lives. Nothing happens at import. Knows nothing of Django.
"""

import atexit
import fcntl
import json
import os
import platform
import select
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from config.embedded.places import Places, places
from config.embedded.privilege import CLOCK
from config.environment import SettingsError

__all__ = ["Places", "ensure", "places", "release"]

ROOT = Path(__file__).resolve().parent.parent.parent
PATIENCE = 330.0  # a little longer than the longest replay the keeper waits for
MOST_SILENT = 5  # keepers that ended without a word before we give up

_held: dict[Path, socket.socket] = {}
_watched: set[Path] = set()


def ensure(var: str | Path, *, watch: bool = False) -> Places:
    """Both services answer, and stay while this process lives.

    With `watch`, a thread brings them back when the keeper was killed; for processes that live
    long. Raises SettingsError with the reason when they cannot be started.
    """
    there = places(var)
    held = _held.get(there.var)
    if held is None or (_is_over(held) and there.var not in _watched):
        _held[there.var] = _connect(there)
    if watch and there.var not in _watched:
        _watched.add(there.var)
        threading.Thread(target=_watch, args=(there,), daemon=True, name="embedded").start()
    return there


def release(var: str | Path) -> None:
    """Let go before this process ends; the services stop when nobody else holds them."""
    held = _held.pop(places(var).var, None)
    if held is not None:
        held.close()


@atexit.register
def _release_all() -> None:
    for var in list(_held):
        release(var)


def _is_over(line: socket.socket) -> bool:
    """Whether the keeper at the other end is gone."""
    try:
        return not line.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except OSError:
        return True


def _connect(there: Places) -> socket.socket:
    if platform.system() != "Linux":
        raise SettingsError(
            "The embedded services run on Linux; elsewhere set DATABASE_URL and REDIS_URL."
        )
    if there.var == Path("/"):
        raise SettingsError("COUNTERSIGN_VAR is /; set it to a folder of its own.")
    deadline = time.monotonic() + PATIENCE
    silent = 0
    while time.monotonic() < deadline and silent < MOST_SILENT:
        line = _knock(there) or _start_and_knock(there)
        if line is None:
            silent += 1
            continue
        answer = _listen(line, deadline)
        if answer is not None and "error" in answer:
            line.close()
            raise SettingsError(str(answer["error"]))
        if answer is not None:
            line.settimeout(None)
            return line
        line.close()  # that keeper was about to stop; the next one is ours to start
    raise SettingsError(
        f"The embedded services did not start; {there.log / 'keeper.log'} says why."
    )


def _knock(there: Places) -> socket.socket | None:
    line = socket.socket(socket.AF_UNIX)
    try:
        line.connect(str(there.keeper_socket))
    except OSError:
        line.close()
        return None
    return line


def _listen(line: socket.socket, deadline: float) -> dict[str, object] | None:
    """The keeper's one line; None when it closed instead."""
    received = b""
    while not received.endswith(b"\n"):
        line.settimeout(max(0.1, deadline - time.monotonic()))
        try:
            chunk = line.recv(4096)
        except OSError:
            return None
        if not chunk:
            return None
        received += chunk
    answer: dict[str, object] = json.loads(received)
    return answer


def _start_and_knock(there: Places) -> socket.socket | None:
    """Start a keeper, one starter at a time, and wait until it listens or is gone."""
    failed = there.var / "keeper.failed"
    try:
        there.var.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(there.starter_lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as problem:
        raise SettingsError(
            f"COUNTERSIGN_VAR ({there.var}) cannot be written ({problem.strerror}); "
            "set it to a folder of your own."
        ) from problem
    # The keeper holds the writing end for its life: end of file means that it is gone.
    alive, life = os.pipe()
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        line = _knock(there)  # somebody else may have been quicker
        if line is not None:
            return line
        failed.unlink(missing_ok=True)
        # It forks at once and ends, so nothing is left for us to wait for.
        environment = {name: value for name, value in os.environ.items() if name in KEPT}
        subprocess.run(
            [sys.executable, "-P", "-m", "config.embedded.keeper", str(there.var)],
            env={**environment, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=(life,),
            check=True,
            cwd=ROOT,
        )
        os.close(life)
        life = -1
        while True:
            over = bool(select.select([alive], [], [], 0.01)[0])
            line = _knock(there)
            if line is not None:
                return line
            if over and failed.exists():
                raise SettingsError(failed.read_text(encoding="utf-8"))
            if over:
                return None
    except subprocess.CalledProcessError as problem:
        raise SettingsError(
            f"The keeper of the embedded services could not be started ({problem})."
        ) from problem
    finally:
        os.close(alive)
        if life >= 0:
            os.close(life)
        os.close(lock)


# The keeper outlives its starter, so it gets nothing of its environment but this.
KEPT = frozenset({"PATH", "LD_LIBRARY_PATH", "HOME", "LANG", "TMPDIR", *CLOCK})


def _watch(there: Places) -> None:
    """Bring the services back when their keeper is killed."""
    while there.var in _held:
        line = _held[there.var]
        try:
            gone = not line.recv(64)
        except OSError:
            gone = True
        if not gone or there.var not in _held:
            continue
        try:
            _held[there.var] = _connect(there)
            line.close()
        except SettingsError as problem:
            sys.stderr.write(f"{problem}\n")
            time.sleep(5)
