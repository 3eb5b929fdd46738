"""A socket for JSON lines: batches, ends without a newline, many writers, addresses, the command."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection

from evidence import arriving, intake, listening
from evidence.arriving import Taker
from evidence.listening import Listener, Where, Wrong
from evidence.models import Event, Source
from tests.evidence.sources.pulling import named
from tests.evidence.vault_log import entries, entry

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
WITHIN = 60.0


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path: a Unix socket's has at most 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="cs-") as made:
        yield Path(made)


def until(met: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN
    while not met():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def connect(at: Where) -> socket.socket:
    if at.path is None:
        return socket.create_connection((at.host, at.port), timeout=5)
    made = socket.socket(socket.AF_UNIX)
    made.settimeout(5)
    made.connect(str(at.path))
    return made


@pytest.fixture(params=["unix", "tcp"])
def at(request: pytest.FixtureRequest, folder: Path) -> Where:
    return Where(folder / "s") if request.param == "unix" else Where(None, "127.0.0.1", 0)


@contextlib.contextmanager
def listening_at(at: Where, taken: list[bytes]) -> Iterator[Listener]:
    made = Listener(at, take=taken.append)
    try:
        yield made
    finally:
        made.close()


def test_lines_are_taken_in_batches_and_whole(at: Where) -> None:
    taken: list[bytes] = []
    with listening_at(at, taken) as there, connect(there.at) as writer:
        writer.sendall(b"one\ntwo\nthr")
        until(lambda: bool(taken))
        writer.sendall(b"ee\n")
        until(lambda: len(taken) == 2)
        assert taken == [b"one\ntwo\n", b"three\n"]


def test_writer_that_goes_leaves_nothing_behind(at: Where) -> None:
    taken: list[bytes] = []
    with listening_at(at, taken) as there:
        with connect(there.at) as writer:
            writer.sendall(b"one\nlast without an end")
        until(lambda: bool(taken))
    assert taken == [b"one\nlast without an end"]


def test_closing_stores_what_came_whole(at: Where) -> None:
    taken: list[bytes] = []
    there = Listener(at, take=taken.append)
    with connect(there.at) as writer:
        writer.sendall(b"one\ntw")
        time.sleep(0.1)
        there.close()
    assert taken == [b"one\n"]


def test_many_writers_at_once_lose_nothing(at: Where) -> None:
    taken: list[bytes] = []

    def write(there: Where, number: int) -> None:
        with connect(there) as writer:
            for line in range(200):
                writer.sendall(f"{number}.{line}\n".encode())

    with listening_at(at, taken) as there:
        threads = [threading.Thread(target=write, args=(there.at, one)) for one in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        until(lambda: b"".join(taken).count(b"\n") == 1600)
    found = b"".join(taken).split()
    for number in range(8):
        own = [line for line in found if line.startswith(b"%d." % number)]
        assert own == [b"%d.%d" % (number, line) for line in range(200)]


def test_line_without_an_end_is_handed_on_within_bounds(
    at: Where, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "BATCH", 1000)
    monkeypatch.setattr(listening, "LONGEST_LINE", 2000)
    taken: list[bytes] = []
    with listening_at(at, taken) as there, connect(there.at) as writer:
        writer.sendall(b"x" * 300_000)
        until(lambda: sum(map(len, taken)) > 200_000)


def test_connections_are_counted(at: Where, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "MOST_CONNECTIONS", 2)
    with listening_at(at, []) as there, contextlib.ExitStack() as stack:
        writers = [stack.enter_context(connect(there.at)) for _ in range(3)]
        assert writers[-1].recv(1) == b""


def test_place_of_a_connection_is_free_again_whatever_fails(
    at: Where, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "MOST_CONNECTIONS", 2)

    def fails() -> None:
        raise RuntimeError("cannot be closed")

    taken: list[bytes] = []
    there = Listener(at, take=taken.append, done=fails)
    try:
        for number in range(6):
            with connect(there.at) as writer:
                writer.sendall(b"%d\n" % number)
                writer.shutdown(socket.SHUT_WR)
                assert writer.recv(1) == b""  # its thread is at its end
            until(lambda last=number: len(taken) == last + 1)  # type: ignore[misc]  # mypy cannot see the default's type
            # Closed before its place is given back.
            until(lambda: there.room == 2)
    finally:
        there.close()


def test_lines_that_are_not_taken_end_their_own_connection_alone(at: Where) -> None:
    taken: list[bytes] = []

    def take(lines: bytes) -> None:
        if b"bad" in lines:
            raise intake.NotTaken("this is no text")
        taken.append(lines)

    there = Listener(at, take=take)
    try:
        with connect(there.at) as good, connect(there.at) as bad:
            good.sendall(b"one\n")
            until(lambda: len(taken) == 1)
            bad.sendall(b"bad\n")
            assert bad.recv(1) == b""
            good.sendall(b"two\n")
            until(lambda: len(taken) == 2)
    finally:
        there.close()
    assert (taken, there.refused) == ([b"one\n", b"two\n"], 1)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"unix": "", "tcp": ""}, "name one address"),
        ({"unix": "/run/a", "tcp": "127.0.0.1:1"}, "name one address"),
        ({"unix": "", "tcp": "0.0.0.0:9090"}, "is no loopback address"),
        ({"unix": "", "tcp": "localhost:9090"}, "is no loopback address"),
        ({"unix": "", "tcp": "127.0.0.1"}, "is no loopback address"),
        ({"unix": "", "tcp": "127.0.0.1:99999"}, "is no loopback address"),
    ],
)
def test_addresses_that_others_could_write_to_are_refused(said: dict[str, str], words: str) -> None:
    with pytest.raises(Wrong, match=words):
        listening.where(**said)


def test_loopback_addresses_are_taken() -> None:
    assert listening.where(unix="", tcp="[::1]:9090") == Where(None, "::1", 9090)
    assert listening.where(unix="/run/a.sock", tcp="") == Where(Path("/run/a.sock"))


def test_socket_of_a_process_that_is_gone_is_replaced(folder: Path) -> None:
    at = Where(folder / "s")
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(at.path))
    left.close()
    with listening_at(at, []):
        assert (folder / "s").stat().st_mode & 0o777 == 0o660
        with pytest.raises(Wrong, match="another process listens"):
            Listener(at, take=print)
    assert not (folder / "s").exists()


def test_file_that_is_no_socket_stays(folder: Path) -> None:
    (folder / "s").write_text("mine")
    with pytest.raises(Wrong, match="is no socket"):
        Listener(Where(folder / "s"), take=print)
    assert (folder / "s").read_text() == "mine"


# --- what is done with the lines


@pytest.mark.django_db
def test_batch_waits_while_the_database_is_away(
    source: Callable[..., Source], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arriving, "FIRST_WAIT", 0.01)
    answers: list[Exception | None] = [OperationalError("away"), OSError("away"), None]
    take = intake.take

    def away(**said: Any) -> intake.Taken:
        problem = answers.pop(0)
        if problem is not None:
            raise problem
        return take(**said)

    monkeypatch.setattr(intake, "take", away)
    taker = Taker(source("vault"), "command", lambda: NOW, threading.Event(), format="vault")
    taker.take(entries(0, 3).encode(), name="socket")
    assert (taker.counts.events, answers) == (3, [])


@pytest.mark.django_db
def test_batch_is_let_go_when_told_to_stop(
    source: Callable[..., Source], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(**_: Any) -> intake.Taken:
        raise OperationalError("away")

    monkeypatch.setattr(intake, "take", away)
    stop = threading.Event()
    stop.set()
    taker = Taker(source("vault"), "command", lambda: NOW, stop, format="vault")
    with pytest.raises(arriving.Ended):
        taker.take(entries(0, 3).encode(), name="socket")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'{"a": 1}\n', b'{"cluster_name":"main","a": 1}\n'),
        (
            b'{ "a": 1}\n{"b": 2}',
            b'{"cluster_name":"main", "a": 1}\n{"cluster_name":"main","b": 2}',
        ),
        (b"{}\n", b"{}\n"),
        (b"no json {\n", b"no json {\n"),
        (b'x {"a": 1}\n', b'x {"a": 1}\n'),
    ],
)
def test_cluster_is_a_member_of_each_line(line: bytes, said: bytes) -> None:
    assert arriving.of_cluster(line, "main") == said
    assert arriving.of_cluster(line, "") == line


def test_line_that_names_its_cluster_keeps_it() -> None:
    line = json.dumps({"cluster_name": "own"}).encode()
    assert json.loads(arriving.of_cluster(line, "main")) == {"cluster_name": "own"}


# --- the command


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"tcp": "127.0.0.1:0"}, "in which format"),
        ({"tcp": "0.0.0.0:1", "format": "vault"}, "is no loopback address"),
        ({"tcp": "127.0.0.1:0", "format": "vault", "cluster": "a b"}, "--cluster"),
    ],
)
def test_command_says_what_is_wrong(
    source: Callable[..., Source], said: dict[str, str], words: str
) -> None:
    source("vault")
    with pytest.raises(CommandError, match=words):
        call_command("listen", "vault", **said)


# A process of its own on this run's database: its name, a folder, the command.
COMMAND = """
import sys
from pathlib import Path
import django
django.setup()
from django.conf import settings
from django.core.management import execute_from_command_line
from django.db import connections
connections.settings["default"]["NAME"] = sys.argv[1]
settings.VAR = Path(sys.argv[2])
execute_from_command_line(["manage.py", *sys.argv[3:]])
"""


@contextlib.contextmanager
def running(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    name = str(connection.settings_dict["NAME"])
    made = subprocess.Popen(
        [sys.executable, "-c", COMMAND, name, str(folder), *arguments],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings"},
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield made
    finally:
        if made.poll() is None:
            made.kill()
            made.communicate(timeout=WITHIN)


@pytest.mark.django_db(transaction=True)
def test_command_stores_what_vault_writes(source: Callable[..., Source], folder: Path) -> None:
    source("vault", format="vault")
    path = folder / "s"
    with running(folder, "listen", "vault", "--unix", str(path), "--cluster", "main") as made:
        assert made.stderr is not None
        lines: list[str] = []
        while not (lines and "listens at" in lines[-1]):
            lines.append(made.stderr.readline())
            assert lines[-1], "".join(lines)
        # More writers one after the other than may be connected at once, the first of them broken.
        for number in range(listening.MOST_CONNECTIONS + 8):
            with connect(Where(path)) as writer:
                text = json.dumps(entry(number)) + "\n"
                writer.sendall(text.encode() if number else text.encode("utf-16"))
                writer.shutdown(socket.SHUT_WR)
                assert writer.recv(1) == b""
        with connect(Where(path)) as writer:
            for number in range(100):
                writer.sendall(json.dumps(entry(number)).encode() + b"\n")
            until(lambda: Event.objects.count() == 100)
            writer.sendall(json.dumps(entry(100)).encode() + b"\n")
            time.sleep(0.05)
            made.send_signal(signal.SIGTERM)
            out, _ = made.communicate(timeout=WITHIN)
    assert out.strip() == (
        "vault: 101 events, 39 duplicates, 0 rejects. 1 batch not taken: see the log."
    )
    assert {realm for realm, _, _ in named("principal")} == {"vault:main"}


@pytest.mark.django_db(transaction=True)
def test_follower_that_is_killed_at_any_moment_loses_and_doubles_nothing(
    source: Callable[..., Source], tmp_path: Path
) -> None:
    source("vault", format="vault")
    path, written = tmp_path / "audit.log", 100
    path.write_text(entries(0, written))
    for _ in range(3):
        with running(tmp_path, "follow", str(path), "--source", "vault") as made:
            stored = Event.objects.count()
            until(lambda before=stored: Event.objects.count() > before)  # type: ignore[misc]  # mypy cannot see the default's type
            for turn in range(9):
                with path.open("a") as file:
                    file.write(entries(written, written + 100))
                written += 100
                if turn % 4 == 3:
                    path.rename(path.with_name(f"audit.log.{written}"))
                    path.touch()
                time.sleep(0.06)
            assert made.poll() is None
            made.kill()
        with path.open("a") as file:
            file.write(entries(written, written + 100))
        written += 100
    with running(tmp_path, "follow", str(path), "--source", "vault", "--once") as made:
        assert made.wait(2 * WITHIN) == 0
        made.communicate()
    assert Event.objects.count() == written
