"""From the entries of a registration file to rows: all of a file or nothing of it.

`register(...)` is idempotent: what is already as the file says is kept and said so. A dry run
does the same in a transaction that is rolled back, so its difference is the real one. No
delegation comes into force here but what a first load by the command line imports, unsigned, for
identities that have no signed delegation.
"""

from datetime import datetime
from typing import Any

from identities import permissions
from identities.acting import Acting, By
from identities.actions import changes, leaving
from identities.models import Membership, Person, ProposedChange, Team, User
from identities.permissions import NotPossible
from identities.register import Entries, RegisterError

from . import asking
from .applying import apply, signed, trial
from .roster import Roster, roster
from .run import Change, Registered, Run

__all__ = ["Change", "Registered", "Roster", "as_json", "move", "register", "roster"]


def as_json(done: Registered) -> dict[str, Any]:
    """What became of one file, for `--json` and the API."""
    return {
        "file": done.file,
        "dry_run": done.dry_run,
        "added": done.count("added"),
        "changed": done.count("changed"),
        "kept": done.count("kept"),
        "held": done.count("held"),
        "proposed": done.count("proposed"),
        "changes": [change._asdict() for change in done.changes if change.kind != "kept"],
        "notes": done.notes,
    }


def register(
    *,
    entries: Entries,
    by: By,
    now: datetime,
    imported: bool = False,
    dry_run: bool = False,
    reason: str = "",
) -> Registered:
    """Apply one file; RegisterError with every problem leaves nothing of it behind.

    What a person's file says of things that exist waits for a second person (asking.py).
    """
    permissions.require(permissions.why_not_register(by, now=now))
    if imported:
        permissions.require(permissions.why_not_import(by))
    run = Run(by=by, now=now, imported=imported, dry_run=dry_run, holds_back=True)
    return apply(run, entries, reason or f"the registration file {entries.file}")


def move(
    *, person: Person, to: Team | None, at: datetime, reason: str, by: User, now: datetime
) -> ProposedChange | str:
    """From this moment they are in `to` and in no other team; what that changes, "" for nothing.

    Where they join or leave a team that decides, a second person signs it first.
    """
    rows = Membership.objects.filter(person=person, superseded_at__isnull=True)
    left, joins = leaving.elsewhere(rows.select_related("team"), to, at=at)
    deciders = [one.team for one in left if asking.decides(one.team)]
    if to is not None and joins and asking.decides(to):
        deciders.insert(0, to)
    if not deciders:
        return leaving.move(person=person, to=to, at=at, reason=reason, by=by, now=now)
    permissions.require(permissions.why_not_say_who_left(by, person, now=now))
    said = {"name": person.name, "email": person.email, "moved": at.isoformat()}
    document = {"people": [said | ({"team": to.name} if to is not None else {})]}
    try:
        lines = trial(document, now=now)
    except RegisterError as problem:
        raise NotPossible(str(problem)) from None
    return changes.propose(
        kind=asking.KIND,
        subject=f"team:{deciders[0].pk}",
        title=f"person {person.name}",
        document=document,
        lines=lines,
        reason=reason,
        by=by,
        now=now,
    )


class Registration:
    """The kind of proposed change that holds an entry of a registration file."""

    why_not_sign = staticmethod(asking.why_not_sign)

    @staticmethod
    def apply(row: ProposedChange, *, by: Acting, now: datetime) -> list[changes.Line]:
        try:
            done = signed(row.document, by=by, now=now, stated_at=row.proposed_at)
        except RegisterError as problem:
            raise NotPossible(f"{row} cannot be applied any more: {problem}") from None
        return asking.lines_of(done.changes)


changes.kind(asking.KIND, Registration())
