"""One database for each process: made and migrated as the owner, used with the app's rights.

Every test therefore meets the rights that the product has at run time (decisions 17). Without
DATABASE_URL and REDIS_URL the embedded services are used; several runs may share them, each has
a database of its own. The processes of one run have embedded services of their own: a transaction
that is open anywhere on a server holds back the sealer of the ledger in every database of it.
"""

import contextlib
import functools
import gc
import hashlib
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, LiteralString

# Before Django reads its settings.
os.environ["COUNTERSIGN_DB_ROLE"] = "app"
os.environ["COUNTERSIGN_POOL"] = "0"
os.environ["COUNTERSIGN_SECOND_FACTOR"] = "0"  # of child processes; see below
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "1")  # Playwright's loop runs beside the ORM

import hypothesis
import psycopg
import pytest
from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.test import TransactionTestCase, override_settings
from psycopg import sql
from pytest_django.plugin import DjangoDbBlocker, blocking_manager_key

from evidence import partitions
from tests import beforehand, clock, once, order
from tests.connector_secrets import secret_file

__all__ = ["secret_file"]

# Its own tests switch it on (tests/reviews/test_enrolled.py).
settings.SECOND_FACTOR = False

# Making a month takes longer than most tests, and is taken back with what they did: these are there.
TOUCHED = (clock.FROZEN, datetime.now(UTC))  # the frozen time, and today
PARTITIONED = (*partitions.BY_EVENT_TIME, *partitions.BY_RECEIPT)
# What the processes of this run share is made by this one.
MAKING = pytest.StashKey[subprocess.Popen[bytes] | None]()
PREFIX = f"test_countersign_{hashlib.sha256(socket.gethostname().encode()).hexdigest()[:6]}_"


# How fast this machine is right now is not what a test is about.
hypothesis.settings.register_profile(
    "house", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("house")


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    pluginmanager.register(clock)
    parser.addoption("--clock", default="", help="run as if it were then: +400d, leap-day, …")


def pytest_configure(config: pytest.Config) -> None:
    if config.option.collectonly or config.getoption("dist", "no") != "no":
        return  # nothing runs in this process
    gc.disable()  # until all tests are found: nothing of what that makes is garbage
    beforehand.start_services()


def pytest_unconfigure(config: pytest.Config) -> None:
    if made := config.stash.get(MAKING, None):
        beforehand.end(made)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long is not left for the end."""
    order.sort(items)


def pytest_collection_finish(session: pytest.Session) -> None:
    """What is there now stays to the end: looking through it for garbage again and again took a
    tenth of the time."""
    beforehand.wish(session.items)
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """What stands in the database and is nothing that this test begins with goes first."""
    if once.standing:
        with item.config.stash[blocking_manager_key].unblock():
            once.leave(item)


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> None:
    """What the test begins with stands before its own transaction starts."""
    if fixturedef.argname != "_django_db_helper":
        return
    request.getfixturevalue("isolated_wiring")
    unblocked = request.config.stash[blocking_manager_key].unblock()
    with unblocked, clock.clock_for(request.node, shared=True):
        once.stand(request.node)
    if once.standing:
        request.node.getparent(pytest.Module).addfinalizer(
            functools.partial(leave_all, request.config.stash[blocking_manager_key])
        )


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """One process on a server of yours, and where modules are named one by one: that is sooner."""
    alone = settings.DATABASE_URL or all(".py" in word for word in config.args)
    return 0 if alone else None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config, specs: list[Any]) -> None:
    """The environment of each process, before it starts; what they share begins to be made."""
    config.stash[MAKING] = beforehand.begin()
    for number, spec in enumerate(specs):
        var = str(settings.VAR / "tests" / str(number))
        spec.env |= {"COUNTERSIGN_VAR": var, "TESTS_VAR": var}
        spec.env["PEERS_FOLDER"] = os.environ.get("PEERS_FOLDER", str(settings.VAR / "peers"))


def leave_all(blocker: DjangoDbBlocker) -> None:
    with blocker.unblock():
        once.leave()


def owner_connection(name: str) -> psycopg.Connection[tuple[Any, ...]]:
    """The owner's own connection to this database, outside Django."""
    return role_connection("owner", name)


def role_connection(role: str, name: str) -> psycopg.Connection[tuple[Any, ...]]:
    """The same of any role."""
    entry = settings.DATABASE_ROLES[role]
    words = (("user", "USER"), ("password", "PASSWORD"), ("host", "HOST"), ("port", "PORT"))
    given = {word: entry[key] for word, key in words if entry[key]}
    return psycopg.connect(**given, **entry["OPTIONS"], dbname=name, autocommit=True)


def use_role(role: str, name: str) -> None:
    """Django's connection becomes that of this role, on this database."""
    connection.close()
    for key, value in {**settings.DATABASE_ROLES[role], "NAME": name}.items():
        connection.settings_dict[key] = value


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def drop_orphans(owner: psycopg.Connection[tuple[Any, ...]]) -> None:
    """Remove the databases of runs on this machine that were killed."""
    rows = owner.execute(
        "SELECT datname FROM pg_database d WHERE starts_with(datname, %s) AND NOT EXISTS"
        " (SELECT 1 FROM pg_stat_activity a WHERE a.datid = d.oid)",
        [PREFIX],
    ).fetchall()
    for (name,) in rows:
        number = name.removeprefix(PREFIX)
        if number.isdigit() and not alive(int(number)):
            owner.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name)))


