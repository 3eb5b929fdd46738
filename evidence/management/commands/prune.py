"""manage.py prune: let go of evidence that is past its period and that nobody holds."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from evidence import retention
from evidence.words import counted


class Command(BaseCommand):
    help = (
        "Drops months of raw events past their source's period, and the bytes of deposits none of"
        " whose events is kept any more. What an open case or a legal hold needs stays. The"
        " schedule does this by itself; run it to see what it does, or --dry-run to see what it"
        " would."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="say what would go; touch none")
        parser.add_argument("--json", action="store_true", help="one JSON document on stdout")

    def handle(self, *_: Any, **options: Any) -> None:
        if options["dry_run"]:
            self._plan(as_json=options["json"])
            return
        quiet = options["json"]
        run = retention.prune(
            now=timezone.now(),
            step=lambda words: None if quiet else self.stdout.write(words),
        )
        if options["json"]:
            self.stdout.write(json.dumps(run._asdict(), indent=2))
            return
        self.stdout.write(
            f"{counted(run.events, 'event')} and the bytes of {counted(run.deposits, 'deposit')}"
            f" dropped; {counted(run.held, 'event')} held; {counted(run.orphans, 'file')} swept."
        )
        for what in run.waits:
            self.stdout.write(f"{what}: somebody works there; the next run drops them.")

    def _plan(self, *, as_json: bool) -> None:
        plan = retention.plan(now=timezone.now())
        if as_json:
            months = [row._asdict() | {"month": f"{row.month:%Y-%m}"} for row in plan.months]
            document = {"months": months, "bodies": [row._asdict() for row in plan.bodies]}
            self.stdout.write(json.dumps(document, indent=2))
            return
        for row in plan.months:
            held = f", {row.held:,} held stay" if row.held else ""
            self.stdout.write(
                f"{row.source} {row.month:%Y-%m}: {counted(row.going, 'event')},"
                f" about {row.size:,} bytes{held}"
            )
        for one in plan.bodies:
            self.stdout.write(
                f"{one.source}: the bytes of {counted(one.deposits, 'deposit')},"
                f" {one.size:,} bytes before compression"
            )
        if not plan.months and not plan.bodies:
            self.stdout.write("Nothing is past its period.")
        elif plan.months:
            self.stdout.write("Deposits whose last events go in the same run go with them.")
