"""manage.py recover: announces that a login lost its second factor or password, and after the delay
prints the link of a new password.

Works while nobody can sign in. It gives nobody a role, and removes nothing at once.
"""

import getpass
import os
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from identities.permissions import NotPossible
from identities.sign_in_links import PASSWORD, link_of_host
from reviews import recovering


class Command(BaseCommand):
    help = (
        "Recovers a login that lost its second factor (or, with --password, its password): after a"
        " delay, announced to everybody who decides, and reviewed by another person afterwards. Run"
        " again after the delay, --password prints the link of a new password."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("login", help="the name that is typed to sign in")
        parser.add_argument("--reason", default="", help="why, for those who are told")
        parser.add_argument("--password", action="store_true", help="the password is lost")

    def handle(self, *_: Any, **options: Any) -> None:
        now, login = timezone.now(), options["login"]
        if options["password"] and (found := recovering.link_due(login, now=now)):
            self.stdout.write("Set the password here, once and within three days:")
            self.stdout.write(link_of_host(found.user, PASSWORD))
            return
        try:
            row = recovering.ask(
                login=login,
                kind="password" if options["password"] else "factor",
                reason=options["reason"],
                asker=_account(),
                now=now,
            )
        except NotPossible as problem:
            raise CommandError(str(problem)) from None
        self.stdout.write(
            f"{row.key}: announced. It is carried out at {row.due_at:%Y-%m-%d %H:%M} UTC unless"
            f" somebody cancels it at {recovering.PATH}"
        )
        if options["password"]:
            self.stdout.write("Run this again then: it prints the link of a new password.")
        else:
            self.stdout.write(
                f"`manage.py login {row.user.username}` then prints a link to add a new one."
            )


def _account() -> str:
    """The account on the host, and who became it, as the host says."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        name = f"uid {os.getuid()}"
    before = os.environ.get("SUDO_USER", "")
    return f"{name} (from {before})"[:200] if before else name[:200]
