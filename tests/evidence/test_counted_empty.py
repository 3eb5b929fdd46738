"""Tables that the database counted while they were empty, and that have filled since.

So are those of an intake that was taken back, or of everything let go, until they are counted
anew: the planner takes each for a single row.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import connection, transaction

from evidence import links
from evidence.models import Progress, Source
from evidence.names import memory
from tests.conftest import owner_connection
from tests.evidence.conftest import NOW
from tests.evidence.test_recorded import ingest, joins, pytest_generate_tests, true_joins

__all__ = ["pytest_generate_tests"]

COUNTED_EMPTY = """
SELECT count(*) FROM pg_class
WHERE relname = ANY(%s) AND relpages > 0 AND reltuples = 0
"""
TABLES = ["evidence_deposit", "evidence_run", "evidence_actor", "evidence_acquaintance"]


def lab(source: Callable[..., Source], data: Path) -> None:
    trails, traces = source("trail"), source("traces", plane="ai")
    ingest(traces, [data / "lab" / "traces.pb.jsonl"])
    ingest(trails, [data / "lab" / "cloudtrail.json"])
    while links.link_next(now=NOW):
        # None ran into the time that a statement may take.
        assert list(Progress.objects.exclude(failed_why="").values_list("failed_why")) == []


@pytest.mark.django_db(transaction=True)
def test_lab_is_linked_all_the_same(source: Callable[..., Source], data: Path) -> None:
    with transaction.atomic():
        lab(source, data)
        transaction.set_rollback(True)
    memory.forget()
    with owner_connection(connection.settings_dict["NAME"]) as owner:
        owner.execute("ANALYZE")
        assert owner.execute(COUNTED_EMPTY, [TABLES]).fetchone() == (len(TABLES),)
    lab(source, data)
    assert {(request, trace) for request, trace, _, _ in joins()} == true_joins(data)
