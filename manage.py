#!/usr/bin/env python
"""Countersign's commands. `manage.py help` lists them."""

import os
import sys

# What these do needs the owner's rights; everything else runs with the app's (decisions 17).
OWNER_COMMANDS = frozenset(
    {"migrate", "makemigrations", "dbshell", "flush", "sqlmigrate", "sqlflush", "inspectdb"}
)
# This shares a large input among processes (evidence/crew.py): only without a thread that watches.
FORKING = frozenset({"ingest"})
# These work without a database.
WITHOUT_SERVICES = frozenset({"help", "collectstatic", "findstatic", "version", "diffsettings"})


def main(arguments: list[str]) -> None:
    command = arguments[1] if len(arguments) > 1 else "help"
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    if command in OWNER_COMMANDS:
        os.environ["COUNTERSIGN_DB_ROLE"] = "owner"
    try:
        from config.environment import SettingsError
    except ImportError as problem:
        sys.exit(f"Countersign cannot be imported ({problem}); run this from its own folder.")
    try:
        from django.core.management import execute_from_command_line
    except ImportError:
        sys.exit("Django is not installed for this Python; run `make setup`, then .venv/bin/python")
    try:
        if command not in WITHOUT_SERVICES and "--help" not in arguments:
            from config import services

            services.ensure(watch=command not in FORKING)
        execute_from_command_line(arguments)
    except SettingsError as problem:
        sys.exit(f"countersign: {problem}")
    except Exception as problem:
        if missing := not_migrated(problem):
            sys.exit(f"countersign: {missing} first.")
        if not cannot_connect(problem):
            raise
        said = str(problem).strip().splitlines()[0]
        sys.exit(
            f"countersign: the database cannot be used ({said}); check DATABASE_URL and "
            "DATABASE_OWNER_URL, and run `manage.py doctor`."
        )


def not_migrated(problem: BaseException) -> str:
    """What to do where a table or column is missing because migrations are; else ""."""
    from django.db import ProgrammingError

    if not isinstance(problem, ProgrammingError):
        return ""
    from config import health

    return health.migrations()


def cannot_connect(problem: BaseException) -> bool:
    """Whether this says that no connection could be made: a matter of settings, not of code."""
    from django.db import OperationalError

    return isinstance(problem, OperationalError) and str(problem).startswith("connection failed")


if __name__ == "__main__":
    main(sys.argv)
