"""10,000 silences that would cut come due in a change freeze: held in the statements of a few.

One process, as one worker would; 19 more freezes are ahead, as many as may be.
"""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection

from identities.models import Person, Revocation
from reviews import actions
from reviews.actions.freezing import MOST_FREEZES
from reviews.models import Freeze, Item, Rung
from tests.bench import database
from tests.bench.told import Said
from tests.reviews import crowd, silent

OPENED = datetime(2026, 11, 2, tzinfo=UTC)
DUE = OPENED + silent.WITHIN
HOUR = timedelta(hours=1)
FEW, MANY = 250, 10_000


def measure(many: int = MANY) -> Iterator[Said]:
    source = silent.at_work(opened=OPENED, until=DUE + timedelta(days=9))
    parties = crowd.people(300)
    two = Person.objects.order_by("name")[:2]
    for number in range(MOST_FREEZES):
        Freeze.objects.create(
            state="in_force",
            scope={"kinds": ["workload"]},
            since=DUE - HOUR + number * timedelta(days=9),
            until=DUE + (number + 1) * timedelta(days=9) - HOUR,
            asked=two[0],
            reason="bench",
            proposed_at=OPENED,
            proposed_by="bench",
            proposed_person=two[0],
            settled_person=two[1],
        )
    for silence, count in (("suspend", FEW), ("revoke", many - FEW)):
        silent.cases(count, silence=silence, parties=parties, source=source, opened=OPENED)
        database.as_owner("ANALYZE")
        before = time.process_time()
        sweeps, statements = _counted(lambda: actions.deadlines_next(now=DUE + HOUR))
        spent = time.process_time() - before
        yield Said(
            f"{count:,} due in a freeze ({silence}), in {sweeps} sweeps",
            f"{spent:.1f} CPU s, {statements / sweeps:.0f} statements a sweep",
        )
    held = Rung.objects.filter(state="held", freeze__isnull=False).count()
    cut = Revocation.objects.count() + Item.objects.exclude(outcome="").count()
    yield Said(
        "  each held once, none cut", f"{held:,} held, {cut:,} cut", "", (held, cut) == (many, 0)
    )


def _counted(step: Callable[[], bool]) -> tuple[int, int]:
    """Sweep until nothing is due: how many sweeps, and how many statements they took."""
    statements, sweeps = 0, 0

    def counting(execute: Callable[..., Any], *said: Any) -> Any:
        nonlocal statements
        statements += 1
        return execute(*said)

    with connection.execute_wrapper(counting):
        while step():
            sweeps += 1
    return sweeps, statements
