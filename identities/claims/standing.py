"""Who has refused a thing, and for whom nobody could answer: whom it is no use to ask.

Owns only the reading, for many things at once. Changes nothing.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime
from uuid import UUID

from django.db.models import Q

from identities.claims.gathering import Subject
from identities.models import Claim, ClaimRefusal, Membership, Party

type Thing = tuple[UUID | None, int | None]


def refusals(
    things: Iterable[Subject] | Iterable[Claim], *, said: bool = False, twice: bool = False
) -> dict[Thing, frozenset[str]]:
    """Who has said of each of these, (identity, actor), that it is not theirs, or stayed silent.

    `said`: only who has said so; whoever stayed silent may still be named by a person.
    `twice`: only who was asked once more after that.
    """
    identities, actors = set(), set()
    for one in things:
        if isinstance(one, Claim):
            identities.add(one.identity_id)
            actors.add(one.actor_id)
        else:
            identities.add(one.identity)
            actors.add(one.actor)
    found: dict[Thing, set[str]] = defaultdict(set)
    rows = ClaimRefusal.objects.filter(
        Q(identity__in=identities - {None}) | Q(actor__in=actors - {None})
    )
    if said:
        rows = rows.filter(silent=False)
    if twice:
        rows = rows.filter(again=True)
    for identity, actor, party in rows.values_list("identity", "actor", "party"):
        found[identity, actor].add(str(party))
    return defaultdict(frozenset, {thing: frozenset(said) for thing, said in found.items()})


def unable_of(parties: Collection[str], *, now: datetime) -> frozenset[str]:
    """Those of these parties for whom nobody could answer: left, or a team without members."""
    rows = Party.objects.filter(pk__in=[UUID(one) for one in parties]).select_related("person")
    people = {row.pk: row.person for row in rows}
    teams = {row.team_id: row.pk for row in rows if row.team_id is not None}
    staffed = set(
        Membership.objects.filter(
            Q(person__left_at__isnull=True) | Q(person__left_at__gt=now),
            team__in=teams,
            superseded_at__isnull=True,
            during__contains=now,
        ).values_list("team", flat=True)
    )
    gone = {
        pk
        for pk, person in people.items()
        if person is not None and person.left_at is not None and person.left_at <= now
    }
    return frozenset(str(pk) for pk in gone | {teams[team] for team in teams.keys() - staffed})
