"""Who sits where by a policy's own order: owner, backup, sponsor, a team; the first who is there.

Owns the reading of `seats` in a policy's document. Without it the plain order of seats.py holds.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from identities.models import Identity, Party, Service
from reviews import policy_scope
from reviews.models import ReviewPolicy
from reviews.policy_document import TEAM, Document

from . import policy_versions


class Order:
    """The order of a document, with the parties read once for any number of cases."""

    def __init__(self, document: Document, *, now: datetime) -> None:
        self.rules: Mapping[str, Sequence[str]] = document.seats
        said = [one for order in self.rules.values() for one in order if one.startswith(TEAM)]
        teams = {one: one.removeprefix(TEAM).strip() for one in said}
        by_name = {
            str(party.team): party
            for party in Party.objects.filter(team__name__in=teams.values()).select_related("team")
        }
        self.teams = {one: by_name.get(name) for one, name in teams.items()}
        self.here = set(policy_scope.parties_present(now=now).values_list("pk", flat=True))

    def ordered(self, seat: str, named: Mapping[str, Party | None]) -> list[Party]:
        """Those of the order whom somebody stands for; all that are named where nobody does."""
        wanted = [
            self.teams[one] if one.startswith(TEAM) else named[one] for one in self.rules[seat]
        ]
        known = list(dict.fromkeys(one for one in wanted if one is not None))
        return [one for one in known if one.pk in self.here] or known

    def sits(self, seat: str, named: Mapping[str, Party | None]) -> tuple[Party | None, ...]:
        """(who sits, who stands in)."""
        return (*self.ordered(seat, named), None, None)[:2]

    def owns(self, seat: str) -> bool:
        """Whether the document says anything of this seat."""
        return seat in self.rules


def order_of(policy: ReviewPolicy | None, *, now: datetime) -> Order | None:
    """The order of this version; None where it keeps the plain one, which asks nothing."""
    if policy is None or not policy.document.get("seats"):
        return None
    return Order(policy_versions.document_of(policy), now=now)


def of_identity(identity: Identity) -> dict[str, Party | None]:
    """Whom the words of an order name, in the seats of an identity."""
    return {"owner": identity.owner, "backup": identity.backup, "sponsor": identity.sponsor}


def of_service(service: Service) -> dict[str, Party | None]:
    """The same in the seat of its AI system."""
    return {"owner": service.ai_owner, "backup": service.backup, "sponsor": service.sponsor}
