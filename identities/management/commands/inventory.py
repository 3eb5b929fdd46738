"""manage.py inventory: what connected systems list of themselves, and reading it now."""

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from evidence.management.commands.source import named, text
from evidence.models import Source
from evidence.permissions import COMMAND, NotPossible
from evidence.words import counted
from identities.inventory import asking, following, listing, reading
from identities.inventory.systems import SYSTEMS
from identities.models import InventoryRead


class Command(BaseCommand):
    help = "Lists of connected systems: systems, now, status, list, pause, resume, every."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        verbs.add_parser("systems", help="what can be read, with the rights it needs")
        status = verbs.add_parser("status", help="the last reading of each source, or of one")
        status.add_argument("name", nargs="?", default="")
        for verb, words in (
            ("now", "read the lists of a source now, in this process"),
            ("list", "what the lists of a source show now"),
            ("pause", "read its lists no more by themselves"),
            ("resume", "read them by themselves again"),
        ):
            verbs.add_parser(verb, help=words).add_argument("name")
        every = verbs.add_parser("every", help="how often they are read")
        every.add_argument("name")
        every.add_argument("seconds", type=int)
        for one in verbs.choices.values():
            one.add_argument("--json", action="store_true", help="one JSON document on stdout")

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            document, words, well = getattr(self, f"_{options['verb']}")(options)
        except NotPossible as problem:
            raise CommandError(str(problem)) from None
        self.stdout.write(json.dumps(document, indent=2) if options["json"] else words)
        if not well:
            sys.exit(1)

    def _systems(self, _: dict[str, Any]) -> tuple[Any, str, bool]:
        document = [
            {
                "name": one.name,
                "title": one.title,
                "lists": [
                    {"name": part.name, "needs": part.needs, "optional": part.optional}
                    for part in one.parts
                ],
            }
            for one in SYSTEMS
        ]
        lines = []
        for one in SYSTEMS:
            lines.append(f"{one.name}: {one.title}")
            lines += [
                f"    {part.name:<24} {part.needs}{' (optional)' if part.optional else ''}"
                for part in one.parts
            ]
        return document, "\n".join(lines), True

    def _now(self, options: dict[str, Any]) -> tuple[Any, str, bool]:
        source = named(options["name"])
        asked = asking.read_now(source=source, by=COMMAND, now=timezone.now())
        bar = sys.stderr.isatty() and not options["json"]

        def shown(step: reading.Step) -> None:
            if bar:
                sys.stderr.write(
                    f"\r{step.part}: {step.pages:,} pages, {step.found:,} found,"
                    f" {step.new:,} new\x1b[K"
                )
                sys.stderr.flush()

        while reading.run_next(clock=timezone.now, source=source, on_step=shown):
            pass
        if bar:
            sys.stderr.write("\r\x1b[K")
        following.hand_on(now=timezone.now())
        row = InventoryRead.objects.get(pk=asked.pk)
        return self._said(row)

    def _status(self, options: dict[str, Any]) -> tuple[Any, str, bool]:
        sources = (
            [named(options["name"])]
            if options["name"]
            else list(Source.objects.filter(inventory_plan__isnull=False).order_by("name"))
        )
        rows = [
            row
            for source in sources
            for row in InventoryRead.objects.filter(source=source).order_by("-asked_at")[:1]
        ]
        if not rows:
            return [], "Nothing has been read yet.", True
        said = [self._said(row) for row in rows]
        return [one[0] for one in said], "\n".join(one[1] for one in said), True

    def _said(self, row: InventoryRead) -> tuple[Any, str, bool]:
        first = (
            f"{row.source.name}: {row.state}: {row.found:,} found, {row.new:,} new,"
            f" {row.changed:,} changed, {row.gone:,} gone."
        )
        lines = [first]
        lines += [
            f"    {name}: {said.get('state', 'under way')}, {said.get('found', 0):,} found"
            + (f": {said['said']} {said.get('fix', '')}".rstrip() if said.get("said") else "")
            for name, said in row.parts.items()
        ]
        if row.problem:
            lines.append(f"{row.problem} {row.fix}".rstrip())
        if row.state == InventoryRead.WAITING and row.not_before:
            lines.append(f"It goes on by itself after {text(row.not_before)}.")
        document = {
            "source": row.source.name,
            "system": row.system,
            "realm": row.realm,
            "state": row.state,
            "ended_at": text(row.ended_at) if row.ended_at else None,
            "found": row.found,
            "new": row.new,
            "changed": row.changed,
            "gone": row.gone,
            "lists": {
                name: {key: said.get(key) for key in ("state", "found", "gone", "said", "fix")}
                for name, said in row.parts.items()
            },
            "problem": row.problem,
        }
        return document, "\n".join(lines), row.state == InventoryRead.DONE

    def _list(self, options: dict[str, Any]) -> tuple[Any, str, bool]:
        rows = listing.as_data(named(options["name"]))
        lines = [
            f"{one['kind']:<20} {one['title'] or one['value']}"
            + (f" of {one['holder']}" if one["holder"] else "")
            + f" ({one['status']})"
            + (f", last used {one['last_used_at']}" if one["last_used_at"] else "")
            for one in rows
        ]
        lines.append(f"{counted(len(rows), 'entry', 'entries')}.")
        return rows, "\n".join(lines), True

    def _pause(self, options: dict[str, Any]) -> tuple[Any, str, bool]:
        return self._planned(options, paused=True)

    def _resume(self, options: dict[str, Any]) -> tuple[Any, str, bool]:
        return self._planned(options, paused=False)

    def _every(self, options: dict[str, Any]) -> tuple[Any, str, bool]:
        return self._planned(options, every_seconds=options["seconds"])

    def _planned(self, options: dict[str, Any], **said: Any) -> tuple[Any, str, bool]:
        row = asking.plan(source=named(options["name"]), by=COMMAND, now=timezone.now(), **said)
        words = "paused" if row.paused else f"read every {row.every_seconds:,} s"
        return (
            {"source": options["name"], "paused": row.paused, "every_seconds": row.every_seconds},
            f"The lists of {options['name']} are {words}.",
            True,
        )
