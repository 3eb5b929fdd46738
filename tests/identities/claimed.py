"""Things without an owner, the hints that say whose they are, and a question about three of them."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from evidence.models import Actor, Source
from identities.claims import asking, carrying, proposing, questioning
from identities.models import (
    Binding,
    Claim,
    Discovery,
    Identity,
    InventoryRead,
    Membership,
    Party,
    Person,
    Team,
    User,
)
from tests.identities.conftest import DAY, NOW, party

Make = Callable[..., Any]
SOON = NOW + timedelta(seconds=9)


@pytest.fixture
def team(user: Make) -> Callable[..., tuple[Party, User]]:
    """A team of one person, and the person's login."""

    def make(name: str, login: str, **said: Any) -> tuple[Party, User]:
        who = user(login)
        Person.objects.filter(pk=who.person_id).update(email=f"{login}@example.org", **said)
        row = Team.objects.create(name=name)
        Membership.objects.create(
            team=row, person=who.person, during=(NOW - 90 * DAY, None), recorded_at=NOW
        )
        return Party.objects.create(team=row), who

    return make


def actor(value: str, kind: str = "arn") -> Actor:
    return Actor.objects.create(
        key=uuid4(), realm="aws:123456789012", kind=kind, value=value, created_at=NOW
    )


def listed(row: Actor, *hints: tuple[str, str]) -> None:
    """What a system's own list says of it."""
    source = Source.objects.get_or_create(
        name="lists", defaults={"created_at": NOW, "created_by": "command"}
    )[0]
    read = InventoryRead.objects.create(
        source=source, system="aws", state="done", asked_at=NOW, asked_by="command"
    )
    Discovery.objects.create(
        source=source,
        part="users",
        realm=row.realm,
        actor=row,
        credential=False,
        kind="IAM user",
        status="active",
        hints=[{"kind": kind, "value": value, "seen_in": f"tag {kind}"} for kind, value in hints],
        digest="",
        read=read,
        read_at=NOW,
        during=(NOW - DAY, None),
        recorded_at=NOW,
    )


@pytest.fixture
def unowned(identity: Make) -> Callable[..., Identity]:
    """An identity without an owner, bound to an actor with these hints."""

    def make(name: str, *hints: tuple[str, str], **said: Any) -> Identity:
        row: Identity = identity(name, **said)
        seen = actor(f"arn:aws:iam::123456789012:user/{name}")
        Binding.objects.create(
            identity=row,
            actor=seen,
            basis="declared",
            state="confirmed",
            during=(None, None),
            recorded_at=NOW,
            by="command",
        )
        listed(seen, *hints)
        return row

    return make


def look() -> None:
    while proposing.look_next(now=NOW):
        pass


def asked() -> dict[str, tuple[str | None, str]]:
    """Who is asked about what, and how it came to them."""
    rows = Claim.objects.filter(state="open").select_related(
        *questioning.RELATED, "identity", "actor"
    )
    return {
        str(row.identity or row.actor): (None if row.party is None else str(row.party), row.step)
        for row in rows
    }


def carried() -> None:
    while carrying.carry_next(now=SOON):
        pass


@pytest.fixture
def crm(unowned: Make, team: Make, service: Make, user: Make) -> dict[str, Any]:
    """Three things of one service, asked of Payments in a wave that Rita began."""
    payments, pia = team("Payments", "pia")
    sponsor = user("sara")
    row = service("crm", sponsor=party(sponsor))
    things = [unowned(f"crm-{at}", ("team", "payments"), service=row) for at in range(3)]
    rita = user("rita", "reviewer")
    look()
    asking.start(terms=asking.Terms(share=100), reason="audit", by=rita, now=NOW)
    asking.ask_next(now=NOW)
    return {
        "payments": payments,
        "pia": pia,
        "sara": sponsor,
        "rita": rita,
        "service": row,
        "things": things,
        "about": {"party": payments, "bundle": "service:crm", "by": pia, "now": NOW},
    }


def owners() -> dict[str, str]:
    rows = Identity.objects.filter(owner__isnull=False).select_related(
        "owner__person", "owner__team"
    )
    return {row.name: str(row.owner) for row in rows}
