"""A pull of 100,000 records while worker, database and broker are killed: nothing lost or doubled.

The worker alone in a process of its own, often; then all three of an installation with servers, a
worker and a beat of its own, as an operator runs them.
"""

import contextlib
import gzip
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from config.demo.aws import Demo
from evidence import pulls
from evidence.models import Connection, Deposit, Event, Pull, Source
from evidence.sources import sweeping
from tests.awslab.lab import Lab
from tests.connector_secrets import Kept
from tests.evidence.bodies import record
from tests.evidence.installation import asked, installed
from tests.evidence.killing import dooming, wait
from tests.evidence.sources import pulling
from tests.evidence.sources.buckets import Filled, now

pytestmark = pytest.mark.real_clock

type Make = Callable[..., Source]

OBJECTS, PER_OBJECT = 100, 1000


@pytest.fixture(scope="module")
def filled(aws_account: Demo) -> Iterator[Filled]:
    """100,000 records in 100 objects, by a pattern: making each anew would take most of a test."""
    pattern = orjson.dumps(record(0, at=now())).replace(b"0" * 12 + b'"', b"%012d" + b'"')
    pattern = pattern.replace(b"REQ" + b"0" * 13, b"REQ%013d")
    with contextlib.closing(Kept()) as kept:
        made = Filled(Lab(aws_account), kept)
        for number in range(OBJECTS):
            ids = range(number * PER_OBJECT, (number + 1) * PER_OBJECT)
            records = b",".join(pattern % (one, one) for one in ids)
            body = gzip.compress(b'{"Records":[%b]}' % records, compresslevel=1)
            made.put(f"{number:04}.json.gz", body)
        yield made


def pages() -> int:
    row = Pull.objects.first()
    return row.pages if row else 0


def lease_is_over() -> None:
    """A lease later at most: whoever was killed holds a pull no longer than that."""
    row = Pull.objects.get()
    assert row.leased_until is None or row.leased_until - now() <= pulls.LEASE
    Pull.objects.update(leased_until=None)


@pytest.mark.django_db(transaction=True)
def test_worker_killed_at_random_points_loses_and_doubles_nothing(
    filled: Filled, source: Make, settings: Any
) -> None:
    settings.ALLOW_PRIVATE = True
    pulling.connect(source(), "s3", filled.settings())
    places = []

    def between() -> None:
        lease_is_over()
        places.append(str(Connection.objects.get().cursor.get("after", "")))

    with dooming() as doomed:
        doomed.run("evidence.tasks.pull", kills=5, progress=pages, stride=12, between=between)
    assert len(set(places)) == 6
    assert Pull.objects.get().attempts == 6
    nothing_is_lost_or_doubled()


def nothing_is_lost_or_doubled() -> None:
    row = Pull.objects.get()
    assert (row.state, row.problem, row.leased_until) == ("done", "", None)
    assert Event.objects.count() == OBJECTS * PER_OBJECT
    assert Event.objects.values("request_id").distinct().count() == OBJECTS * PER_OBJECT
    assert Deposit.objects.count() == OBJECTS
    assert (row.records, row.rejects) == (OBJECTS * PER_OBJECT, 0)
    assert sweeping.finished(Connection.objects.get().cursor, row.until)


@pytest.mark.django_db(transaction=True)
def test_database_broker_and_worker_killed_at_random_points_lose_and_double_nothing(
    filled: Filled, tmp_path: Path, settings: Any
) -> None:
    settings.ALLOW_PRIVATE = True
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    victims = ["database", "broker"] * 2 + ["sources"]
    chance.shuffle(victims)
    with installed(tmp_path / "var") as servers:
        made = Source.objects.create(name="trail", created_at=now(), created_by="command")
        pulling.connect(made, "s3", filled.settings())
        servers.start("worker", "sources", "beat")
        for victim in victims:
            wanted = asked(pages) + chance.randint(1, OBJECTS // len(victims) - 8)
            wait(lambda wanted=wanted: asked(pages) >= wanted)  # type: ignore[misc]  # mypy does not type defaults of lambdas
            time.sleep(chance.uniform(0, 0.1))
            row = asked(Pull.objects.get)
            assert row.state in Pull.LIVE
            servers.kill(victim)
            if victim != "broker":
                asked(lease_is_over)
        wait(lambda: asked(Pull.objects.get).state == "done")
        assert servers.alive() == ["beat", "sources", "worker"]
        nothing_is_lost_or_doubled()
