"""manage.py map: try a mapping file on a sample, save it, have a source read by it.

Owns arguments and the table on the terminal; docs/mapping.md says what a file may hold.
"""

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from evidence import mappings
from evidence.formats import mapping
from evidence.formats.mapping_text import LARGEST
from evidence.management.commands.source import named
from evidence.mappings import LARGEST_SAMPLE, MappingError, Preview
from evidence.permissions import COMMAND, NotPossible
from evidence.words import on_terminal


class Command(BaseCommand):
    help = "Shows what a mapping file makes of a sample; saves it as a version; gives it a source."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE", help="the mapping, YAML or JSON")
        parser.add_argument("--sample", metavar="SAMPLE", help="a few records of the source")
        parser.add_argument("--rows", type=int, default=mappings.SHOWN, help="how many are shown")
        parser.add_argument("--save", action="store_true", help="save it as the next version")
        parser.add_argument("--use", metavar="SOURCE", help="save it, and read this source by it")
        parser.add_argument("--json", action="store_true", help="one JSON document on stdout")

    def handle(self, *_: Any, **options: Any) -> None:
        text = _read(options["file"], LARGEST * 4).decode("utf-8", "replace")
        document: dict[str, Any] = {}
        now = timezone.now()
        try:
            made = mapping.of(text)
            document |= {"mapping": made.name, "title": made.title, "reads": made.reads}
            words = [f"{made.name}: {made.title}, reads {made.reads}."]
            well = True
            if options["sample"]:
                sample = _read(options["sample"], LARGEST_SAMPLE + 1)
                found = mappings.preview(text, sample, rows=options["rows"])
                well = bool(found.records)
                document |= as_json(found)
                words += table(found)
            if options["save"] or options["use"]:
                saved = mappings.save(text=text, by=COMMAND, now=now)
                document["version"] = saved.version
                words.append(f"Saved as mapping:{saved.name}, version {saved.version}.")
            if options["use"]:
                source = mappings.use(
                    source=named(options["use"]), name=made.name, by=COMMAND, now=now
                )
                document["source"] = source.name
                words.append(f"{source.name} is read by {source.format} from now on.")
        except MappingError as problem:
            lines = "\n".join(f"  {one.place}: {one.sentence}" for one in problem.problems)
            raise CommandError(f"{options['file']} cannot be used:\n{lines}") from None
        except NotPossible as problem:
            raise CommandError(str(problem)) from None
        self.stdout.write(json.dumps(document, indent=2) if options["json"] else "\n".join(words))
        if not well:
            sys.exit(1)


def _read(name: str, most: int) -> bytes:
    try:
        with Path(name).open("rb") as file:
            return file.read(most)
    except OSError as problem:
        raise CommandError(f"{name} cannot be read: {problem.strerror or problem}") from None


def as_json(found: Preview) -> dict[str, Any]:
    """A preview as data."""
    return {
        "records": found.records,
        "rejected": found.rejected,
        "rows": [row._asdict() for row in found.rows],
        "rejects": [reject._asdict() for reject in found.rejects],
        "found": {one.member: one.many for one in found.found},
        "not_found": found.missing(),
    }


def table(found: Preview) -> list[str]:
    """A preview as lines: one block a row, then what is rejected and what is not found."""
    lines = [f"{found.records} records, {found.rejected} rejects, {found.redacted} redactions."]
    for row in found.rows:
        lines.append(f"{_clean(row.position)}")
        lines += [
            f"    {member.replace('_', ' '):<11} {_clean(value)}"
            for member, value in row._asdict().items()
            if value and member != "position"
        ]
    lines += [f"REJECT {_clean(one.position)}: {_clean(one.reason)}" for one in found.rejects]
    if found.rejected > len(found.rejects):
        lines.append(f"REJECT … and {found.rejected - len(found.rejects)} more")
    lines += [f"NOTE   {sentence}" for sentence in found.missing()]
    return lines


def _clean(text: str) -> str:
    return on_terminal(text[:300])
