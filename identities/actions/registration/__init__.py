"""From the entries of a registration file to rows: all of a file or nothing of it.

`register(...)` is idempotent: what is already as the file says is kept and said so. A dry run
does the same in a transaction that is rolled back, so its difference is the real one. No
delegation comes into force here but what a first load by the command line imports, unsigned, for
identities that have no signed delegation.
"""

from datetime import datetime
from typing import Any

from django.db import connection, transaction

from evidence import locks, nudge
from evidence.locks import Lock
from identities import judging, permissions
from identities.acting import By
from identities.actions import credentials
from identities.models import Identity
from identities.register import Entries, RegisterError

from .delegations import apply_delegations
from .identities import apply_identities
from .people import apply_people, apply_services, apply_teams, say_where
from .roster import Roster, roster
from .run import Change, Registered, Run

__all__ = ["Change", "Registered", "Roster", "as_json", "register", "roster"]


def as_json(done: Registered) -> dict[str, Any]:
    """What became of one file, for `--json` and the API."""
    return {
        "file": done.file,
        "dry_run": done.dry_run,
        "added": done.count("added"),
        "changed": done.count("changed"),
        "kept": done.count("kept"),
        "held": done.count("held"),
        "changes": [change._asdict() for change in done.changes if change.kind != "kept"],
        "notes": done.notes,
    }


def register(
    *, entries: Entries, by: By, now: datetime, imported: bool = False, dry_run: bool = False
) -> Registered:
    """Apply one file; RegisterError with every problem leaves nothing of it behind."""
    permissions.require(permissions.why_not_register(by, now=now))
    if imported:
        permissions.require(permissions.why_not_import(by))
    run = Run(by=by, now=now, imported=imported, dry_run=dry_run, holds_back=True)
    with transaction.atomic(), connection.cursor() as cursor:
        # Two files at once would both find the same entry missing and both make it.
        locks.take(cursor, Lock.REGISTRATION)
        apply_people(run, entries.people)
        apply_teams(run, entries.teams)
        say_where(run, entries.people)
        apply_services(run, entries.services)
        apply_identities(run, entries.identities)
        apply_delegations(run, entries.delegations)
        if run.problems:
            raise RegisterError(entries.file, run.problems)
        if run.touched and not dry_run:
            credentials.assign(actors=run.bound_actors, now=now)
            touched = Identity.objects.filter(pk__in=run.touched).order_by("number")
            judging.again(identities=touched, now=now)
            nudge.after_commit("identities.changed")
        if (entries.people or entries.teams) and not dry_run:
            nudge.after_commit("people.changed")
        if dry_run:
            transaction.set_rollback(True)
    return Registered(
        file=entries.file, changes=run.changes, notes=[*entries.notes, *run.notes], dry_run=dry_run
    )
