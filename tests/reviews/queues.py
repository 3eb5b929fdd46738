"""Queues of any length, made without the road that leads to them: for tests and the benchmark."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import uuid4

from identities.models import Identity, Party, Service
from reviews.models import Case, Item, Seat


def fill(
    many: int,
    *,
    owners: Sequence[Party],
    now: datetime,
    services: Sequence[Service | None] = (None,),
    ai_owner: Party | None = None,
    items: int = 5,
    first: int = 0,
) -> list[Case]:
    """`many` identities with an open review each, due one minute after the other; owners and
    services in turn. With an AI owner each case has their seat too."""
    identities = Identity.objects.bulk_create(
        [
            Identity(
                name=f"agent-{first + at:05d}",
                kind="agent",
                service=services[at % len(services)],
                owner=owners[at % len(owners)],
                purpose="tests",
                created_at=now,
            )
            for at in range(many)
        ],
        batch_size=2_000,
    )
    cases = Case.objects.bulk_create(
        [
            Case(
                door="access_review",
                state="open",
                title=f"Review of {one.name}",
                identity=one,
                opened_at=now,
                opened_by="command",
                deadline_at=now + timedelta(days=7, minutes=at),
            )
            for at, one in enumerate(identities)
        ],
        batch_size=2_000,
    )
    seats = []
    for case, identity in zip(cases, identities, strict=True):
        seats.append(Seat(case=case, kind="identity_owner", party=identity.owner, position=0))
        if ai_owner is not None:
            seats.append(Seat(case=case, kind="ai_owner", party=ai_owner, position=1))
    Seat.objects.bulk_create(seats, batch_size=2_000)
    Item.objects.bulk_create(
        [
            Item(
                case=case,
                position=place,
                kind="delegation",
                ref=uuid4(),
                title=f"Delegation {place}",
                note="no end is stated",
                recommendation="keep",
                recommendation_reason="each of its actions was seen",
            )
            for case in cases
            for place in range(items)
        ],
        batch_size=2_000,
    )
    return cases
