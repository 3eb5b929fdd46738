"""What tests begin with is made once, and kept for the runs that follow.

Owns a folder that the processes of a run share: the schema, migrated from nothing, and the story of
tests/planted.py where some test wants it. Each is kept under a digest of what it is made from, so
it is made anew when a migration, or for the story any code of ours, has changed. Whoever needs one
first makes it while the others wait. A run of several processes has one more, which begins with
that while they look for their tests. Knows no test.
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

# Where the processes of a run find it; by itself it is below the folder of the installation.
FOLDER = "TESTS_BEFOREHAND"
DIGESTS = "COUNTERSIGN_DIGEST_KEY"  # digests in the story's rows are keyed
SCHEMA, STORY, WANTED = "schema", "story", "wanted"
KEPT = 3  # of each, for who goes back and forth between branches

ROOT = Path(__file__).resolve().parent.parent
PRODUCT = ("config", "evidence", "identities", "reviews")
# Besides migrations: what they import, and what `migrate` does after them.
OF_SCHEMA = (
    "requirements.lock",
    "config/grants.py",
    "config/management/commands/migrate.py",
    "evidence/keys.py",
    "evidence/models/ledger.py",
    "evidence/models/numbers.py",
    "evidence/partitions.py",
    "identities/actions/logins.py",
    "tests/beforehand.py",
)
OF_STORY = ("tests/clock.py", "tests/planted.py", "tests/awslab")


# --- what is kept --------------------------------------------------------------------------------


def folder() -> Path:
    return Path(os.environ.get(FOLDER) or settings.VAR / "tests" / "beforehand")


@functools.cache
def place(name: str) -> Path:
    """Where this is kept, as it is made from the code of today."""
    found = {ROOT / one for one in OF_SCHEMA}
    found |= {path for app in PRODUCT for path in (ROOT / app).glob("migrations/*.py")}
    said = sys.version
    if name == STORY:
        found |= {path for app in PRODUCT for path in (ROOT / app).rglob("*.py")}
        found |= {path for one in OF_STORY for path in _files(ROOT / one)}
        said += hashlib.sha256(settings.DIGEST_KEY).hexdigest()
    digest = hashlib.sha256(said.encode())
    for path in sorted(found):
        digest.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes() + b"\0")
    return folder() / f"{name}-{digest.hexdigest()[:16]}"


def _files(path: Path) -> list[Path]:
    return sorted(path.rglob("*.py")) if path.is_dir() else [path]


def kept(name: str, make: Callable[[Path], object]) -> Path:
    """Where it is; made now where nobody has made it yet, by one process at a time."""
    there = place(name)
    there.parent.mkdir(parents=True, exist_ok=True)
    with locked(there.parent, name):
        if there.exists():
            return there
        draft = there.with_suffix(".draft")
        _remove(draft)
        make(draft)
        draft.rename(there)
        others = sorted(there.parent.glob(f"{name}-*"), key=lambda one: one.stat().st_mtime)
        for old in others[:-KEPT]:
            _remove(old)
    return there


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
    """The empty database that Django is connected to gets all tables."""
    if not settings.EMBEDDED:
        _migrate()
        return
    migrated = False

    def make(draft: Path) -> None:
        nonlocal migrated
        _migrate()
        migrated = True
        _run("pg_dump", connection.settings_dict, "--no-owner", "--no-comments", f"--file={draft}")

    there = kept(SCHEMA, make)
    if not migrated:
        _run("psql", connection.settings_dict, "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1",
             "--single-transaction", "--output=/dev/null", f"--file={there}")  # fmt: skip


def _migrate() -> None:
    gc.disable()  # the models of each state are many, and looking through them took a quarter
    try:
        with clock.earlier():
            call_command("migrate", verbosity=0, interactive=False)
    finally:
        gc.enable()


def story(tell: Callable[[Path], Any], into: Path) -> tuple[Any, bool]:
    """What `tell` returns of the story, whose files are in this folder afterwards; and whether it
    was told now, and so stands in the tables already."""
    told: list[Any] = []

    def make(draft: Path) -> None:
        draft.mkdir()
        told.append(tell(draft / "files"))
        (draft / "rows").write_bytes(pickle.dumps(told[0]))

    there = kept(STORY, make)
    shutil.copytree(there / "files", into, dirs_exist_ok=True, symlinks=True)
    if told:
        return told[0], True
    return pickle.loads((there / "rows").read_bytes()), False  # noqa: S301 - written by these tests


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
    """The embedded services of this process. A cluster that is the tests' alone need not outlive a
    crash of the machine."""
    from config import services
    from config.embedded import postgres

    services.ensure()
    if settings.EMBEDDED and "TESTS_VAR" in os.environ:
        with postgres.connect(settings.PLACES) as superuser:
            for name in ("fsync", "full_page_writes", "synchronous_commit"):
                superuser.execute(f"ALTER SYSTEM SET {name} = off")
            superuser.execute("SELECT pg_reload_conf()")


# --- the process that begins with it -------------------------------------------------------------


def begin() -> "subprocess.Popen[bytes] | None":
    """Start making what is not there."""
    if not settings.EMBEDDED:
        return None
    there = folder()
    there.mkdir(parents=True, exist_ok=True)
    os.environ[FOLDER] = str(there)
    (there / WANTED).unlink(missing_ok=True)
    if not environment.secret(DIGESTS):
        os.environ[DIGESTS] = settings.DIGEST_KEY.decode("utf-8")
    if place(SCHEMA).exists() and place(STORY).exists():
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
    """Say that the story is wanted, if it is."""
    if FOLDER in os.environ and any("planted" in getattr(one, "fixturenames", ()) for one in items):
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
