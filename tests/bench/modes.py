"""Moving 20,000 identities from ask to enforce by a rule, and back by one signature.

350 services and as many owners. The sweep runs in this process, as one worker would.
"""

import time
from collections.abc import Callable, Iterator

from django.contrib.auth.models import Group
from django.db import transaction
from django.utils import timezone

from evidence.models import LedgerEntry
from identities.models import Identity, Person, User
from reviews import mode_rules
from reviews.actions import modes, modes_now
from tests.bench import database, line
from tests.bench.told import Said
from tests.reviews import crowd

IDENTITIES, SERVICES = 20_000, 350
SCOPE = {"kinds": ["agent"]}


def measure(identities: int = IDENTITIES) -> Iterator[Said]:
    line.ready()
    one, other = _administrator("one"), _administrator("other")
    owners = crowd.people(SERVICES)
    crowd.identities(identities, owners=owners, of=crowd.services(SERVICES, owners), mode="ask")
    database.as_owner("ANALYZE")
    now = timezone.now()
    spent, seen = _spent(lambda: mode_rules.look(SCOPE, "enforce", now=now))
    yield Said(f"modes, dry run of {seen.identities:,} identities", spent)
    rule = modes.propose(scope=SCOPE, mode="enforce", reason="bench", by=one, now=now)
    spent, _ = _spent(lambda: modes.sign(rule=rule, by=other, now=now))
    yield Said("  the second signature", spent, "target 0.3 s")
    spent, steps = _spent(_drain)
    assert Identity.objects.filter(mode="enforce").count() == identities
    assert LedgerEntry.objects.filter(act="identity.mode").count() == identities
    yield Said(f"  they are moved, in {steps} batches", spent)
    spent, steps = _spent(_drain)
    assert steps == 0
    yield Said("  a sweep that finds nobody", spent)
    spent, back = _spent(
        lambda: modes.step_back(
            rule=rule, mode="observe", reason="bench", by=one, now=timezone.now()
        )
    )
    yield Said("  the signature of a step back", spent, "target 0.3 s")
    crowded = list(Identity.objects.all()[:250])
    spent, _ = _spent(lambda: _asked(crowded))
    assert {one.mode for one in crowded} == {"observe"}
    yield Said("  asking what holds for 250 of them meanwhile", spent)
    spent, steps = _spent(_drain)
    back.refresh_from_db()
    assert back.moved == identities
    yield Said(f"  they are moved back, in {steps} batches", spent, "target 10 CPU s")


def _administrator(name: str) -> User:
    user = User.objects.create(username=name, person=Person.objects.create(name=name))
    user.groups.add(Group.objects.get_or_create(name="administrator")[0])
    return user


def _asked(identities: list[Identity]) -> None:
    with transaction.atomic():
        modes_now.hold_back(identities, now=timezone.now())


def _drain() -> int:
    steps = 0
    while modes.apply_next(now=timezone.now()):
        steps += 1
    return steps


def _spent[T](act: Callable[[], T]) -> tuple[str, T]:
    started, cpu = time.perf_counter(), time.process_time()
    found = act()
    clock, cpu = time.perf_counter() - started, time.process_time() - cpu
    return f"{clock:.2f} s, {cpu:.2f} CPU s here", found