def leave(home: str, name: str) -> None:
    """End the app's connections to a database that threads of tests left open: the owner may not,
    and would wait for them for two minutes."""
    with role_connection("app", home) as app:
        app.execute("SET ROLE NONE")  # who signed in may end its own connections, not its role
        app.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = %s AND usename = session_user",
            [name],
        )


def drop(owner: psycopg.Connection[tuple[Any, ...]], name: str) -> None:
    """Remove a database. FORCE may not end the server's own autovacuum worker; that one leaves
    by itself when it is asked for without."""
    identifier = sql.Identifier(name)
    for _ in range(20):
        try:
            owner.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(identifier))
            return
        except (psycopg.errors.InsufficientPrivilege, psycopg.errors.ObjectInUse):
            time.sleep(0.25)
            with contextlib.suppress(psycopg.errors.ObjectInUse):
                owner.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(identifier))
                return


@contextlib.contextmanager
def migrated_database() -> Iterator[str]:
    """A database of this process, whose name it is, with Django's connection under the app's rights."""
    home = settings.DATABASE_ROLES["owner"]["NAME"]
    name = f"{PREFIX}{os.getpid()}"
    identifier = sql.Identifier(name)
    with owner_connection(home) as owner:
        drop_orphans(owner)
        owner.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(identifier))
        owner.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(identifier))
        # It need not survive a crash of the server; tests of crashes have servers of their own.
        owner.execute(sql.SQL("ALTER DATABASE {} SET synchronous_commit = off").format(identifier))
        try:
            use_role("owner", name)
            beforehand.migrate()
            use_role("app", name)
            months = {partitions.month_of(one) for one in TOUCHED}
            partitions.ensure(partitions.missing(PARTITIONED, months))
            with owner_connection(name) as inside:
                Cleaner.current = Cleaner(inside)
                yield name
        finally:
            Cleaner.current = None
            use_role("app", home)
            leave(home, name)
            drop(owner, name)


