"""What each process of a run needs, made once for all of them while they look for their tests.

Owns the process that makes it, on a server of its own: the database, migrated from nothing, and
the story of tests/planted.py where some test wants it. The others copy what it made; one that
finds nothing, because that process died or there is none, makes its own. Knows no test.
"""

import contextlib
import fcntl
import gc
import os
import pickle
import select
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.test.utils import setup_test_environment

from config import environment

# Where the run's processes find it; not set where there is one process.
FOLDER = "TESTS_BEFOREHAND"
DIGESTS = "COUNTERSIGN_DIGEST_KEY"  # digests in the story's rows are keyed
SCHEMA, STORY, WANTED = "schema.sql", "story", "wanted"


# --- the process that distributes the tests ------------------------------------------------------


def begin() -> "subprocess.Popen[bytes] | None":
    """Start making; each stage's lock is held before anybody can ask for it."""
    if not settings.EMBEDDED:
        return None
    folder = Path(settings.VAR, "tests", "beforehand")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    os.environ[FOLDER] = str(folder)
    if not environment.secret(DIGESTS):
        os.environ[DIGESTS] = settings.DIGEST_KEY.decode("utf-8")
    with locked(folder, SCHEMA) as schema, locked(folder, STORY) as story:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.beforehand", str(schema.fileno()), str(story.fileno())],
            env={**os.environ, "COUNTERSIGN_VAR": str(Path(settings.VAR, "tests", "first"))},
            cwd=settings.BASE_DIR,
            pass_fds=(schema.fileno(), story.fileno()),
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


# --- the processes that run tests ----------------------------------------------------------------


def wish(items: list[pytest.Item]) -> None:
    """Say that the story is wanted, if it is."""
    if FOLDER in os.environ and any("planted" in getattr(one, "fixturenames", ()) for one in items):
        Path(os.environ[FOLDER], WANTED).touch()


def migrate() -> None:
    """The empty database that Django is connected to gets all tables: as they were made beforehand,
    or anew."""
    made = found(SCHEMA)
    if made is None:
        gc.disable()  # the models of each state are many, and looking through them took a quarter
        try:
            call_command("migrate", verbosity=0, interactive=False)
        finally:
            gc.enable()
    else:
        _run("psql", connection.settings_dict, "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1",
             "--single-transaction", "--output=/dev/null", f"--file={made}")  # fmt: skip


def story(into: Path) -> Any:
    """The story as it was told beforehand, its files copied into this folder; None if it was not."""
    made = found(STORY)
    if made is None:
        return None
    shutil.copytree(made / "files", into, dirs_exist_ok=True, symlinks=True)
    return pickle.loads((made / "rows").read_bytes())  # noqa: S301 - a process of this run wrote it


def found(name: str) -> Path | None:
    """What was made under this name, once it is whole."""
    if FOLDER not in os.environ:
        return None
    folder = Path(os.environ[FOLDER])
    with locked(folder, name):
        made = folder / name
        return made if made.exists() else None


@contextlib.contextmanager
def locked(folder: Path, name: str) -> Iterator[IO[bytes]]:
    with (folder / f"{name}.lock").open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file


def _run(program: str, database: dict[str, Any], *arguments: str) -> None:
    """A program of PostgreSQL, with this entry of Django's."""
    from config.embedded.postgres import binary

    keys = ("USER", "PASSWORD", "HOST", "PORT")
    subprocess.run(
        [binary(program), *arguments],
        env={"PGDATABASE": database["NAME"], **{f"PG{key}": database[key] for key in keys}},
        check=True,
    )


# --- the process that makes it -------------------------------------------------------------------


def main(schema: int, story: int) -> None:
    import django

    from tests import conftest

    django.setup()
    setup_test_environment()
    from config import services

    services.ensure()
    folder = Path(os.environ.pop(FOLDER))  # what is made here is found nowhere
    with conftest.migrated_database() as name:
        draft = folder / f"{SCHEMA}.draft"
        owner = {**settings.DATABASE_ROLES["owner"], "NAME": name}
        _run("pg_dump", owner, "--no-owner", "--no-comments", f"--file={draft}")
        draft.rename(folder / SCHEMA)
        os.close(schema)
        while not (folder / WANTED).exists():
            if select.select([sys.stdin], [], [], 0.1)[0]:
                return
        from tests import planted

        draft = folder / f"{STORY}.draft"
        draft.mkdir()
        (draft / "rows").write_bytes(pickle.dumps(planted.tell(draft / "files")))
        draft.rename(folder / STORY)
        os.close(story)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
