"""Tasks in processes of their own that are killed at random points, as `kill -9` does it.

Owns the processes and when they die; knows no task. One parent with everything imported forks a
child for each run, because a new interpreter would take longer than what it is killed at.
"""

import contextlib
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import orjson
from django.conf import settings
from django.db import connection

from tests import clock

# Reads names of tasks, one a line; answers with the child's pid, then with how it ended.
PARENT = """
    import os, sys
    from importlib import import_module
    from pathlib import Path
    import django
    import orjson
    from tests import clock
    clock.use_parent_clock()
    django.setup()
    from django.conf import settings
    from django.db import connection
    database, var, names = sys.argv[1:]
    connection.settings_dict["NAME"] = database
    settings.ALLOW_PRIVATE = True
    settings.VAR = Path(var)
    for name, value in orjson.loads(names).items():
        module, _, name = name.rpartition(".")
        setattr(import_module(module), name, value)
    for line in sys.stdin:
        module, _, name = line.strip().rpartition(".")
        task = getattr(import_module(module), name)
        child = os.fork()
        if child == 0:
            task()
            os._exit(0)
        print(child, flush=True)
        print(os.waitpid(child, 0)[1], flush=True)
"""
LONGEST = 300.0
# A task that ends by itself has done all there was: on a machine that is busy with other things its
# turn would be over first, and the rest left to the next one.
TURNS = dict.fromkeys(
    (
        "evidence.tasks.SECONDS",
        "identities.tasks.SECONDS",
        "identities.tasks.TURN",
        "reviews.tasks.LONGEST",
    ),
    LONGEST,
)


class Doomed:
    """Where children run, and the chance by which they die."""

    def __init__(self, parent: subprocess.Popen[str]) -> None:
        self._parent = parent
        seed = random.randrange(2**32)
        print(f"seed {seed}")
        self.chance = random.Random(seed)
        self._step = 0.05  # seconds, as last seen
        self._child: int | None = None

    def begin(self, task: str) -> int:
        assert self._parent.stdin is not None
        self._parent.stdin.write(f"{task}\n")
        self._parent.stdin.flush()
        self._child = self._number()
        return self._child

    def ended(self) -> int:
        """The wait status of the child that was begun last."""
        status, self._child = self._number(), None
        return status

    def stop(self) -> None:
        """Nothing is left running, whatever a test did not wait for."""
        if self._child is not None:
            os.kill(self._child, signal.SIGKILL)
        self._parent.communicate(timeout=LONGEST)

    def _number(self) -> int:
        assert self._parent.stdout is not None
        return int(self._parent.stdout.readline())

    def run(
        self,
        task: str,
        *,
        kills: int,
        progress: Callable[[], int],
        stride: int,
        between: Callable[[], object],
    ) -> None:
        """Run a task until it ends by itself; before that it is killed so many times.

        Each time after up to `stride` steps of `progress` and anywhere in the step that follows;
        `between` looks at what is left then. One that was quicker than its kill has ended by
        itself; more than half of the kills must have struck.
        """
        struck = 0
        for number in range(kills + 1):
            before, others = progress(), sessions()
            child = self.begin(task)
            if number < kills:
                self._let_live(progress, before, before + self.chance.randint(1, stride))
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
            status = self.ended()
            assert status in (0, signal.SIGKILL), f"run {number}: {status}"
            struck += status == signal.SIGKILL
            # The server may still be at what it was asked last.
            wait(lambda others=others: sessions() <= others)  # type: ignore[misc]  # mypy does not type defaults of lambdas
            between()
            if status == 0:
                break
        assert struck > kills // 2, f"{struck} of {kills} kills struck"
        assert status == 0, f"the last run ended with {status}"

    def _let_live(self, progress: Callable[[], int], before: int, until: int) -> None:
        """Until this step, and a random part of the next one, as long as steps have taken."""
        wait(lambda: progress() > before)
        first, began = progress(), time.monotonic()
        wait(lambda: progress() >= until)
        if (steps := progress() - first) > 0:
            self._step = (time.monotonic() - began) / steps
        time.sleep(self.chance.uniform(0, self._step))


def sessions() -> int:
    """How many are connected to the database of the test."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND usename IS NOT NULL"
        )
        return int(cursor.fetchone()[0])


@contextlib.contextmanager
def dooming(names: Mapping[str, Any] | None = None) -> Iterator[Doomed]:
    """On the database of the test; `names`: what modules are told beforehand, as in
    `{"evidence.retention.BATCH": 5}`."""
    started = subprocess.Popen(
        [
            sys.executable, "-c", textwrap.dedent(PARENT), connection.settings_dict["NAME"],
            str(settings.VAR), orjson.dumps({**TURNS, **(names or {})}).decode(),
        ],
        env=clock.child_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    doomed = Doomed(started)
    try:
        yield doomed
    finally:
        doomed.stop()


def wait(true: Callable[[], bool]) -> None:
    """Until this is so, for five minutes at most: what is looked at afterwards tells."""
    deadline = time.monotonic() + LONGEST
    while not true() and time.monotonic() < deadline:
        time.sleep(0.01)
