"""The people that a sealing names: read from what was typed, and whether they may be members.

Saves nothing. A member sees a case, so it is somebody with a login who is here; whom the case is
about is never one.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from identities.models import Person
from identities.permissions import NotPossible
from reviews.actions import handing
from reviews.models import Case

FEWEST = 2
MOST = 50


def person_called(said: str) -> Person:
    """The one person of this login, mail address or name, or NotPossible."""
    person = handing.party_called(said).person
    if person is None:
        raise NotPossible(
            f"{said.strip()[:100]} is a team: name each person of it who has to know."
        )
    return person


def persons_called(said: Iterable[str]) -> list[Person]:
    """The same of several, each once, empty lines left out."""
    names = [one for one in (line.replace("\0", "").strip() for line in said) if one]
    if len(names) > MOST:
        raise NotPossible(f"At most {MOST} people: more is no secret.")
    found = {one.pk: one for one in map(person_called, names)}
    return list(found.values())


def check_members(
    persons: Sequence[Person], *, case: Case, subjects: Iterable[UUID], now: datetime
) -> None:
    """NotPossible, with the name of the first who may not be a member of this case."""
    about = set(subjects)
    for person in persons:
        if person.pk in about:
            raise NotPossible(f"{case.key} is about {person.name}: they are no member of it.")
        if person.left_at is not None and person.left_at <= now:
            raise NotPossible(f"{person.name} has left: name somebody who is here.")
        if not person.users.filter(is_active=True).exists():
            raise NotPossible(f"{person.name} has no login that works: they could not see it.")


def check_enough(members: Iterable[UUID]) -> None:
    """NotPossible where fewer than two of these could change anything: nobody ends a seal alone."""
    acting = (
        Person.objects.filter(pk__in=list(members), users__is_active=True)
        .exclude(users__groups__name="auditor")
        .distinct()
        .count()
    )
    if acting < FEWEST:
        raise NotPossible(
            "A sealed case has at least two members who may act in it, so that nobody is alone with"
            " it: name another one. Auditors read only."
        )
