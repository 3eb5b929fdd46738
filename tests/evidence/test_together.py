"""A link that two jobs write in the same moment, one of which has asked that it is not there."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic, sleep

import pytest
from django.db import connection
from django.utils import timezone

from evidence import bulk, links
from evidence.models import Event, Progress, Source
from evidence.vocabulary import EXACT, PLANE_AI, PLANE_IDENTITY, PROOF_REQUEST_ID
from tests.conftest import owner_connection
from tests.evidence.test_bulk import expected, however_few, written
from tests.evidence.test_tasks import fill

__all__ = ["however_few"]
WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted"
THEIRS = """
INSERT INTO evidence_link VALUES (%s, %s, %s, %s, %s, %s, now())
"""


def _linked() -> int:
    try:
        return bulk.link_many(now=timezone.now())
    finally:
        connection.close()


@pytest.mark.django_db(transaction=True)
def test_link_that_another_job_writes_meanwhile_is_there_once(
    source: Callable[..., Source],
) -> None:
    fill(source, 3)
    event = Event.objects.filter(plane=PLANE_IDENTITY).order_by("at", "id")[0]
    span = Event.objects.get(plane=PLANE_AI, request_id=event.request_id)
    with (
        owner_connection(connection.settings_dict["NAME"]) as other,
        ThreadPoolExecutor(1) as pool,
    ):
        with other.transaction():
            theirs = (event.at, event.id, span.at, span.id, PROOF_REQUEST_ID, EXACT)
            other.execute(THEIRS, theirs)
            job = pool.submit(_linked)
            ends = monotonic() + 30
            while other.execute(WAITING).fetchone() == (0,) and monotonic() < ends:
                sleep(0.01)
        assert job.result(60) == 6
    # Together, at the first attempt; the clocks count what this job has linked.
    made, runs, calls, waiting = expected(3)
    assert written() == (made, runs, calls - 1, waiting)
    progress = Progress.objects.filter(consumer=links.CONSUMER)
    assert set(progress.values_list("attempts", "leased_until")) == {(1, None)}
