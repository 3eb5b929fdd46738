"""Processes that use the embedded services, and what the tests of these look at.

Owns the life of the users; knows nothing of what is done to the services.
"""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from config.embedded import leftovers, places
from config.embedded.places import APP_LOGIN, DATABASE, POSTGRES_PORT, Places
from config.environment import kept_secret

ROOT = Path(__file__).resolve().parent.parent.parent
USER = """
import sys, time
from config.embedded import ensure
from config.environment import SettingsError
began = time.monotonic()
try:
    ensure(sys.argv[1], watch=sys.argv[2] == "watch")
except SettingsError as problem:
    print("refused", problem, flush=True)
    sys.exit(1)
print("ready", time.monotonic() - began, flush=True)
sys.stdin.read()
"""


class User:
    """A process that uses the services, and ends when its input does."""

    def __init__(self, var: Path, *, watch: bool = False) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", USER, str(var), "watch" if watch else "once"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def answer(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def seconds(self) -> float:
        word, _, rest = self.answer().partition(" ")
        assert word == "ready"
        return float(rest)

    def leave(self) -> None:
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait(timeout=60)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def kill(self) -> None:
        self.process.kill()
        self.leave()


def pids(there: Places) -> list[int]:
    return leftovers.at_work_in(there.postgres_data) + leftovers.at_work_in(there.valkey_data)


def keeper_pid(there: Places) -> int:
    """The process that holds the keeper's lock, by its open file."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                command = (entry / "cmdline").read_bytes().split(b"\0")
                if b"config.embedded.keeper" in command and os.fsencode(there.var) in command:
                    return int(entry.name)
    raise AssertionError("no keeper")


def eventually(true: Callable[[], bool], *, within: float) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if true():
            return True
        time.sleep(0.02)
    return true()


def app(there: Places, password: str | None = None) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(
        host=str(there.sockets),
        port=POSTGRES_PORT,
        user=APP_LOGIN,
        password=kept_secret(there.secrets / "database_app") if password is None else password,
        dbname=DATABASE,
        autocommit=True,
    )


def quiet(there: Places) -> bool:
    return not pids(there)


@pytest.fixture
def join() -> Iterator[Callable[..., User]]:
    """Start users; all of them are gone when the test is over."""
    users: list[User] = []

    def start(var: Path, *, watch: bool = False) -> User:
        users.append(User(var, watch=watch))
        return users[-1]

    yield start
    for user in users:
        user.kill()


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Places:
    """An installation that has been started once before."""
    there = places(tmp_path_factory.mktemp("warm") / "var")
    user = User(there.var)
    user.seconds()
    user.leave()
    assert eventually(lambda: quiet(there), within=60)
    return there


@pytest.fixture
def rested(warm: Places) -> Places:
    """The same once nothing of the previous test runs any more."""
    assert eventually(lambda: quiet(warm), within=60)
    return warm
