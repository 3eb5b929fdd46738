"""manage.py follow: a log file that grows is stored line by line, for as long as this runs."""

from argparse import ArgumentParser
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from threading import Event as Signal
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from evidence import actions, arriving, following, intake
from evidence.management.commands.source import named
from evidence.models import Source
from evidence.permissions import COMMAND

POLL_SECONDS = 1.0


class Command(BaseCommand):
    help = (
        "Follows a file of JSON lines (an audit device of Vault, say) through rotation, truncation"
        " and restarts. What is stored is stored once; run it under a supervisor."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE")
        parser.add_argument("--source", required=True, metavar="NAME")
        parser.add_argument("--format", default="", help="else the source's, else recognised")
        parser.add_argument(
            "--cluster", default="", metavar="NAME", help="of which cluster its records are"
        )
        parser.add_argument("--once", action="store_true", help="end at the end of the file")

    def handle(self, *_: Any, **options: Any) -> None:
        path, source = Path(options["file"]).absolute(), named(options["source"])
        problem = arriving.wrong_cluster(options["cluster"])
        if problem:
            raise CommandError(f"--cluster: {problem}.")
        with arriving.stopping() as stop:
            self._follow(path, source, stop, options)

    def _follow(self, path: Path, source: Source, stop: Signal, options: dict[str, Any]) -> None:
        taker = arriving.Taker(
            source=source,
            by=COMMAND.ref,
            now=timezone.now,
            stop=stop,
            format=options["format"],
            cluster=options["cluster"],
        )
        try:
            place = following.Place(place_of(source, path))
        except following.Busy as problem_:
            raise CommandError(str(problem_)) from None

        def lost(begins: datetime, ends: datetime) -> None:
            reason = f"{path} was rotated away or cut before it was read"
            self.stderr.write(f"{reason}: {begins:%Y-%m-%d %H:%M:%S} to {ends:%Y-%m-%d %H:%M:%S}")
            if begins < ends:
                actions.record_gap(
                    source=source, begins=begins, ends=ends, reason=reason, by=COMMAND, now=ends
                )

        try:
            follower = following.Follower(path, place, take=taker.take, lost=lost, now=timezone.now)
            try:
                while not stop.is_set():
                    if follower.step() == 0:
                        if options["once"]:
                            break
                        stop.wait(POLL_SECONDS)
            finally:
                follower.close()
        except arriving.Ended:
            self.stderr.write("The database was away; what was not stored is read again.")
        except intake.NotTaken as problem_:
            raise CommandError(f"{path}: {problem_} (--format NAME).") from None
        except (OSError, ValueError) as problem_:
            raise CommandError(f"{path} cannot be followed: {problem_}") from None
        finally:
            place.close()
        counts = taker.counts
        self.stdout.write(
            f"{source.name}: {counts.events:,} events, {counts.duplicates:,} duplicates,"
            f" {counts.rejects:,} rejects{f', {counts.old:,} kept as old' if counts.old else ''}."
        )


def place_of(source: Source, path: Path) -> Path:
    """Where the place in this file is kept: one for each source and path."""
    told_apart = sha256(str(path).encode()).hexdigest()[:16]
    return Path(settings.VAR) / "followed" / f"{source.name}-{told_apart}.json"
