"""`manage.py up`: web, worker and beat, until Ctrl-C."""

import sys
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from config import up
from config.environment import SettingsError


def run(on_ready: Callable[[], None]) -> int:
    """Start everything, call `on_ready` once it answers, stay; the exit status. See config.up."""
    try:
        return up.run(on_ready)
    except SettingsError as problem:
        raise CommandError(str(problem)) from problem


class Command(BaseCommand):
    help = "Runs web, worker and beat together; Ctrl-C or SIGTERM stops them."

    def handle(self, *_args: Any, **_options: Any) -> None:
        def say() -> None:
            self.stdout.write(f"Countersign answers at {settings.BASE_URL}")
            self.stdout.flush()  # a log file or a pipe would keep it until the end

        sys.exit(run(say))
