"""What a pull did not ask for is a gap: before the first one, and before one that began anew."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from config import celery, up
from evidence import connecting, pulls, tasks, watermarks
from evidence.models import Connection, Gap, Pull, Source
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
        settings={"token": "SHELF_TOKEN", "place": "elsewhere"},
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


def test_source_that_was_pulled_before_gaps_were_told_gets_its_first_one(
    connected: Source, shelf: Shelf
) -> None:
    pulled(connected, NOW)
    shelf.fail[0] = Stopped("the key is refused", "Give it a new one.")
    pulled(connected, NOW + DAY)
    Gap.objects.all().delete()
    # Before the earliest that was ever pulled to its end, whatever was asked for since.
    tasks.watermarks()
    tasks.watermarks()
    assert gaps() == [before_all(connected, FIRST)]


def never_pulled(source: Source) -> None:
    Pull.objects.all().delete()


def complete_by_its_word(source: Source) -> None:
    Source.objects.filter(pk=source.pk).update(completeness="declared")


def sampled(source: Source) -> None:
    Source.objects.filter(pk=source.pk).update(sampling=0.5)


@pytest.mark.parametrize("made", [never_pulled, complete_by_its_word, sampled])
def test_source_whose_cursor_shows_nothing_gets_no_first_gap(
    connected: Source, made: Callable[[Source], None]
) -> None:
    pulled(connected, NOW)
    Gap.objects.all().delete()
    made(connected)
    assert watermarks.before_first_pulls(now=NOW) == 0
    assert gaps() == []


def test_what_asks_outside_waits_in_a_queue_of_its_own() -> None:
    route = celery.app.amqp.router.route
    own = set(celery.app.amqp.queues)
    queues = {
        task: queue
        for task, _ in celery.SCHEDULE.values()
        if (queue := route({}, task)["queue"].name) != celery.QUEUE
    }
    assert queues == {
        "evidence.tasks.anchor": celery.SOURCES,
        "evidence.tasks.pull": celery.SOURCES,
        "identities.tasks.read_inventories": celery.SOURCES,
        "identities.tasks.read_entitlements": celery.SOURCES,
        "identities.tasks.ask_rights": celery.SOURCES,
        "identities.tasks.look_again": celery.SOURCES,
        "identities.tasks.look_at_files": celery.SOURCES,
        "identities.tasks.signals": celery.NOTICES,
        "reviews.tasks.ask_outside": celery.SOURCES,
        "reviews.tasks.send_notices": celery.NOTICES,
        "reviews.tasks.tell_trackers": celery.NOTICES,
        "identities.tasks.enforce": celery.STOPPING,
        "identities.tasks.grants_due": celery.STOPPING,
        "reviews.tasks.hold_automatically": celery.STOPPING,
        "reviews.tasks.containment": celery.STOPPING,
    }
    # A worker to whom no queue is named takes from all, each message once.
    assert own == set(celery.QUEUES)
    # Somebody takes from each, and from none twice.
    told = [
        command[command.index("--queues") + 1].split(",")
        for command in up.commands("127.0.0.1", 0).values()
        if "--queues" in command
    ]
    assert sorted(queue for queues in told for queue in queues) == sorted(own)
    assert {one.routing_key for one in celery.app.amqp.queues.values()} == own
