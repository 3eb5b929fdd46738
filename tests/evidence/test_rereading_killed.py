"""`manage.py reread` killed again and again: it goes on where it was; nothing is lost or doubled."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from threading import Event as Flag
from threading import Thread

import pytest
from django.db import connection

from evidence import intake, rereading
from evidence.models import Deposit, Event, PastReading, Reading, Rereading, Source
from tests.evidence.conftest import NOW
from tests.evidence.test_rereading import save, take

DEPOSITS, RECORDS, SHARED, KILLS = 60, 200, 20, 6
FIRST = 'mapping: gate\nrealm: "gate:x"\naction: act\nat: ts\nprincipal: {kind: user, path: who}\n'
# The command as it is typed, on the database of the test.
COMMAND = """
    import sys
    import django
    django.setup()
    from django.db import connection
    connection.settings_dict["NAME"] = sys.argv[1]
    from django.core.management import call_command
    call_command("reread", "--no-wait")
"""


def body(number: int) -> bytes:
    """Each deposit shares a tenth of its records with the one before."""
    lines = []
    for one in range(RECORDS):
        place = number * (RECORDS - SHARED) + one
        at = f"2026-11-{1 + place % 20:02}T{place % 24:02}:00:{place % 60:02}Z"
        lines.append(json.dumps({"ts": at, "act": "open", "who": f"u{place}", "key": f"k{place}"}))
    return "\n".join(lines).encode()


@pytest.mark.django_db(transaction=True)
def test_killed_rereading_goes_on_and_readers_see_every_event_all_the_time(
    source: Callable[..., Source],
) -> None:
    save(FIRST)
    row = source("gate", format="mapping:gate")
    for number in range(DEPOSITS):
        take(row, body(number))
    keys = set(Event.objects.values_list("at", "id"))
    assert len(keys) == DEPOSITS * (RECORDS - SHARED) + SHARED
    save(FIRST + "credential: {kind: api_key, path: key}\n")
    seen, stop = set(), Flag()

    def watch() -> None:
        while not stop.is_set():
            seen.add(Event.objects.count())
            time.sleep(0.01)
        connection.close()

    watching = Thread(target=watch)
    watching.start()
    chance, kills = random.Random(), 0
    try:
        while True:
            running = subprocess.Popen(
                [sys.executable, "-c", textwrap.dedent(COMMAND), connection.settings_dict["NAME"]],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
            if kills < KILLS:
                wait_for(progress() + chance.randint(1, DEPOSITS // KILLS - 2))
                time.sleep(chance.uniform(0, 0.05))
                with contextlib.suppress(ProcessLookupError):
                    os.kill(running.pid, signal.SIGKILL)
            _, words = running.communicate(timeout=60)
            if running.returncode == 0:
                break
            assert running.returncode == -signal.SIGKILL, words.decode()
            kills += 1
    finally:
        stop.set()
        watching.join()
    wish = Rereading.objects.get()
    assert (wish.state, wish.done, wish.total, wish.failed) == ("done", DEPOSITS, DEPOSITS, 0)
    assert kills == KILLS
    assert seen == {len(keys)}
    assert set(Event.objects.values_list("at", "id")) == keys
    assert not Event.objects.filter(credential_id=None).exists()
    assert Reading.objects.count() == DEPOSITS
    assert PastReading.objects.filter(kind="event").count() == len(keys)
    assert wish.counts["changed"] == len(keys)
    assert not rereading.stale().exists()
    # What comes afterwards is read by the same version and known.
    assert intake.take(source=row, body=body(0) + b"\n", by="command", now=NOW).events == 0
    assert Deposit.objects.count() == DEPOSITS + 1


def progress() -> int:
    wish = Rereading.objects.first()
    return wish.done if wish else 0


def wait_for(many: int) -> None:
    deadline = time.monotonic() + 30
    while progress() < many and time.monotonic() < deadline:
        time.sleep(0.005)
