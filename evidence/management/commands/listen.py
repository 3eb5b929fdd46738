"""manage.py listen: JSON lines that are written to a socket are stored, for as long as this runs."""

from argparse import ArgumentParser
from threading import Event as Signal
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.utils import timezone

from evidence import arriving, known, listening
from evidence.management.commands.source import named
from evidence.models import Source
from evidence.permissions import COMMAND
from evidence.words import counted


class Command(BaseCommand):
    help = (
        "Listens at a Unix socket or a loopback port for JSON lines (the socket audit device of"
        " Vault, say). Lines on their way are lost when this process dies; following a file is not."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", metavar="SOURCE")
        parser.add_argument("--unix", default="", metavar="PATH")
        parser.add_argument("--tcp", default="", metavar="HOST:PORT")
        parser.add_argument("--format", type=known.said, default="", help="else the source's")
        parser.add_argument(
            "--cluster", default="", metavar="NAME", help="of which cluster its records are"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        source = named(options["name"])
        problem = arriving.wrong_cluster(options["cluster"])
        if problem:
            raise CommandError(f"--cluster: {problem}.")
        if not options["format"] and not source.format:
            # A batch that nobody recognises could not be sent again.
            raise CommandError("Say in which format the lines are: --format NAME.")
        with arriving.stopping() as stop:
            taker = arriving.Taker(
                source=source,
                by=COMMAND.ref,
                now=timezone.now,
                stop=stop,
                format=options["format"] or source.format,
                cluster=options["cluster"],
            )
            refused = self._listen(source, taker, stop, options)
        counts = taker.counts
        self.stdout.write(
            f"{source.name}: {counts.events:,} events, {counts.duplicates:,} duplicates,"
            f" {counts.rejects:,} rejects{f', {counts.old:,} kept as old' if counts.old else ''}."
            + (f" {counted(refused, 'batch', 'batches')} not taken: see the log." * bool(refused))
        )

    def _listen(
        self, source: Source, taker: arriving.Taker, stop: Signal, options: dict[str, Any]
    ) -> int:
        try:
            at = listening.where(unix=options["unix"], tcp=options["tcp"])
            listener = listening.Listener(
                at,
                take=lambda lines: taker.take(lines, name="socket"),
                done=_let_go,
            )
        except listening.Wrong as problem:
            raise CommandError(f"{problem}.") from None
        except OSError as problem:
            raise CommandError(f"Nothing can listen there: {problem.strerror}.") from None
        place = at.path or f"{listener.at.host}:{listener.at.port}"
        self.stderr.write(f"{source.name} listens at {place}")
        try:
            stop.wait()
        finally:
            listener.close()
        return listener.refused


def _let_go() -> None:
    """Of the calling thread's own connection: `connection.close` itself would be this thread's."""
    connection.close()
