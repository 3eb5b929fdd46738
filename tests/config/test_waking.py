"""One message for a task that waits, at the real broker: none too many, and none that is missing."""

from collections.abc import Callable, Iterator
from time import monotonic, sleep
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from celery import Celery
from django.conf import settings

from config import celery as ours
from config import waking
from identities import tasks
from identities.actions import revocations

TASK = "some.task"


@pytest.fixture
def app() -> Iterator[Celery]:
    """One with a queue of its own at the broker of these tests."""
    made = Celery("waking", broker=settings.BROKER_URL, set_as_current=False)
    made.conf.task_default_queue = f"waking-{uuid4().hex}"
    made.conf.task_ignore_result = True
    yield made
    with made.connection_for_write() as connection, redis(connection) as client:
        client.delete(made.conf.task_default_queue, waking._mark(TASK))
    made.close()


def redis(connection: Any) -> Any:
    return connection.default_channel.conn_or_acquire()


@pytest.fixture
def waiting(app: Celery) -> Callable[[], int]:
    """How many messages wait."""

    def count() -> int:
        with app.connection_for_write() as connection, redis(connection) as client:
            return int(client.llen(app.conf.task_default_queue))

    return count


def test_a_thousand_names_are_one_message(app: Celery, waiting: Callable[[], int]) -> None:
    for _ in range(1_000):
        waking.wake(app, [TASK])
    assert waiting() == 1


def test_what_is_said_after_it_began_wakes_it_once_more(
    app: Celery, waiting: Callable[[], int]
) -> None:
    waking.wake(app, [TASK])
    waking.begun(app, TASK)
    waking.wake(app, [TASK])
    waking.wake(app, [TASK])
    assert waiting() == 2


def test_each_task_has_a_mark_of_its_own(app: Celery, waiting: Callable[[], int]) -> None:
    other = f"other.{uuid4().hex}"
    waking.wake(app, [TASK, other])
    waking.wake(app, [TASK, other])
    assert waiting() == 2
    waking.begun(app, other)


def test_a_mark_that_was_left_over_ends_by_itself(
    app: Celery, waiting: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waking, "MARKED", 50)
    waking.wake(app, [TASK])
    ends = monotonic() + 10
    while waiting() < 2 and monotonic() < ends:
        sleep(0.02)
        waking.wake(app, [TASK])
    assert waiting() >= 2


def test_a_broker_that_is_away_keeps_no_task_from_its_work(
    caplog: pytest.LogCaptureFixture,
) -> None:
    away = Celery("away", broker="redis://127.0.0.1:1/0", set_as_current=False)
    away.conf.broker_transport_options = {"max_retries": 0, "socket_connect_timeout": 1}
    waking.begun(away, TASK)
    away.close()
    assert "the mark of some.task was not taken away" in caplog.text


def test_our_tasks_take_their_mark_away_before_they_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[str] = []
    monkeypatch.setattr(waking, "begun", lambda _, task: taken.append(task))
    found: list[list[str]] = []
    monkeypatch.setattr(revocations, "enforce_next", lambda **_: found.append([*taken]))
    tasks.enforce.apply()
    assert found == [["identities.tasks.enforce"]]
    assert taken == ["identities.tasks.enforce"]
    # A task that no name wakes has none.
    ours.begins(sender=SimpleNamespace(name="evidence.tasks.prune"))
    assert taken == ["identities.tasks.enforce"]
