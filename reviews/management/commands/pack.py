"""manage.py pack: the auditor's pack of something, as somebody with a login may take it out."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from evidence.permissions import NotAllowed
from evidence.sources.failures import Stopped
from identities.models import User
from reviews.packs import ordering, subjects


class Command(BaseCommand):
    help = (
        "Writes the pack of a case (CS-12), an identity (NHI-0003), a campaign (CMP-1) or a capsule"
        " that somebody froze (CAP-7) as a zip, which scripts/verify_pack.py checks without this"
        " app. The ledger says who took it out."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("key", metavar="KEY", help="CS-12, NHI-0003, CMP-1 or CAP-7")
        parser.add_argument("--by", required=True, metavar="LOGIN", help="whose act it is")
        parser.add_argument("--out", metavar="FILE", help="else countersign-KEY.zip")
        parser.add_argument(
            "--deposits", action="store_true", help="with the bytes that its events were read from"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        now = timezone.now()
        by = User.objects.filter(username=options["by"]).first()
        if by is None:
            raise CommandError(f"there is no login {options['by']}")
        key = options["key"]
        subject = subjects.find(key, by, now=now)
        if subject is None:
            raise CommandError(f"there is no {key} that {by.called} may see")
        out = Path(options["out"] or f"countersign-{subject.key}.zip")
        try:
            # It names people and what they decided: nobody else on this machine reads it.
            out.touch(mode=0o600)
            with out.open("w+b") as into:
                pack = ordering.take(
                    into, subject, by=by, now=now, with_deposits=options["deposits"]
                )
        except OSError as problem:
            raise CommandError(f"{out} cannot be written: {problem.strerror}") from None
        except NotAllowed as problem:
            raise CommandError(str(problem)) from None
        except Stopped as problem:
            raise CommandError(f"{problem.what} {problem.fix}") from None
        digest = bytes(pack.digest or b"").hex()
        self.stdout.write(f"{pack.key}: {out} written, SHA-256 {digest}.")
