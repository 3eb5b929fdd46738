"""Small reviews over 20,000 reviewed identities: a sweep that finds nothing, a thousand new tools, and
as many serious findings.

Every identity has a decided review, five things to decide and a week of use in the roll-up, half
of them with a hole of a year before it. All that is found at first is told apart from the
sweep afterwards, which the worker does once a minute for ever.
"""

import time
from collections.abc import Callable, Iterator

from django.db import connection
from django.utils import timezone

from evidence.keys import key_of
from evidence.models import Term
from identities.models import Finding, NewUse
from reviews.actions import policy_versions
from reviews.micro_reviews import SERIOUS
from reviews.models import Case, Trigger
from reviews.triggers import facts, opening, uses
from tests.bench import database
from tests.bench.told import Said
from tests.reviews import crowd

IDENTITIES, SERVICES, TOOLS = 20_000, 350, 1_000
USED = """
INSERT INTO identities_usageday (identity_no, day, action_id, family, plane, count, inside, outside,
    linked, first_at, last_at)
SELECT i.number, d.day, %(action)s, 'invoices/*', 1, 5, 5, 0, 0, d.day, d.day
FROM identities_identity i
JOIN LATERAL (
    SELECT %(today)s::date - n AS day FROM generate_series(0, 6) n
    UNION SELECT %(today)s::date - CASE WHEN i.number %% 2 = 0 THEN 360 ELSE 20 END) d ON true
"""
NEW = """
INSERT INTO identities_newuse (identity_no, tool, action_id, family, release_id, strength, first_at,
    event_id, noted_at)
SELECT i.number, true, %s, '', 0, 4, %s, i.number, %s FROM identities_identity i
ORDER BY i.number LIMIT %s
"""


def measure(identities: int = IDENTITIES, tools: int = TOOLS) -> Iterator[Said]:
    now = timezone.now()
    owners = crowd.people(SERVICES)
    rows = crowd.identities(identities, owners=owners, of=crowd.services(SERVICES, owners), now=now)
    policy = policy_versions.in_force(now=now)
    Case.objects.bulk_create(
        [
            Case(
                door="access_review",
                state="closed",
                title="bench",
                identity=one,
                policy=policy,
                opened_at=now,
                opened_by="bench",
                deadline_at=now,
                decided_at=now,
            )
            for one in rows
        ],
        batch_size=2_000,
    )
    tool = Term.objects.create(
        key=key_of(str(Term.ACTION), "send_email"), kind=Term.ACTION, value="send_email"
    )
    with connection.cursor() as cursor:
        cursor.execute(USED, {"action": tool.pk, "today": now.date()})
    database.as_owner("ANALYZE")
    seconds = _timed(lambda: _until_done(lambda: facts.find_next(now=now)))
    yield Said(f"triggers, {Trigger.objects.count():,} found at once", f"{seconds:.1f} s")
    database.as_owner("ANALYZE")
    seconds = _timed(lambda: facts.find_next(now=now))
    yield Said("  a sweep that finds nothing", f"{seconds:.2f} s", "target 2", seconds <= 2)
    Trigger.objects.filter(state="waiting").update(state="known", known_why="bench")
    with connection.cursor() as cursor:
        cursor.execute(NEW, [tool.pk, now, timezone.now(), tools])
    seconds = _timed(lambda: _until_done(lambda: uses.look_next(now=now)))
    yield Said(f"  {NewUse.objects.count():,} new tools looked at", f"{seconds:.1f} s")
    seconds = _timed(lambda: _until_done(lambda: opening.open_next(now=now)))
    opened = Case.objects.exclude(trigger="").count()
    yield Said(f"  {opened:,} small reviews opened", f"{seconds:.1f} s, {opened / seconds:.0f}/s")
    Finding.objects.bulk_create(
        [
            Finding(
                identity=one,
                rule="no_run",
                strength=1,
                words="bench",
                first_at=now,
                last_at=now,
                opened_at=now,
                state_at=now,
            )
            for one in rows[:tools]
        ]
    )
    seconds = _timed(lambda: _until_done(lambda: facts.find_of(SERIOUS, now=now)))
    yield Said(f"  {tools:,} serious findings looked at", f"{seconds:.1f} s")
    seconds = _timed(lambda: _until_done(lambda: opening.open_next(now=now)))
    opened = Case.objects.filter(trigger=SERIOUS).count()
    yield Said(f"  {opened:,} small reviews opened", f"{seconds:.1f} s, {opened / seconds:.0f}/s")


def _until_done(step: Callable[[], bool]) -> None:
    while step():
        pass


def _timed(act: Callable[[], object]) -> float:
    before = time.monotonic()
    act()
    return time.monotonic() - before
