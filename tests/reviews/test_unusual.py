"""What is unusual for an identity itself: which sentence, when none, and that it only asks."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from evidence.keys import key_of
from evidence.models import Term
from identities.models import Finding, Identity, Revocation, UsageDay
from reviews.micro_reviews import EVERY
from reviews.models import Case, Trigger
from reviews.triggers import opening, unusual

from .conftest import DAY, HOUR, NOW, Told, ingest, record
from .test_policy_versions import put_in_force

pytestmark = pytest.mark.django_db
# After the story's own calls, which are of its morning.
LATER = NOW + 10 * DAY
AT = LATER.replace(hour=9)


@pytest.fixture
def past(story: Told) -> Told:
    """Ten days on which the identity read invoices between 9 and 11, from one network."""
    UsageDay.objects.all().delete()
    put_in_force(story, micro_reviews={unusual.NAME: {}})
    for back in range(2, 12):
        used(story, AT - back * DAY)
    return story


def used(
    story: Told,
    at: datetime,
    action: str = "s3:GetObject",
    count: int = 40,
    until: timedelta = 2 * HOUR,
) -> None:
    """One row of the daily sums."""
    UsageDay.objects.create(
        identity_no=story.identity.number,
        day=at.date(),
        action_id=Term.objects.get_or_create(
            kind=Term.ACTION, value=action, defaults={"key": key_of("1", action)}
        )[0].pk,
        family="invoices/*",
        plane=1,
        count=count,
        first_at=at,
        last_at=at + until,
    )


def sweep(now: datetime = LATER) -> list[Trigger]:
    while unusual.find_next(now=now):
        pass
    return list(Trigger.objects.filter(name=unusual.NAME).order_by("subject"))


def test_usual_days_raise_nothing(past: Told) -> None:
    used(past, AT)
    assert sweep() == []


@pytest.mark.parametrize(
    ("given", "subject", "words"),
    [
        (
            {"action": "secretsmanager:GetSecretValue", "count": 2},
            "action secretsmanager",
            "called secretsmanager for the first time (2 calls): on none of the 10 days before, on",
        ),
        (
            {"count": 121},
            "volume 2026-12-04",
            "made 121 calls: the most on one of the 10 days before, on which it was seen, was 40.",
        ),
        (
            {"at": LATER.replace(hour=3, minute=12), "until": timedelta()},
            "hour 2026-12-04",
            "acted at 03:12 UTC: on the 10 days before, on which it was seen, it acted in the hours",
        ),
    ],
)
def test_each_kind_says_both_sides_of_what_it_compared(
    past: Told, given: dict[str, Any], subject: str, words: str
) -> None:
    used(past, **{"at": AT, **given})
    (row,) = sweep()
    assert (row.subject, row.about, row.state) == (subject, past.identity.pk, "waiting")
    assert row.words.startswith(f"On 4 Dec 2026 svc-report {words}")
    assert row.words.endswith(" It may be as it should be: say whether it goes on.")
    assert row.links[0]["url"].startswith(f"/events/?identity={past.identity.key}&from=2026-12-04")
    # Found again, it is the same question.
    assert sweep(LATER + HOUR) == [row]


@pytest.mark.parametrize(
    "given",
    [
        {"count": 120},  # three times the busiest day, and not more
        {"at": LATER.replace(hour=8)},  # an hour beside its own
        {"at": LATER.replace(hour=12, minute=30), "until": timedelta()},
        {"action": "s3:PutObject"},  # the same family
    ],
)
def test_what_is_near_enough_raises_nothing(past: Told, given: dict[str, Any]) -> None:
    used(past, **{"at": AT, **given})
    assert sweep() == []


def test_nothing_is_unusual_before_seven_days(past: Told) -> None:
    used(past, AT, "secretsmanager:GetSecretValue", 900)
    UsageDay.objects.filter(day__lt=(LATER - 7 * DAY).date()).delete()
    assert sweep() == []
    used(past, AT - 8 * DAY)
    assert {one.subject.partition(" ")[0] for one in sweep()} == {"action", "volume"}


def test_who_acts_round_the_clock_has_no_usual_hours(past: Told) -> None:
    UsageDay.objects.all().delete()
    for back in range(2, 12):
        used(past, (LATER - back * DAY).replace(hour=0), until=17 * HOUR)
    used(past, LATER.replace(hour=21), until=timedelta())
    assert sweep() == []


def test_new_network_is_read_from_events_and_known_ones_are_not(story: Told) -> None:
    put_in_force(story, micro_reviews={unusual.NAME: {}})
    at = LATER.replace(hour=9)
    old = [record(500 + back, "GetObject", "invoices/1", at - back * DAY) for back in range(2, 12)]
    same = record(600, "GetObject", "invoices/1", at, sourceIPAddress="198.51.100.200")
    new = [
        record(601 + n, "GetObject", "invoices/1", at + HOUR, sourceIPAddress="203.0.113.9")
        for n in range(2)
    ]
    ingest([*old, same, *new], now=LATER)
    (row,) = sweep()
    assert row.subject == "network 203.0.113.0/24"
    assert row.words.startswith(
        "On 4 Dec 2026 svc-report called from the network 203.0.113.0/24 for the first time"
        " (2 calls): on none of the "
    )


def test_it_asks_and_neither_cuts_nor_finds(past: Told) -> None:
    used(past, AT, "secretsmanager:GetSecretValue", 900)
    findings = Finding.objects.count()
    assert len(sweep()) == 2
    while opening.open_next(now=LATER):
        pass
    case = Case.objects.get()
    assert (case.trigger, case.silence, case.items.get().kind) == (
        "unusual",
        "escalate",
        "identity",
    )
    assert (Finding.objects.count(), Revocation.objects.count()) == (findings, 0)


@pytest.mark.parametrize("said", [{}, {"new_tool": {}}])
def test_policy_that_does_not_name_it_asks_nothing(past: Told, said: dict[str, Any]) -> None:
    put_in_force(past, micro_reviews=said)
    used(past, AT, "secretsmanager:GetSecretValue", 900)
    assert (sweep(), unusual.NAME in EVERY) == ([], True)


def test_costs_the_same_for_many(past: Told) -> None:
    def cost() -> int:
        with CaptureQueriesContext(connection) as found:
            unusual.find_next(now=LATER)
        return len(found)

    used(past, AT, "secretsmanager:GetSecretValue", 900)
    before = cost()
    Trigger.objects.all().delete()
    rows = list(UsageDay.objects.all())
    for number in range(1, 21):
        one = Identity.objects.create(name=f"more-{number}", kind="agent", created_at=NOW)
        one.refresh_from_db()
        for row in rows:
            row.pk, row.identity_no = None, one.number
        UsageDay.objects.bulk_create(rows)
    assert (cost(), Trigger.objects.count()) == (before, 42)


@pytest.mark.parametrize(
    ("hours", "said"),
    [([9, 10, 11], "09-11"), ([3], "03"), ([0, 8, 9, 22], "00, 08-09 and 22")],
)
def test_hours_in_words(hours: list[int], said: str) -> None:
    assert unusual.spans(hours) == said
