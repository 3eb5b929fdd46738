"""Applying the entries of a registration file in one transaction, under one lock.

A trial run is the same in a transaction that is rolled back, so what it says is what happens.
"""

import json
from datetime import datetime
from functools import partial
from typing import Any

from django.db import connection, transaction

from evidence import locks, nudge
from evidence.locks import Lock
from identities import judging
from identities.acting import COUNTERSIGN, Acting
from identities.actions import changes, credentials
from identities.models import Identity
from identities.register import Entries, RegisterError, read

from . import asking
from .delegations import apply_delegations
from .identities import apply_identities
from .people import apply_people, apply_services, apply_teams, say_where
from .run import Registered, Run


def apply(run: Run, entries: Entries, reason: str) -> Registered:
    """Everything in the file, in one transaction; `reason`: of what waits for a second person."""
    with transaction.atomic(), connection.cursor() as cursor:
        # Two files at once would both find the same entry missing and both make it.
        locks.take(cursor, Lock.REGISTRATION)
        apply_people(run, entries.people)
        apply_teams(run, entries.teams)
        say_where(run, entries.people)
        apply_services(run, entries.services)
        apply_identities(run, entries.identities)
        apply_delegations(run, entries.delegations)
        if not run.problems:
            asking.propose(run, entries, reason=reason, trial=partial(trial, now=run.now))
        if run.problems:
            raise RegisterError(entries.file, run.problems)
        if run.touched and not run.dry_run:
            credentials.assign(actors=run.bound_actors, now=run.now)
            touched = Identity.objects.filter(pk__in=run.touched).order_by("number")
            judging.again(identities=touched, now=run.now)
            nudge.after_commit("identities.changed")
        if (entries.people or entries.teams) and not run.dry_run:
            nudge.after_commit("people.changed")
        if run.dry_run:
            transaction.set_rollback(True)
    notes = [*entries.notes, *run.notes]
    return Registered(entries.file, changes=run.changes, notes=notes, dry_run=run.dry_run)


def signed(
    document: dict[str, Any],
    *,
    by: Acting,
    now: datetime,
    stated_at: datetime | None = None,
    dry_run: bool = False,
) -> Registered:
    """Apply a file that two people have signed; `stated_at`: when relative times in it were said."""
    run = Run(by=by, now=now, imported=False, dry_run=dry_run, holds_back=True, stated_at=stated_at)
    return apply(run, read("proposed.json", json.dumps(document)), "")


def trial(document: dict[str, Any], *, now: datetime) -> list[changes.Line]:
    """What a file would change once two people have signed it; nothing of it stays."""
    return asking.lines_of(signed(document, by=COUNTERSIGN, now=now, dry_run=True).changes)
