"""manage.py break_glass_account: makes an account, or seals new codes of one, on the server itself.

Works while nobody can sign in. Codes are printed once.
"""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from identities.acting import COMMAND
from identities.models.people import GROUPS
from identities.permissions import NotPossible
from reviews import accounts


class Command(BaseCommand):
    help = (
        "Makes a break-glass account and prints its sealed codes, once. Of one that exists it seals"
        " new codes; the old ones work no more."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("account", help="the name that is typed to sign in")
        parser.add_argument("--kept", default="", help="where its codes will lie")
        parser.add_argument(
            "--role",
            action="append",
            default=[],
            choices=[one for one in GROUPS if one != "auditor"],
            help="what it may do; administrator and responder if none is given",
        )
        parser.add_argument(
            "--second-of", default="", metavar="LOGIN", help="a login of the person whose it is"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        now = timezone.now()
        found = accounts.live().filter(user__username=options["account"]).first()
        try:
            if found is not None:
                codes = accounts.seal(account=found, by=COMMAND, now=now)
            else:
                found, codes = accounts.make(
                    username=options["account"],
                    roles=options["role"] or ["administrator", "responder"],
                    kept=options["kept"],
                    second_of=options["second_of"],
                    by=COMMAND,
                    now=now,
                )
        except NotPossible as problem:
            raise CommandError(str(problem)) from None
        self.stdout.write(
            f"Codes of {found}, each works once; they are shown here and nowhere else:"
        )
        for code in codes:
            self.stdout.write(f"  {code}")
