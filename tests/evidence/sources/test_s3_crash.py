"""A pull of many objects whose worker is killed again and again: nothing lost, nothing doubled."""

import contextlib
import gzip
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator

import orjson
import pytest
from django.db import connection

from evidence.models import Connection, Deposit, Event, Pull, Source
from tests.evidence.bodies import record
from tests.evidence.sources import pulling
from tests.evidence.sources.buckets import Filled, now

type Make = Callable[..., Source]

OBJECTS, PER_OBJECT = 100, 1000
MOST_KILLS = 5
# Waits for lines on its input; each begins a worker of its own, which runs the scheduled task.
PARENT = """
    import os, sys
    import django
    django.setup()
    from django.conf import settings
    from django.db import connection
    connection.settings_dict["NAME"] = sys.argv[1]
    settings.ALLOW_PRIVATE = True
    from evidence import tasks
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            tasks.pull()
            os._exit(0)
        print(child, flush=True)
        print(os.waitpid(child, 0)[1], flush=True)
"""


@pytest.fixture
def parent() -> Iterator[subprocess.Popen[str]]:
    started = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PARENT), connection.settings_dict["NAME"]],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    yield started
    started.communicate(timeout=20)


def fill(filled: Filled) -> None:
    """100,000 records in 100 objects, by a pattern: making each anew would take most of a test."""
    pattern = orjson.dumps(record(0, at=now())).replace(b"0" * 12 + b'"', b"%012d" + b'"')
    pattern = pattern.replace(b"REQ" + b"0" * 13, b"REQ%013d")
    for number in range(OBJECTS):
        ids = range(number * PER_OBJECT, (number + 1) * PER_OBJECT)
        records = b",".join(pattern % (one, one) for one in ids)
        body = gzip.compress(b'{"Records":[%b]}' % records, compresslevel=1)
        filled.put(f"{number:04}.json.gz", body)


def pages() -> int:
    row = Pull.objects.first()
    return row.pages if row else 0


def wait_for_pages(number: int) -> None:
    """Until the pull has so many pages. It has 100, and is stopped long before."""
    deadline = time.monotonic() + 20
    while pages() < number and time.monotonic() < deadline:
        time.sleep(0.02)


@pytest.mark.django_db(transaction=True)
def test_worker_killed_at_random_points_loses_and_doubles_nothing(
    filled: Filled, source: Make, parent: subprocess.Popen[str]
) -> None:
    fill(filled)
    made = source()
    pulling.connect(made, "s3", filled.settings())
    chance = random.Random()
    kills, places = 0, set()
    assert parent.stdin is not None
    assert parent.stdout is not None
    while True:
        parent.stdin.write("go\n")
        parent.stdin.flush()
        child = int(parent.stdout.readline())
        if kills < MOST_KILLS:
            wait_for_pages(pages() + chance.randint(1, 14))
            time.sleep(chance.uniform(0, 0.1))
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        status = int(parent.stdout.readline())
        if status == 0:
            break
        assert os.WTERMSIG(status) == signal.SIGKILL
        kills += 1
        places.add(str(Connection.objects.get().cursor.get("after", "")))
        # Three minutes later the lease is over.
        Pull.objects.update(leased_until=None)
    row = Pull.objects.get()
    assert (row.state, row.problem, row.attempts) == ("done", "", kills + 1)
    assert (kills, len(places)) == (MOST_KILLS, MOST_KILLS)
    assert Event.objects.count() == OBJECTS * PER_OBJECT
    assert Event.objects.values("request_id").distinct().count() == OBJECTS * PER_OBJECT
    assert Deposit.objects.count() == OBJECTS
    assert row.records == OBJECTS * PER_OBJECT
