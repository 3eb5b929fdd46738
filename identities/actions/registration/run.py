"""One registration under way: what it has changed, found wrong, and looked up."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection

from evidence import ledger
from evidence.formats.record import ActorName
from evidence.keys import key_of
from identities.acting import By, acting
from identities.models import Party, Person, Team
from identities.register import Problem

ADDED, CHANGED, KEPT = "added", "changed", "kept"
# Not done, and said why: the rest of the file is.
HELD = "held"
# Not done yet: a second person signs it first.
PROPOSED = "proposed"
# Of one value of a difference.
LONGEST_WORDS = 400


class Change(NamedTuple):
    """What became of one entry."""

    kind: str  # added, changed, kept, held, proposed
    subject: str  # "identity svc-report-agent"
    words: str


@dataclass(slots=True)
class Waiting:
    """What an entry says of something that exists, before a second person has signed it."""

    subject: str
    about: str  # the ledger's subject
    words: str


@dataclass(slots=True)
class Registered:
    """What became of one file."""

    file: str
    changes: list[Change]
    notes: list[str]
    dry_run: bool

    def count(self, kind: str) -> int:
        return sum(change.kind == kind for change in self.changes)


@dataclass(slots=True)
class Run:
    by: By
    now: datetime
    imported: bool
    dry_run: bool
    changes: list[Change] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    touched: set[UUID] = field(default_factory=set)
    bound_actors: set[int] = field(default_factory=set)
    # Whom each entry of people is about, by its path; and who left by this run.
    people: dict[str, Person] = field(default_factory=dict)
    gone: list[Person] = field(default_factory=list)
    new_people: set[UUID] = field(default_factory=set)
    because: str = "by a registration file"
    # Whether it says of nobody that they are gone whose signature something waits for.
    holds_back: bool = False
    # What waits for a second person, by the path of its entry.
    waiting: dict[str, Waiting] = field(default_factory=dict)
    # When relative times ("90d") were stated; None: now.
    stated_at: datetime | None = None

    @property
    def asks(self) -> bool:
        """Whether one person acts, who changes alone nothing that exists."""
        return acting(self.by).user is not None

    def wait(self, path: str, subject: str, words: str, *, about: str) -> None:
        """A change that a second person signs first: nothing of it is done in this run."""
        entry = path.partition("]")[0] + "]"
        one = self.waiting.setdefault(entry, Waiting(subject, about, ""))
        one.words = "; ".join(filter(None, (one.words, words)))
        if about.startswith("team:"):  # whose members sign
            one.about = about

    def wrong(self, path: str, what: str) -> None:
        self.problems.append(Problem(path, what))

    def kept(self, subject: str) -> None:
        self.changes.append(Change(KEPT, subject, "as the file says"))

    def told(self, kind: str, subject: str, words: str) -> None:
        """A change whose entry in the ledger is written by the action that made it."""
        self.changes.append(Change(kind, subject, words))

    def done(
        self,
        kind: str,
        subject: str,
        words: str,
        *,
        about: str,
        data: dict[str, Any] | None = None,
    ) -> None:
        """One change, and its entry in the ledger; `about` is the ledger's subject."""
        self.changes.append(Change(kind, subject, words))
        who = acting(self.by)
        ledger.append(
            at=self.now,
            by=who.ref,
            by_name=who.name,
            act=f"registered.{kind}",
            subject=about,
            words=f"{subject}: {words}",
            data=data,
        )

    def party(self, written: str, path: str) -> Party | None:
        """The person (by e-mail, else by name) or team that a file names."""
        if not written.startswith("team:"):
            people = (
                list(Person.objects.filter(email__iexact=written)[:2]) if "@" in written else []
            )
            people = people or list(Person.objects.filter(name=written)[:2])
            if len(people) > 1:
                self.wrong(path, f"several people are called {written!r}: write the e-mail")
                return None
            if people:
                return Party.objects.get_or_create(person=people[0])[0]
        team = Team.objects.filter(name=written.removeprefix("team:").strip()).first()
        if team is not None:
            return Party.objects.get_or_create(team=team)[0]
        self.wrong(path, f"no person or team is called {written!r}: add it to people or teams")
        return None

    def actor(self, name: ActorName) -> int:
        """The actor's id, made when evidence has not named it yet.

        Not through evidence.names: its memory must hold committed ids only, and a dry run
        rolls this one back.
        """
        above = None if name.parent is None else self.actor(name.parent)
        key = key_of(name.realm, name.kind, name.value)
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO evidence_actor (key, realm, kind, value, parent_id, created_at)"
                " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (key) DO NOTHING",
                [key, name.realm, name.kind, name.value, above, self.now],
            )
            cursor.execute("SELECT id FROM evidence_actor WHERE key = %s", [key])
            return int(cursor.fetchone()[0])


def difference(row: Any, said: dict[str, Any]) -> dict[str, list[str]]:
    """Fields of a row that are not as said, as text: {field: [before, after]}."""
    return {
        name: [str(getattr(row, name)), str(value)]
        for name, value in said.items()
        if getattr(row, name) != value
    }


def worded(changed: dict[str, list[str]]) -> str:
    """The difference as a person reads it; long values are cut."""
    return "; ".join(
        f"{name}: {_cut(before)} → {_cut(after)}" for name, (before, after) in changed.items()
    )


def _cut(text: str) -> str:
    text = text or "nothing"
    return text if len(text) <= LONGEST_WORDS else text[: LONGEST_WORDS - 1] + "…"
