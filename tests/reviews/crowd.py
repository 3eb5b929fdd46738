"""Many identities with people behind them and things to decide, for campaigns: rows written at once.

Each identity has two delegations, two standing keys and a reading of what AWS allows: five items.
Used by the benchmark of campaigns as well.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import uuid5

from evidence.keys import uuid7
from evidence.models import Actor
from identities.models import (
    Credential,
    Delegation,
    DelegationVersion,
    Entitlement,
    Identity,
    Party,
    Person,
    Service,
)

ITEMS = 5
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def people(count: int, *, name: str = "owner") -> list[Party]:
    """So many persons without a login, and the party of each."""
    persons = Person.objects.bulk_create(
        [Person(name=f"{name} {n:04d}", email=f"{name}{n}@example.org") for n in range(count)]
    )
    return Party.objects.bulk_create([Party(person=one) for one in persons])


def services(count: int, owners: Sequence[Party]) -> list[Service]:
    """So many services, every other one an AI system."""
    return Service.objects.bulk_create(
        [
            Service(
                slug=f"service-{n}",
                name=f"Service {n}",
                ai_system=n % 2 == 0,
                ai_owner=owners[(n + 1) % len(owners)] if n % 2 == 0 else None,
            )
            for n in range(count)
        ]
    )


def identities(
    count: int,
    *,
    owners: Sequence[Party],
    of: Sequence[Service],
    mode: str = "ask",
    now: datetime = NOW,
    name: str = "crowd",
) -> list[Identity]:
    """So many agents, dealt to the owners and services in turn, each with ITEMS to decide."""
    made = Identity.objects.bulk_create(
        [
            Identity(
                name=f"{name}-{n:05d}",
                kind="agent",
                service=of[n % len(of)] if of else None,
                owner=owners[n % len(owners)] if owners else None,
                mode=mode,
                created_at=now - 100 * DAY,
            )
            for n in range(count)
        ],
        batch_size=2_000,
    )
    things(made, now=now)
    Entitlement.objects.bulk_create(
        [
            Entitlement(
                identity=one,
                system="aws",
                principal=f"arn:aws:iam::111122223333:user/{one.name}",
                during=(now - DAY, None),
                read_at=now,
                digest="x",
                possible=[{"effect": "allow", "actions": ["s3:*"], "resources": ["*"]}],
                recorded_at=now,
            )
            for one in made
        ],
        batch_size=2_000,
    )
    return list(Identity.objects.filter(pk__in=[one.pk for one in made]).order_by("name"))


def things(made: Sequence[Identity], *, now: datetime) -> None:
    """Two delegations and two standing keys for each of these identities."""
    _delegations(made, now)
    _keys(made, now)


def _delegations(made: Sequence[Identity], now: datetime) -> None:
    rows = Delegation.objects.bulk_create(
        [
            Delegation(grantee=one, slug=f"task-{n}", created_at=now)
            for one in made
            for n in range(2)
        ],
        batch_size=2_000,
    )
    DelegationVersion.objects.bulk_create(
        [
            DelegationVersion(
                delegation=row,
                version=1,
                state="in_force",
                imported=True,
                actions=["s3:GetObject", "s3:PutObject"],
                resources=["invoices/*"],
                during=(now - 100 * DAY, None),
                recorded_at=now,
                by="command",
            )
            for row in rows
        ],
        batch_size=2_000,
    )


def _keys(made: Sequence[Identity], now: datetime) -> None:
    space = uuid7()
    values = [(one, f"AKIA{one.name[-5:]}{n:011d}") for one in made for n in range(2)]
    actors = Actor.objects.bulk_create(
        [
            Actor(
                key=uuid5(space, value),
                realm="aws",
                kind="access_key",
                value=value,
                created_at=now,
            )
            for _, value in values
        ],
        batch_size=2_000,
    )
    Credential.objects.bulk_create(
        [
            Credential(
                actor=actor,
                identity=one,
                kind="access_key",
                standing=True,
                issued_at=now - 50 * DAY,
                state_at=now,
            )
            for actor, (one, _) in zip(actors, values, strict=True)
        ],
        batch_size=2_000,
    )
