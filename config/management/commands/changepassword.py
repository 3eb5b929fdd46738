"""manage.py changepassword: Django's would set a password at once, with nobody told."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError


class Command(BaseCommand):
    help = "Sets no password: `manage.py recover LOGIN --password` announces it and waits."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("username", nargs="?", default="LOGIN")

    def handle(self, *_: Any, **options: Any) -> None:
        raise CommandError(
            f"Run `manage.py recover {options['username']} --password --reason TEXT`: it tells"
            " everybody who decides, and prints the link of a new password after the delay."
        )
