"""`manage.py up`: all of it answers, and all of it ends, however the end comes."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import beforehand

MIGRATE = """
import django; django.setup()
from config import services; services.ensure()
from tests import beforehand; beforehand.migrate()
"""
ROOT = Path(__file__).resolve().parent.parent.parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Up:
    """One run over an installation of its own."""

    def __init__(self, var: Path, port: int) -> None:
        self.port = port
        self.log = var.with_name(f"{var.name}-{port}.log")
        bare = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("COUNTERSIGN_", "DATABASE_", "REDIS_"))
        }
        self.environment = {
            **bare,
            "COUNTERSIGN_VAR": str(var),
            "COUNTERSIGN_BIND": f"127.0.0.1:{port}",
            "COUNTERSIGN_BASE_URL": f"http://127.0.0.1:{port}",
            "COUNTERSIGN_ALLOW_ROOT": "1",  # in a sandbox the tests are
        }
        self.process: subprocess.Popen[bytes] | None = None

    def migrate(self) -> None:
        """Create its tables from the cached schema; a real `migrate` is in test_embedded.py."""
        subprocess.run(
            [sys.executable, "-c", MIGRATE],
            cwd=ROOT,
            env={
                **self.environment,
                "COUNTERSIGN_DB_ROLE": "owner",
                beforehand.FOLDER: str(beforehand.folder()),
            },
            check=True,
        )

    def start(self) -> None:
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "up"],
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wanted = f"Countersign answers at http://127.0.0.1:{self.port}"
        assert eventually(lambda: wanted in self.words(), within=90), self.words()

    def words(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def family(self) -> dict[int, str]:
        """Every process whose environment has this run's address: pid -> its part."""
        mark = f"COUNTERSIGN_BIND=127.0.0.1:{self.port}".encode()
        found = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    variables = (entry / "environ").read_bytes().split(b"\0")
                    if mark in variables:
                        parts = [
                            value for value in variables if value.startswith(b"COUNTERSIGN_PART=")
                        ]
                        part = parts[0].partition(b"=")[2].decode() if parts else "up"
                        found[int(entry.name)] = part
        return found

    def end(self) -> int:
        assert self.process is not None
        return self.process.wait(timeout=30)


def eventually(true: Callable[[], bool], *, within: float) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if true():
            return True
        time.sleep(0.1)
    return true()


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Up:
    run = Up(tmp_path_factory.mktemp("up") / "var", free_port())
    run.migrate()
    return run


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Up:
    """An installation whose database nobody has migrated."""
    return Up(tmp_path_factory.mktemp("bare") / "var", free_port())


@pytest.fixture
def running(up: Up) -> Iterator[Up]:
    assert eventually(lambda: not up.family(), within=60)
    try:
        up.start()
        yield up
    finally:
        for pid in up.family():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        assert up.process is not None
        up.process.wait()


def chief(run: Up, part: str) -> int:
    """The first process of this part: what `up` itself started."""
    return min(pid for pid, name in run.family().items() if name == part)


def test_ctrl_c_stops_all_of_them_cleanly(running: Up) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{running.port}/readyz") as answer:
        assert answer.status == 200
    # A folder of its own needs no files of pages of its own.
    sign_in = f"http://127.0.0.1:{running.port}/accounts/login/"
    with urllib.request.urlopen(sign_in) as page:
        assert page.status == 200
        style = re.search(r'href="(/static/app\.[^"]+\.css)"', page.read().decode())
    assert style is not None
    with urllib.request.urlopen(f"http://127.0.0.1:{running.port}{style[1]}") as found:
        assert found.status == 200
    assert set(running.family().values()) == {"up", "web", "worker", "sources", "stopping", "beat"}
    assert running.process is not None
    running.process.send_signal(signal.SIGINT)
    assert running.end() == 0
    assert running.family() == {}


def test_nothing_is_left_when_it_is_killed(running: Up) -> None:
    assert running.process is not None
    running.process.kill()
    running.process.wait()
    assert eventually(lambda: running.family() == {}, within=60), running.family()


def test_death_of_one_ends_all_with_its_reason(running: Up) -> None:
    os.kill(chief(running, "beat"), signal.SIGKILL)
    assert running.end() == 1
    assert "beat was ended by signal 9; its last lines above say why." in running.words()
    assert running.family() == {}


def test_taken_port_is_said_before_anything_starts(up: Up) -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", up.port))
        other.listen()
        done = subprocess.run(
            [sys.executable, "manage.py", "up"],
            cwd=ROOT,
            env=up.environment,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == (
        f"CommandError: COUNTERSIGN_BIND is 127.0.0.1:{up.port}, which cannot be used (Address "
        "already in use); stop what uses it, or set COUNTERSIGN_BIND (and COUNTERSIGN_BASE_URL) to "
        "another address.\n"
    )


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["demo", "--seed-only"], ", or `make demo`, which does both."),
        (["verify_ledger"], "."),
        (["login", "ines"], "."),
    ],
)
def test_a_database_that_is_not_migrated_is_said_in_one_sentence(
    bare: Up, command: list[str], said: str
) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", *command],
        cwd=ROOT,
        env=bare.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    words = r"\w+: \d+ migrations are not applied; run `manage\.py migrate` first"
    assert re.fullmatch(words + re.escape(said), done.stderr.strip()), done.stderr
    assert (done.returncode, done.stdout) == (1, "")
