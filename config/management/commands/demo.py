"""`manage.py demo`: the whole road once, on a story with times relative to now."""

import json
import os
import secrets
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from config import health

STATE = "demo.json"


class Command(BaseCommand):
    help = "Runs Countersign with a story in it; prints one-time sign-in links. Ctrl-C ends it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--reset", action="store_true", help="start the story over")
        parser.add_argument("--seed-only", action="store_true", help="do not start the web")

    def handle(self, *_args: Any, **options: Any) -> None:
        if not settings.DEMO:
            # Children and settings read it: demo links, local AWS account.
            os.environ["COUNTERSIGN_DEMO"] = "1"
            os.execv(sys.executable, [sys.executable, *sys.argv])  # noqa: S606 - this very command
        if not options["reset"] and (problem := health.migrations()):
            raise CommandError(f"{problem} first, or `make demo`, which does both.")
        from config.demo import aws

        place = Path(settings.VAR) / STATE
        state = self._state(place, reset=options["reset"])
        account = aws.start()
        try:
            self._run(account, state, place, seed_only=options["seed_only"])
        finally:
            account.end()

    def _state(self, place: Path, *, reset: bool) -> dict[str, Any]:
        from evidence.models import Source

        if reset:
            place.unlink(missing_ok=True)
            self._empty()
        elif not place.exists() and Source.objects.exists():
            raise CommandError(
                "this installation holds evidence of its own; the demo is for an empty one. "
                "Set COUNTERSIGN_VAR to another folder, or use --reset to throw all away."
            )
        if not place.exists():
            return {"seed": secrets.randbelow(2**31)}
        state: dict[str, Any] = json.loads(place.read_text("utf-8"))
        return state

    def _empty(self) -> None:
        """A new database under the same name: evidence is append-only, even for its owner."""
        if settings.DATABASE_URL:
            raise CommandError(
                "--reset throws a database away; with DATABASE_URL do that yourself."
            )
        from config.demo import reset

        self.stdout.write("Starting over …")
        reset.database()
        for folder in ("deposits", "mail"):
            shutil.rmtree(Path(settings.VAR) / folder, ignore_errors=True)
        # As the owner, which this process is not.
        subprocess.run(
            [sys.executable, str(settings.BASE_DIR / "manage.py"), "migrate", "--verbosity", "0"],
            check=True,
        )

    def _run(self, account: Any, state: dict[str, Any], place: Path, *, seed_only: bool) -> None:
        from config.demo import glass, keeping, returning, rota, seed, wave
        from config.management.commands import up

        (Path(settings.VAR) / "mail").mkdir(mode=0o700, exist_ok=True)
        keys = returning.populate(account, state["seed"])
        returning.use(account)
        keeping.use()
        rota.use()
        if not state.get("planted"):
            now = timezone.now()
            seed.plant(keys, now=now, say=self.stdout.write)
            seed.beside(now=now, say=self.stdout.write)
            wave.plant(now=now, say=self.stdout.write)
            glass.plant(keys, now=now, say=self.stdout.write)
            place.write_text(json.dumps({**state, "planted": True}), "utf-8")
        else:
            returning.settle(account)
        rota.read(now=timezone.now())
        if not seed_only:
            sys.exit(up.run(self._welcome))

    def _welcome(self) -> None:
        from config.demo import glass, keeping, rota, seed

        self.stdout.write(f"\nCountersign answers at {settings.BASE_URL}\n\n")
        for name, role, link in seed.sign_in_links(settings.BASE_URL, now=timezone.now()):
            self.stdout.write(f"  {name:<16} {role:<40} {link}")
        self.stdout.write("\nSigned in, begin with\n\n")
        base = settings.BASE_URL
        for words, link in [
            *seed.worth_a_look(base),
            *glass.worth_a_look(base),
            *rota.worth_a_look(base),
            *keeping.worth_a_look(base),
        ]:
            self.stdout.write(f"  {words:<57} {link}")
        mail = os.path.relpath(Path(settings.VAR) / "mail")
        self.stdout.write(f"\nEach link signs in once. Mail is kept in {mail}. Ctrl-C stops all.\n")
        self.stdout.flush()
