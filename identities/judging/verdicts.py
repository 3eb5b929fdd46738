"""Might it have? The delegations' verdict on events, through the one Cedar compiler.

Reads delegations and states as they were at each event's time, as known now (decisions 7).
"""

from bisect import bisect_right
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from identities import authority
from identities.models import CredentialState, DelegationVersion, IdentityState


class Shape(NamedTuple):
    """What the verdict depends on, but for the time."""

    identity: int
    action: str
    resource: str
    task: str
    address: str


class Grants:
    """Everything that was ever in force for some identities, compiled once each."""

    def __init__(self, identities: Iterable[int]) -> None:
        wanted = list(set(identities))
        grants: dict[int, list[authority.Grant]] = {number: [] for number in wanted}
        rows = (
            DelegationVersion.objects.filter(
                delegation__grantee__number__in=wanted,
                state="in_force",
                superseded_at__isnull=True,
            )
            .select_related("delegation", "delegation__grantee")
            .order_by("delegation__number", "version")
        )
        for row in rows:
            grants[row.delegation.grantee.number].append(grant_of(row))
        self.slices = {
            number: authority.compile_slice(f"NHI-{number}", given)
            for number, given in grants.items()
        }
        # Nobody was delegated anything to: whatever they did, no delegation covers it.
        self.without = {
            number for number, one in self.slices.items() if not one.grants and not one.forbids
        }
        self.instants = {
            number: sorted(authority.instants(given)) for number, given in grants.items()
        }
        self.stops: dict[int, list[tuple[datetime | None, datetime | None]]] = {}
        for number, during in IdentityState.objects.filter(
            identity__number__in=wanted,
            superseded_at__isnull=True,
            state__in=["held", "suspended", "retired"],
        ).values_list("identity__number", "during"):
            self.stops.setdefault(number, []).append((during.lower, during.upper))
        self.known: dict[tuple[Shape, int], authority.Verdict] = {}

    def judge(self, shape: Shape, at: datetime) -> authority.Verdict:
        """One verdict; equal shapes between two stored instants are judged once."""
        stretch = bisect_right(self.instants[shape.identity], at)
        key = (shape, stretch)
        verdict = self.known.get(key)
        if verdict is None:
            request = authority.Request(
                action=shape.action,
                resource=shape.resource,
                task=shape.task or None,
                on_behalf=None,
                address=shape.address or None,
                at=at,
            )
            verdict = authority.judge(self.slices[shape.identity], request, now=at)
            self.known[key] = verdict
        return verdict

    def stopped(self, identity: int, at: datetime) -> bool:
        """Was this identity held, suspended or retired then."""
        return any(
            (since is None or since <= at) and (until is None or at < until)
            for since, until in self.stops.get(identity, ())
        )


def grant_of(row: DelegationVersion) -> authority.Grant:
    """A stored version as the compiler takes it."""
    return authority.Grant(
        key=row.delegation.key,
        version=row.version,
        actions=tuple(row.actions),
        resources=tuple(row.resources),
        task=row.task or None,
        on_behalf=row.on_behalf or None,
        conditions=row.conditions or {},
        starts_at=row.during.lower,
        ends_at=row.during.upper,
        revoked_at=row.revoked_at,
        signed=row.signed,
    )


class Stopped:
    """When credentials were held or revoked, as known now."""

    def __init__(self, actors: Iterable[int]) -> None:
        self.during: dict[int, list[tuple[str, datetime | None, datetime | None]]] = {}
        for actor, state, during in CredentialState.objects.filter(
            credential__actor_id__in=list(set(actors)),
            state__in=["held", "revoked"],
            superseded_at__isnull=True,
        ).values_list("credential__actor_id", "state", "during"):
            self.during.setdefault(actor, []).append((state, during.lower, during.upper))

    def at(self, actor: int | None, moment: datetime) -> str:
        """ "held", "revoked" or empty."""
        for state, since, until in self.during.get(actor or 0, ()):
            if (since is None or since < moment) and (until is None or moment < until):
                return state
        return ""
