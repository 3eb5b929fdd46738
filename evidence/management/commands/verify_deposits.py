"""manage.py verify_deposits: walk the chain of each source's deposits, their bytes, the events that
were read from them, and capsules."""

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from evidence import capsules, chain
from evidence.management.commands.reread import BAR
from evidence.management.commands.source import named
from evidence.rereading import comparing
from evidence.words import counted


class Command(BaseCommand):
    help = (
        "Checks that no deposit was changed, removed or put in between, that its bytes are those"
        " that were kept, that its events still say what it says, that capsules are as they were"
        " sealed, and that what is gone has a tombstone which the ledger knows. Ends with 1 when"
        " something is wrong."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--source", default="", metavar="NAME", help="this one only")
        parser.add_argument(
            "--no-bodies", action="store_true", help="the chain alone, without reading all bytes"
        )
        parser.add_argument(
            "--no-events", action="store_true", help="without reading deposits again for events"
        )
        parser.add_argument("--json", action="store_true", help="one JSON document on stdout")

    def handle(self, *_: Any, **options: Any) -> None:
        if options["source"]:
            named(options["source"])
        found: list[dict[str, Any]] = []
        for one in chain.verify(source=options["source"], with_bodies=not options["no_bodies"]):
            found.append(one._asdict() | {"ok": not one.faults})
            if not options["json"]:
                self._say(one)
        if not (options["no_bodies"] or options["no_events"]):
            found += self._events(options["source"], quiet=options["json"])
        if not options["source"]:
            found.append(self._capsules(quiet=options["json"]))
        if options["json"]:
            self.stdout.write(json.dumps(found, indent=2))
        if not all(one["ok"] for one in found):
            raise SystemExit(1)

    def _events(self, source: str, *, quiet: bool) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        self.bar, self.total = sys.stderr.isatty() and not quiet, comparing.total(source=source)
        for one in comparing.compare(source=source, say=self._draw):
            found.append(
                {
                    "source": one.source,
                    "ok": not one.faults,
                    "events": one.events,
                    "compared": one.deposits,
                    "not_compared": dict(sorted(one.left.items())),
                    "faults": one.faults,
                }
            )
            if quiet:
                continue
            if self.bar:
                self.stderr.write("\r\x1b[K", ending="")
            for fault in one.faults:
                self.stdout.write(fault)
            said = ", ".join(comparing.words(one))
            self.stdout.write(f"{'NOT OK' if one.faults else 'ok'}: {one.source}: {said}")
        return found

    def _draw(self, done: int) -> None:
        if self.bar:
            share = min(1.0, done / self.total) if self.total else 1.0
            drawn = "█" * round(share * BAR)
            line = f"\r{drawn:·<{BAR}} {share:4.0%}  {done:,} of {self.total:,} deposits "
            self.stderr.write(line, ending="")
            self.stderr.flush()

    def _capsules(self, *, quiet: bool) -> dict[str, Any]:
        many, faults = 0, []
        for key, wrong in capsules.verify():
            many += 1
            if wrong:
                faults.append(f"{key}: {wrong}")
        if not quiet:
            for fault in faults:
                self.stdout.write(fault)
            self.stdout.write(f"{'NOT OK' if faults else 'ok'}: {counted(many, 'capsule')}")
        return {"capsules": many, "faults": faults, "ok": not faults}

    def _say(self, one: chain.Verified) -> None:
        for fault in one.faults:
            self.stdout.write(fault)
        gone = []
        if one.ended:
            gone.append(f"{one.ended:,} ended by retention")
        if one.erased:
            gone.append(f"{one.erased:,} erased by two people")
        self.stdout.write(
            f"{'NOT OK' if one.faults else 'ok'}: {one.source}: {counted(one.sealed, 'deposit')}"
            f" sealed{', ' if gone else ''}{', '.join(gone)}, {one.unsealed} not yet;"
            f" head {one.number}:{one.head}"
        )
