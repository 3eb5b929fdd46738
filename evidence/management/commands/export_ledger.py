"""manage.py export_ledger: the ledger and the deposits as a file that scripts/verify_ledger.py checks."""

import itertools
import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any, TextIO

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from evidence import chain, ledger
from evidence.words import counted


class Command(BaseCommand):
    help = (
        "Writes the ledger, one JSON document a line: a head, every row, then every deposit of"
        " each source's chain, without its bytes. Check it anywhere"
        " with `python3 scripts/verify_ledger.py FILE`, which needs nothing of this app."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--out", default="-", metavar="FILE", help="else standard output")
        parser.add_argument(
            "--with-sealed",
            action="store_true",
            help="also the text of sealed cases, which the file otherwise only commits to",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        if options["out"] == "-":
            self._write(sys.stdout, options)
            return
        try:
            # It names people and what they decided: nobody else on this machine reads it.
            Path(options["out"]).touch(mode=0o600)
            with Path(options["out"]).open("w", encoding="utf-8") as into:
                rows = self._write(into, options)
        except OSError as problem:
            raise CommandError(f"{options['out']} cannot be written: {problem.strerror}") from None
        self.stdout.write(f"{counted(rows, 'row')} written to {options['out']}.")

    def _write(self, into: TextIO, options: dict[str, Any]) -> int:
        count = -1  # the head is no row
        rows = ledger.export(now=timezone.now(), with_sealed=options["with_sealed"])
        for document in itertools.chain(rows, chain.export()):
            into.write(json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n")
            count += 1
        return count
