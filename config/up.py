"""Web, workers and beat as one: started together, ended together, for demo and small installations.

Owns the four commands and their life: lines of their logs carry their name, the death of one
ends all with its reason, and none outlives this process, however it ends. Must not know what the
product does; the demo command hands in what is to happen once everything answers.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

from django.conf import settings

from config import root
from config.celery import NOTICES, QUEUE, SOURCES, STOPPING
from config.environment import SettingsError

READY_WITHIN = 60.0
# What a worker has begun may end within the first; it is put back after that, as after a crash.
FINISH_WITHIN, STOP_WITHIN = 1.0, 1.8
# A process that asked a source for more than this at once makes room for a new one.
MOST_KIB = 512 * 1024


class Stopped(Exception):
    """Ctrl-C or SIGTERM."""


class ChildEnded(Exception):
    """One of them ended by itself; the sentence says which and how."""


def bound() -> tuple[str, int]:
    """Host and port of COUNTERSIGN_BIND, free to be used."""
    host, _, port = settings.BIND.rpartition(":")
    host = host.strip("[]")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise SettingsError(
            f"COUNTERSIGN_BIND is {settings.BIND!r}; set it to host:port, as in 127.0.0.1:8000."
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, int(port)))
        except OSError as problem:
            raise SettingsError(
                f"COUNTERSIGN_BIND is {settings.BIND}, which cannot be used ({problem.strerror}); "
                "stop what uses it, or set COUNTERSIGN_BIND (and COUNTERSIGN_BASE_URL) to another "
                "address."
            ) from problem
    return host, int(port)


def collected() -> None:
    """Without them every page would answer 500."""
    if not settings.DEBUG and not (Path(settings.STATIC_ROOT) / "staticfiles.json").exists():
        raise SettingsError("The files of the pages are not collected; run `make setup`.")


def commands(host: str, port: int) -> dict[str, list[str]]:
    """What is started, by the name its log lines carry."""
    cores = os.cpu_count() or 1
    threads = min(8, 2 * cores)  # more only wait for each other
    celery = [sys.executable, "-m", "celery", "--app", "config.celery:app", "--quiet"]
    worker = ["--loglevel", "INFO", "--without-gossip", "--without-mingle"]
    return {
        "web": [
            sys.executable, "-m", "granian", "--interface", "wsgi", "--host", host, "--port",
            str(port), "--workers", "1" if cores <= 2 else "2", "--blocking-threads", str(threads),
            "--backpressure", "64", "--backlog", "256", "--no-ws", "--workers-kill-timeout", "10",
            "--log-level", "warning", "config.wsgi:application",
        ],
        "worker": [
            *celery, "worker", "--queues", QUEUE, "--hostname", "worker@%h", "--concurrency",
            str(min(4, max(2, cores - 1))), *worker,
        ],
        "sources": [
            *celery, "worker", "--queues", f"{SOURCES},{NOTICES}", "--hostname", "sources@%h",
            "--concurrency", "2", "--max-memory-per-child", str(MOST_KIB), *worker,
        ],
        "stopping": [
            *celery, "worker", "--queues", STOPPING, "--hostname", "stopping@%h", "--concurrency",
            "2", *worker,
        ],
        "beat": [*celery, "beat", "--loglevel", "WARNING", "--pidfile", ""],
    }  # fmt: skip


def start(name: str, command: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """One child on its leash, in a group of its own so that Ctrl-C reaches only us."""
    return subprocess.Popen(
        [sys.executable, "-m", "config.leash", *command],
        cwd=settings.BASE_DIR,
        env={**environment, "COUNTERSIGN_PARENT": str(os.getpid()), "COUNTERSIGN_PART": name},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def relay(name: str, child: subprocess.Popen[bytes]) -> None:
    """Pass on a child's lines with its name in front."""
    assert child.stdout is not None  # noqa: S101 - opened as a pipe above
    for line in child.stdout:
        sys.stderr.write(f"{name:>8} | {line.decode('utf-8', 'replace').rstrip()}\n")
        sys.stderr.flush()


def look(children: dict[str, subprocess.Popen[bytes]]) -> None:
    """Raise when a child has ended."""
    for name, child in children.items():
        status = child.poll()
        if status is not None:
            how = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
            raise ChildEnded(f"{name} {how}; its last lines above say why.")


def await_ready(url: str, children: dict[str, subprocess.Popen[bytes]]) -> None:
    deadline = time.monotonic() + READY_WITHIN
    said = "it did not answer"
    while time.monotonic() < deadline:
        look(children)
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - our own http address
                if answer.status == 200:
                    return
        except urllib.error.HTTPError as problem:
            said = problem.read(500).decode("utf-8", "replace")
        except OSError as problem:
            said = str(problem)
        time.sleep(0.1)
    raise ChildEnded(f"web was not ready within {READY_WITHIN:.0f} s: {said}")


def stop(children: dict[str, subprocess.Popen[bytes]]) -> None:
    """Ask all, wait, kill what is left; including what a killed child left behind."""

    def tell(child: subprocess.Popen[bytes], number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, number)

    for child in children.values():
        if child.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                child.terminate()
        else:
            tell(child, signal.SIGTERM)
    began = time.monotonic()
    for seconds, number in ((FINISH_WITHIN, signal.SIGQUIT), (STOP_WITHIN, None)):
        for child in children.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(timeout=max(0.01, began + seconds - time.monotonic()))
            if child.poll() is None and number is not None:
                with contextlib.suppress(ProcessLookupError):
                    child.send_signal(number)
    for child in children.values():
        tell(child, signal.SIGKILL)
        child.wait()


@contextlib.contextmanager
def signals_raise() -> Iterator[None]:
    """Ctrl-C and SIGTERM end the main loop by an exception, once; later ones do not disturb."""

    def ended(_number: int, _frame: FrameType | None) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        raise Stopped

    before = {number: signal.signal(number, ended) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def metrics_folder() -> Path:
    """An empty folder in which the web processes add up their numbers."""
    folder = Path(settings.VAR) / "metrics"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    return folder


def run(on_ready: Callable[[], None]) -> int:
    """Start all, call `on_ready` once the web answers, and stay until something ends it.

    Returns the exit status: 0 after Ctrl-C or SIGTERM, 1 when a child ended by itself.
    """
    root.refuse()
    collected()
    host, port = bound()
    environment = {
        **os.environ,
        "COUNTERSIGN_DB_ROLE": "app",
        "PROMETHEUS_MULTIPROC_DIR": str(metrics_folder()),
    }
    children: dict[str, subprocess.Popen[bytes]] = {}
    threads = []
    shown = f"[{host}]" if ":" in host else {"0.0.0.0": "127.0.0.1"}.get(host, host)  # noqa: S104 - compared, not bound
    with signals_raise():
        try:
            for name, command in commands(host, port).items():
                children[name] = start(name, command, environment)
                thread = threading.Thread(target=relay, args=(name, children[name]), daemon=True)
                thread.start()
                threads.append(thread)
            await_ready(f"http://{shown}:{port}/readyz", children)
            on_ready()
            while True:
                look(children)
                time.sleep(0.2)
        except Stopped:
            sys.stderr.write("\nStopping …\n")
            return 0
        except ChildEnded as problem:
            sys.stderr.write(f"{problem}\n")
            return 1
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)
            stop(children)
            for thread in threads:
                thread.join(timeout=2)
