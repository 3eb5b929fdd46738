"""The queue's page with 100,000 items over 20,000 identities that all wait for one team.

Owns the worst queue there is: one person's team owns every identity, one AI owner sits beside it
in every case. A tenth of the items is answered already, so that looking for what is left costs
something. Pages are asked through the whole stack, one after the other. At last every case waits
for a second look, half of them in a stage: for a reviewer, the pages, the mails and the sweep that
tells of them.
"""

import statistics
import time
from collections.abc import Iterator
from datetime import timedelta

from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from evidence import partitions
from evidence.models import Source
from identities.models import Membership, Party, Person, Service, Team, User
from reviews import digest
from reviews.actions import tell_provisional_next
from reviews.models import Burst, Case, Decision, Item, Provisional, ReviewPolicy, Seat, Stage
from tests.bench import database, line
from tests.bench.told import Said
from tests.reviews.queues import fill

IDENTITIES, ITEMS = 20_000, 5
ROUNDS = 40
TARGET = 100  # milliseconds, p95
BACKEND = "django.contrib.auth.backends.ModelBackend"
VIEWS = {
    "cases": "/queue/",
    "page 5": "/queue/?page=5",
    "by identity": "/queue/?group=identity",
    "by AI system": "/queue/?group=system",
    "by person": "/queue/?group=person",
    "items": "/queue/?show=items",
    "one AI system's items": "/queue/?show=items&system=system-07",
    "one seat": "/queue/?seat=identity_owner",
    "one case by its key": "/queue/?q=CS-19999",
}
AGAIN = {
    "the front page": "/",
    "the queue": "/queue/",
    "the second looks": "/cases/?again=mine",
}
EVIDENCE = """
INSERT INTO identities_attribution (at, event_id, binding_id, identity_no, source_id, role,
    strength, verdict, reason, rules_version, plane)
SELECT now() - n * interval '1 minute', i.number * 10 + n, 1, i.number, {source}, 1, 3, 1, 1, 1, 1
FROM identities_identity i, generate_series(1, 5) n
"""


def _user(name: str) -> User:
    person = Person.objects.create(name=name, email=f"{name}@example.org")
    return User.objects.create(username=name, person=person)


def _seed() -> dict[str, User]:
    now = timezone.now()
    people = {name: _user(name) for name in ("owner", "ai owner", "few", "reviewer")}
    people["reviewer"].groups.add(Group.objects.get_or_create(name="reviewer")[0])
    team = Team.objects.create(name="Platform")
    Membership.objects.create(
        team=team, person=Person.objects.get(users=people["owner"]), during=(now - timedelta(days=9), None),
        recorded_at=now,
    )  # fmt: skip
    owners = [Party.objects.create(team=team)] * 99
    owners.append(Party.objects.create(person=people["few"].person))
    services: list[Service | None] = [
        Service.objects.create(slug=f"system-{at:02d}", name=f"System {at}", ai_system=True)
        for at in range(100)
    ]
    fill(
        IDENTITIES,
        owners=owners,
        now=now,
        services=services,
        ai_owner=Party.objects.create(person=people["ai owner"].person),
        items=ITEMS,
    )
    months = {partitions.month_of(now), partitions.month_of(now - timedelta(days=1))}
    partitions.ensure(partitions.missing(partitions.BY_EVENT_TIME, months))
    source = Source.objects.create(
        name="bench", created_at=now, created_by="command", watermark=now, completeness="declared"
    )
    database.as_owner(EVIDENCE.format(source=source.pk))
    _answer(people["owner"])
    database.as_owner("VACUUM (ANALYZE)")
    return people


def _answer(user: User) -> None:
    """The items of each tenth case, the earliest among them, are answered by the owner."""
    now, person = timezone.now(), Person.objects.get(users=user)
    seats = {
        seat.case_id: seat.pk
        for seat in Seat.objects.filter(kind="identity_owner").order_by("case__number")
    }
    tenth = list(seats)[::10]
    Decision.objects.bulk_create(
        [
            Decision(
                item_id=item,
                seat_id=seats[case],
                answer="keep",
                reason="bench",
                by=user,
                person=person,
                at=now,
                not_before=now,
            )
            for item, case in Item.objects.filter(case__in=tenth).values_list("pk", "case")
        ],
        batch_size=2_000,
    )


