"""Due deadlines and two workers: how long the sweep takes, and that each is done once."""

import os
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from uuid import UUID, uuid4

from django.db import connection

from evidence import partitions
from evidence.models import Actor, LedgerEntry, Source
from identities.models import Credential, Delegation, Identity, Party, Person
from reviews import actions
from reviews.actions import rungs
from reviews.actions.policy_versions import in_force
from reviews.ladder import CUTS
from reviews.models import Case, Heartbeat, Item, Notice, ReviewPolicy, Seat
from reviews.policy_document import REQUESTS
from tests.bench import database, line
from tests.bench.told import Said
from tests.reviews import crowd

WORKERS = 2
OPENED = datetime(2026, 11, 2, tzinfo=UTC)
DUE = OPENED + timedelta(hours=168)
# door, what its silence does, how many cases. What is denied or cut is settled item by item, one
# case in a transaction: it has no target, so that few are enough.
DOORS = (
    ("access_review", "escalate", 10_000),
    ("access_request", "deny", 1_000),
    ("access_review", "suspend", 1_000),
    ("access_review", "revoke", 1_000),
)
# Silence cuts nothing where there is no evidence of an identity.
EVIDENCE = """
INSERT INTO identities_attribution (at, event_id, binding_id, identity_no, source_id, role,
    strength, verdict, reason, rules_version, plane)
SELECT timestamptz '2026-11-02', i.number, 1, i.number, {source}, 1, 3, 1, 1, 1, 1
FROM identities_identity i WHERE i.name LIKE 'bench-{silence}-%'
"""


def measure() -> Iterator[Said]:
    line.ready()
    partitions.ensure(partitions.missing(partitions.BY_EVENT_TIME, {partitions.month_of(OPENED)}))
    source = Source.objects.create(
        name="bench",
        created_at=OPENED,
        created_by="command",
        watermark=DUE + timedelta(days=1),
        completeness="declared",
    )
    people = [Person.objects.create(name=f"bench {n}") for n in range(300)]
    parties = Party.objects.bulk_create([Party(person=one) for one in people])
    Heartbeat.objects.create(since=OPENED - timedelta(days=1), until=DUE + timedelta(days=1))
    for door, silence, many in DOORS:
        now = DUE + timedelta(hours=1)
        _seed(door, silence, parties, many)
        database.as_owner(EVIDENCE.format(source=source.pk, silence=silence))
        database.as_owner("ANALYZE")
        seconds, cpu = _sweep(now)
        done = Counter(
            LedgerEntry.objects.filter(act="case.silence", data__silence=silence).values_list(
                "subject", flat=True
            )
        )
        once = len(done) == many and set(done.values()) == {1}
        what = f"{many:,} due deadlines ({silence}), {WORKERS} workers"
        figure = f"{seconds:.1f} s, {cpu:.1f} CPU s"
        if silence == "escalate":
            yield Said(what, figure, "target 60", seconds <= 60)
        else:
            yield Said(what, figure, f"{many / seconds:,.0f} a second")
        yield Said(
            "  each done once", f"{len(done):,} cases, {sum(done.values()):,} times", "", once
        )


def _seed(door: str, silence: str, parties: list[Party], many: int) -> None:
    """Open cases with three items and two seats, whose people were told when they were opened."""
    policy: ReviewPolicy = in_force(now=OPENED, name=REQUESTS)
    identities = Identity.objects.bulk_create(
        [
            Identity(
                name=f"bench-{silence}-{n:05d}",
                kind="workload",
                state="active",
                owner=parties[0],
                purpose="bench",
                expires_at=DUE + timedelta(days=90),
                mode="enforce",
                created_at=OPENED,
            )
            for n in range(many)
        ]
    )
    cases = Case.objects.bulk_create(
        [
            Case(
                door=door,
                state="open",
                title="bench",
                identity=identity,
                policy=policy,
                opened_at=OPENED,
                opened_by="bench",
                deadline_at=DUE,
                silence=silence,
            )
            for identity in identities
        ]
    )
    seats, notices = [], []
    for number, case in enumerate(cases):
        owner, backup, above = (parties[(number + n) % len(parties)] for n in range(3))
        seats.append(Seat(case=case, kind="identity_owner", party=owner, backup=backup))
        seats.append(Seat(case=case, kind="tie_breaker", party=above, position=1))
        notices.append(
            Notice(
                person_id=owner.person_id,
                subject="bench",
                body="bench",
                case=case.pk,
                occasion=f"{case.pk} asked",
                created_at=OPENED,
                not_before=OPENED,
                sent_at=OPENED,
            )
        )
    Seat.objects.bulk_create(seats)
    Item.objects.bulk_create(_items(cases, silence))
    Notice.objects.bulk_create(notices)
    rungs.make(cases)


def _items(cases: list[Case], silence: str) -> list[Item]:
    """Three for each case; where silence cuts, two delegations and the keys that there are."""
    if silence not in CUTS:
        kind = "grant" if silence == "deny" else "delegation"
        return [Item(case=case, position=n, kind=kind) for case in cases for n in range(3)]
    of: dict[UUID | None, Case] = {case.identity_id: case for case in cases}
    pks = [pk for pk in of if pk is not None]
    identities = list(Identity.objects.filter(pk__in=pks).order_by("name"))
    crowd.things(identities, now=OPENED)
    users: dict[UUID | None, Actor] = {
        one.pk: Actor(
            key=uuid4(),
            realm="aws",
            kind="arn",
            value=f"arn:aws:iam::111122223333:user/{one.name}",
            created_at=OPENED,
        )
        for one in identities
    }
    Actor.objects.bulk_create(users.values())
    keys = list(Credential.objects.filter(identity__in=pks))
    for key in keys:
        key.issued_to = users[key.identity_id]
    Credential.objects.bulk_update(keys, ["issued_to"], batch_size=1_000)
    delegations = Delegation.objects.filter(grantee__in=pks)
    rows = [("credential", key.pk, key.identity_id) for key in keys]
    rows += [("delegation", one.pk, one.grantee_id) for one in delegations]
    return [
        Item(case=of[identity], position=n, kind=kind, ref=pk, title=f"bench {n}")
        for n, (kind, pk, identity) in enumerate(rows)
    ]


def _sweep(now: datetime) -> tuple[float, float]:
    """Seconds by the clock until nothing is due, and CPU seconds of the workers."""
    context = get_context("fork")
    gate = context.Barrier(WORKERS + 1)
    spent = context.SimpleQueue()

    def work(gate: Barrier) -> None:
        gate.wait()
        while actions.deadlines_next(now=now):
            pass
        spent.put(time.process_time())
        connection.close()
        os._exit(0)

    connection.close()
    workers = [context.Process(target=work, args=(gate,)) for _ in range(WORKERS)]
    for one in workers:
        one.start()
    gate.wait()
    started = time.perf_counter()
    for one in workers:
        one.join()
    return time.perf_counter() - started, sum(spent.get() for _ in workers)
