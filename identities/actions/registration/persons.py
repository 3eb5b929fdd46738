"""People of a registration file or a roster: their names, logins, managers, teams, and who left.

Who is known already is read once for all entries; only what changes is written.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from functools import reduce
from operator import or_
from uuid import UUID

from django.db.models import Q
from django.db.models.functions import Lower

from identities import permissions
from identities.acting import acting
from identities.actions import leaving
from identities.actions import teams as teams_of
from identities.models import Membership, Person, Team, User
from identities.permissions import NotAllowed, NotPossible
from identities.register import NEVER, PersonEntry, When

from .asking import deciding
from .run import ADDED, CHANGED, HELD, PROPOSED, Run, difference, worded

AT_ONCE = 1_000
HELD_BACK = (
    "held: {} waits for their signature. Who does not sit in it says on the page People that they"
    " left or moved, or a list to /api/people/ does; the rest of the file is taken"
)


class Known:
    """The people whom these entries may be about, locked, by address, name and login."""

    def __init__(self, entries: Sequence[PersonEntry]) -> None:
        self.by_email: dict[str, list[Person]] = {}
        self.by_name: dict[str, list[Person]] = {}
        self.logins: dict[str, User] = {}
        for start in range(0, len(entries), AT_ONCE):
            self._read(entries[start : start + AT_ONCE])

    def _read(self, entries: Sequence[PersonEntry]) -> None:
        named = {one.name for one in entries} | {one.manager for one in entries if one.manager}
        addresses = {one.lower() for one in named} | {one.email.lower() for one in entries}
        rows = Person.objects.annotate(address=Lower("email")).filter(
            reduce(or_, [Q(name__in=named), Q(address__in=addresses - {""})])
        )
        known = {one.pk for rows in self.by_name.values() for one in rows}
        for row in rows.select_for_update(of=("self",)).order_by("pk"):
            if row.pk not in known:
                self.add(row)
        logins = [login for one in entries for login in one.logins]
        for user in User.objects.select_for_update(of=("self",)).filter(username__in=logins):
            self.logins[user.username] = user

    def add(self, person: Person) -> None:
        self.by_name.setdefault(person.name, []).append(person)
        if person.email:
            self.by_email.setdefault(person.email.lower(), []).append(person)

    def of(self, entry: PersonEntry) -> list[Person]:
        """By address, then by name among those without one, then by name where none is written."""
        named = self.by_name.get(entry.name, [])
        found = self.by_email.get(entry.email.lower(), []) if entry.email else []
        found = found or [one for one in named if not one.email]
        return found or ([] if entry.email else named)

    def called(self, written: str) -> list[Person]:
        """Whom a file names as a manager: by address, else by name."""
        return self.by_email.get(written.lower(), []) or self.by_name.get(written, [])


def apply_people(run: Run, entries: Sequence[PersonEntry]) -> None:
    """Who they are: added and changed, never removed. Where they are is `say_where`."""
    known = Known(entries)
    made: dict[UUID, tuple[PersonEntry, Person]] = {}
    for entry in entries:
        subject = f"person {entry.name}"
        found = known.of(entry)
        if len(found) > 1:
            run.wrong(entry.path, f"several people are called {entry.name!r}: write the e-mail")
            continue
        if not found:
            person = Person.objects.create(name=entry.name, email=entry.email)
            known.add(person)
            run.new_people.add(person.pk)
            run.done(ADDED, subject, "new", about=f"person:{person.pk}")
        else:
            person = found[0]
            said = {"name": entry.name} | ({"email": entry.email} if entry.email else {})
            changed = difference(person, said)
            if changed and run.asks:
                about = f"person:{person.pk}"
                run.wait(entry.path, f"person {person.name}", worded(changed), about=about)
                said = {}
            for name, value in said.items():
                setattr(person, name, value)
            if changed and said:
                person.save(update_fields=list(said))
                run.done(CHANGED, subject, worded(changed), about=f"person:{person.pk}")
            elif not changed:
                run.kept(subject)
        first = made.setdefault(person.pk, (entry, person))[0]
        if first is not entry:
            run.wrong(entry.path, f"is the same person as {first.path}: write them once")
            continue
        run.people[entry.path] = person
        _logins(run, entry, person, known)
    for entry, person in made.values():
        _manager(run, entry, person, known)


def _logins(run: Run, entry: PersonEntry, person: Person, known: Known) -> None:
    for login in entry.logins:
        user = known.logins.get(login)
        if user is None:
            run.notes.append(f"{entry.path}.logins: no login {login!r} exists yet")
        elif user.person_id is None:
            why = permissions.why_not_register(run.by, now=run.now)
            if why is not None:
                run.wrong(f"{entry.path}.logins", f"{login!r} is nobody's yet. {why}")
                continue
            if run.asks:
                # A login with a person behind it signs: nobody makes a signer alone.
                about = f"person:{person.pk}"
                words = f"the login {login} is theirs"
                run.wait(entry.path, f"person {person.name}", words, about=about)
                continue
            user.person = person
            user.save(update_fields=["person"])
            run.done(CHANGED, f"login {login}", f"is {person.name}'s", about=f"person:{person.pk}")
        elif user.person_id != person.pk:
            run.wrong(
                f"{entry.path}.logins", f"the login {login!r} is another person's; it stays theirs"
            )


def _manager(run: Run, entry: PersonEntry, person: Person, known: Known) -> None:
    if not entry.manager:
        return
    path, found = f"{entry.path}.manager", known.called(entry.manager)
    if len(found) != 1:
        said = "several people are called" if found else "no person is called"
        run.wrong(path, f"{said} {entry.manager!r}: write the e-mail of one in people")
    elif found[0].pk == person.pk:
        run.wrong(path, "nobody is their own manager; leave it out")
    elif person.manager_id != found[0].pk and run.asks and person.pk not in run.new_people:
        words = f"reports to {found[0].name}"
        run.wait(entry.path, f"person {person.name}", words, about=f"person:{person.pk}")
    elif person.manager_id != found[0].pk:
        person.manager = found[0]
        person.save(update_fields=["manager"])
        run.done(
            CHANGED,
            f"person {person.name}",
            f"reports to {found[0].name}",
            about=f"person:{person.pk}",
        )


def say_where(run: Run, entries: Sequence[PersonEntry]) -> None:
    """Their team, and that they left or moved; after the teams of the same file are there."""
    names = {one.team for one in entries if one.team}
    teams = {one.name: one for one in Team.objects.filter(name__in=names)}
    people = [one.pk for one in run.people.values()]
    rows: dict[UUID, list[Membership]] = {}
    for one in Membership.objects.filter(
        person__in=people, superseded_at__isnull=True
    ).select_related("team"):
        rows.setdefault(one.person_id, []).append(one)
    gone = _said_gone(run, entries) if run.holds_back else []
    deciders = deciding() if run.asks else frozenset()
    waits = teams_of.waited_for(gone, now=run.now) | leaving.waited_for(gone)
    for entry in entries:
        person = run.people.get(entry.path)
        team = teams.get(entry.team)
        if person is None:
            continue
        if person.pk in waits and _changes(entry, person, team, rows.get(person.pk, [])):
            run.told(HELD, f"person {person.name}", HELD_BACK.format(waits[person.pk]))
            continue
        if entry.team and team is None:
            team = teams[entry.team] = Team.objects.create(name=entry.team)
            run.done(ADDED, f"team {team.name}", "new", about=f"team:{team.pk}")
        mine = rows.get(person.pk, [])
        if run.asks and (words := _decided_by_teams(run, entry, team, mine, deciders)):
            signs = team is not None and team.pk in deciders
            about = f"team:{team.pk}" if team is not None and signs else f"person:{person.pk}"
            run.wait(entry.path, f"person {person.name}", words, about=about)
            if entry.moved is not None or entry.left is None:
                continue
            team = None
        try:
            if entry.moved is not None and entry.moved.at is not None:
                _moved(run, entry.moved.at, person, team, mine)
            elif team is not None and not any(
                one.team_id == team.pk and run.now in one.during for one in mine
            ):
                Membership.objects.create(
                    team=team, person=person, during=(run.now, None), recorded_at=run.now
                )
                run.done(
                    CHANGED,
                    f"team {team.name}",
                    f"{person.name} joined",
                    about=f"team:{team.pk}",
                )
            if entry.left is not None:
                _left(run, entry, person)
        except (NotAllowed, NotPossible) as problem:
            run.wrong(entry.path, str(problem))


def _decided_by_teams(
    run: Run,
    entry: PersonEntry,
    team: Team | None,
    rows: Sequence[Membership],
    deciders: Collection[UUID],
) -> str:
    """What the entry changes in teams that decide, in words; "" where it changes none."""
    left: list[Membership] = []
    if entry.moved is not None and entry.moved.at is not None:
        left, joins = leaving.elsewhere(rows, team, at=entry.moved.at)
    else:
        joins = not any(
            team is not None and one.team_id == team.pk and run.now in one.during for one in rows
        )
    said = [f"joins {team}"] if team is not None and joins and team.pk in deciders else []
    said += [f"leaves {one.team}" for one in left if one.team_id in deciders]
    return ", ".join(said)


def _said_gone(run: Run, entries: Sequence[PersonEntry]) -> list[Person]:
    """Of whom the file says that they left or moved."""
    gone = [one for one in entries if one.moved is not None or isinstance(one.left, When)]
    return [run.people[one.path] for one in gone if one.path in run.people]


def _changes(
    entry: PersonEntry, person: Person, team: Team | None, rows: Sequence[Membership]
) -> bool:
    """Whether it would say that they are gone, or gone at another time than is known."""
    if isinstance(entry.left, When) and entry.left.at != person.left_at:
        return True
    if entry.moved is None or entry.moved.at is None:
        return False
    left, joins = leaving.elsewhere(rows, team, at=entry.moved.at)
    return bool(left) or joins


def _moved(
    run: Run, at: datetime, person: Person, team: Team | None, rows: Sequence[Membership]
) -> None:
    left, joins = leaving.elsewhere(rows, team, at=at)
    if left or joins:
        words = leaving.move(
            person=person, to=team, at=at, reason=run.because, by=run.by, now=run.now
        )
        run.told(CHANGED, f"person {person.name}", words)


def _left(run: Run, entry: PersonEntry, person: Person) -> None:
    was = person.left_at
    if isinstance(entry.left, When):
        if entry.left.at is not None and entry.left.at != was:
            leave(run, person, entry.left)
    elif entry.left == NEVER and was is not None:
        if _asked(run, person, None):
            return
        leaving.come_back(person=person, reason=run.because, by=run.by, now=run.now)
        run.told(CHANGED, f"person {person.name}", "is here again")


def leave(run: Run, person: Person, left: When) -> None:
    """They leave at this moment; in the run's changes."""
    at = left.moment(run.now)
    run.gone.append(person)
    if _asked(run, person, at):
        return
    leaving.leave(person=person, at=at, reason=run.because, by=run.by, now=run.now)
    run.told(CHANGED, f"person {person.name}", f"left: {at:%Y-%m-%d %H:%M} UTC")


def _asked(run: Run, person: Person, at: datetime | None) -> bool:
    """Whether a second person is asked first; in the run's changes."""
    user = acting(run.by).user
    if user is None or person.pk in run.new_people:
        return False
    change = leaving.say(person=person, at=at, reason=run.because, by=user, now=run.now)
    if change is not None:
        words = f"waits for a second person to sign {change}: {change.lines[0][1]}"
        run.told(PROPOSED, f"person {person.name}", words)
    return True