def _provisional(user: User) -> None:
    """Answers of one person in every case were very fast; half of the cases are in a blind stage."""
    now = timezone.now()
    document = {
        "decide_within_hours": 96,
        "stages": [
            {"name": "Owners", "hours": 48},
            {"name": "Second look", "hours": 48, "sight": "blind"},
        ],
    }
    policy = ReviewPolicy.objects.create(
        name="staged", state="signed", document=document, decide_within_hours=96,
        recorded_at=now, recorded_by="countersign",
    )  # fmt: skip
    cases = Case.objects.order_by("number")
    half = cases.filter(pk__in=list(cases.values_list("pk", flat=True)[::2]))
    half.update(policy=policy, stage="Owners", next_stage="Second look")
    stages = Stage.objects.bulk_create(
        [
            Stage(case=case, name="Second look", position=1, within=timedelta(hours=48))
            for case in half
        ],
        batch_size=2_000,
    )
    party = Party.objects.get(team__name="Platform")
    Seat.objects.bulk_create(
        [
            Seat(case_id=one.case_id, kind="identity_owner", party=party, stage=one, turn="later")
            for one in stages
        ],
        batch_size=2_000,
    )
    assert user.person is not None
    burst = Burst.objects.create(
        person=user.person, since=now - timedelta(seconds=30), until=now, answers=IDENTITIES
    )
    Provisional.objects.bulk_create(
        [Provisional(case=case, burst=burst, marked_at=now) for case in cases], batch_size=2_000
    )
    database.as_owner("VACUUM (ANALYZE)")


def _second_looks(people: dict[str, User]) -> Iterator[Said]:
    """What 20,000 second looks cost whoever may take them, and the worker."""
    _provisional(people["few"])
    for who in ("reviewer", "owner"):
        for name, path in AGAIN.items():
            yield _view(people[who], path, f"{IDENTITIES:,} second looks of {who}, {name}")
    now = timezone.now()
    for name, act in (
        ("the daily mail", lambda: digest._write(people["reviewer"], since=None, now=now)),
        ("the sweep that tells, per case", lambda: tell_provisional_next(now=now)),
    ):
        with CaptureQueriesContext(connection) as queries:
            act()
        started = time.perf_counter()
        for _ in range(ROUNDS // 4):
            act()
        each = (time.perf_counter() - started) * 1000 / (ROUNDS // 4)
        said = f"{len(queries)} queries; each < {TARGET}"
        yield Said(f"{IDENTITIES:,} second looks, {name}", f"{each:.0f} ms", said, each < TARGET)


def _view(user: User, path: str, said: str) -> Said:
    client = Client(headers={"host": "localhost"})
    client.force_login(user, backend=BACKEND)
    with CaptureQueriesContext(connection) as queries:
        assert client.get(path).status_code == 200
    asks = len(queries)
    taken, spent = [], time.process_time()
    for _ in range(ROUNDS):
        started = time.perf_counter()
        client.get(path)
        taken.append((time.perf_counter() - started) * 1000)
    spent = (time.process_time() - spent) * 1000 / ROUNDS
    p95 = sorted(taken)[int(len(taken) * 0.95) - 1]
    return Said(
        said,
        f"p50 {statistics.median(taken):.0f} p95 {p95:.0f} ms",
        f"{asks} queries, {spent:.0f} ms CPU; p95 < {TARGET}",
        p95 < TARGET,
    )


def measure() -> Iterator[Said]:
    """p95 of each view for who owns nearly all, and of the plain page for two others."""
    line.ready()
    people = _seed()
    asked = [("owner", view) for view in VIEWS]
    asked += [("ai owner", "cases"), ("ai owner", "items"), ("few", "cases"), ("few", "items")]
    for who, view in asked:
        yield _view(
            people[who], VIEWS[view], f"queue of {who}, {view}, {IDENTITIES * ITEMS:,} items"
        )
    yield from _second_looks(people)
