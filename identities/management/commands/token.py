"""manage.py token: tokens for scripts and decision points."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from identities.acting import COMMAND
from identities.actions import tokens
from identities.models import ApiToken, User
from identities.permissions import NotPossible


class Command(BaseCommand):
    help = "Creates, lists and revokes API tokens. A new token is printed once and never again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        create = verbs.add_parser("create", help="print a new token")
        create.add_argument("--user", required=True, help="the login it acts for")
        create.add_argument("--scope", action="append", required=True, choices=tokens.SCOPES)
        create.add_argument("--days", type=int, default=90)
        create.add_argument("--name", default="", help="what it is for")
        verbs.add_parser("list", help="tokens that have not ended")
        revoke = verbs.add_parser("revoke", help="end a token now")
        revoke.add_argument("id")

    def handle(self, *_: Any, **options: Any) -> None:
        now = timezone.now()
        match options["verb"]:
            case "create":
                user = User.objects.filter(username=options["user"]).first()
                if user is None:
                    raise CommandError(f"No login is called {options['user']!r}.")
                try:
                    made, secret = tokens.create(
                        user=user,
                        name=options["name"] or "command line",
                        scopes=options["scope"],
                        lasts=timedelta(days=options["days"]),
                        by=COMMAND,
                        now=now,
                    )
                except NotPossible as problem:
                    raise CommandError(str(problem)) from None
                self.stdout.write(secret)
                self.stderr.write(f"until {made.expires_at:%Y-%m-%d}; it is not shown again")
            case "list":
                rows = ApiToken.objects.filter(revoked_at__isnull=True, expires_at__gt=now)
                for live in rows.select_related("user").order_by("expires_at"):
                    self.stdout.write(
                        f"{live.pk}  {live.user.username}  {','.join(live.scopes)}"
                        f"  until {live.expires_at:%Y-%m-%d}  {live.name}"
                    )
            case _:
                token_row = self._by_id(options["id"])
                if not tokens.revoke(token=token_row, by=COMMAND, now=now):
                    raise CommandError("That token was revoked before.")
                self.stdout.write("revoked")

    def _by_id(self, text: str) -> ApiToken:
        try:
            return ApiToken.objects.get(pk=text)
        except (ApiToken.DoesNotExist, ValueError, TypeError):
            raise CommandError(f"No token has the id {text!r}; see `token list`.") from None
        except Exception as problem:
            # Django wraps a malformed UUID in its own ValidationError, which is no ValueError.
            raise CommandError(f"{text!r} is no token id; see `token list`.") from problem
