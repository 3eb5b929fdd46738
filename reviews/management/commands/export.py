"""manage.py export links|events|credentials|findings|unclaimed --ndjson."""

from typing import Any

import orjson
from django.core.management.base import BaseCommand, CommandParser

from reviews.exports import EXPORTS


class Command(BaseCommand):
    help = "Writes rows as NDJSON: links, events, credentials, findings or unclaimed actors."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("what", choices=sorted(EXPORTS))
        parser.add_argument(
            "--ndjson", action="store_true", help="one JSON object a line (default)"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        for row in EXPORTS[options["what"]]():
            self.stdout.write(orjson.dumps(row).decode())
