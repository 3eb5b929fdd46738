"""Open cases in which nobody has answered although all could, written at once: for their deadlines.

Each is about an identity of its own with two delegations and two standing keys. Used by the
benchmark of deadlines as well.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from evidence import partitions
from evidence.models import Actor, Source
from identities.models import Attribution, Credential, Delegation, Identity, Party
from reviews.actions import rungs
from reviews.ladder import CUTS
from reviews.models import Case, Heartbeat, Item, Notice, ReviewPolicy, Seat

from . import crowd

DAY = timedelta(days=1)
WITHIN = timedelta(hours=168)
# What evidence has shown of a delegation: what silence narrows it to.
SEEN = {"evidence": True, "seen": True}
LEFT = {"actions": ["s3:GetObject"], "resources": ["invoices/*"]}


def at_work(*, opened: datetime, until: datetime) -> Source:
    """Countersign was at work all the time, and there is a source whose evidence is fresh."""
    months = {partitions.month_of(opened)}
    partitions.ensure(partitions.missing(partitions.BY_EVENT_TIME, months))
    Heartbeat.objects.create(since=opened - DAY, until=until)
    return Source.objects.create(
        name="silent",
        created_at=opened,
        created_by="command",
        watermark=until,
        completeness="declared",
    )


def cases(
    many: int,
    *,
    silence: str,
    parties: Sequence[Party],
    source: Source,
    opened: datetime,
    door: str = "access_review",
    policy: ReviewPolicy | None = None,
) -> list[Case]:
    """So many open cases, due WITHIN after they were opened; their people were told then."""
    identities = Identity.objects.bulk_create(
        [
            Identity(
                name=f"silent-{silence}-{n:05d}",
                kind="workload",
                state="active",
                owner=parties[0],
                purpose="x",
                expires_at=opened + 98 * DAY,
                mode="enforce",
                created_at=opened,
            )
            for n in range(many)
        ]
    )
    _evidence(identities, source, opened)
    made = Case.objects.bulk_create(
        [
            Case(
                door=door,
                state="open",
                title=identity.name,
                identity=identity,
                policy=policy,
                opened_at=opened,
                opened_by="command",
                deadline_at=opened + WITHIN,
                silence=silence,
            )
            for identity in identities
        ]
    )
    seats, notices = [], []
    for number, case in enumerate(made):
        owner, backup, above = (parties[(number + n) % len(parties)] for n in range(3))
        seats.append(Seat(case=case, kind="identity_owner", party=owner, backup=backup))
        seats.append(Seat(case=case, kind="tie_breaker", party=above, position=1))
        notices.append(
            Notice(
                person_id=owner.person_id,
                subject="x",
                body="x",
                case=case.pk,
                occasion=f"{case.pk} asked",
                created_at=opened,
                not_before=opened,
                sent_at=opened,
            )
        )
    Seat.objects.bulk_create(seats)
    Item.objects.bulk_create(_items(made, silence, opened))
    Notice.objects.bulk_create(notices)
    rungs.make(made)
    return made


def _evidence(identities: Sequence[Identity], source: Source, opened: datetime) -> None:
    """Silence cuts nothing where there is no evidence of an identity."""
    Attribution.objects.bulk_create(
        [
            Attribution(
                at=opened,
                event_id=one.number,
                binding_id=0,
                identity_no=one.number,
                source_id=source.pk,
                role=1,
                strength=3,
                plane=1,
            )
            for one in identities
        ],
        batch_size=2_000,
    )


def _items(made: Sequence[Case], silence: str, opened: datetime) -> list[Item]:
    """Three for each case; where silence cuts, two delegations and the keys that there are."""
    if silence not in CUTS:
        kind = "grant" if silence == "deny" else "delegation"
        return [Item(case=case, position=n, kind=kind) for case in made for n in range(3)]
    of: dict[UUID | None, Case] = {case.identity_id: case for case in made}
    identities = list(Identity.objects.filter(cases__in=made).order_by("name"))
    crowd.things(identities, now=opened)
    users: dict[UUID | None, Actor] = {
        one.pk: Actor(
            key=uuid4(),
            realm="aws",
            kind="arn",
            value=f"arn:aws:iam::111122223333:user/{one.name}",
            created_at=opened,
        )
        for one in identities
    }
    Actor.objects.bulk_create(users.values())
    keys = list(Credential.objects.filter(identity__in=of).select_related("actor"))
    keys.sort(key=lambda key: key.actor.value)
    for key in keys:
        key.issued_to = users[key.identity_id]
    Credential.objects.bulk_update(keys, ["issued_to"], batch_size=1_000)
    delegations = Delegation.objects.filter(grantee__in=of).order_by("number")
    rows = [("credential", key.pk, key.identity_id) for key in keys]
    rows += [("delegation", one.pk, one.grantee_id) for one in delegations]
    place: Counter[UUID | None] = Counter()
    found = []
    for kind, pk, identity in rows:
        evidence = kind == "delegation"
        found.append(
            Item(
                case=of[identity],
                position=place[identity],
                kind=kind,
                ref=pk,
                title=f"{kind} {place[identity]}",
                snapshot=dict(SEEN) if evidence else {},
                proposal=dict(LEFT) if evidence else {},
            )
        )
        place[identity] += 1
    return found
