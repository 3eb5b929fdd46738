"""What one sweep over some locked cases writes, gathered until it is: one statement for many.

Owns the rows of the sweep itself: cases, rungs, ledger entries, notices. What is done in a case,
and when, is climbing.py.
"""

from datetime import datetime, timedelta

from django.db.models import F

from evidence import nudge
from identities.acting import COUNTERSIGN
from identities.models import Person
from reviews.models import Case, Notice, Rung

from . import braking, entries, reminders, rungs

# What moves a deadline by less is on the page and in the ledger, and no mail: each mail takes a
# moment to go out, and that does not count.
NEWS = timedelta(hours=1)
# What a sweep writes of a case whose deadline it moves, or whose seats it opens to others.
WRITTEN = [
    "deadline_at",
    "not_counted",
    "silence",
    "silence_done_at",
    "backups_since",
    "stage",
    "version",
]


class Swept:
    """What has been done so far and is not written yet."""

    def __init__(self, *, now: datetime) -> None:
        self.now = now
        self.moved: list[rungs.Moved] = []
        self.done: list[Rung] = []
        self.over: list[Rung] = []
        self.silent: list[Case] = []
        self.changed: list[Case] = []
        self.touched: list[Case] = []
        self.said: list[entries.Said] = []
        self.notices: list[Notice] = []
        self.held: list[Rung] = []

    def climbed(self, rung: Rung) -> None:
        rung.state = "done"
        self.done.append(rung)

    def say(
        self,
        case: Case,
        rung: Rung,
        act: str,
        words: str,
        *,
        at: datetime | None = None,
        **data: str,
    ) -> None:
        said = {"does": rung.does, "at": rung.at.isoformat(), **data}
        self.said.append(entries.Said(case, act, words[:1_000], said, at or rung.at))

    def notify(self, case: Case, persons: list[Person], **said: str) -> None:
        """Many cases come due together: each person hears of them in one mail for each kind."""
        self.notices += reminders.notices(case, persons, gather=True, now=self.now, **said)

    def write(self) -> None:
        """Everything of this sweep so far, in as many statements for many cases as for one."""
        changed = {case.pk: case for case in self.changed}
        silent = {case.pk: case for case in self.silent if case.pk not in changed}
        touched = {case.pk: case for case in self.touched if case.pk not in changed | silent}
        for case in [*changed.values(), *silent.values()]:
            case.version += 1
        if silent:
            Case.objects.filter(pk__in=silent).update(
                silence_done_at=self.now, version=F("version") + 1
            )
        if touched:
            entries.changed_all(touched.values())
        if changed:
            Case.objects.bulk_update(changed.values(), WRITTEN)
        if changed or silent:
            nudge.after_commit("case.changed")
        for rows, to in ((self.done, "done"), (self.over, "over")):
            if rows:
                pks_of = [one.pk for one in rows]
                Rung.objects.filter(pk__in=pks_of).update(state=to, done_at=self.now)
        braking.save(self.held)
        rungs.move(self.moved, now=self.now)
        entries.note_all(self.said, by=COUNTERSIGN, now=self.now)
        reminders.send(self.notices)
        self.moved, self.done, self.over, self.said, self.notices = [], [], [], [], []
        self.silent, self.changed, self.touched, self.held = [], [], [], []
