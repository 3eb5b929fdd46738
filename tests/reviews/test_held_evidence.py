"""What an open case rests on outlives its month; roll-ups outlive everything; pages say so."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from evidence import retention
from evidence.intake.admitting import micros
from evidence.models import Event, LedgerEntry, Source
from evidence.partitions import bounds
from identities import judging
from identities.models import Attribution, DelegationVersion, FindingEvent, UsageDay
from reviews import actions
from reviews.models import Case, Pinned
from reviews.pages.lanes import lanes
from tests.reviews.conftest import DAY, NOW, Told, ingest, record, tell_story

type AsOwner = Callable[..., list[tuple[Any, ...]]]

pytestmark = pytest.mark.django_db(transaction=True)
LONG_AGO = (NOW - 200 * DAY).replace(day=3)


@pytest.fixture
def old_story(as_owner: AsOwner) -> Told:
    """The story, with a month long past: nine reads inside, one deletion outside authority."""
    told = tell_story()
    DelegationVersion.objects.update(during=(NOW - 400 * DAY, NOW + 9 * DAY))
    reads = [
        record(100 + number, "GetObject", f"invoices/{number}.pdf", LONG_AGO + number * DAY)
        for number in range(9)
    ]
    ingest([*reads, record(200, "DeleteObject", "hr/people.csv", LONG_AGO)])
    Source.objects.update(retention_days=30)
    as_owner(
        "SET countersign.letting_go = 'on';"
        " UPDATE evidence_retentionsaid SET said_at = said_at - interval '8 days';"
        " RESET countersign.letting_go"
    )
    return told


def old_events() -> int:
    return Event.objects.filter(at__lt=NOW - 100 * DAY).count()


def usage() -> list[tuple[Any, ...]]:
    rows = UsageDay.objects.order_by("day", "action_id", "family")
    return list(rows.values_list("day", "family", "count", "inside", "outside", "first_at"))


def prune() -> retention.Run:
    return retention.prune(now=timezone.now())


def test_event_under_a_finding_of_an_open_case_stays(old_story: Told) -> None:
    case = actions.open_review(
        identity=old_story.identity, by=old_story.rita, now=NOW, reason="yearly"
    )
    assert (old_events(), case.findings.count()) == (10, 1)
    before = usage()
    run = prune()
    assert (run.events, run.held, old_events()) == (9, 1, 1)
    held = Event.objects.get(at__lt=NOW - 100 * DAY)
    assert FindingEvent.objects.get().event_id == held.id
    assert Attribution.objects.filter(at__lt=NOW - 100 * DAY).count() == 1
    # Roll-ups stay, also when what is left is judged again.
    assert usage() == before
    judging.again(identities=[old_story.identity], now=NOW)
    judging.judge_all(now=NOW)
    assert usage() == before
    assert LedgerEntry.objects.get(act="events.dropped").words == (
        f"retention dropped 9 raw events of cloudtrail of {LONG_AGO:%Y-%m};"
        " 1 event is held and stays"
    )
    # Once nobody holds it, it goes too; the finding and its count stay.
    Case.objects.update(state="closed")
    assert (prune().events, old_events(), usage() == before) == (1, 0, True)
    assert FindingEvent.objects.count() == 1


def test_pinned_event_stays_until_the_case_is_over(old_story: Told, case: Case) -> None:
    event = Event.objects.filter(at=LONG_AGO + 4 * DAY).get()
    actions.pin(
        case=case, at=event.at, event_id=event.id, item=None, note="", by=old_story.ines, now=NOW
    )
    prune()
    assert Pinned.objects.count() == 1
    assert Event.objects.filter(at=event.at, id=event.id).exists()
    Case.objects.update(state="cancelled")
    prune()
    assert old_events() == 0


@pytest.fixture
def case(old_story: Told) -> Case:
    return actions.open_review(
        identity=old_story.identity, by=old_story.rita, now=NOW, reason="yearly"
    )


def test_timeline_draws_what_was_dropped(old_story: Told) -> None:
    prune()
    begins, ends = bounds(LONG_AGO.date().replace(day=1))
    said = lanes(
        old_story.identity, since=begins - 9 * DAY, until=ends + 9 * DAY, now=timezone.now()
    )
    assert said["events"] == []
    assert said["lanes"][0]["gaps"] == [
        [
            micros(begins),
            micros(ends),
            f"raw events of cloudtrail before {ends:%Y-%m-%d} were dropped by retention",
        ]
    ]
    assert sum(row[2] for row in said["life"]["density"]) == 15


def test_line_page_stands_without_its_old_events(old_story: Told) -> None:
    prune()
    client = Client()
    client.force_login(old_story.rita)
    page = client.get(f"/identities/{old_story.identity.key}/")
    assert page.status_code == 200
    used = {row["action"]: row["count"] for row in page.context["permissions"]}
    assert used == {"s3:DeleteObject": 1, "s3:GetObject": 14}
    listed = client.get(f"/events/?identity={old_story.identity.key}")
    assert "were dropped by retention" in listed.context["missing"]


def test_late_event_of_another_source_adds_to_what_stands(old_story: Told) -> None:
    prune()
    before = dict(UsageDay.objects.filter(day=LONG_AGO.date()).values_list("family", "count"))
    Source.objects.update(retention_days=3650)
    ingest([record(300, "PutObject", "reports/late.pdf", LONG_AGO + timedelta(hours=3))])
    after = dict(UsageDay.objects.filter(day=LONG_AGO.date()).values_list("family", "count"))
    assert after == {**before, "reports/*": 1}
