"""Frozen links of one event are compared with what is there now at the cost of their number."""

from typing import Any

import pytest
from django.db import connection

from evidence import capsules
from evidence.formats.record import ActorName
from evidence.models import Link, Source
from evidence.vocabulary import CLAIMED
from tests.evidence.test_correlation import BASE, store
from tests.evidence.test_links_by_key import step
from tests.identities.test_claimed_links import arrive, calls, key_of, traces, trail
from tests.identities.test_following import Make
from tests.identities.test_key_users import judge
from tests.identities.test_link_strengths import rows_read

__all__ = ["traces", "trail"]

pytestmark = pytest.mark.django_db

MANY = 300


def test_copies_of_one_id_in_a_capsule_are_graded_once_each(
    trail: Source, traces: Source, active: Make
) -> None:
    arrive(trail, calls(0, "R1"))
    key_of(active("reporter"))
    name = ActorName("otel:traces", "agent", "reporter")
    spans = [
        step(n, n, agent=name, credential=None, request_id="R1", at=BASE)
        for n in range(1, MANY + 1)
    ]
    store(traces, spans)
    judge()
    keys = Link.objects.values_list("effect_at", "effect_id", "cause_at", "cause_id")
    asked: list[Any] = [list(one) for one in zip(*keys, strict=True)]
    with connection.cursor() as cursor:
        # Only the owner gathers statistics, and sees no rows that are not committed.
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
        cursor.execute(capsules.LINKS_NOW, asked)
        found = [row[:4] for row in cursor.fetchall()]
        assert found == [(True, True, CLAIMED, CLAIMED)] * MANY
        cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {capsules.LINKS_NOW}", asked)
        ((plan,),) = cursor.fetchone()
    assert rows_read(plan["Plan"]) < 60 * MANY
