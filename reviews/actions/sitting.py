"""Who sits where by a policy's own order: owner, backup, sponsor, a team; the first who is there.

Owns the reading of `seats` in a policy's document. Without it the plain order of seats.py holds.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property
from uuid import UUID

from identities.models import Identity, Party, Service
from reviews import policy_scope
from reviews.models import ReviewPolicy
from reviews.persons import of_parties
from reviews.policy_document import TEAM

from . import policy_versions

# Of a team that is asked each for himself, so many at most.
MOST_OF_TEAM = 20


class Order:
    """The order of a document or a stage, with the parties read once for any number of cases."""

    def __init__(self, rules: Mapping[str, Sequence[str]], *, now: datetime) -> None:
        self.rules = rules
        said = [one for order in self.rules.values() for one in order if one.startswith(TEAM)]
        teams = {one: one.removeprefix(TEAM).strip() for one in said}
        by_name = {
            str(party.team): party
            for party in Party.objects.filter(team__name__in=teams.values()).select_related("team")
        }
        self.teams = {one: by_name.get(name) for one, name in teams.items()}
        self.here = set(policy_scope.parties_present(now=now).values_list("pk", flat=True))
        self.now = now

    def ordered(self, seat: str, named: Mapping[str, Party | None]) -> list[Party]:
        """Those of the order whom somebody stands for; all that are named where nobody does."""
        wanted = [
            self.teams[one] if one.startswith(TEAM) else named[one] for one in self.rules[seat]
        ]
        known = list(dict.fromkeys(one for one in wanted if one is not None))
        return [one for one in known if one.pk in self.here] or known

    def present(self, named: Mapping[str, Party | None]) -> list[Party]:
        """Owner, backup, sponsor: those whom somebody stands for, all of them where nobody does."""
        known = list(dict.fromkeys(one for one in named.values() if one is not None))
        return [one for one in known if one.pk in self.here] or known

    def sits(self, seat: str, named: Mapping[str, Party | None]) -> tuple[Party | None, ...]:
        """(who sits, who stands in)."""
        return (*self.ordered(seat, named), None, None)[:2]

    def each(self, seat: str, named: Mapping[str, Party | None]) -> list[Party]:
        """All of the order, who answer each for himself; of a team, its members."""
        found: dict[UUID, Party] = {}
        for party in self.ordered(seat, named):
            for one in self.members.get(party.pk, [party]):
                found[one.pk] = one
        return list(found.values())

    @cached_property
    def members(self) -> dict[UUID, list[Party]]:
        """The parties of the members of the teams that the order names."""
        teams = [party.pk for party in self.teams.values() if party is not None]
        persons = of_parties(teams, now=self.now)
        every = {one.pk for those in persons.values() for one in those}
        known = set(Party.objects.filter(person__in=every).values_list("person", flat=True))
        Party.objects.bulk_create(
            [Party(person_id=pk) for pk in every - known], ignore_conflicts=True
        )
        parties = {one.person_id: one for one in Party.objects.filter(person__in=every)}
        return {
            team: [parties[one.pk] for one in those[:MOST_OF_TEAM]]
            for team, those in persons.items()
        }

    def owns(self, seat: str) -> bool:
        """Whether the document says anything of this seat."""
        return seat in self.rules


def order_of(policy: ReviewPolicy | None, *, now: datetime) -> Order | None:
    """The order of this version; None where it keeps the plain one, which asks nothing."""
    if policy is None or not policy.document.get("seats"):
        return None
    return Order(policy_versions.document_of(policy).seats, now=now)


def of_identity(identity: Identity) -> dict[str, Party | None]:
    """Whom the words of an order name, in the seats of an identity."""
    return {"owner": identity.owner, "backup": identity.backup, "sponsor": identity.sponsor}


def of_service(service: Service) -> dict[str, Party | None]:
    """The same in the seat of its AI system."""
    return {"owner": service.ai_owner, "backup": service.backup, "sponsor": service.sponsor}
