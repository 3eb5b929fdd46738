"""What a pull did not ask for is a gap: before the first one, and before one that began anew."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from config import celery
from evidence import connecting, pulls
from evidence.models import Connection, Gap, Source
from evidence.permissions import COMMAND
from evidence.sources.failures import Stopped
from tests.evidence.conftest import NOW
from tests.evidence.test_pulls import Shelf, connected, run, shelf

__all__ = ["connected", "shelf"]

pytestmark = pytest.mark.django_db

FIRST = NOW - timedelta(days=7)
DAY = timedelta(days=1)


def gaps() -> list[tuple[datetime, datetime, str]]:
    return [
        (one.during.lower, one.during.upper, one.reason) for one in Gap.objects.order_by("during")
    ]


def pulled(source: Source, now: datetime) -> Source:
    pulls.ask(source=source, by="test", now=now)
    run(now)
    source.refresh_from_db()
    return source


def before_all(source: Source, first: datetime) -> tuple[datetime, datetime, str]:
    return (
        first - timedelta(days=source.retention_days),
        first,
        "nothing had been received yet",
    )


def test_nothing_is_shown_of_what_lies_before_the_first_pull(connected: Source) -> None:
    made = pulled(connected, NOW)
    assert made.completeness == "cursor"
    assert gaps() == [before_all(made, FIRST)]
    pulled(made, NOW + DAY)
    assert gaps() == [before_all(made, FIRST)]


def test_connection_that_begins_anew_leaves_a_gap(connected: Source) -> None:
    complete = pulled(connected, NOW).watermark
    assert complete is not None
    later = NOW + 30 * DAY
    connecting.connect(
        source=connected,
        connector="shelf",
        settings={"token": "env:SHELF_TOKEN", "place": "elsewhere"},
        by=COMMAND,
        now=later,
        first_days=1,
    )
    pulled(connected, later)
    assert gaps()[1:] == [
        (complete, later - DAY, "the source was connected anew and not asked for this")
    ]


def test_pull_that_goes_on_after_one_that_failed_begins_where_that_one_did(
    connected: Source, shelf: Shelf
) -> None:
    complete = pulled(connected, NOW).watermark
    later = NOW + 30 * DAY
    Connection.objects.filter(source=connected).update(cursor={}, first_days=1)
    shelf.fail[2] = Stopped("the key is refused", "Give it a new one.")
    pulled(connected, later)
    shelf.fail.clear()
    # Its cursor goes on from two pages that began later than the last watermark.
    made = pulled(connected, later + DAY)
    assert gaps()[1:] == [
        (complete, later - DAY, "the source was connected anew and not asked for this")
    ]
    assert made.watermark == later + DAY - timedelta(seconds=made.lag_seconds)


def test_sampled_source_proves_nothing_and_needs_no_gap(
    connected: Source, source: Callable[..., Source]
) -> None:
    Source.objects.update(sampling=0.5)
    pulled(connected, NOW)
    assert gaps() == []


def test_what_asks_outside_waits_in_a_queue_of_its_own() -> None:
    route = celery.app.amqp.router.route
    own = set(celery.app.amqp.queues)
    asking = {
        task
        for task, _ in celery.SCHEDULE.values()
        if route({}, task)["queue"].name == celery.SOURCES
    }
    assert asking == {
        "evidence.tasks.pull",
        "identities.tasks.read_inventories",
        "identities.tasks.read_entitlements",
    }
    # A worker to whom no queue is named takes from both, each message once.
    assert own == {celery.QUEUE, celery.SOURCES}
    assert {one.routing_key for one in celery.app.amqp.queues.values()} == own
