"""The embedded services: started, shared, killed in every way, and never left behind."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from config.embedded import places, postgres, privilege, valkey
from config.embedded.places import APP_LOGIN, POSTGRES_PORT, Places
from tests.house.using import (
    ROOT,
    User,
    app,
    eventually,
    join,
    keeper_pid,
    pids,
    quiet,
    rested,
    warm,
)

__all__ = ["join", "rested", "warm"]


def test_later_start_serves_both(rested: Places, join: Callable[..., User]) -> None:
    join(rested.var).seconds()
    assert valkey.ask(rested) == "+PONG"
    with app(rested) as connection:
        assert connection.execute("SELECT current_user").fetchone() == (APP_LOGIN,)


def test_services_open_no_port_and_keep_folders_to_themselves(
    rested: Places, join: Callable[..., User]
) -> None:
    join(rested.var).seconds()
    with postgres.connect(rested) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
        assert connection.execute("SHOW fsync").fetchone() == ("on",)
        assert connection.execute("SHOW synchronous_commit").fetchone() == ("on",)
    sockets = set()
    for pid in pids(rested):
        with contextlib.suppress(FileNotFoundError):  # a worker may end while we look
            for link in Path(f"/proc/{pid}/fd").iterdir():
                sockets.add(str(link.readlink()))
    listening = {
        f"socket:[{line.split()[9]}]"
        for name in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{name}").read_text(encoding="ascii").splitlines()[1:]
    }
    assert sockets & listening == set()
    modes = {path.name: path.stat().st_mode & 0o077 for path in rested.secrets.iterdir()}
    assert modes == dict.fromkeys(modes, 0)
    assert rested.sockets.stat().st_mode & 0o077 == 0
    assert rested.postgres_data.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("password", ["", "guess"])
def test_database_refuses_a_wrong_password(
    rested: Places, join: Callable[..., User], password: str
) -> None:
    join(rested.var).seconds()
    with pytest.raises(psycopg.OperationalError, match="password"):
        app(rested, password=password)


def test_two_users_at_once_share_and_the_last_one_stops(
    rested: Places, join: Callable[..., User]
) -> None:
    first, second = join(rested.var), join(rested.var)
    first.seconds()
    second.seconds()
    with postgres.connect(rested) as connection:
        began = connection.execute("SELECT pg_postmaster_start_time()").fetchone()
    first.leave()
    time.sleep(1.6)
    with postgres.connect(rested) as connection:
        assert connection.execute("SELECT pg_postmaster_start_time()").fetchone() == began
    second.leave()
    assert eventually(lambda: quiet(rested), within=60)


def test_services_stop_when_the_last_user_is_killed(
    rested: Places, join: Callable[..., User]
) -> None:
    user = join(rested.var)
    user.seconds()
    keeper = keeper_pid(rested)
    user.kill()
    assert eventually(lambda: quiet(rested), within=60)
    assert eventually(lambda: not Path(f"/proc/{keeper}").exists(), within=60)


def test_acknowledged_rows_survive_when_every_server_process_is_killed_while_writing(
    rested: Places, join: Callable[..., User]
) -> None:
    join(rested.var).seconds()
    with postgres.connect(rested) as connection:
        connection.execute("DROP TABLE IF EXISTS written")
        connection.execute("CREATE TABLE written (number int PRIMARY KEY)")
    acknowledged = 0
    doomed = pids(rested)
    killed_at = time.monotonic() + 0.4
    killed = False
    with contextlib.suppress(psycopg.OperationalError), postgres.connect(rested) as connection:
        while True:
            if not killed and time.monotonic() > killed_at:
                for pid in {*doomed, *pids(rested)}:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                killed = True
            connection.execute("INSERT INTO written VALUES (%s)", [acknowledged + 1])
            acknowledged += 1
    assert killed

    def answers() -> bool:
        try:
            postgres.connect(rested).close()
            return valkey.ask(rested) == "+PONG"
        except (psycopg.OperationalError, OSError):
            return False

    assert eventually(answers, within=60)
    with postgres.connect(rested) as connection:
        row = connection.execute("SELECT count(*), max(number) FROM written").fetchone()
    assert acknowledged > 20
    # One more may be there: committed, but killed before it could say so.
    assert row in [(acknowledged, acknowledged), (acknowledged + 1, acknowledged + 1)]


def test_everything_killed_at_once_starts_again_with_its_rows(
    rested: Places, join: Callable[..., User]
) -> None:
    user = join(rested.var)
    user.seconds()
    with postgres.connect(rested) as connection:
        connection.execute("DROP TABLE IF EXISTS kept")
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    doomed = [keeper_pid(rested), *pids(rested), user.process.pid]
    for pid in doomed:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    join(rested.var).seconds()
    with postgres.connect(rested) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


def test_killed_keeper_takes_its_servers_along_and_a_watching_user_brings_them_back(
    rested: Places, join: Callable[..., User]
) -> None:
    join(rested.var, watch=True).seconds()
    old_keeper, old = keeper_pid(rested), set(pids(rested))
    os.kill(old_keeper, signal.SIGKILL)

    def back() -> bool:
        try:
            postgres.connect(rested).close()
            return valkey.ask(rested) == "+PONG" and not old & set(pids(rested))
        except (psycopg.OperationalError, OSError):
            return False

    assert eventually(back, within=60)
    assert keeper_pid(rested) != old_keeper


def test_keeper_that_is_asked_twice_still_stops_cleanly(
    rested: Places, join: Callable[..., User]
) -> None:
    join(rested.var).seconds()
    keeper = keeper_pid(rested)
    for _ in range(3):
        with contextlib.suppress(ProcessLookupError):
            os.kill(keeper, signal.SIGTERM)
        time.sleep(0.02)
    assert eventually(lambda: quiet(rested), within=60)
    assert not (rested.postgres_data / "postmaster.pid").exists()


@pytest.mark.parametrize("stranger", ["alive", "zombie"])
def test_stale_pid_file_is_not_believed(
    rested: Places, join: Callable[..., User], stranger: str
) -> None:
    process = subprocess.Popen(["sleep", "30"] if stranger == "alive" else ["true"])
    try:
        if stranger == "zombie":
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        (rested.postgres_data / "postmaster.pid").write_text(
            f"{process.pid}\n{rested.postgres_data}\n{int(time.time())}\n{POSTGRES_PORT}\n"
            f"{rested.sockets}\n\n  1234567    999999\nready   \n",
            encoding="ascii",
        )
        join(rested.var).seconds()
        with postgres.connect(rested) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        assert process.poll() is None or stranger == "zombie"
    finally:
        process.kill()
        process.wait()


def test_closed_parent_folder_works_and_keeps_its_mode(
    tmp_path: Path, join: Callable[..., User]
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    parents = [closed, *closed.parents]
    before = [(path.stat().st_mode, path.stat().st_uid) for path in parents]
    join(closed / "checkout" / "var").seconds()
    there = places(closed / "checkout" / "var")
    assert valkey.ask(there) == "+PONG"
    assert [(path.stat().st_mode, path.stat().st_uid) for path in parents] == before


def test_two_folders_have_servers_of_their_own_even_under_long_paths(
    rested: Places, tmp_path: Path, join: Callable[..., User]
) -> None:
    deep = tmp_path / ("long" * 20) / "var"
    first, second = join(rested.var), join(deep)
    first.seconds()
    second.seconds()
    far = places(deep)
    assert len(os.fsencode(far.valkey_socket)) < 100
    assert far.run.parent == Path("/tmp")  # noqa: S108 - the short place that is private and checked
    assert far.run.stat().st_uid == os.geteuid()
    with postgres.connect(rested) as one, postgres.connect(far) as other:
        query = "SHOW data_directory"
        assert one.execute(query).fetchone() == (str(rested.postgres_data),)
        assert other.execute(query).fetchone() == (str(far.postgres_data),)
    second.leave()
    assert eventually(lambda: quiet(far), within=60)


def test_short_folder_laid_by_somebody_else_is_refused(
    tmp_path: Path, join: Callable[..., User]
) -> None:
    there = places(tmp_path / ("long" * 21) / "var")
    (tmp_path / "trap").mkdir()
    there.run.symlink_to(tmp_path / "trap")
    try:
        assert join(there.var).answer() == (
            f"refused {there.run} is not a folder of this user; remove it, or set "
            "COUNTERSIGN_VAR to a folder of your own."
        )
    finally:
        there.run.unlink()


def test_services_stop_when_their_folder_is_removed(
    tmp_path: Path, join: Callable[..., User]
) -> None:
    user = join(tmp_path / "var")
    user.seconds()
    there = places(tmp_path / "var")
    found = pids(there)
    there.var.rename(tmp_path / "moved")
    assert eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in found), within=60)


@pytest.mark.parametrize("way", list(privilege.candidates()), ids=lambda way: way.kind)
def test_way_gives_up_every_right(way: privilege.Way) -> None:
    try:
        done = subprocess.run(
            ["/bin/sh", "-c", "id -u; grep -E 'CapEff|NoNewPrivs' /proc/self/status"],
            preexec_fn=way.prepare(signal.SIGKILL),
            capture_output=True,
            text=True,
            check=True,
            cwd="/",
        )
    except subprocess.SubprocessError:
        # A kernel without user namespaces: the other ways are there for it.
        assert way.kind == "mapped"
        return
    lines = done.stdout.split()
    assert lines[0] == str(way.uid)
    assert lines[1:] == ["CapEff:", "0" * 16, "NoNewPrivs:", "1"]


def test_socket_is_not_shared_with_children_that_are_executed(rested: Places) -> None:
    with socket.socket(socket.AF_UNIX) as line:
        assert not os.get_inheritable(line.fileno())
    assert rested.keeper_socket.parent == rested.run


def test_own_database_is_prepared_by_a_login_that_may_create_roles(
    rested: Places, join: Callable[..., User]
) -> None:
    """As README has it for a PostgreSQL of one's own: nobody but this login does anything."""
    join(rested.var).seconds()
    here = f"@/landlords?host={rested.sockets}&port={POSTGRES_PORT}"
    url = f"postgresql://landlord:pw{here}"
    environment = {**os.environ, "COUNTERSIGN_VAR": str(rested.var), "DATABASE_URL": url}
    for name in ("DATABASE_OWNER_URL", "COUNTERSIGN_DB_ROLE"):
        environment.pop(name, None)
    with postgres.connect(rested) as superuser:
        superuser.execute("ALTER ROLE countersign_app RENAME TO countersign_app_before")
        superuser.execute("CREATE ROLE landlord LOGIN CREATEDB CREATEROLE PASSWORD 'pw'")
        superuser.execute("CREATE DATABASE landlords OWNER landlord")
        try:
            subprocess.run(
                [sys.executable, "manage.py", "migrate", "-v0"],
                cwd=ROOT,
                env=environment,
                check=True,
            )
            with psycopg.connect(url, options="-c role=countersign_app") as mine:
                assert mine.execute("SELECT current_user").fetchone() == ("countersign_app",)
        finally:
            superuser.execute("DROP DATABASE landlords WITH (FORCE)")
            superuser.execute("DROP ROLE landlord")
            superuser.execute("DROP ROLE countersign_app")
            superuser.execute("ALTER ROLE countersign_app_before RENAME TO countersign_app")
