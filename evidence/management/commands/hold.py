"""manage.py hold: legal holds, which keep evidence past its period."""

import json
from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from evidence import custody
from evidence.management.commands.source import moment, named, text
from evidence.models import Actor, Deposit, LegalHold
from evidence.permissions import COMMAND, NotPossible
from evidence.words import counted


class Command(BaseCommand):
    help = "Legal holds: place, list, release. What is held outlives its period."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        place = verbs.add_parser("place", help="hold evidence until somebody releases it")
        place.add_argument("reason")
        place.add_argument("--source", default="", metavar="NAME")
        place.add_argument("--deposit", type=int, metavar="N")
        place.add_argument("--actor", default="", help="a name as the evidence writes it")
        place.add_argument("--from", dest="begins", default="", metavar="TIME", help="RFC 3339")
        place.add_argument("--to", dest="ends", default="", metavar="TIME", help="RFC 3339")
        release = verbs.add_parser("release", help="end a hold")
        release.add_argument("hold", type=int, metavar="N")
        release.add_argument("reason")
        listed = verbs.add_parser("list", help="what is held now")
        for verb in (place, release, listed):
            verb.add_argument("--json", action="store_true", help="one JSON document on stdout")

    def handle(self, *_: Any, **options: Any) -> None:
        now = timezone.now()
        try:
            rows = getattr(self, f"_{options['verb']}")(options, now)
        except NotPossible as problem:
            raise CommandError(str(problem)) from None
        if options["json"]:
            self.stdout.write(json.dumps([as_json(row) for row in rows], indent=2))
            return
        for row in rows:
            ended = f", released {text(row.released_at)}" if row.released_at else ""
            self.stdout.write(f"hold {row.pk}: {custody.about(row)}: {row.reason}{ended}")
        if options["verb"] == "list":
            self.stdout.write(counted(len(rows), "hold") + ".")

    def _place(self, options: dict[str, Any], now: datetime) -> list[LegalHold]:
        deposit = actor = None
        if options["deposit"] is not None:
            deposit = Deposit.objects.filter(pk=options["deposit"]).first()
            if deposit is None:
                raise CommandError(f"There is no deposit {options['deposit']}.")
        if options["actor"]:
            actor = Actor.objects.filter(value=options["actor"]).order_by("pk").first()
            if actor is None:
                raise CommandError(f"No evidence names {options['actor']}.")
        return [
            custody.place_hold(
                source=named(options["source"]) if options["source"] else None,
                deposit=deposit,
                actor=actor,
                begins=moment(options["begins"]) if options["begins"] else None,
                ends=moment(options["ends"]) if options["ends"] else None,
                reason=options["reason"],
                by=COMMAND,
                now=now,
            )
        ]

    def _release(self, options: dict[str, Any], now: datetime) -> list[LegalHold]:
        hold = LegalHold.objects.filter(pk=options["hold"]).first()
        if hold is None:
            raise CommandError(f"There is no hold {options['hold']}; `manage.py hold list`.")
        return [custody.release_hold(hold=hold, reason=options["reason"], by=COMMAND, now=now)]

    def _list(self, _options: dict[str, Any], _now: datetime) -> list[LegalHold]:
        rows = LegalHold.objects.filter(released_at=None).order_by("pk")
        return list(rows.select_related("source", "actor"))


def as_json(row: LegalHold) -> dict[str, Any]:
    """A hold as scripts read it."""
    return {
        "hold": row.pk,
        "about": custody.about(row),
        "reason": row.reason,
        "placed_at": text(row.placed_at),
        "placed_by": row.placed_name,
        "released_at": text(row.released_at) or None,
    }
