"""The line page of the heaviest identity: server time and number of queries, warm and cold."""

import statistics
import time
from pathlib import Path
from typing import NamedTuple

from django.conf import settings
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from config import embedded, services
from config.warm import warm
from identities.models import Identity, User
from tests.bench import database

TIMES = 40
# The embedded services stop when nobody has used them for a second.
SERVICES_STOP = 3.0


class Page(NamedTuple):
    """Milliseconds of server time, and how many queries the page asks."""

    rows: int
    p50: float
    p95: float
    cold: float | None
    queries: int
    bytes_an_event: float


def ready() -> None:
    """What pages are drawn with, collected: said at the beginning of a long run, not at its end."""
    call_command("collectstatic", interactive=False, verbosity=0)


def measure(rows: int, identity: Identity) -> Page:
    """The page of this identity beside so many stored events."""
    user, _ = User.objects.get_or_create(username="bench", defaults={"email": "b@example.com"})
    user.groups.add(Group.objects.get_or_create(name="reviewer")[0])
    client = Client(headers={"host": "localhost"})
    client.force_login(user)
    url = f"/identities/{identity.key}/"
    cold = _cold(client, url)
    taken = []
    for _ in range(TIMES):
        started = time.perf_counter()
        response = client.get(url)
        taken.append((time.perf_counter() - started) * 1000)
        assert response.status_code == 200, response.status_code
    with CaptureQueriesContext(connection) as queries:
        client.get(url)
    size = database.size_of(
        "evidence_event",
        "evidence_link",
        "identities_attribution",
        "evidence_term",
        "evidence_actor",
        "identities_usageday",
        "evidence_run",
    )
    taken.sort()
    return Page(
        rows,
        statistics.median(taken),
        taken[int(len(taken) * 0.95) - 1],
        cold,
        len(queries),
        size / rows,
    )


def _cold(client: Client, url: str) -> float | None:
    """The first look after the database was restarted and the machine's file cache dropped;
    None where this process may not do that. The process is as warm as a web server's."""
    warm()
    try:
        with Path("/proc/sys/vm/drop_caches").open("w") as file:  # needs root
            connection.close()
            embedded.release(settings.VAR)
            time.sleep(SERVICES_STOP)
            file.write("3\n")
    except OSError:
        return None
    services.ensure()
    client.get("/healthz")
    connection.ensure_connection()
    started = time.perf_counter()
    client.get(url)
    return (time.perf_counter() - started) * 1000
