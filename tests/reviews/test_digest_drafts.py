"""The daily mail says what waits to be made active, to whoever may make it so, and does not nag."""

from datetime import UTC, datetime, timedelta

import pytest
from django.conf import LazySettings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from identities.models import Identity, Party, Service, User
from reviews import digest
from reviews.models import Notice

from .conftest import make_user, party
from .queues import fill

pytestmark = pytest.mark.django_db
# A Wednesday.
MORNING = datetime(2026, 11, 25, 7, 0, tzinfo=UTC)
DAY = timedelta(days=1)
LINK = "https://countersign.example/owned/?state=draft"


@pytest.fixture(autouse=True)
def base(settings: LazySettings) -> None:
    settings.BASE_URL = "https://countersign.example"


@pytest.fixture
def ines() -> User:
    return make_user("ines", "owner")


def drafts(many: int, *, at: datetime, ends: datetime | None = None, **places: Party) -> None:
    for one in range(many):
        Identity.objects.create(
            name=f"secret-{at:%d}-{one}",
            kind="agent",
            state="draft",
            created_at=at,
            expires_at=ends,
            **places,
        )


def mails(on: datetime) -> list[tuple[str, str, str]]:
    """Who is written to on this day, with the subject and the line about drafts."""
    while digest.write_next(now=on):
        pass
    found = Notice.objects.filter(occasion=f"digest {on:%Y-%m-%d}").order_by("person__name")
    return [
        (one.person.name, one.subject, line.partition(": ")[0])
        for one in found
        if one.person is not None
        for line in [next((part for part in one.body.splitlines() if LINK in part), "")]
    ]


def test_whoever_is_named_and_may_is_told_with_the_link(ines: User) -> None:
    samuel, otto = make_user("samuel"), make_user("otto", "auditor")
    make_user("rita", "reviewer")  # may, but nobody named her
    drafts(2, at=MORNING, owner=party(ines), backup=party(samuel), sponsor=party(otto))
    said = "2 identities wait to be made active"
    assert mails(MORNING) == [("Ines", said, said), ("Samuel", said, said)]
    notice = Notice.objects.get(person=ines.person)
    assert f"{said}: {LINK}\n" in notice.body
    assert "secret" not in notice.body


def test_the_link_lists_what_the_mail_counts(ines: User) -> None:
    system = Service.objects.create(slug="system", name="System", ai_owner=party(ines))
    drafts(3, at=MORNING, owner=party(ines))
    drafts(1, at=MORNING - DAY)
    Identity.objects.filter(owner=None).update(service=system)
    assert mails(MORNING)[0][2] == "3 identities wait to be made active"
    browser = Client()
    browser.force_login(ines, backend="django.contrib.auth.backends.ModelBackend")
    assert len(browser.get(LINK.removeprefix("https://countersign.example")).context["rows"]) == 3


def test_alone_they_are_mailed_when_new_and_on_mondays(ines: User) -> None:
    drafts(1, at=MORNING - DAY, owner=party(ines))
    days = [MORNING + day * DAY for day in range(14)]
    assert [f"{day:%a}" for day in days if mails(day)] == ["Wed", "Mon", "Mon"]
    drafts(1, at=days[-1] + timedelta(hours=2), owner=party(ines))
    assert mails(days[-1] + DAY)[0][1] == "2 identities wait to be made active"
    assert mails(days[-1] + 2 * DAY) == []


def test_beside_a_case_they_are_named_each_day(ines: User) -> None:
    fill(1, owners=[party(ines)], now=MORNING, items=1)
    Identity.objects.update(state="active", purpose="tests", expires_at=MORNING + 99 * DAY)
    drafts(1, at=MORNING - 9 * DAY, owner=party(ines))
    for day in (MORNING, MORNING + DAY):
        assert mails(day) == [
            ("Ines", "1 case waits for you", "1 identity waits to be made active")
        ]


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        ([None, 31], ""),
        ([None, 29], ", 1 of them ends within 30 days"),
        ([1, 29], ", 2 of them end within 30 days"),
        ([-1, 29], ", 1 of them ends within 30 days, the end of 1 is past"),
    ],
)
def test_an_end_that_is_near_is_said(ines: User, ends: list[int | None], said: str) -> None:
    for place, days in enumerate(ends):
        until = None if days is None else MORNING + days * DAY
        drafts(1, at=MORNING - place * DAY, ends=until, owner=party(ines))
    assert mails(MORNING)[0][2] == f"2 identities wait to be made active{said}"


def test_as_many_queries_for_one_as_for_thirty(ines: User) -> None:
    assert mails(MORNING - DAY) == []  # makes the row of the login
    asked = []
    for day, many in ((0, 1), (1, 30)):
        now = MORNING + day * DAY
        drafts(many, at=now, owner=party(ines))
        with CaptureQueriesContext(connection) as seen:
            assert digest.write_next(now=now)
            while digest.write_next(now=now):
                pass
        asked.append(len(seen))
    assert asked[0] == asked[1]
