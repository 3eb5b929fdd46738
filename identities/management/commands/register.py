"""manage.py register: services, identities, owners and delegations from files."""

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from evidence import nudge
from identities.acting import COMMAND
from identities.actions import registration
from identities.actions.registration import Registered, as_json
from identities.register import Problem, RegisterError, read

# What is registered is a draft until somebody who answers for it says that it is in use.
ACTIVE = (
    "whoever answers for them says that they are in use, on the page /owned/?state=draft or by"
    " POST /api/owned/activate/."
)


class Command(BaseCommand):
    help = (
        "Registers people, teams, services, identities and delegations from YAML or JSON files."
        " Each file is applied as a whole or not at all; a second run changes nothing."
        " Delegations become proposals that need an access request. With --imported, those of"
        " identities without a signed delegation come into force unsigned: they judge past"
        " behaviour and allow nothing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", metavar="FILE")
        parser.add_argument(
            "--imported",
            action="store_true",
            help="first load: import delegations of identities that have no signed one",
        )
        parser.add_argument("--dry-run", action="store_true", help="print the difference only")
        parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
        parser.add_argument(
            "--no-wait", action="store_true", help="leave judging what is stored to the worker"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        done: list[Registered] = []
        refused: list[RegisterError] = []
        for name in options["files"]:
            try:
                done.append(self._register(name, options))
            except RegisterError as problem:
                refused.append(problem)
        if options["json"]:
            self.stdout.write(json.dumps(self._document(done, refused), indent=2))
        else:
            for registered in done:
                self._say(registered)
            for refusal in refused:
                self.stderr.write(str(refusal))
        if done and nudge.drain is not None and not (options["dry_run"] or options["no_wait"]):
            # What is stored of these identities is judged before anybody asks what they did.
            nudge.drain(timezone.now())
        if refused:
            # In JSON the problems are in the document already.
            if options["json"]:
                sys.exit(1)
            raise CommandError(f"{len(refused)} of {len(options['files'])} files not registered.")

    def _register(self, name: str, options: dict[str, Any]) -> Registered:
        path = Path(name)
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as problem:
            raise RegisterError(
                name, [Problem("(file)", f"cannot be read: {problem.strerror}")]
            ) from None
        except UnicodeDecodeError:
            raise RegisterError(name, [Problem("(file)", "is not UTF-8 text")]) from None
        return registration.register(
            entries=read(name, text),
            by=COMMAND,
            now=timezone.now(),
            imported=options["imported"],
            dry_run=options["dry_run"],
        )

    def _document(self, done: list[Registered], refused: list[RegisterError]) -> dict[str, Any]:
        return {
            "files": [as_json(registered) for registered in done],
            "refused": [
                {
                    "file": problem.file,
                    "problems": [
                        {"path": path, "problem": what} for path, what in problem.problems
                    ],
                }
                for problem in refused
            ],
        }

    def _say(self, done: Registered) -> None:
        signs = {"added": "+", "changed": "~", "held": "!"}
        for change in done.changes:
            if change.kind in signs:
                self.stdout.write(f"{signs[change.kind]} {change.subject}: {change.words}")
        for note in done.notes:
            self.stdout.write(f"  {note}")
        added, changed, held = (done.count(kind) for kind in ("added", "changed", "held"))
        if not added and not changed and not held:
            self.stdout.write(f"{done.file}: nothing to change, {done.count('kept')} as written.")
        else:
            drafts = sum(
                one.kind == "added" and one.words.endswith("draft") for one in done.changes
            )
            if drafts:
                self.stdout.write(f"  {drafts} not active yet: {ACTIVE}")
            would = " would be" if done.dry_run else ""
            self.stdout.write(
                f"{done.file}:{would} {added} added, {changed} changed, {done.count('kept')} kept"
                f"{f', {held} held' if held else ''}."
            )
