"""manage.py line ACTOR-OR-IDENTITY --json: the three answers as data."""

from typing import Any

import orjson
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from evidence.words import on_terminal
from identities.judging import waiting
from reviews.pages import line_data, names
from reviews.pages.dossier import dossier


class Command(BaseCommand):
    help = "Says what identity, what authority and what behaviour, for an identity or an actor."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="NHI key, identity name, ARN, access key or agent name")
        parser.add_argument("--json", action="store_true", dest="as_json")
        parser.add_argument("--at", help="as it was at this moment (RFC 3339)")

    def handle(self, *_args: Any, **options: Any) -> None:
        at = parse_datetime(options["at"]) if options["at"] else None
        if options["at"] and (at is None or at.tzinfo is None):
            raise CommandError("--at: write a moment with its zone, like 2026-11-24T15:00:00Z")
        found = names.resolve(options["name"])
        if found is None:
            raise CommandError(
                f"nothing in evidence or among the identities is called {options['name']!r}"
            )
        if isinstance(found, names.Unclaimed):
            data = names.unclaimed_line(found)
        else:
            data = line_data.as_data(dossier(found, now=timezone.now(), at=at))
            if words := waiting.of([]).words:
                self.stderr.write(
                    f"{words[0].upper()}{words[1:]}: run a worker, or ask again later."
                )
        if options["as_json"]:
            self.stdout.write(orjson.dumps(data, option=orjson.OPT_INDENT_2).decode())
            return
        for key in ("what_identity", "what_authority", "what_behaviour"):
            answer = on_terminal(str(data[key]["answer"]))
            self.stdout.write(f"{key.replace('_', ' ')}? {answer}")
