"""manage.py population: the population as of a date, as an auditor or administrator takes it out."""

from argparse import ArgumentParser
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.dateparse import parse_date

from evidence.permissions import NotAllowed
from evidence.sources.failures import Stopped
from identities.models import User
from identities.permissions import NotPossible
from reviews import population
from reviews.pages import moments


class Command(BaseCommand):
    help = (
        "Writes every identity, credential, entitlement, owner, role, team membership and policy"
        " as of a moment as a zip, with what the ledger says of each and a sample that can be drawn"
        " again. The ledger says who took it out."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--at", required=True, metavar="DATE", help="2026-11-24: its end; or a moment"
        )
        parser.add_argument("--by", required=True, metavar="LOGIN", help="whose act it is")
        parser.add_argument(
            "--sample", type=int, default=25, metavar="N", help="rows of each table"
        )
        parser.add_argument("--seed", default="", help="else the ledger's newest hash")
        parser.add_argument("--out", metavar="FILE", help="else countersign-population-DATE.zip")

    def handle(self, *_: Any, **options: Any) -> None:
        now = timezone.now()
        at = moment_of(options["at"], now=now)
        if at is None:
            raise CommandError(
                "--at is a day like 2026-11-24 or a moment like 2026-11-24T12:00:00Z"
            )
        by = User.objects.filter(username=options["by"]).first()
        if by is None:
            raise CommandError(f"there is no login {options['by']}")
        out = Path(options["out"] or f"countersign-population-{at:%Y-%m-%d}.zip")
        try:
            # It names people: nobody else on this machine reads it.
            out.touch(mode=0o600)
            with out.open("w+b") as into:
                made = population.take(
                    into, at=at, sample=options["sample"], seed=options["seed"], by=by, now=now
                )
        except OSError as problem:
            raise CommandError(f"{out} cannot be written: {problem.strerror}") from None
        except (NotAllowed, NotPossible) as problem:
            raise CommandError(str(problem)) from None
        except Stopped as problem:
            raise CommandError(f"{problem.what} {problem.fix}") from None
        for name, one in made.tables.items():
            self.stdout.write(
                f"{name}: {one.rows:,} rows, {one.unproved:,} without a proof,"
                f" {one.unmatched:,} entries without a row, SHA-256 {one.digest}"
            )
        self.stdout.write(f"{out} written. Seed: {made.seed}. Manifest: SHA-256 {made.digest}.")


def moment_of(text: str, *, now: datetime) -> datetime | None:
    """The end of a day, or a moment; the day that runs ends now."""
    try:
        day = parse_date(text)
    except ValueError:
        return None
    if day is not None:
        return (
            min(datetime.combine(day, time.max, UTC), now)
            if day <= now.date()
            else datetime.combine(day, time.max, UTC)
        )
    return moments.parse(text)
