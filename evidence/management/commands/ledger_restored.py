"""manage.py ledger_restored: state that a backup was restored, so that the ledger is signed on."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from evidence import restoring
from evidence.sources.failures import Stopped
from evidence.stores import anchors


class Command(BaseCommand):
    help = (
        "States in the ledger that the database was restored from a backup and that the entries after it"
        " are lost. Refused where the places outside say that the ledger was rewritten."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--by", required=True, metavar="NAME", help="who states it")
        parser.add_argument("--reason", required=True, metavar="TEXT", help="why it was restored")

    def handle(self, *_: Any, by: str, reason: str, **__: Any) -> None:
        if not by.strip() or not reason.strip():
            raise CommandError("--by and --reason must say something")
        try:
            set_up = anchors.configured.read()
            if set_up is None:
                raise CommandError(
                    "COUNTERSIGN_ANCHORS names no file: no place outside says what is missing"
                )
            entry = restoring.state(
                set_up, by=by.strip(), reason=reason.strip(), now=timezone.now()
            )
        except Stopped as problem:
            raise CommandError(f"{problem.what} {problem.fix}") from None
        self.stdout.write(f"{entry.words}\n")