@pytest.fixture(scope="session")
def django_db_setup(django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """The run's database, under the app's rights."""
    with django_db_blocker.unblock(), migrated_database():
        yield


class Cleaner:
    """Puts the database back after a test that committed: empty, but for what migrations put in,
    and without the months it made.

    The app may neither truncate nor delete evidence, so the owner does it, with the append-only
    triggers off inside one transaction. Deleting is faster than truncating for the few rows of a
    test, and deferred foreign keys make its order irrelevant.
    """

    current: "Cleaner | None" = None

    def __init__(self, owner: psycopg.Connection[tuple[Any, ...]]) -> None:
        self.owner = owner
        self.tables = [
            name
            for (name,) in owner.execute(
                "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
                " AND relkind IN ('r', 'p') AND NOT relispartition ORDER BY 1"
            )
        ]
        self.guarded = {
            name
            for (name,) in owner.execute(
                "SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger WHERE NOT tgisinternal"
            )
        }
        self.seeds = {name: self.copied(name) for name in self.filled()}
        self.bare = self.seeds  # what migrations put in, whatever a folder keeps beside it
        self.kept = self.partitions()

    def partitions(self) -> set[str]:
        """Each one that is there makes every plan of its table take longer."""
        found = self.owner.execute(
            "SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r'"
        )
        return {name for (name,) in found}

    def copied(self, table: str) -> bytes:
        statement = sql.SQL("COPY (SELECT * FROM {}) TO STDOUT").format(sql.Identifier(table))
        with self.owner.cursor() as cursor, cursor.copy(statement) as copy:
            return b"".join(bytes(block) for block in copy)

    def filled(self) -> list[str]:
        """The tables that hold rows."""
        each = [
            sql.SQL("SELECT {} WHERE EXISTS (SELECT 1 FROM {})").format(
                sql.Literal(name), sql.Identifier(name)
            )
            for name in self.tables
        ]
        return [name for (name,) in self.owner.execute(sql.SQL(" UNION ALL ").join(each))]

    def numbers(self) -> dict[str, int]:
        """The last number that each sequence has given."""
        return dict(
            self.owner.execute(
                "SELECT sequencename::text, last_value FROM pg_sequences"
                " WHERE schemaname = 'public' AND last_value IS NOT NULL"
            ).fetchall()
        )

    def count_on(self, numbers: dict[str, int]) -> None:
        """No sequence gives a number again that rows from elsewhere have."""
        here = self.numbers()
        for name, last in numbers.items():
            number = max(last, here.get(name, 0))
            self.owner.execute("SELECT setval(%s::regclass, %s)", [f'public."{name}"', number])

    def clean(self) -> None:
        filled = self.filled()
        changed = [
            name
            for name in {*filled, *self.seeds}
            if name not in self.seeds or self.copied(name) != self.seeds[name]
        ]
        guarded = [name for name in changed if name in self.guarded]
        with self.owner.transaction():
            self.owner.execute("SET LOCAL lock_timeout = '20s'")
            for name in sorted(self.partitions() - self.kept):
                self.run("DROP TABLE {}", name)
            for name in guarded:
                self.run("ALTER TABLE {} DISABLE TRIGGER USER", name)
            for name in changed:
                self.run("DELETE FROM {}", name)
            for name in changed:
                if self.seeds.get(name):
                    into = sql.SQL("COPY {} FROM STDIN").format(sql.Identifier(name))
                    with self.owner.cursor() as cursor, cursor.copy(into) as copy:
                        copy.write(self.seeds[name])
            self.owner.execute("SET CONSTRAINTS ALL IMMEDIATE")
            for name in guarded:
                self.run("ALTER TABLE {} ENABLE TRIGGER USER", name)

    def run(self, statement: LiteralString, table: str) -> None:
        self.owner.execute(sql.SQL(statement).format(sql.Identifier(table)))


def clean_after_commit(_case: TransactionTestCase) -> None:
    connection.close()
    if Cleaner.current is not None:
        Cleaner.current.clean()


# Django would flush as the app, which may not; this is the one hook it offers.
TransactionTestCase._fixture_teardown = clean_after_commit  # type: ignore[attr-defined]  # private to Django


@pytest.fixture(scope="session", autouse=True)
def settings_of_tests() -> Iterator[None]:
    """Pages find their files without collecting them first; that has a test of its own. A password
    is hashed in a moment: half a second is for those who guess."""
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    with override_settings(
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        STORAGES={**settings.STORAGES, "staticfiles": plain},
        WHITENOISE_AUTOREFRESH=True,
        WHITENOISE_USE_FINDERS=True,
    ):
        yield


@pytest.fixture(autouse=True)
def isolated_wiring(settings: Any) -> Iterator[None]:
    """No test reaches a worker or a cache that somebody uses outside the tests."""
    from evidence import nudge

    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    settings.MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}
    sender, nudge.send = nudge.send, None
    nudge.Broker.silent_until = 0.0
    cache.clear()
    yield
    nudge.send = sender


@pytest.fixture
def nudges(isolated_wiring: None) -> list[str]:
    """The names that were said after a commit, in order."""
    from evidence import nudge

    said: list[str] = []
    nudge.send = said.append
    return said


@pytest.fixture
def as_owner(django_db_setup: None) -> Callable[..., list[tuple[Any, ...]]]:
    """Run one statement with the owner's rights, outside the test's transaction."""

    def run(statement: str, parameters: list[Any] | None = None) -> list[tuple[Any, ...]]:
        assert Cleaner.current is not None
        cursor = Cleaner.current.owner.execute(statement.encode("utf-8"), parameters)
        return cursor.fetchall() if cursor.description else []

    return run
