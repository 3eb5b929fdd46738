"""manage.py pack: the auditor's pack of a case, as somebody with a login may take it out."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from evidence.permissions import NotAllowed
from evidence.sources.failures import Stopped
from identities.models import User
from reviews import packs, visible


class Command(BaseCommand):
    help = (
        "Writes the pack of a case (CS-12) as a zip, which scripts/verify_pack.py checks without this"
        " app. The ledger says who took it out."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("case", metavar="CASE", help="its key: CS-12")
        parser.add_argument("--by", required=True, metavar="LOGIN", help="whose act it is")
        parser.add_argument("--out", metavar="FILE", help="else countersign-CASE.zip")

    def handle(self, *_: Any, **options: Any) -> None:
        now = timezone.now()
        by = User.objects.filter(username=options["by"]).first()
        if by is None:
            raise CommandError(f"there is no login {options['by']}")
        number = options["case"].removeprefix("CS-")
        found = visible.cases(by, now=now).filter(number=number) if number.isdecimal() else None
        case = found.first() if found is not None else None
        if case is None:
            raise CommandError(f"there is no case {options['case']} that {by.called} may see")
        out = Path(options["out"] or f"countersign-{case.key}.zip")
        try:
            # It names people and what they decided: nobody else on this machine reads it.
            out.touch(mode=0o600)
            with out.open("wb") as into:
                packs.write(into, case, by=by, now=now)
        except OSError as problem:
            raise CommandError(f"{out} cannot be written: {problem.strerror}") from None
        except NotAllowed as problem:
            raise CommandError(str(problem)) from None
        except Stopped as problem:
            raise CommandError(f"{problem.what} {problem.fix}") from None
        self.stdout.write(f"{out} written.")
