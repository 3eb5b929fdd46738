"""`manage.py doctor`: is everything that the installation needs in place, and if not, what to do.

Owns the questions about the house; each app brings its own through `<app>.checks.doctor()`, a list
of (name, ok, message, fix).
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.finders import find
from django.core.management.base import BaseCommand
from django.db import Error, connection
from django.utils import timezone

from config import grants, health
from config.embedded.places import APP_ROLE

type Answer = tuple[str, bool, str, str]

FARTHEST_CLOCK = 2.0  # seconds between this machine and the database
ASSETS = ("tabler/tabler.min.css", "htmx/htmx.min.js", "htmx/hx-csp.js", "icons/sprite.svg")
SECRETS = ("COUNTERSIGN_SECRET_KEY", "COUNTERSIGN_DIGEST_KEY", "COUNTERSIGN_WEBHOOK_SECRET")
APPS = ("evidence.checks", "identities.checks", "reviews.checks")


def database() -> Iterator[Answer]:
    fix = (
        f"see {settings.PLACES.log}"
        if settings.EMBEDDED
        else "check DATABASE_URL, and that the server is up"
    )
    try:
        connection.ensure_connection()
    except Error as problem:
        said = str(problem).strip().splitlines()[0]
        if said.endswith(f'role "{APP_ROLE}" does not exist'):
            fix = "run `manage.py migrate` once"
        yield "database", False, said, fix
        return
    with connection.cursor() as cursor:
        version = cursor.connection.info.server_version
    where = "embedded" if not settings.DATABASE_URL else "yours"
    yield (
        "database",
        version >= 150000,
        f"PostgreSQL {version // 10000}.{version % 10000} ({where})",
        "use PostgreSQL 15 or newer",
    )
    pending = health.migrations()
    yield "migrations", not pending, pending or "all applied", "run `manage.py migrate`"


def clock() -> Iterator[Answer]:
    with connection.cursor() as cursor:
        before = timezone.now()
        cursor.execute("SELECT clock_timestamp()")
        row = cursor.fetchone()
        after = timezone.now()
    assert row is not None  # noqa: S101 - a SELECT without FROM has a row
    middle = before + (after - before) / 2
    apart = abs((row[0] - middle).total_seconds())
    yield (
        "clock",
        apart <= FARTHEST_CLOCK,
        f"{apart:.3f} s between this machine and the database",
        "run a time service (chrony, systemd-timesyncd) on both",
    )


def rights() -> Iterator[Answer]:
    fix = "run `manage.py migrate` with the owner's login (DATABASE_OWNER_URL)"
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        row = cursor.fetchone()
        role = row[0] if row else ""
        yield "role", role == APP_ROLE, f"statements run as {role}", fix
    tables = grants.unnamed(connection)
    yield (
        "tables",
        not tables,
        f"not named in config/table_rights.py: {', '.join(tables)}" if tables else "all are named",
        grants.why_unnamed(tables),
    )
    wrong = grants.deviations(connection)
    yield (
        "table rights",
        not wrong,
        f"not as in config/table_rights.py: {'; '.join(wrong)}"
        if wrong
        else "each table has the rights that the app needs, and no others",
        fix,
    )


def broker() -> Iterator[Answer]:
    problem = health.broker()
    where = "embedded" if settings.EMBEDDED else "yours"
    fix = (
        f"see {settings.PLACES.log}"
        if settings.EMBEDDED
        else "check REDIS_URL, and that the server is up"
    )
    yield "broker", not problem, problem or f"answers ({where})", fix


def assets() -> Iterator[Answer]:
    missing = [name for name in ASSETS if not find(name)]
    collected = settings.DEBUG or (Path(settings.STATIC_ROOT) / "staticfiles.json").exists()
    yield (
        "assets",
        not missing and collected,
        f"missing: {', '.join(missing)}"
        if missing
        else ("all there" if collected else "not collected"),
        "run `make setup`",
    )


def secrets() -> Iterator[Answer]:
    folder = settings.PLACES.secrets
    loose = (
        sorted(path.name for path in folder.iterdir() if path.stat().st_mode & 0o077)
        if folder.is_dir()
        else []
    )
    yield (
        "secrets",
        not loose,
        f"others may read {', '.join(loose)}" if loose else "only this user may read them",
        f"run `chmod 600 {folder}/*`",
    )
    shown = [name for name in SECRETS if name in os.environ and not settings.DEBUG]
    yield (
        "secrets in the environment",
        True,
        f"{', '.join(shown)}: NAME_FILE would keep them out of process listings"
        if shown
        else "none",
        "",
    )
    yield (
        "debug",
        not (settings.DEBUG and settings.SECURE),
        "on" if settings.DEBUG else "off",
        "unset COUNTERSIGN_DEBUG: it shows settings to whoever meets an error",
    )


def apps() -> Iterator[Answer]:
    for name in APPS:
        if find_spec(name) is not None:
            yield from _asked(name.partition(".")[0], import_module(name).doctor)


# Name, question, and whether it can only be asked of a database that answers.
QUESTIONS: tuple[tuple[str, Callable[[], Iterator[Answer]], bool], ...] = (
    ("database", database, False),
    ("clock", clock, True),
    ("rights", rights, True),
    ("broker", broker, False),
    ("assets", assets, False),
    ("secrets", secrets, False),
    ("apps", apps, True),
)


def answers() -> Iterator[Answer]:
    """Every answer; a question that cannot be asked is an answer as well."""
    for name, question, of_database in QUESTIONS:
        if of_database and connection.connection is None:
            continue  # the first answer said why
        yield from _asked(name, question)


def _asked(name: str, question: Callable[[], Iterable[Answer]]) -> Iterator[Answer]:
    try:
        yield from question()
    except (Error, OSError) as problem:
        said = str(problem).strip().splitlines()
        yield name, False, said[0] if said else type(problem).__name__, "see the first answer"
    except Exception as problem:  # noqa: BLE001 - whatever a question fails with, the others are asked
        said = str(problem).strip().splitlines()
        fix = f"report it: the question itself failed ({type(problem).__name__})"
        yield name, False, said[0][:300] if said else type(problem).__name__, fix


class Command(BaseCommand):
    help = (
        "Checks database, broker, migrations, clock, rights, assets, secrets, sources, enforcers."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("--json", action="store_true", help="the answers as one JSON document")

    def handle(self, *_args: Any, **options: Any) -> None:
        found = list(answers())
        if options["json"]:
            rows = [
                {"name": name, "ok": ok, "message": message, "fix": "" if ok else fix}
                for name, ok, message, fix in found
            ]
            self.stdout.write(json.dumps({"ok": all(row["ok"] for row in rows), "checks": rows}))
        else:
            for name, ok, message, fix in found:
                mark = self.style.SUCCESS("ok  ") if ok else self.style.ERROR("FAIL")
                self.stdout.write(f"{mark} {name}: {message}")
                if not ok:
                    self.stdout.write(f"     {fix}")
        if not all(ok for _, ok, _, _ in found):
            raise SystemExit(1)
