"""A use that waits for its look back waits in the queue of whoever may look, and of nobody else."""

import json
from datetime import datetime
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from identities.models import User
from reviews import digest
from reviews.models import Case, CaseMember, Notice
from reviews.pages import front, look_backs, waiting
from reviews.sealed import looking, recognising
from tests.reviews.conftest import DAY, HOUR, NOW, make_user, person_of
from tests.reviews.test_api import token
from tests.reviews.test_pages import as_user
from tests.reviews.test_queue_out import body, lines

from .conftest import MINUTE, Sealed, arrives, call, declared, of_case, read_of

__all__ = ["as_user"]
pytestmark = pytest.mark.django_db
LATER = NOW + HOUR


def waits(user: User, now: datetime = LATER, **narrowed: Any) -> list[str]:
    # Memberships and groups are remembered for each login as it was read.
    fresh = User.objects.get(pk=user.pk)
    return [one.key for one in waiting.for_user(fresh, now=now, **narrowed)]


@pytest.fixture
def case(sealed: Sealed) -> Case:
    arrives(call(1, NOW), now=NOW)
    return Case.objects.get()


def test_it_waits_for_whoever_may_look_back(case: Case, sealed: Sealed) -> None:
    looks = (sealed.rita, sealed.rex, sealed.root)
    assert [waits(one) for one in looks] == [[case.key]] * 3
    assert [waits(one) for one in (sealed.owen, sealed.otto)] == [[], []]
    (row,) = waiting.for_user(sealed.rita, now=LATER)
    assert (row.deadline_at, row.kind, row.seat, row.left) == (NOW + DAY, "closer", None, 0)
    assert waiting.count(sealed.rita, now=LATER, most=100) == 1
    assert waiting.count(sealed.rita, now=LATER, most=0) == 0
    # Who says that they used it looks back at nothing of it.
    looking.explain(case=case, who="me", words="all was down", by=sealed.rex, now=LATER)
    assert [waits(one) for one in looks] == [[case.key], [], [case.key]]
    said: dict[str, Any] = {"kind": "emergency", "words": "matched", "now": LATER}
    looking.look_back(case=case, by=sealed.rita, read=read_of(of_case(case)), **said)
    assert [waits(one) for one in looks] == [[], [], []]


def test_it_stays_one_row_however_its_evidence_comes(case: Case, sealed: Sealed) -> None:
    arrives(call(1, NOW), now=LATER)
    arrives(call(2, NOW - HOUR), call(3, NOW + MINUTE), now=LATER)
    assert waits(sealed.rita) == [case.key]
    # Overdue, it is said every day, and stays due when it was.
    assert recognising.overdue_next(now=NOW + 25 * HOUR)
    (row,) = waiting.for_user(sealed.rita, now=NOW + 25 * HOUR, due="passed")
    assert (row.key, row.deadline_at) == (case.key, NOW + DAY)


@pytest.mark.parametrize(
    ("narrowed", "there"),
    [
        ({"q": "used OUT of"}, True),
        ({"q": "cs-"}, True),
        ({"q": "nothing"}, False),
        ({"seat": "closer"}, True),
        ({"seat": "second"}, False),
        ({"due": "passed"}, False),
        ({"together": "all"}, False),
        ({"identity": 1}, False),
        ({"system": "x"}, False),
        ({"person": "x"}, False),
        ({"cases": [case]}, False),
    ],
)
def test_filters_of_the_queue_are_its_filters(
    case: Case, sealed: Sealed, narrowed: dict[str, Any], there: bool
) -> None:
    if "cases" in narrowed:
        narrowed = {"cases": [case.pk]}
    assert (waits(sealed.rita, **narrowed) == [case.key]) is there


def test_a_sealed_case_waits_for_its_members_alone(case: Case, sealed: Sealed) -> None:
    Case.objects.update(sealed=True)
    everybody = (sealed.rita, sealed.rex, sealed.root, sealed.owen, sealed.otto)
    assert [waits(one) for one in everybody] == [[]] * 5
    CaseMember.objects.create(case=case, person=person_of(sealed.rex), since=NOW)
    assert [waits(one) for one in everybody] == [[], [case.key], [], [], []]


def test_it_stands_in_page_files_front_menu_calendar_and_mail(sealed: Sealed, as_user: Any) -> None:
    now = timezone.now()
    arrives(call(1, now - HOUR), now=now)
    case, rita = Case.objects.get(), as_user(sealed.rita)
    page = rita.get("/queue/").content.decode()
    assert [one in page for one in (case.key, "a look back", look_backs.KIND)] == [True] * 3
    assert "asked for again every day" in page
    assert rita.get("/queue/?show=items").status_code == 200
    (row,) = json.loads(body(rita.get("/queue.json")))
    assert (row["case"], row["kind"], row["state"]) == (case.key, "break_glass", "in_review")
    assert (row["seat"], row["items_left"]) == ("closer", 0)
    (line,) = lines(rita.get("/queue.csv"))
    assert (line["case"], line["due_at"]) == (case.key, row["due_at"])
    home = rita.get("/").content.decode()
    assert ("1 thing waits for you." in home, case.key in home) == (True, True)
    fresh = User.objects.get(pk=sealed.rita.pk)
    assert front.context(fresh, {}, now=now)["waits"][0]["url"] == f"/cases/{case.key}/"
    assert rita.get(f"/cases/{case.key}/")["Location"] == f"/break-glass/{case.key}/"
    morning = now.replace(hour=23)
    while digest.write_next(now=morning):
        pass
    mail = Notice.objects.get(occasion=f"digest {morning:%Y-%m-%d}", person=sealed.rita.person)
    assert f"{case.key}, break-glass, a look back, is due" in mail.body
    asked = {"state": "in_review", "door": "break_glass"}
    answer = Client().get("/api/cases/", asked, headers=token(sealed.rita, "read")).json()
    assert [(one["case"], one["deadline_at"][:16]) for one in answer["rows"]] == [
        (case.key, f"{case.deadline_at:%Y-%m-%dT%H:%M}")
    ]


def test_as_many_queries_for_many_as_for_one(case: Case, sealed: Sealed) -> None:
    def asked() -> tuple[int, int]:
        user = User.objects.select_related("person").get(pk=sealed.rita.pk)
        with CaptureQueriesContext(connection) as caught:
            found = waiting.for_user(user, now=LATER)
        return len(caught), len(found)

    once, one = asked()
    for n in range(4):
        key = f"AKIASEALEDQP7D00002{n}"
        declared(sealed.rita, sealed.root, slug=f"key-{n}", named=key)
        arrives(call(10 + n, NOW, key=key), now=LATER)
        make_user(f"more-{n}", "reviewer")
    assert (one, asked()) == (1, (once, 5))
