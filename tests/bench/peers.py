"""The same spans into MLflow's OTLP door and into ours: acknowledged spans a second of both.

Owns one comparison: a real MLflow (SQLite, as it comes) and the product's web process over the
benchmarks' database, one after the other on the same machine, from the same sender. Both write
before they answer.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import NamedTuple
from urllib.parse import quote, urlencode

from django.db import connection
from django.utils import timezone

from config import up
from evidence import actions
from evidence.models import Event
from evidence.permissions import COMMAND
from tests.bench import exporter, intake, synthetic
from tests.peers import running

SPANS = 20 * exporter.BATCH
SENDERS = 2


class Beside(NamedTuple):
    """Acknowledged spans a second."""

    ours: float
    mlflow: float

    @property
    def ratio(self) -> float:
        return self.ours / self.mlflow


def measure(name: str) -> Beside:
    """Both doors with the same batches; what ours acknowledged is in the database."""
    start = datetime.now(UTC) - timedelta(hours=3)
    batches = list(synthetic.otlp(spans=SPANS, body=exporter.BATCH, start=start, seed=7))
    with (
        tempfile.TemporaryDirectory() as folder,
        running.mlflow(Path(folder), workers=SENDERS) as peer,
    ):
        experiment = {"x-mlflow-experiment-id": "0"}
        theirs = exporter.send(
            peer.url, "none", batches, senders=SENDERS, packed=False, beside=experiment
        )
    _, token = actions.new_token(source=intake.source(name, "ai"), by=COMMAND, now=timezone.now())
    before = Event.objects.count()
    with _web() as url:
        ours = exporter.send(url, token, batches, senders=SENDERS, packed=False)
    assert Event.objects.count() == before + SPANS
    return Beside(ours.rate, theirs.rate)


@contextmanager
def _web() -> Iterator[str]:
    """The product's web process over the database that is used now."""
    port = running.free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {
        **os.environ,
        "DATABASE_URL": _address(),
        "COUNTERSIGN_BASE_URL": url,
        "COUNTERSIGN_BIND": f"127.0.0.1:{port}",
    }
    children = {"web": up.start("web", up.commands("127.0.0.1", port)["web"], environment)}
    # What it says is read, or it would wait for a reader one day.
    Thread(target=up.relay, args=("web", children["web"]), daemon=True).start()
    try:
        up.await_ready(f"{url}/healthz", children)
        yield url
    finally:
        up.stop(children)


def _address() -> str:
    """Where this process's database is, as an address."""
    said = connection.settings_dict
    place = urlencode({"host": said["HOST"], **({"port": said["PORT"]} if said["PORT"] else {})})
    user, password, name = (quote(str(said[one]), safe="") for one in ("USER", "PASSWORD", "NAME"))
    return f"postgresql://{user}:{password}@/{name}?{place}"
