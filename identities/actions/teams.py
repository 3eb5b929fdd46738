"""Who is in a team changes by a file: whoever knows what waits for its signature is asked first.

Owns the question and the word, said by a layer that knows cases (reviews/apps.py). Must not know
any. A file has no hand, so it ends no signature (docs/decisions/0043).
"""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Protocol
from uuid import UUID

from identities.acting import By
from identities.models import Membership, Person, Team


class Signs(Protocol):
    """What knows where teams sign."""

    def needs(
        self, team: Team, gone: Collection[UUID], stay: Collection[UUID], *, now: datetime
    ) -> str:
        """What waits for the team where some of `gone` may sign and none of `stay`; "" nothing."""

    def changed(self, team: Team, words: str, *, by: By, now: datetime) -> int:
        """Say it wherever the team is to sign; in how many places."""


_SIGNS: list[Signs] = []


def sign(where: Signs) -> None:
    """Where teams sign, said once when the applications are ready."""
    if where not in _SIGNS:
        _SIGNS.append(where)


def needs(team: Team, gone: Collection[UUID], stay: Collection[UUID], *, now: datetime) -> str:
    """What would be left without a signature, by its name; "" for nothing."""
    return next(filter(None, (one.needs(team, gone, stay, now=now) for one in _SIGNS)), "")


def changed(team: Team, words: str, *, by: By, now: datetime) -> int:
    """Say what has changed where the team is to sign; in how many places."""
    return sum(one.changed(team, words, by=by, now=now) for one in _SIGNS)


def waited_for(people: Iterable[Person], *, now: datetime) -> dict[UUID, str]:
    """Of these people, those whom a team would miss that something waits for, and what that is."""
    gone = {one.pk for one in people}
    teams: dict[Team, set[UUID]] = {}
    now_in = Membership.objects.filter(superseded_at__isnull=True, during__contains=now)
    of_theirs = now_in.filter(team__in=now_in.filter(person__in=gone).values("team"))
    for one in of_theirs.select_related("team").order_by("team__name") if gone else ():
        teams.setdefault(one.team, set()).add(one.person_id)
    found: dict[UUID, str] = {}
    for team, members in teams.items():
        those = members & gone
        if why := needs(team, those, members - gone, now=now):
            found |= dict.fromkeys(those, why)
    return found
