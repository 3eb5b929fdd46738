"""manage.py ingest: files become deposits of a source, then everything that follows them.

Owns arguments, progress and the summary (docs/exports.md); the way of a file is evidence/files.py's.
"""

import glob
import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any, BinaryIO

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from evidence import actions, files, intake, kept_old, known, nudge
from evidence.files import HEAD, File, Summary
from evidence.formats import bodies
from evidence.intake.admitting import moment
from evidence.models import Source
from evidence.permissions import COMMAND, NotPossible
from evidence.queries import failures
from evidence.words import counted, on_terminal

BAR = 28


class Command(BaseCommand):
    help = (
        "Stores files as deposits of a source, then links and judges them. Folders and patterns"
        " are searched; compressed files are read as they are. The same bytes or the same record"
        " twice are stored once."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", metavar="FILE", help="files, folders, patterns")
        parser.add_argument("--source", required=True, metavar="NAME", help="made when it is new")
        parser.add_argument(
            "--format", default="", type=known.said, help="else recognised; mapping:NAME for yours"
        )
        parser.add_argument("--plane", default="", choices=["", "identity", "ai"])
        parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
        parser.add_argument(
            "--complete",
            action="store_true",
            help="state that the source is complete up to now: absence may be concluded from it",
        )
        parser.add_argument(
            "--strict", action="store_true", help="exit with 1 when anything was rejected"
        )
        wait = parser.add_mutually_exclusive_group()
        wait.add_argument(
            "--wait", action="store_true", default=True, help="link and judge here (the default)"
        )
        wait.add_argument(
            "--no-wait", dest="wait", action="store_false", help="leave that to the worker"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        paths = found(options["files"])
        source = self._source(paths, options)
        summary = Summary(files=len(paths))
        progress = Progress(paths, shown=sys.stderr.isatty() and not options["json"])
        given = (
            File(str(path), lambda path=path: progress.opened(path), options["format"])  # type: ignore[misc]  # mypy cannot see the default's type
            for path in paths
        )
        for step in files.take_files(source=source, files=given, by=COMMAND.ref, now=timezone.now):
            summary.add(step)
            progress.say(summary)
        progress.end()
        damaged = self._damaged(summary)
        if options["complete"] and not damaged:
            self._complete(source)
        # Said before what follows: the evidence is stored, whatever becomes of the rest.
        self._answer(summary, source, as_json=options["json"])
        if options["wait"] and nudge.drain is not None:
            nudge.drain(timezone.now())
        if options["complete"] and damaged:
            raise CommandError(
                f"{damaged} was not taken whole, so {source.name} is not stated to be complete."
            )
        nothing = len(summary.refused) + len(summary.skipped) == len(paths)
        failed = failures.failed(summary.taken) if options["wait"] else []
        for one in failed:
            self.stderr.write(
                f"{one.words}, the first is {one.first}: {on_terminal(one.error)}\n"
                f"What to do: {failures.REMEDY}."
            )
        if failed or nothing or (options["strict"] and (summary.rejects or summary.refused)):
            sys.exit(1)

    def _source(self, paths: list[Path], options: dict[str, Any]) -> Source:
        name = options["source"]
        source = Source.objects.filter(name=name).first()
        if source is not None:
            return source
        recognised = options["format"]
        first = b""
        for path in paths:
            if recognised:
                break
            with path.open("rb") as stream:
                beginning = stream.read(HEAD)
            recognised = files.format_of(beginning)
            first = first or beginning
        if not recognised:
            said = intake.unknown_format("", bodies.peek(first))
            raise CommandError(f"{paths[0]}: {said}.")
        try:
            return actions.add_source(
                name=name,
                by=COMMAND,
                now=timezone.now(),
                plane=options["plane"] or actions.plane_of(recognised),
                format=options["format"],
            )
        except NotPossible as problem:
            raise CommandError(str(problem)) from None

    def _complete(self, source: Source) -> None:
        try:
            actions.declare_complete(
                source=source,
                through=(now := timezone.now()),
                reason="stated on the command line when its files were ingested",
                by=COMMAND,
                now=now,
            )
        except NotPossible as problem:
            raise CommandError(str(problem)) from None

    def _damaged(self, summary: Summary) -> str:
        """The first file that is evidence, but could not be taken whole."""
        return summary.refused[0][0] if summary.refused else ""

    def _answer(self, summary: Summary, source: Source, *, as_json: bool) -> None:
        rejects = [
            {"file": file, "position": reject.position, "reason": reject.reason}
            for file, reject in summary.rejects
        ]
        rejects += [
            {"file": file, "position": "file", "reason": why} for file, why in summary.refused
        ]
        if as_json:
            document = {
                "files": summary.files,
                "deposits": summary.deposits,
                "records": summary.records,
                "events": summary.events,
                "duplicates": summary.duplicates,
                "rejects": rejects,
                "old": [
                    {"file": file, "position": one.position, "reason": one.reason}
                    for file, one in summary.old
                ],
                "skipped": [{"file": file, "reason": why} for file, why in summary.skipped],
            }
            self.stdout.write(json.dumps(document, indent=2))
            return
        for file, why in summary.skipped[:50]:
            self.stderr.write(on_terminal(f"{file}: skipped, {why}"))
        for row in rejects[:50]:
            said = f"{row['file']}: {row['position']}: {row['reason']}"
            self.stderr.write(on_terminal(said))
        if len(rejects) > 50:
            self.stderr.write(f"… and {len(rejects) - 50:,} more; --json lists them all")
        self.stdout.write(
            f"{source.name}: {counted(summary.files, 'file')}, {counted(summary.events, 'event')},"
            f" {counted(summary.duplicates, 'duplicate')}, {counted(len(rejects), 'reject')}"
            f"{f', {len(summary.old):,} kept as old' if summary.old else ''}."
        )
        if summary.old:
            oldest = moment(min(one.old_at or 0 for _, one in summary.old))
            now = timezone.now()
            self.stdout.write(kept_old.words(source, len(summary.old), oldest, now=now))


def found(named: list[str]) -> list[Path]:
    """The files behind files, folders and patterns, each once. Raises CommandError for none."""
    paths: dict[Path, None] = {}
    for name in named:
        path = Path(name)
        if path.is_dir():
            here = sorted(inside for inside in path.rglob("*") if _visible(inside, path))
        elif path.exists():
            here = [path]
        else:
            here = sorted(
                Path(match)
                for match in glob.glob(name, recursive=True)  # noqa: PTH207 - patterns may be absolute
                if Path(match).is_file()
            )
        if not here:
            raise CommandError(f"{name}: there is no such file")
        paths.update(dict.fromkeys(here))
    return list(paths)


def _visible(path: Path, above: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(above).parts)
    return path.is_file() and not hidden


class Progress:
    """How far through the bytes of all files; drawn on a terminal only."""

    def __init__(self, paths: list[Path], *, shown: bool) -> None:
        self.shown = shown
        self.total = sum(path.stat().st_size for path in paths) if shown else 0
        self.read = 0

    def opened(self, path: Path) -> "Counted":
        return Counted(path.open("rb"), self)

    def say(self, summary: Summary) -> None:
        if self.shown:
            share = min(1.0, self.read / self.total) if self.total else 1.0
            bar = "█" * round(share * BAR)
            sys.stderr.write(
                f"\r{bar:·<{BAR}} {share:4.0%}  {counted(summary.events, 'event')},"
                f" {counted(len(summary.rejects), 'reject')} "
            )
            sys.stderr.flush()

    def end(self) -> None:
        if self.shown:
            sys.stderr.write("\r" + " " * 78 + "\r")
            sys.stderr.flush()


class Counted:
    """A file that says how much of it was read."""

    def __init__(self, file: BinaryIO, progress: Progress) -> None:
        self.file, self.progress = file, progress

    def read(self, size: int = -1, /) -> bytes:
        piece = self.file.read(size)
        self.progress.read += len(piece)
        return piece

    def close(self) -> None:
        self.file.close()
