"""Reading deposits again, killed again and again: it goes on where it was; nothing is lost or doubled."""

import json
import time
from collections.abc import Callable
from threading import Event as Flag
from threading import Thread

import pytest
from django.db import connection

from evidence import intake, rereading
from evidence.models import Deposit, Event, PastReading, Reading, Rereading, Source
from evidence.permissions import COMMAND
from tests.evidence.conftest import NOW
from tests.evidence.killing import dooming
from tests.evidence.test_rereading import save, take

DEPOSITS, RECORDS, SHARED, KILLS = 48, 50, 5, 6
FIRST = 'mapping: gate\nrealm: "gate:x"\naction: act\nat: ts\nprincipal: {kind: user, path: who}\n'


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
            time.sleep(0.03)
        connection.close()

    watching = Thread(target=watch)
    watching.start()
    rereading.ask(by=COMMAND, now=NOW)
    try:
        with dooming() as doomed:
            doomed.run(
                "evidence.tasks.reread",
                kills=KILLS,
                progress=progress,
                stride=DEPOSITS // KILLS - 4,
                between=lambda: None,
            )
    finally:
        stop.set()
        watching.join()
    wish = Rereading.objects.get()
    assert (wish.state, wish.done, wish.total, wish.failed) == ("done", DEPOSITS, DEPOSITS, 0)
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
