"""How news travels up without imports up (decisions 1).

A lower layer writes rows and says a name here; config/celery.py maps names to tasks. Broker
errors are swallowed: the row is the queue and the schedule finds what was lost.
"""

import logging
from collections.abc import Callable
from datetime import datetime
from time import monotonic

from django.db import transaction

log = logging.getLogger(__name__)

# A broker that does not answer is waited for once in so many seconds, and not by everything that
# anybody does meanwhile.
PAUSE = 15.0


class Broker:
    """What this process knows of its broker. `silent_until`: by the clock that only goes forward."""

    silent_until = 0.0


# Set by config/celery.py when the app starts: what sends a name on its way.
send: Callable[[str], None] | None = None
# Set at the same time: runs here and now what the names would wake, until nothing is left; for
# commands that wait for it. The number of steps.
drain: Callable[[datetime], int] | None = None


def after_commit(name: str) -> None:
    """Say this name once the running transaction is committed."""
    transaction.on_commit(lambda: _say(name))


def _say(name: str) -> None:
    if send is None or monotonic() < Broker.silent_until:
        return
    try:
        send(name)
    except Exception as problem:  # noqa: BLE001 - whatever the broker's trouble, the row is the queue
        Broker.silent_until = monotonic() + PAUSE
        log.warning("nudge %s was not sent, nor is any for %d s: %s", name, PAUSE, problem)
