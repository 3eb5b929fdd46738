"""A list of people from a system that knows who works here: who is here, who left, who moved.

Whom it leaves out has not left by that, unless it says of itself that it is whole. A whole list
that would make many leave at once is refused: half a list looks the same.
"""

from datetime import datetime
from functools import partial
from typing import NamedTuple

from django.db import connection, transaction
from django.db.models import Q

from evidence import locks, nudge
from evidence.locks import Lock
from evidence.words import counted
from identities import permissions
from identities.acting import By, acting
from identities.actions import leaving
from identities.models import Person
from identities.permissions import NotAllowed, NotPossible
from identities.register import Entries, Problem, RegisterError, When

from . import asking
from .applying import trial
from .persons import apply_people, leave, say_where
from .run import Registered, Run

# Of a whole list, without a word of how many: so many, or one in twenty of those who are here.
FEW, SHARE = 3, 20
MOST_NAMED = 10


class Roster(NamedTuple):
    """What became of a list, and whom it says have left."""

    done: Registered
    gone: list[Person]


def roster(
    *,
    entries: Entries,
    whole: bool,
    by: By,
    now: datetime,
    leaving_at_most: int | None = None,
    dry_run: bool = False,
) -> Roster:
    """Apply one list, all of it or, with RegisterError, nothing of it. The same twice is once.

    What it changes of people who are known waits for a second person (asking.py).
    `leaving_at_most`: how many a whole list may leave out; without it FEW, or one in SHARE.
    """
    permissions.require(permissions.why_not_roster(by, now=now))
    if entries.teams or entries.services or entries.identities or entries.delegations:
        raise RegisterError(
            entries.file, [Problem("(list)", "holds people only; register the rest as a file")]
        )
    run = Run(by=by, now=now, imported=False, dry_run=dry_run, because="by a list of people")
    with transaction.atomic(), connection.cursor() as cursor:
        locks.take(cursor, Lock.REGISTRATION)
        apply_people(run, entries.people)
        say_where(run, entries.people)
        if whole and not run.problems:
            _left_out(run, leaving_at_most)
        if not run.problems:
            asking.propose(run, entries, reason="a list of people", trial=partial(trial, now=now))
        if run.problems:
            raise RegisterError(entries.file, run.problems)
        if dry_run:
            transaction.set_rollback(True)
        else:
            nudge.after_commit("people.changed")
    return Roster(
        Registered(entries.file, run.changes, [*entries.notes, *run.notes], dry_run), run.gone
    )


def _left_out(run: Run, at_most: int | None) -> None:
    """Those who are here and in no entry have left, today."""
    listed = [one.pk for one in run.people.values()]
    here = Person.objects.filter(Q(left_at__isnull=True) | Q(left_at__gt=run.now))
    missing = list(here.exclude(pk__in=listed).order_by("name", "pk"))
    most = max(FEW, here.count() // SHARE) if at_most is None else at_most
    if len(missing) > most:
        names = ", ".join(one.name for one in missing[:MOST_NAMED])
        more = ", …" if len(missing) > MOST_NAMED else ""
        run.wrong(
            "people",
            f"the list says that it is whole and leaves out"
            f" {counted(len(missing), 'person', 'people')} ({names}{more}), more than {most:,}."
            f" Is it whole? Then say leaving_at_most: {len(missing)}",
        )
        return
    user = acting(run.by).user
    waits = set()
    if user is not None:  # a list of every night asks once
        rows = leaving.proposed(proposed_person=user.person_id)
        waits = set(rows.values_list("subject", flat=True))
    for one in missing:
        if f"person:{one.pk}" in waits:
            continue
        if user is not None and user.person_id == one.pk:
            run.wrong(
                "people", f"leaves out {one.name}, who sends it: nobody says it of themselves"
            )
            continue
        try:
            leave(run, one, When(at=run.now))
        except (NotAllowed, NotPossible) as problem:
            run.wrong("people", f"{one.name}: {problem}")
