"""A campaign that is extended while a batch of its launch is under way: nobody keeps the old date."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from threading import Event
from typing import Any

import pytest
from django.db import connection

from reviews.actions import opening
from reviews.campaigns import launching, steering, steps
from reviews.models import Campaign, Case, Rung
from tests.evidence.killing import wait

from . import crowd
from .conftest import DAY, HOUR, NOW, make_user
from .test_campaigns import drain, prepared

PATIENCE = 60  # seconds


def waiting_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
        return bool(cursor.fetchone()[0])


@pytest.mark.django_db(transaction=True)
def test_batch_of_the_launch_that_is_under_way_is_moved_with_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(launching, "BATCH", 2)
    rita = make_user("rita", "reviewer")
    crowd.identities(6, owners=crowd.people(2), of=[])
    campaign = launching.launch(campaign=prepared(rita), by=rita, now=NOW, reason="go")
    assert launching.launch_next(now=NOW)
    begun, go_on, opened = Event(), Event(), opening.open_many

    def slowly(*args: Any) -> list[Case]:
        begun.set()
        assert go_on.wait(PATIENCE)
        return opened(*args)

    def work(step: Any, now: datetime) -> bool:
        try:
            return bool(step(now=now))
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool, monkeypatch.context() as slow:
        slow.setattr(opening, "open_many", slowly)
        batch = pool.submit(work, launching.launch_next, NOW)
        assert begun.wait(PATIENCE)
        # The request does not wait for the batch, and nothing more is launched before it is done.
        steering.extend(campaign=campaign, to=NOW + 10 * DAY, by=rita, now=NOW + HOUR, reason="x")
        assert launching.launch_next(now=NOW + HOUR) is False
        part = pool.submit(work, steps.next_part, NOW + HOUR)
        wait(waiting_for_a_lock)
        assert not part.done()
        go_on.set()
        assert (batch.result(PATIENCE), part.result(PATIENCE)) == (True, True)
    assert Case.objects.count() == 4
    while steps.next_part(now=NOW + HOUR):
        pass
    drain(now=NOW + HOUR)
    assert (Case.objects.count(), Campaign.objects.get().moving) == (6, False)
    assert set(Case.objects.values_list("deadline_at", flat=True)) == {NOW + 10 * DAY}
    due = Rung.objects.filter(does="due").values_list("at", flat=True)
    assert (len(due), set(due)) == (6, {NOW + 10 * DAY})
