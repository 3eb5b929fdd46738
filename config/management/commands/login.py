"""manage.py login: makes a login with its person and roles, and a link to set its password.

No password is an argument: arguments are seen by everybody on the machine and stay in histories.
"""

import getpass
import sys
from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from identities.acting import COMMAND
from identities.actions import logins
from identities.models import User
from identities.models.people import GROUPS
from identities.permissions import NotPossible
from identities.sign_in_links import FACTOR, PASSWORD, link_of_host
from reviews import enrolled


class Command(BaseCommand):
    help = (
        "Makes a login, the person behind it and its roles, and prints a link that sets its password"
        " once. On a login that exists it adds what is new, and prints another link as long as it has"
        " no password, or no second factor; `manage.py recover` is for one that is lost."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("login", help="the name that is typed to sign in")
        parser.add_argument("--name", default="", help="how the person is called")
        parser.add_argument("--email", default="", help="their address")
        parser.add_argument(
            "--role", action="append", default=[], choices=GROUPS, help="may be given several times"
        )
        parser.add_argument(
            "--second-of", default="", metavar="LOGIN", help="another login of the same person"
        )
        parser.add_argument(
            "--password", action="store_true", help="ask here for the password, print no link"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        now = timezone.now()
        try:
            user, said = logins.make(
                username=options["login"],
                name=options["name"].strip(),
                email=options["email"].strip(),
                roles=options["role"],
                by=COMMAND,
                second_of=options["second_of"].strip(),
                now=now,
            )
        except NotPossible as problem:
            raise CommandError(str(problem)) from None
        for one in said:
            self.stdout.write(f"+ {one}")
        if user.has_usable_password():
            self.stdout.write(
                f"It has a password. If that is lost: `manage.py recover {user.username} --password`."
            )
        elif options["password"]:
            self._ask(user)
        else:
            self.stdout.write("Set the password here, once and within three days:")
            self.stdout.write(link_of_host(user, PASSWORD))
        if user.has_usable_password() and enrolled.required() and not enrolled.has_factor(user):
            self.stdout.write(
                "Sign in here, once and within three days, to add a second factor that counts at once:"
            )
            self.stdout.write(link_of_host(user, FACTOR))

    def _ask(self, user: User) -> None:
        if not sys.stdin.isatty():
            raise CommandError("There is no terminal to type a password on: leave --password out.")
        first = getpass.getpass(f"Password of {user.username}: ")
        if first != getpass.getpass("The same again: "):
            raise CommandError("The two are not the same: nothing was set.")
        try:
            validate_password(first, user)
        except ValidationError as problem:
            raise CommandError(" ".join(problem.messages)) from None
        user.set_password(first)
        user.save(update_fields=["password"])
        self.stdout.write("The password is set.")
