"""Real servers of other projects, each in a virtual environment of its own, on loopback.

Owns making the environment from its lock (hashes checked, wheels only, reused while lock and
Python are the same), starting the server with its telemetry off, and ending it by its process
group; on its leash it ends when the tests are killed. Their packages conflict with ours, so they
are never installed beside them. `python -m tests.peers.running` makes all environments.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import uv

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
# Processes of one run of the tests have folders of their own, and make the environments once.
KEPT = Path(
    os.environ.get("PEERS_FOLDER")
    or (ROOT / os.environ.get("COUNTERSIGN_VAR", "var")).resolve() / "peers"
)
# A busy machine with two cores needs some twenty seconds.
PATIENCE = 240.0
SILENT = {
    "DO_NOT_TRACK": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "PHOENIX_TELEMETRY_ENABLED": "false",
    "PHOENIX_ALLOW_EXTERNAL_RESOURCES": "false",
}


# What a server imports when it starts. Compiling that is the longest part of its first start.
SERVERS = {"phoenix": "phoenix.server.main", "mlflow": "mlflow.server.fastapi_app"}


class Peer(NamedTuple):
    """A server that answers."""

    url: str
    python: Path  # of its environment, where its own client is installed


def environment(name: str) -> Path:
    """The Python of this peer's environment, made when it is not there. Takes half a minute."""
    lock = HERE / f"{name}.lock"
    wanted = hashlib.sha256(sys.version.encode() + lock.read_bytes()).hexdigest()
    home = KEPT / name
    python, stamp = home / "bin" / "python", home / ".lock-stamp"
    KEPT.mkdir(parents=True, exist_ok=True)
    with (KEPT / f"{name}.making").open("w") as making:
        # Two runs of the tests on one machine make it once.
        fcntl.flock(making, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text(encoding="ascii") == wanted:
            return python
        shutil.rmtree(home, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", home], check=True)
        install = (uv.find_uv_bin(), "pip", "install", "--quiet", "--python", python)
        locked = ("--require-hashes", "--only-binary=:all:", "-r", lock)
        if subprocess.run([*install, *locked], check=False).returncode != 0:
            # uv does not read pip's settings, a mirror for example.
            subprocess.run([sys.executable, "-m", "pip", "--python", python, "install", "--quiet",
                            "--disable-pip-version-check", "--no-input", "--no-compile", *locked],
                           check=True)  # fmt: skip
        subprocess.run(
            [python, "-W", "ignore", "-c", f"import {SERVERS[name]}"],
            check=True,
            env=_without_ours(),
        )
        stamp.write_text(wanted, encoding="ascii")
    return python


@contextlib.contextmanager
def phoenix(folder: Path) -> Iterator[Peer]:
    """An empty Phoenix whose files lie in this folder."""
    python = environment("phoenix")
    port, grpc = free_port(), free_port()
    ports = {"PHOENIX_PORT": str(port), "PHOENIX_GRPC_PORT": str(grpc)}
    place = {"PHOENIX_HOST": "127.0.0.1", "PHOENIX_WORKING_DIR": str(folder)}
    command = [str(python), "-m", "phoenix.server.main", "serve"]
    with _served(command, folder, {**ports, **place}):
        yield _ready(Peer(f"http://127.0.0.1:{port}", python), "/healthz", folder)


@contextlib.contextmanager
def mlflow(folder: Path, *, workers: int = 1) -> Iterator[Peer]:
    """An empty MLflow tracking server whose files lie in this folder."""
    python = environment("mlflow")
    port = free_port()
    command = [
        *(str(python), "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)),
        *("--workers", str(workers), "--backend-store-uri", f"sqlite:///{folder}/mlflow.db"),
        *("--artifacts-destination", str(folder / "artifacts")),
    ]
    with _served(command, folder, {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}):
        yield _ready(Peer(f"http://127.0.0.1:{port}", python), "/health", folder)


def spoken_to(peer: Peer, script: str, *arguments: str) -> None:
    """Run one of the scripts beside this module with the peer's own client."""
    subprocess.run(
        [peer.python, HERE / script, peer.url, *arguments], check=True, env=_without_ours()
    )


def eventually(look: Callable[[], bool], within: float = PATIENCE) -> bool:
    """Whether something comes true in time."""
    until = time.monotonic() + within
    while not look():
        if time.monotonic() > until:
            return False
        time.sleep(0.1)
    return True


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _without_ours() -> dict[str, str]:
    """The environment without what is meant for us, and with everybody's telemetry off."""
    ours = ("COUNTERSIGN_", "DATABASE_", "REDIS_", "DJANGO_", "OTEL_", "PYTEST_")
    kept = {name: said for name, said in os.environ.items() if not name.startswith(ours)}
    return kept | SILENT


@contextlib.contextmanager
def _served(command: list[str], folder: Path, said: dict[str, str]) -> Iterator[None]:
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, ROOT / "config" / "leash.py", *command],
            cwd=folder,
            env=_without_ours() | said | {"COUNTERSIGN_PARENT": str(os.getpid())},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield
    finally:
        _end(server)


def _end(server: subprocess.Popen[bytes]) -> None:
    """End the server and what it started: all of them are of its process group."""
    for how in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, how)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(timeout=10)
    server.wait()


def _ready(peer: Peer, path: str, folder: Path) -> Peer:
    def answers() -> bool:
        try:
            with urllib.request.urlopen(f"{peer.url}{path}", timeout=5) as answer:  # noqa: S310 - loopback
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    if not eventually(answers):
        log = (folder / "server.log").read_text(encoding="utf-8", errors="replace")
        raise RuntimeError(f"the server did not start:\n{log[-4000:]}")
    return peer


if __name__ == "__main__":
    for each in SERVERS:
        environment(each)
