"""A reading of lists that is killed again and again: every row once, and nothing ended by it."""

from datetime import timedelta

import pytest
from django.utils import timezone

from evidence.models import LedgerEntry, Source
from identities.inventory import reading
from identities.models import Discovery, InventoryPlan, InventoryRead
from tests.evidence.killing import dooming
from tests.evidence.sources.server import Answer, Request, There
from tests.identities.inventory.conftest import shown
from tests.identities.inventory.test_okta import org, token

__all__ = ["org"]

PAGES, PER_PAGE, KILLS = 60, 3, 5


@pytest.mark.django_db(transaction=True)
def test_reading_killed_at_random_points_finds_everything_once_and_ends_what_is_gone(
    there: There, org: Source
) -> None:
    # It is gone when the list is read again.
    there.on("GET", "/api/v1/api-tokens", Answer(body=[token(0), token(10_000)]))
    there.on("GET", "/api/v1/apps", Answer(body=[]))
    reading.ask(source=org, by="command", now=timezone.now())
    reading.run_next(clock=timezone.now)

    def pages(request: Request) -> Answer:
        page = int(request.query.get("after", "0"))
        link = f'<{there.url}/api/v1/api-tokens?after={page + 1}>; rel="next"'
        first = page * PER_PAGE
        body = [token(number) for number in range(first, first + PER_PAGE)]
        return Answer(body=body, headers={"Link": link} if page + 1 < PAGES else {})

    there.on("GET", "/api/v1/api-tokens", pages)
    InventoryPlan.objects.update(next_at=timezone.now())
    first = InventoryRead.objects.get()

    def progress() -> int:
        row = InventoryRead.objects.exclude(pk=first.pk).first()
        return row.pages if row else 0

    def each_page_is_whole() -> None:
        row = InventoryRead.objects.exclude(pk=first.pk).get()
        assert Discovery.objects.filter(read=row).count() == row.found
        if row.state == InventoryRead.RUNNING:
            # What is not seen yet is not gone.
            assert (row.found % PER_PAGE, row.gone) == (0, 0)
            assert row.leased_until is not None
            assert row.leased_until - timezone.now() <= reading.LEASE
            # Five minutes later.
            InventoryRead.objects.update(leased_until=None)

    with dooming() as doomed:
        doomed.run(
            "identities.tasks.read_inventories",
            kills=KILLS,
            progress=progress,
            stride=PAGES // KILLS - 6,
            between=each_page_is_whole,
        )
    row = InventoryRead.objects.exclude(pk=first.pk).get()
    assert row.ended_at is not None
    assert (row.state, row.attempts, row.problem) == ("done", KILLS + 1, "")
    whole = PAGES * PER_PAGE
    assert (row.found, row.new, row.changed, row.gone) == (whole, whole - 1, 0, 1)
    assert len(shown(org, kind="API token")) == whole
    assert Discovery.objects.filter(superseded_at=None).count() == whole + 1
    words = (
        LedgerEntry.objects.filter(act="inventory.read")
        .order_by("pk")
        .values_list("words", flat=True)
    )
    assert [one.split(" show ")[1] for one in words.order_by("pk")] == [
        "2 new, 0 changed and 0 gone",
        f"{whole - 1} new, 0 changed and 1 gone",
    ]
    plan = InventoryPlan.objects.get()
    assert plan.next_at == row.ended_at + timedelta(seconds=plan.every_seconds)
