"""manage.py connector_secrets: the secrets of connectors, and where each may be sent.

Run it as the user that runs Countersign: the files belong to who writes them.
"""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from evidence import connecting
from evidence.management.commands.source import named
from evidence.models import Connection
from evidence.permissions import COMMAND, NotPossible
from evidence.sources import CONNECTORS, connector_secrets, secrets
from evidence.sources.failures import Stopped


class Command(BaseCommand):
    help = "Secrets of connectors: list, add NAME, move SOURCE (from env: and file:)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        verbs.add_parser("list", help="the secret of each connection and where it may be sent")
        add = verbs.add_parser("add", help="write a secret, which is read from standard input")
        add.add_argument("name")
        move = verbs.add_parser("move", help="move a source's env: and file: references over")
        move.add_argument("source")
        for one in (add, move):
            one.add_argument(
                "--host",
                action="append",
                default=[],
                metavar="HOST[:PORT]",
                help="an address that it may be sent to; again for more; http://HOST:PORT without TLS",
            )

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            getattr(self, f"_{options['verb']}")(options)
        except (NotPossible, Stopped, ValueError) as problem:
            raise CommandError(str(problem)) from None
        except FileExistsError as problem:
            raise CommandError(
                f"{problem.filename} is there already: change that file, or remove it first."
            ) from None
        except OSError as problem:
            raise CommandError(
                f"{problem.filename} cannot be written: {problem.strerror}."
            ) from None

    def _list(self, _: dict[str, Any]) -> None:
        for link in Connection.objects.select_related("source").order_by("source__name"):
            for setting in _secret_settings(link):
                name = link.settings[setting]
                try:
                    found = connector_secrets.read(name, called=setting)
                    said = ", ".join(map(str, found.addresses)) or "no address"
                except Stopped as problem:
                    said = f"MISSING: {problem.what} {problem.fix}"
                self.stdout.write(f"{link.source.name} {setting}={name}: {said}")

    def _add(self, options: dict[str, Any]) -> None:
        connector_secrets.keep(options["name"], sys.stdin.read(), options["host"])
        self.stdout.write(f"{connector_secrets.folder() / options['name']} is written.")

    def _move(self, options: dict[str, Any]) -> None:
        source = named(options["source"])
        link = connecting.require_connection(source)
        old = {
            setting: link.settings[setting]
            for setting in _secret_settings(link)
            if link.settings[setting].startswith(connector_secrets.OLD)
        }
        if not old:
            self.stdout.write(f"{source.name} has no env: or file: reference.")
            return
        if not options["host"]:
            # What stands in the settings is what somebody wrote into a page: it is not taken over
            # unseen, because who runs this command is the second person.
            places = [one for one in link.settings.values() if "://" in one]
            raise CommandError(
                f"Say where the secrets of {source.name} may be sent, with --host for each address."
                f" Its settings name: {', '.join(places) or 'no address'}. Check them first."
            )
        texts = {setting: secrets.read(said, called=setting) for setting, said in old.items()}
        names = {setting: f"{source.name}-{setting}" for setting in old}
        for setting, text in texts.items():
            connector_secrets.keep(names[setting], text, options["host"])
        paused, now = link.paused, timezone.now()
        connecting.connect(
            source=source,
            connector=link.connector,
            settings=link.settings | names,
            by=COMMAND,
            now=now,
            every_seconds=link.every_seconds,
            first_days=link.first_days,
        )
        if paused:
            connecting.pause(source=source, paused=True, by=COMMAND, now=now)
        for setting, name in names.items():
            self.stdout.write(f"{setting}: {old[setting]} is {name} now.")


def _secret_settings(link: Connection) -> list[str]:
    known = CONNECTORS.get(link.connector)
    fields = known.fields if known is not None else ()
    return [one.name for one in fields if one.kind == "secret" and link.settings.get(one.name)]
