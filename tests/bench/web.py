"""OTLP through the real web server from real senders, and into MLflow from the same ones.

Owns one comparison: the product's web process as production starts it (config/up.py), and a real
MLflow (SQLite, as it comes), one after the other on the same machine. Senders are processes with
the OpenTelemetry SDK's exporter. Both doors write before they answer; of ours it is proved.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Thread

from django.utils import timezone

from config import up
from evidence import actions
from evidence.models import Event
from evidence.permissions import COMMAND
from tests.bench import database, intake, sending
from tests.bench.told import Said
from tests.peers import running

SENDERS = 2
BATCHES = 40  # for each sender, into our door
OF_MLFLOW = 10  # it takes a few hundred spans a second
TARGET, TIMES = 5_000, 5


def measure() -> Iterator[Said]:
    _, token = actions.new_token(source=intake.source("web", "ai"), by=COMMAND, now=timezone.now())
    before = Event.objects.count()
    with _web() as url:
        # The first request of a process connects and compiles; a server that runs has done so.
        warm = _sent(url, 1, 900, [f"Authorization=Bearer {token}"])
        ours = _sent(url, BATCHES, 1, [f"Authorization=Bearer {token}"])
    spans = (BATCHES + 1) * SENDERS * sending.BATCH
    # Counted after the server is gone: what it had not committed is not there.
    assert Event.objects.count() - before == spans, (Event.objects.count() - before, spans)
    yield Said(
        f"OTLP over HTTP, {SENDERS} SDK exporters, batches of {sending.BATCH}",
        f"{ours:,.0f} spans/s acknowledged",
        f"target {TARGET:,}",
        ours >= TARGET,
    )
    yield Said("  the first batches of a new server", f"{warm:,.0f} spans/s")
    with (
        tempfile.TemporaryDirectory() as folder,
        running.mlflow(Path(folder), workers=SENDERS) as peer,
    ):
        theirs = _sent(peer.url, OF_MLFLOW, 1, ["x-mlflow-experiment-id=0"])
    yield Said(
        "  the same senders into MLflow",
        f"{theirs:,.0f} spans/s acknowledged",
        f"ours {ours / theirs:.1f} x; target {TIMES}",
        ours >= TIMES * theirs,
    )


def _sent(url: str, batches: int, seed: int, headers: Sequence[str]) -> float:
    """Acknowledged spans a second of all senders together."""
    with ExitStack() as stack:
        senders = [
            stack.enter_context(
                subprocess.Popen(
                    [
                        *(sys.executable, "-m", "tests.bench.sending", url, str(batches)),
                        *(str(seed + number), *headers),
                    ],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            for number in range(SENDERS)
        ]
        pipes = [(one.stdin, one.stdout) for one in senders if one.stdin and one.stdout]
        for _, said in pipes:
            assert said.readline() == "ready\n"
        started = time.perf_counter()
        for told, _ in pipes:
            told.write("go\n")
            told.flush()
        done = sum(int(said.readline()) for _, said in pipes)
        seconds = time.perf_counter() - started
    assert done == batches * SENDERS * sending.BATCH, f"{done:,} spans were acknowledged"
    return done / seconds


@contextmanager
def _web() -> Iterator[str]:
    """The product's web process over the database that is used now."""
    port = running.free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {
        **os.environ,
        "DATABASE_URL": database.address(),
        "COUNTERSIGN_BASE_URL": url,
        "COUNTERSIGN_BIND": f"127.0.0.1:{port}",
        "COUNTERSIGN_ALLOW_ROOT": "1",
    }
    children = {"web": up.start("web", up.commands("127.0.0.1", port)["web"], environment)}
    # What it says is read, or it would wait for a reader one day.
    Thread(target=up.relay, args=("web", children["web"]), daemon=True).start()
    try:
        up.await_ready(f"{url}/healthz", children)
        yield url
    finally:
        up.stop(children)
