"""One message for a task that waits, however often its name is said.

Owns the mark that a message waits, in the broker beside it: whoever wakes a task sets it, and the
task takes it away before it reads anything, so that what is said from then on wakes it once more. A
mark that was left over ends by itself, and the schedule is certain (docs/decisions, 1 and 90).
"""

import logging
from collections.abc import Iterable

from celery import Celery

# Milliseconds. What waits longer is woken by one message in each of them; a task of which a mark was
# left over is woken by no name so long.
MARKED = 2_000

log = logging.getLogger(__name__)


def wake(app: Celery, tasks: Iterable[str]) -> None:
    """A message for each of these of which none waits. Raises when the broker is away."""
    with app.producer_or_acquire() as producer, producer.channel.conn_or_acquire() as client:
        for task in tasks:
            if client.set(_mark(task), b"", nx=True, px=MARKED):
                app.send_task(task, producer=producer, retry=False)


def begun(app: Celery, task: str) -> None:
    """This task reads its rows from now on: what is said after this wakes it again."""
    try:
        with app.producer_or_acquire() as producer, producer.channel.conn_or_acquire() as client:
            client.delete(_mark(task))
    except Exception as problem:  # noqa: BLE001 - whatever the broker's trouble, the mark ends by itself
        log.warning("the mark of %s was not taken away: %s", task, problem)


def _mark(task: str) -> str:
    return f"countersign:waits:{task}"
