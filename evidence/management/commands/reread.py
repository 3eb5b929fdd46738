"""manage.py reread: read kept deposits again, in this process, with its progress.

Owns arguments, the bar and the summary; the way of a deposit is evidence/rereading's. Killed at
any point, the same command goes on where it was; so does the worker.
"""

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from evidence import known, nudge, rereading
from evidence.management.commands.source import moment, named
from evidence.models import Deposit, Rereading
from evidence.permissions import COMMAND, NotPossible
from evidence.stores import objects
from evidence.words import counted

BAR = 28


class Command(BaseCommand):
    help = (
        "Reads deposits again whose format has improved, or as another format. Nothing is lost or"
        " doubled; events keep their keys where their records are told apart as before."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--source", metavar="NAME", help="deposits of this source only")
        parser.add_argument("--deposit", type=int, metavar="N", help="this deposit only")
        parser.add_argument(
            "--format",
            default="",
            type=known.said,
            help="read all that are named as this format; else only what is stale",
        )
        parser.add_argument("--since", default="", metavar="TIME", help="received since, RFC 3339")
        parser.add_argument("--dry-run", action="store_true", help="say what would change")
        parser.add_argument("--cancel", action="store_true", help="end what is under way")
        parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
        wait = parser.add_mutually_exclusive_group()
        wait.add_argument(
            "--wait", action="store_true", default=True, help="link and judge here (the default)"
        )
        wait.add_argument(
            "--no-wait", dest="wait", action="store_false", help="leave that to the worker"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        if options["cancel"]:
            many = rereading.cancel_all(by=COMMAND, now=timezone.now())
            self.stdout.write(f"{counted(many, 'rereading')} ended; what was read again stays.")
            return
        wanted: dict[str, Any] = {
            "source": named(options["source"]) if options["source"] else None,
            "deposit": self._deposit(options["deposit"]),
            "to_format": options["format"],
            "since": moment(options["since"]) if options["since"] else None,
        }
        self.bar = sys.stderr.isatty() and not options["json"]
        try:
            document = self._try(wanted) if options["dry_run"] else self._run(wanted)
        except NotPossible as problem:
            raise CommandError(str(problem)) from None
        except objects.Away as problem:
            raise CommandError(
                f"{problem}. What was read again until now stays; run this again once it answers"
                " (`manage.py doctor`)."
            ) from None
        if options["wait"] and not options["dry_run"] and nudge.drain is not None:
            nudge.drain(timezone.now())
        self.stdout.write(json.dumps(document, indent=2) if options["json"] else said(document))
        if document["failed"]:
            sys.exit(1)

    def _deposit(self, number: int | None) -> Deposit | None:
        if number is None:
            return None
        found = Deposit.objects.select_related("source").filter(pk=number).first()
        if found is None:
            raise CommandError(f"There is no deposit {number}.")
        return found

    def _run(self, wanted: dict[str, Any]) -> dict[str, Any]:
        wish = rereading.ask(by=COMMAND, now=timezone.now(), **wanted)
        if wish.done:
            self.stderr.write(f"It goes on after {counted(wish.done, 'deposit')}.")
        wish = rereading.run(wish, clock=timezone.now, say=self._say)
        self._end()
        return {
            "state": wish.state,
            "deposits": wish.done,
            "failed": wish.failed,
            "problem": wish.problem,
            "events": wish.counts,
        }

    def _try(self, wanted: dict[str, Any]) -> dict[str, Any]:
        if wanted["to_format"] and not (wanted["source"] or wanted["deposit"]):
            raise CommandError("Name the --source or the --deposit to be read as another format.")
        rows = rereading.chosen(**wanted).order_by("pk")
        numbers = list(rows.values_list("pk", flat=True))
        counts: dict[str, int] = {}
        done = failed = 0
        problem = ""
        for outcome in rereading.try_out(
            numbers, to_format=wanted["to_format"], now=timezone.now()
        ):
            done += 1
            for name, many in outcome.counts.items():
                counts[name] = counts.get(name, 0) + many
            if outcome.problem:
                failed += 1
                problem = problem or f"deposit {outcome.deposit} {outcome.problem}"
            self._draw(done, len(numbers), f"{counts.get('changed', 0):,} would change")
        self._end()
        return {
            "state": "dry run",
            "deposits": done,
            "failed": failed,
            "problem": problem,
            "events": counts,
        }

    def _say(self, wish: Rereading) -> None:
        self._draw(wish.done, wish.total, f"{wish.counts.get('changed', 0):,} events changed")

    def _draw(self, done: int, total: int, words: str) -> None:
        if self.bar:
            share = min(1.0, done / total) if total else 1.0
            drawn = "█" * round(share * BAR)
            sys.stderr.write(f"\r{drawn:·<{BAR}} {share:4.0%}  {done:,} of {total:,}, {words} ")
            sys.stderr.flush()

    def _end(self) -> None:
        if self.bar:
            sys.stderr.write("\r\x1b[K")


def said(document: dict[str, Any]) -> str:
    """The summary in words."""
    events = ", ".join(f"{many:,} {name}" for name, many in document["events"].items() if many)
    words = f"{document['state']}: {counted(document['deposits'], 'deposit')}"
    words += f"; events: {events}." if events else "; nothing to read again."
    if document["failed"]:
        words += f"\n{counted(document['failed'], 'deposit')} left as it was; first: "
        words += document["problem"]
    return words
