"""A company that owns nothing on paper, and its people: for tests and the benchmark of claims.

Owns the noise of things; how people answer is claim_people.py. The shares below were written down before the first run and say what people tell
of such clean-ups, not what makes the figures good: tags copied from a template, things made by
the platform team for others, owners who left, a register that is out of date.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from uuid import UUID, uuid4

from django.contrib.auth.models import Group

from evidence.models import Actor, Source
from identities.models import (
    Binding,
    Credential,
    Discovery,
    Identity,
    InventoryRead,
    Membership,
    Party,
    Person,
    Service,
    Team,
    User,
)

DAY = timedelta(days=1)
# Things. A hint is there, and of those it is wrong, in this share.
IN_REGISTER, BY_CMDB = 0.70, 0.15  # says its service; the rest is found by its name or not at all
OF_ANOTHER_TEAM = 0.04  # in a service that is not its owner's
OWNER_TAG, OWNER_WRONG, OWNER_LEFT = 0.30, 0.10, 0.12
TEAM_TAG, TEAM_WRONG = 0.25, 0.08
CODEOWNERS, CODEOWNERS_WRONG = 0.15, 0.05
CREATOR, ISSUER, BY_PLATFORM = 0.40, 0.35, 0.25
SERVICE_OWNED, SERVICE_STALE, SERVICE_SPONSOR = 0.35, 0.10, 0.50


@dataclass(slots=True)
class World:
    """The company, and whose each thing really is: identity -> team."""

    random: Random
    now: datetime
    mark: str  # in all names, so that companies may live beside each other
    teams: list[Party] = field(default_factory=list)
    members: dict[UUID, list[User]] = field(default_factory=dict)  # of a team's party
    team_of: dict[UUID, UUID] = field(default_factory=dict)  # a person's party -> team's party
    truth: dict[UUID, UUID] = field(default_factory=dict)
    reviewer: User | None = None

    def is_right(self, identity: Identity) -> bool:
        """The team itself, or somebody who is in it."""
        owner = identity.owner_id
        return owner is not None and self.truth[identity.pk] in (owner, self.team_of.get(owner))


def build(
    *, seed: int, now: datetime, things: int = 4_000, services: int = 350, teams: int = 60
) -> World:
    """The same seed makes the same company."""
    world = World(Random(seed), now, f"c{seed}")
    _people(world, teams)
    rows, owner_of = _services(world, services)
    _things(world, rows, owner_of, things)
    return world


def _people(world: World, teams: int) -> None:
    group = Group.objects.get_or_create(name="reviewer")[0]
    for number in range(teams):
        team = Team.objects.create(name=f"Team {WORDS[number % len(WORDS)]}-{number}-{world.mark}")
        party = Party.objects.create(team=team)
        world.teams.append(party)
        staff = []
        for place in range(4 + number % 4):
            name = f"{world.mark}p{number}x{place}"
            # The last one of each team has left, and half of the next to last.
            left = place == 3 or (place == 4 and number % 2 == 0)
            person = Person.objects.create(
                name=name, email=f"{name}@example.org", left_at=world.now - DAY if left else None
            )
            during = (world.now - 900 * DAY, world.now - DAY if left else None)
            Membership.objects.create(
                team=team, person=person, during=during, recorded_at=world.now
            )
            world.team_of[Party.objects.create(person=person).pk] = party.pk
            if not left:
                staff.append(User.objects.create(username=name, person=person))
        world.members[party.pk] = staff
    person = Person.objects.create(name=f"reviewer of {world.mark}")
    world.reviewer = User.objects.create(username=f"reviewer-{world.mark}", person=person)
    world.reviewer.groups.add(group)


WORDS = (
    "billing",
    "orders",
    "search",
    "risk",
    "ledger",
    "mobile",
    "data",
    "edge",
    "people",
    "legal",
)


def _services(world: World, many: int) -> tuple[list[Service], dict[UUID, Party]]:
    random, rows, owner_of = world.random, [], {}
    for number in range(many):
        # Some teams have a dozen services and some have one.
        party = world.teams[
            min(int(random.expovariate(3.5) * len(world.teams)), len(world.teams) - 1)
        ]
        said = random.random() < SERVICE_OWNED
        named = random.choice(world.teams) if random.random() < SERVICE_STALE else party
        sponsor = random.choice(world.teams)
        row = Service(
            slug=f"{world.mark}svc{number}-{WORDS[number % len(WORDS)]}",
            name=f"Service {number}",
            cmdb_id=f"CI{number:05d}-{world.mark}",
            owner=named if said else None,
            sponsor=sponsor if random.random() < SERVICE_SPONSOR and sponsor != named else None,
        )
        rows.append(row)
        owner_of[row.pk] = party
    Service.objects.bulk_create(rows)
    return rows, owner_of


def _things(world: World, services: list[Service], owner_of: dict[UUID, Party], many: int) -> None:
    random, now = world.random, world.now
    source = Source.objects.create(name=f"lists-{world.mark}", created_at=now, created_by="command")
    read = InventoryRead.objects.create(
        source=source, system="aws", state="done", asked_at=now, asked_by="command"
    )
    issuers = _issuers(world)
    sizes = [random.lognormvariate(0, 1.2) for _ in services]
    chosen = [*services, *random.choices(services, sizes, k=many - len(services))]
    identities, actors, found, keys = [], [], [], []
    for number, service in enumerate(chosen):
        party = owner_of[service.pk]
        if random.random() < OF_ANOTHER_TEAM:
            party = random.choice(world.teams)
        where = random.random()
        name = f"{service.slug if random.random() < 0.5 else 'job'}-{number}-{world.mark}"
        identity = Identity(
            name=name,
            kind="service_account",
            service=service if where < IN_REGISTER else None,
            created_at=now,
        )
        actor = Actor(
            key=uuid4(),
            realm=f"aws:{number % 12:012d}",
            kind="arn",
            value=f"arn:aws:iam::{number % 12:012d}:user/{name}",
            created_at=now,
        )
        hints = _hints(world, party)
        if IN_REGISTER <= where < IN_REGISTER + BY_CMDB:
            hints.append(("cmdb", service.cmdb_id, "tag cmdb-id"))
        world.truth[identity.pk] = party.pk
        identities.append(identity)
        actors.append(actor)
        found.append(hints)
        keys.append(_maker(world, party) if random.random() < ISSUER else None)
    Identity.objects.bulk_create(identities, batch_size=1_000)
    Actor.objects.bulk_create(actors, batch_size=1_000)
    during = (now - 30 * DAY, None)
    Binding.objects.bulk_create(
        [
            Binding(
                identity=identity, actor=actor, basis="declared", state="confirmed",
                during=(None, None), recorded_at=now, by="command",
            )
            for identity, actor in zip(identities, actors, strict=True)
        ],
        batch_size=1_000,
    )  # fmt: skip
    Discovery.objects.bulk_create(
        [
            Discovery(
                source=source, part="users", realm=actor.realm, actor=actor, credential=False,
                kind="IAM user", title=identity.name, status="active", digest="", read=read,
                read_at=now, during=during, recorded_at=now,
                hints=[{"kind": kind, "value": value, "seen_in": seen} for kind, value, seen in said],
            )
            for identity, actor, said in zip(identities, actors, found, strict=True)
        ],
        batch_size=1_000,
    )  # fmt: skip
    held = [
        (identity, actor, issuers[user.pk])
        for identity, actor, user in zip(identities, actors, keys, strict=True)
        if user is not None
    ]
    names = [
        Actor(
            key=uuid4(),
            realm="aws",
            kind="access_key",
            value=f"AKIA{world.mark}{place:012d}",
            created_at=now,
        )
        for place, _ in enumerate(held)
    ]
    Actor.objects.bulk_create(names, batch_size=1_000)
    Credential.objects.bulk_create(
        [
            Credential(
                actor=name, identity=identity, kind="access_key", standing=True, issued_at=now,
                issued_by=issuer, issued_to=actor, state_at=now,
            )
            for name, (identity, actor, issuer) in zip(names, held, strict=True)
        ],
        batch_size=1_000,
    )  # fmt: skip


def _issuers(world: World) -> dict[UUID, Actor]:
    users = [user for staff in world.members.values() for user in staff]
    rows = [
        Actor(
            key=uuid4(), realm="aws:1", kind="arn", created_at=world.now,
            value=f"arn:aws:iam::000000000001:user/{user.username}",
        )
        for user in users
    ]  # fmt: skip
    Actor.objects.bulk_create(rows)
    return {user.pk: row for user, row in zip(users, rows, strict=True)}


def _maker(world: World, party: Party) -> User:
    """Who made it: somebody of the team, or of the platform team, which is the first."""
    of = world.teams[0] if world.random.random() < BY_PLATFORM else party
    return world.random.choice(world.members[of.pk])


def _hints(world: World, party: Party) -> list[tuple[str, str, str]]:
    random, said = world.random, []

    def really(wrong: float) -> Party:
        return random.choice(world.teams) if random.random() < wrong else party

    if random.random() < OWNER_TAG:
        whose = really(OWNER_WRONG)
        if random.random() < OWNER_LEFT:
            number = world.teams.index(whose)
            said.append(("owner", f"{world.mark}p{number}x3@example.org", "tag Owner"))
        elif random.random() < 0.6:
            user = random.choice(world.members[whose.pk])
            said.append(("owner", f"{user.username}@example.org", "tag Owner"))
        else:
            said.append(("owner", str(whose).removeprefix("Team "), "tag Owner"))
    if random.random() < TEAM_TAG:
        said.append(("team", str(really(TEAM_WRONG)).lower(), "tag team"))
    if random.random() < CODEOWNERS:
        slug = str(really(CODEOWNERS_WRONG)).removeprefix("Team ").lower()
        said.append(("codeowners", f"@acme/{slug}-team", "CODEOWNERS"))
    if random.random() < CREATOR:
        said.append(("creator", _maker(world, party).username, "tag created-by"))
    return said
