"""A cache of what tests start from: the database schema and the demo's story.

Each entry is stored under a digest of its inputs: for the schema the migrations and what they
import, for the story all product code as well. A changed input makes a new entry; the three newest
are kept. The first process that needs an entry makes it while the others wait on a lock. A run of
several processes starts one more, which makes missing entries while the others collect their tests.
"""

import contextlib
import fcntl
import functools
import gc
import hashlib
import os
import pickle
import select
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.test.utils import setup_test_environment

from config import environment
from tests import clock

# Names the cache's folder to the processes of a run.
FOLDER = "TESTS_BEFOREHAND"
DIGESTS = "COUNTERSIGN_DIGEST_KEY"  # digests in the story's rows are keyed
# Read once: the story's fixture replaces VAR.
DEFAULT_FOLDER = settings.VAR / "tests" / "beforehand"
SCHEMA, STORY, WANTED = "schema", "story", "wanted"
KEPT = 3  # entries of each, so that switching between branches stays fast

ROOT = Path(__file__).resolve().parent.parent
PRODUCT = ("config", "evidence", "identities", "reviews")
# Besides the migrations: what they import, and what `migrate` runs after them.
OF_SCHEMA = (
    "requirements.lock",
    "config/grants.py",
    "config/management/commands/migrate.py",
    "config/table_rights.py",
    "evidence/keys.py",
    "evidence/models/ledger.py",
    "evidence/models/numbers.py",
    "evidence/partitions.py",
    "identities/actions/logins.py",
    "tests/beforehand.py",
)
OF_STORY = ("tests/clock.py", "tests/planted.py", "tests/awslab")


# --- the cache ----------------------------------------------------------------------------------


def folder() -> Path:
    return Path(os.environ.get(FOLDER) or DEFAULT_FOLDER)


@functools.cache
def path_of(name: str) -> Path:
    """The entry's path, named after a digest of its inputs as they are now."""
    inputs = {ROOT / path for path in OF_SCHEMA}
    inputs |= {path for app in PRODUCT for path in (ROOT / app).glob("migrations/*.py")}
    digest = hashlib.sha256(sys.version.encode())
    if name == STORY:
        inputs |= {path for app in PRODUCT for path in (ROOT / app).rglob("*.py")}
        inputs |= {path for start in OF_STORY for path in _modules(ROOT / start)}
        digest.update(settings.DIGEST_KEY)
    for path in sorted(inputs):
        digest.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes() + b"\0")
    return folder() / f"{name}-{digest.hexdigest()[:16]}"


def _modules(path: Path) -> list[Path]:
    return sorted(path.rglob("*.py")) if path.is_dir() else [path]


def cached(name: str, make: Callable[[Path], object]) -> Path:
    """The entry's path. `make` writes it to a draft where it is missing, one process at a time."""
    entry = path_of(name)
    entry.parent.mkdir(parents=True, exist_ok=True)
    with locked(entry.parent, name):
        if entry.exists():
            return entry
        draft = entry.with_suffix(".draft")
        _remove(draft)
        make(draft)
        draft.rename(entry)
        entries = sorted(entry.parent.glob(f"{name}-*"), key=lambda path: path.stat().st_mtime)
        for old in entries[:-KEPT]:
            _remove(old)
    return entry


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def locked(folder: Path, name: str) -> Iterator[None]:
    with (folder / f"{name}.lock").open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def migrate() -> None:
    """Create all tables in the empty database that Django is connected to."""
    if not settings.EMBEDDED:
        _migrate()
        return
    migrated = False

    def make(draft: Path) -> None:
        nonlocal migrated
        _migrate()
        migrated = True
        _run("pg_dump", connection.settings_dict, "--no-owner", "--no-comments", f"--file={draft}")

    dump = cached(SCHEMA, make)
    if not migrated:
        _run("psql", connection.settings_dict, "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1",
             "--single-transaction", "--output=/dev/null", f"--file={dump}")  # fmt: skip


def _migrate() -> None:
    gc.disable()  # the models of each state are many, and looking through them took a quarter
    try:
        with clock.earlier():
            call_command("migrate", verbosity=0, interactive=False)
    finally:
        gc.enable()


def story(tell: Callable[[Path], Any], into: Path) -> tuple[Any, bool]:
    """What `tell` returns, with its files copied to `into`; and whether it ran now, so that its rows
    are in the database already."""
    results: list[Any] = []

    def make(draft: Path) -> None:
        draft.mkdir()
        results.append(tell(draft / "files"))
        (draft / "rows").write_bytes(pickle.dumps(results[0]))

    entry = cached(STORY, make)
    shutil.copytree(entry / "files", into, dirs_exist_ok=True, symlinks=True)
    if results:
        return results[0], True
    return pickle.loads((entry / "rows").read_bytes()), False  # noqa: S301 - written by these tests


def _run(program: str, database: dict[str, Any], *arguments: str) -> None:
    """A program of PostgreSQL, with this entry of Django's."""
    from config.embedded.postgres import binary

    keys = ("USER", "PASSWORD", "HOST", "PORT")
    subprocess.run(
        [binary(program), *arguments],
        env={"PGDATABASE": database["NAME"], **{f"PG{key}": database[key] for key in keys}},
        check=True,
    )


def start_services() -> None:
    """Start the embedded services of this process.

    A cluster under var/tests holds nothing but test data, so it runs without fsync."""
    from config import services
    from config.embedded import postgres

    services.ensure()
    if settings.EMBEDDED and "TESTS_VAR" in os.environ:
        with postgres.connect(settings.PLACES) as superuser:
            for name in ("fsync", "full_page_writes"):
                superuser.execute(f"ALTER SYSTEM SET {name} = off")
            superuser.execute("SELECT pg_reload_conf()")


# --- the process that fills the cache -------------------------------------------------------------


def begin() -> "subprocess.Popen[bytes] | None":
    """Start the process that makes missing entries; None where none is missing."""
    if not settings.EMBEDDED:
        return None
    there = folder()
    there.mkdir(parents=True, exist_ok=True)
    os.environ[FOLDER] = str(there)
    (there / WANTED).unlink(missing_ok=True)
    if not environment.secret(DIGESTS):
        os.environ[DIGESTS] = settings.DIGEST_KEY.decode("utf-8")
    if path_of(SCHEMA).exists() and path_of(STORY).exists():
        return None
    var = str(settings.VAR / "tests" / "first")
    return subprocess.Popen(
        [sys.executable, "-m", "tests.beforehand"],
        env={**os.environ, "COUNTERSIGN_VAR": var, "TESTS_VAR": var},
        cwd=settings.BASE_DIR,
        stdin=subprocess.PIPE,
    )


def end(process: "subprocess.Popen[bytes]") -> None:
    """It ends when nobody is there any more; what it is in the midst of, nobody waits for."""
    assert process.stdin is not None
    process.stdin.close()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wish(items: list[pytest.Item]) -> None:
    """Tell the process that makes entries ahead that the story is wanted, if it is."""
    if not {FOLDER, "PYTEST_XDIST_WORKER"} <= os.environ.keys():
        return  # there is no such process
    if any("planted" in getattr(one, "fixturenames", ()) for one in items):
        (folder() / WANTED).touch()


def main() -> None:
    import django

    from tests import conftest

    django.setup()
    setup_test_environment()
    start_services()
    with conftest.migrated_database():
        while not (folder() / WANTED).exists():
            if select.select([sys.stdin], [], [], 0.1)[0]:
                return
        from tests import planted

        planted.told()


if __name__ == "__main__":
    main()
