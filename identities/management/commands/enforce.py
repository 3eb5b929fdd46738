"""manage.py enforce: carry out what is due now, without a worker."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from evidence.words import counted
from identities.actions import grants, revocations
from identities.models import Grant, Revocation


class Command(BaseCommand):
    help = "Carries out the revocations and grants that are due, then says where each stands."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--most", type=int, default=1000, help="steps to take at most")

    def handle(self, *_: Any, **options: Any) -> None:
        steps = 0
        for following in (revocations.enforce_next, grants.grant_next):
            while steps < options["most"] and following(now=timezone.now()):
                steps += 1
        self.stdout.write(counted(steps, "step"))
        for row in Revocation.objects.exclude(state="effective").order_by("number"):
            why = f": {row.failed_why} {row.who_must_act}".rstrip() if row.failed_why else ""
            self.stdout.write(f"{row.key}  {row.state}  {row.words}{why}")
        for one in Grant.objects.exclude(state="ended").order_by("number"):
            why = f": {one.failed_why} {one.who_must_act}".rstrip() if one.failed_why else ""
            self.stdout.write(f"{one.key}  {one.state}  {one.words}{why}")
