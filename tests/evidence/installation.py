"""An installation of a test's own, each part of which may be killed: servers, workers, the beat.

Owns their life and the way to their database; knows nothing of what they do. The servers are the
embedded ones, brought back by their keeper; workers and beat are the commands of config/up.py.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from config import embedded, up
from config.embedded import leftovers
from config.embedded.places import APP_LOGIN, APP_ROLE, DATABASE, OWNER_LOGIN, POSTGRES_PORT
from config.environment import kept_secret
from tests import beforehand

SERVERS = ("database", "broker")
LONGEST_LINE = 300
NOT_THEIRS = ("DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL")


class Installation:
    """Servers under a folder of their own, and what works on them."""

    def __init__(self, var: Path) -> None:
        self.there = embedded.ensure(var)
        self._parts: dict[str, subprocess.Popen[bytes]] = {}
        self._said: list[threading.Thread] = []

    def migrate(self) -> None:
        """Lead Django's connection to this database; it stays there under the app's rights."""
        self._lead("owner")
        beforehand.migrate()
        self._lead("app")

    def _lead(self, role: str) -> None:
        connection.close()
        connection.settings_dict |= {
            "NAME": DATABASE,
            "USER": {"app": APP_LOGIN, "owner": OWNER_LOGIN}[role],
            "PASSWORD": kept_secret(self.there.secrets / f"database_{role}"),
            "HOST": str(self.there.sockets),
            "PORT": str(POSTGRES_PORT),
            "OPTIONS": {"options": f"-c role={APP_ROLE}"} if role == "app" else {},
        }

    def start(self, *parts: str) -> None:
        environment = {k: v for k, v in os.environ.items() if k not in NOT_THEIRS}
        environment |= {
            "COUNTERSIGN_VAR": str(self.there.var),
            "COUNTERSIGN_ALLOW_PRIVATE": "1",
            "COUNTERSIGN_CONNECTOR_SECRETS": str(settings.CONNECTOR_SECRETS),
        }
        for part in parts:
            child = up.start(part, up.commands("127.0.0.1", 0)[part], environment)
            self._parts[part] = child
            self._said.append(threading.Thread(target=_relay, args=(part, child), daemon=True))
            self._said[-1].start()

    def kill(self, victim: str) -> None:
        """Every process of a server or of a worker, at once; the worker is started again."""
        if victim in SERVERS:
            data = {"database": self.there.postgres_data, "broker": self.there.valkey_data}
            doomed = leftovers.at_work_in(data[victim])
            assert doomed
            for pid in doomed:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return
        os.killpg(self._parts[victim].pid, signal.SIGKILL)
        assert self._parts[victim].wait() == -signal.SIGKILL
        self.start(victim)

    def alive(self) -> list[str]:
        """The parts that have not ended by themselves."""
        return sorted(name for name, child in self._parts.items() if child.poll() is None)

    def stop(self) -> None:
        up.stop(self._parts)
        for thread in self._said:
            thread.join(timeout=5)
        connection.close()
        embedded.release(self.there.var)


def _relay(part: str, child: subprocess.Popen[bytes]) -> None:
    """The beginning of each line it says, to be shown when the test fails."""
    assert child.stdout is not None
    with child.stdout:
        for line in child.stdout:
            sys.stderr.write(f"{part} | {line[:LONGEST_LINE].decode(errors='replace').rstrip()}\n")


@contextlib.contextmanager
def installed(var: Path) -> Iterator[Installation]:
    """An installation with an empty database that Django's connection leads to meanwhile."""
    before = dict(connection.settings_dict)
    made = Installation(var)
    try:
        made.migrate()
        yield made
    finally:
        made.stop()
        connection.settings_dict |= before


def asked[T](query: Callable[[], T], *, within: float = 300) -> T:
    """What a query finds, once the database answers again."""
    deadline = time.monotonic() + within
    while True:
        try:
            return query()
        except (OperationalError, InterfaceError):
            connection.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
