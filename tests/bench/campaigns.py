"""A campaign over 20,000 identities with 100,000 items: its dry run, its launch, how far it is.

350 services, every other one an AI system, and as many owners; half of the answers are given
before the progress is counted. The launch runs in this process, as one worker would.
"""

import functools
import os
import statistics
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.utils import timezone

from identities.models import Person, User
from reviews.actions import policy_versions
from reviews.campaigns import launching, preview, progress, steering, steps
from reviews.models import Campaign, Case, Item
from tests.bench import database, line
from tests.bench.told import Said
from tests.reviews import crowd

IDENTITIES, SERVICES = 20_000, 350
TIMES = 40

ANSWERS = """
INSERT INTO reviews_decision (id, item_id, seat_id, answer, reason, proposal, by_id, person_id,
    at, not_before)
SELECT gen_random_uuid(), i.id, s.id, 'keep', 'bench', '{}', %s, %s, now(), now()
FROM reviews_item i JOIN reviews_seat s ON s.case_id = i.case_id AND s.kind = 'identity_owner'
"""
OUTCOMES = "UPDATE reviews_item SET outcome = 'keep' WHERE position < 2"


def measure(identities: int = IDENTITIES) -> Iterator[Said]:
    line.ready()
    now = timezone.now()
    user = _reviewer()
    owners = crowd.people(SERVICES)
    crowd.identities(identities, owners=owners, of=crowd.services(SERVICES, owners), now=now)
    database.as_owner("ANALYZE")
    campaign = steering.make(
        name="Everything",
        policy=policy_versions.in_force(now=now),
        scope={},
        by=user,
        now=now,
        reason="bench",
    )
    seconds, dry = _timed(lambda: preview.look(campaign.policy, {}, now=now))
    yield Said(f"campaign, dry run of {dry.items:,} items", f"{seconds:.2f} s")
    seconds, campaign = _timed(
        lambda: launching.launch(campaign=campaign, by=user, now=now, reason="bench")
    )
    yield Said("  its scope is fixed", f"{seconds:.2f} s")
    before = time.process_time()
    seconds, _ = _timed(_drain)
    cpu = time.process_time() - before
    made = Item.objects.filter(case__campaign=campaign).count()
    assert (made, Case.objects.count()) == (dry.items, identities), made
    yield Said(
        f"  launch, {made:,} items over {identities:,} identities",
        f"{seconds:.1f} s, {cpu:.1f} CPU s here",
        f"load {os.getloadavg()[0]:.1f}; target 120",
        seconds < 120,
    )
    with connection.cursor() as cursor:
        cursor.execute(ANSWERS, [user.pk, user.person_id])
        cursor.execute(OUTCOMES)
    database.as_owner("ANALYZE")
    counting = sorted(_timed(lambda: progress.count(campaign, now=now))[0] for _ in range(5))
    yield Said("  counting how far it is, by the worker", f"{counting[2] * 1_000:.0f} ms")
    yield from _pages(campaign, user)
    yield from _steps(campaign, user)


def _steps(campaign: Campaign, user: User) -> Iterator[Said]:
    """What touches each review: the request writes a row, the worker does the rest."""
    for what, act, more in (
        ("asking again", steering.reiterate, {}),
        ("pausing", steering.pause, {}),
        ("going on", steering.resume, {}),
        ("more time", steering.extend, {"to": timezone.now() + timedelta(days=90)}),
    ):
        begun = functools.partial(act, campaign=campaign, by=user, reason="bench", **more)
        seconds, _ = _timed(lambda begun=begun: begun(now=timezone.now()))  # type: ignore[misc]  # mypy does not type defaults of lambdas
        yield Said(
            f"  {what}, the request", f"{seconds * 1_000:.0f} ms", "target 300", seconds < 0.3
        )
        seconds, parts = _timed(_work)
        if parts:
            yield Said("    and the worker", f"{seconds:.1f} s", f"{parts} parts")


def _work() -> int:
    parts = 0
    while steps.next_part(now=timezone.now()):
        parts += 1
    return parts


def _pages(campaign: Campaign, user: User) -> Iterator[Said]:
    reading = [
        _timed(lambda: progress.read(Campaign.objects.get(pk=campaign.pk)))[0] for _ in range(TIMES)
    ]
    yield _quick("  progress, read", reading)
    client = Client(headers={"host": "localhost"})
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    url = f"/campaigns/{campaign.key}/"
    assert client.get(url).status_code == 200
    yield _quick("  progress, the page", [_timed(lambda: client.get(url))[0] for _ in range(TIMES)])


def _quick(what: str, taken: list[float]) -> Said:
    taken.sort()
    p50, p95 = statistics.median(taken) * 1_000, taken[int(len(taken) * 0.95)] * 1_000
    return Said(what, f"p50 {p50:.1f} p95 {p95:.1f} ms", "target 50", p95 < 50)


def _reviewer() -> User:
    person = Person.objects.create(name="Bench", email="bench@example.org")
    user = User.objects.create(username="bench", email="bench@example.org", person=person)
    user.groups.add(Group.objects.get_or_create(name="reviewer")[0])
    return user


def _drain() -> int:
    steps = 0
    while launching.launch_next(now=timezone.now()):
        steps += 1
    return steps


def _timed[T](act: Callable[[], T]) -> tuple[float, T]:
    started = time.perf_counter()
    found = act()
    return time.perf_counter() - started, found
