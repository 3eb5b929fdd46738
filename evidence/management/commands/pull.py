"""manage.py pull: how sources are pulled, connection tests, and a pull now, with its progress."""

import json
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from evidence import connecting, pulls
from evidence.management.commands.source import named, text
from evidence.models import Pull, Source
from evidence.permissions import COMMAND, NotPossible
from evidence.sources import CONNECTORS
from evidence.sources.failures import Stopped

# Seconds between two looks at a pull that somebody else is at.
PAUSE = 1.0


class Command(BaseCommand):
    help = "Pulling of sources: connect, check, now, cancel, pause, resume, connectors."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        verbs.add_parser("connectors", help="what can be connected, with its settings")
        connect = verbs.add_parser("connect", help="say how a source is pulled")
        connect.add_argument("name")
        connect.add_argument("--connector", required=True, choices=sorted(CONNECTORS))
        connect.add_argument(
            "--set",
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help="a setting; a secret by the name of its file among the connector secrets",
        )
        connect.add_argument("--every", type=int, default=300, metavar="SECONDS")
        connect.add_argument("--first-days", type=int, default=7, metavar="DAYS")
        for verb, words in (
            ("check", "test the connection: what works, what is missing"),
            ("now", "pull now, in this process; follow it where the worker is at it already"),
            ("cancel", "end the live pull after its page"),
            ("pause", "stop pulling by itself"),
            ("resume", "go on pulling"),
        ):
            verbs.add_parser(verb, help=words).add_argument("name")
        for one in verbs.choices.values():
            one.add_argument("--json", action="store_true", help="one JSON document on stdout")

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            document, words, well = getattr(self, f"_{options['verb']}")(options)
        except (NotPossible, Stopped) as problem:
            raise CommandError(str(problem)) from None
        self.stdout.write(json.dumps(document, indent=2) if options["json"] else words)
        if not well:
            sys.exit(1)

    def _connectors(self, _: dict[str, Any]) -> tuple[Any, str, bool]:
        document = [
            {
                "name": one.name,
                "title": one.title,
                "needs": one.needs,
                "settings": [field._asdict() for field in one.fields],
            }
            for one in CONNECTORS.values()
        ]
        lines = []
        for one in CONNECTORS.values():
            lines.append(
                f"{one.name}: {one.title}" + (f" (needs {one.needs})" if one.needs else "")
            )
            lines += [
                f"    {field.name:<18} {field.label}"
                + ("" if field.required else ", optional")
                + (f": {field.help}" if field.help else "")
                for field in one.fields
            ]
        return document, "\n".join(lines), True

    def _connect(self, options: dict[str, Any]) -> tuple[Any, str, bool]:
        pairs = [one.partition("=") for one in options["set"]]
        wrong = [name for name, equals, _ in pairs if not equals]
        if wrong:
            raise CommandError(f"--set {wrong[0]} says no value; write --set {wrong[0]}=VALUE.")
        link = connecting.connect(
            source=named(options["name"]),
            connector=options["connector"],
            settings={name: value for name, _, value in pairs},
            by=COMMAND,
            now=timezone.now(),
            every_seconds=options["every"],
            first_days=options["first_days"],
        )
        document = {
            "source": options["name"],
            "connector": link.connector,
            "settings": link.settings,
            "every_seconds": link.every_seconds,
        }
        if pulls.lists_only(link):
            return document, f"{options['name']} is asked for its lists; no log is pulled.", True
        return document, f"{options['name']} is pulled every {link.every_seconds} s.", True

    def _check(self, options: dict[str, Any]) -> tuple[Any, str, bool]:
        source = named(options["name"])
        connecting.require_connection(source)
        found = pulls.check(source=source, now=timezone.now(), clock=timezone.now)
        lines = [
            f"{'ok     ' if one.ok else 'MISSING'} {one.name}: {one.said}"
            + (f"\n        {one.fix}" if one.fix and not one.ok else "")
            for one in found
        ]
        return [one._asdict() for one in found], "\n".join(lines), all(one.ok for one in found)

    def _now(self, options: dict[str, Any]) -> tuple[Any, str, bool]:
        source = named(options["name"])
        pull = connecting.pull_now(source=source, by=COMMAND, now=timezone.now())
        bar = sys.stderr.isatty() and not options["json"]

        def shown(step: pulls.Step) -> None:
            if bar:
                share = "" if step.share is None else f"{step.share:4.0%} "
                sys.stderr.write(f"\r{share}{step.pages:,} pages, {step.records:,} records\x1b[K")
                sys.stderr.flush()

        left = False
        try:
            self._carry(pull, source, shown)
        except KeyboardInterrupt:
            left = Pull.objects.filter(pk=pull.pk, state=Pull.RUNNING).exists()
            if not (self.followed and left):
                raise
        if bar:
            sys.stderr.write("\r\x1b[K")
        row = Pull.objects.get(pk=pull.pk)
        words = (
            f"{row.state}: {row.pages:,} pages, {row.events:,} events,"
            f" {row.duplicates:,} duplicates, {row.rejects:,} rejects."
        )
        if row.problem:
            words += f"\n{row.problem} {row.fix}"
        if row.state == Pull.WAITING and row.not_before:
            words += f"\nIt goes on by itself after {text(row.not_before)}."
        if left:
            words += "\nIt goes on in the worker; this command only followed it."
        return as_json(row), words, left or row.state == Pull.DONE

    def _carry(self, pull: Pull, source: Source, shown: Callable[[pulls.Step], None]) -> None:
        """Carry a pull to its end here, or follow whoever is at it; a dead one's is taken over."""
        self.followed = False
        while True:
            while pulls.run_next(clock=timezone.now, source=source, on_step=shown):
                pass
            row = Pull.objects.get(pk=pull.pk)
            waits = row.state == Pull.WAITING and row.not_before is not None
            if waits or row.state not in Pull.LIVE:
                return
            if not self.followed:
                self.followed = True
                self.stderr.write(
                    f"{source.name} is being pulled already: following that pull."
                    " Ctrl-C ends the following, not the pull."
                )
            shown(pulls.step_of(row))
            time.sleep(PAUSE)

    def _cancel(self, options: dict[str, Any]) -> tuple[Any, str, bool]:
        connecting.cancel(source=named(options["name"]), by=COMMAND, now=timezone.now())
        return {"source": options["name"]}, "It ends after the page it is at.", True

    def _pause(self, options: dict[str, Any]) -> tuple[Any, str, bool]:
        return self._paused(options, paused=True)

    def _resume(self, options: dict[str, Any]) -> tuple[Any, str, bool]:
        return self._paused(options, paused=False)

    def _paused(self, options: dict[str, Any], *, paused: bool) -> tuple[Any, str, bool]:
        connecting.pause(
            source=named(options["name"]), paused=paused, by=COMMAND, now=timezone.now()
        )
        said = "is paused" if paused else "goes on"
        return {"source": options["name"], "paused": paused}, f"{options['name']} {said}.", True


def as_json(row: Pull) -> dict[str, Any]:
    """One pull as data."""
    return {
        "source": row.source.name,
        "state": row.state,
        "pages": row.pages,
        "records": row.records,
        "events": row.events,
        "duplicates": row.duplicates,
        "rejects": row.rejects,
        "since": text(row.since),
        "until": text(row.until),
        "problem": row.problem,
        "fix": row.fix,
    }
