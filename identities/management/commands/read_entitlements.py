"""manage.py read_entitlements: what the targets really allow, now."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from evidence.words import counted
from identities.actions import entitlements
from identities.enforcers.contract import PermanentFailure, TemporaryFailure
from identities.models import Identity


class Command(BaseCommand):
    help = "Reads what targets allow the named identities, or all that are due."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("names", nargs="*", metavar="IDENTITY")

    def handle(self, *_: Any, **options: Any) -> None:
        if not options["names"]:
            read = 0
            while entitlements.read_next(now=timezone.now()):
                read += 1
            self.stdout.write(f"{counted(read, 'identity', 'identities')} read")
            return
        failed = 0
        for name in options["names"]:
            identity = Identity.objects.filter(name=name).first()
            if identity is None:
                raise CommandError(f"No identity is called {name!r}.")
            try:
                rows = entitlements.read(identity=identity, now=timezone.now())
            except (TemporaryFailure, PermanentFailure) as problem:
                self.stderr.write(f"{name}: {problem}")
                failed += 1
                continue
            for row in rows:
                self.stdout.write(f"{name}: {row.principal}: {len(row.possible)} statements")
        if failed:
            raise CommandError(f"{failed} could not be read.")
