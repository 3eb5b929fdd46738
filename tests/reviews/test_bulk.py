"""Keeping many items at once: only low risk with fresh evidence, one signature each, undone."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.test import Client
from django.utils import timezone

from evidence.models import LedgerEntry, Source
from identities.models import Credential, Finding, Identity, Service, User
from reviews import actions
from reviews.actions import bulk, proposing
from reviews.models import Case, Decision, Item, Seat
from reviews.pages import freshness, queue, queue_items, waiting
from tests.signed_in import sure

from .conftest import Told, make_user, person_of, tell_story

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def quick(settings: LazySettings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def now() -> datetime:
    return timezone.now()


@pytest.fixture
def told(db: None, now: datetime) -> Told:
    """A story in which everything may be kept: complete evidence, no finding, young credential."""
    story = tell_story()
    actions.open_review(identity=story.identity, by=story.rita, now=now, reason="yearly")
    Source.objects.update(watermark=now, completeness="declared")
    Finding.objects.update(state="expected")
    Identity.objects.update(criticality="low")
    Service.objects.update(criticality="low")
    Credential.objects.update(issued_at=now - timedelta(days=5))
    Item.objects.update(recommendation="keep", recommendation_reason="all of it was seen")
    return story


def user(row: User) -> User:
    return User.objects.select_related("person").get(pk=row.pk)


def picks(story: Told) -> list[bulk.Pick]:
    return queue_items.picks(waiting.for_user(user(story.ines), now=timezone.now()))


def why(story: Told, kind: str) -> str:
    found = picks(story)
    now = timezone.now()
    said = bulk.why_not_keep(
        found, freshness.of_cases([one.item.case for one in found], now=now), now=now
    )
    return next(said[one.item.pk] for one in found if one.item.kind == kind)


def test_low_risk_with_fresh_evidence_may(told: Told) -> None:
    assert [why(told, kind) for kind in ("delegation", "credential")] == ["", ""]


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        (lambda: Identity.objects.update(criticality="critical"), "delegation", "is critical"),
        (lambda: Identity.objects.update(criticality="normal"), "credential", "is normal"),
        (lambda: Service.objects.update(criticality="normal"), "delegation", "is normal"),
        (
            lambda: Identity.objects.get(name="svc-report").service.__class__.objects.update(  # type: ignore[union-attr]  # it has one
                criticality="high"
            ),
            "delegation",
            "is high",
        ),
        (lambda: Case.objects.update(door="access_request"), "delegation", "by itself"),
        (lambda: Item.objects.filter(kind="delegation").update(kind="grant"), "grant", "by itself"),
        (
            lambda: Item.objects.update(recommendation="narrow", recommendation_reason="unseen"),
            "delegation",
            "Narrow is recommended: unseen",
        ),
        (
            lambda: Item.objects.update(recommendation="", recommendation_reason=""),
            "credential",
            "says too little",
        ),
        (lambda: Source.objects.update(watermark=None), "delegation", "not fresh"),
        (lambda: Source.objects.update(sampling=0.5), "credential", "is sampled"),
        (lambda: Item.objects.update(outcome="conflict"), "delegation", "seats differ"),
        (
            lambda: Credential.objects.update(
                issued_at=timezone.now() - proposing.OLD - timedelta(days=1)
            ),
            "credential",
            "standing for 91 days",
        ),
        (lambda: Credential.objects.update(issued_at=None), "credential", "is not known"),
    ],
)
def test_anything_else_is_answered_one_at_a_time(
    told: Told, change: Callable[[], Any], kind: str, words: str
) -> None:
    change()
    assert words in why(told, kind)


def test_open_finding_and_another_answer_stand_against_it(told: Told, now: datetime) -> None:
    item = Item.objects.get(kind="delegation")
    row = Decision.objects.create(
        item=item,
        seat=Seat.objects.get(kind="ai_owner"),
        answer="revoke",
        reason="x",
        by=told.samuel,
        person=person_of(told.samuel),
        at=now,
        not_before=now,
    )
    assert why(told, "delegation") == "Another seat answered revoke."
    Decision.objects.filter(pk=row.pk).update(answer="keep")
    assert why(told, "delegation") == ""
    Finding.objects.create(
        identity=told.identity,
        rule="no_run",
        family="x",
        strength=1,
        words="x",
        count=1,
        first_at=now,
        last_at=now,
        opened_at=now,
        state_at=now,
    )
    assert "1 open finding" in why(told, "delegation")


@pytest.fixture
def client(told: Told) -> Client:
    found = Client()
    found.force_login(told.ines, backend="django.contrib.auth.backends.ModelBackend")
    return sure(found)


def chosen() -> list[str]:
    case = Case.objects.get()
    return [f"{item.pk}.{case.version}" for item in case.items.order_by("position")]


def test_each_is_signed_by_itself_and_has_its_row(client: Client, told: Told) -> None:
    page = client.get("/queue/?show=items").content.decode()
    assert all(f'value="{one}"' in page for one in chosen())
    result = client.post("/queue/keep/", {"pick": chosen(), "reason": "used each week"})
    rows = result.context["rows"]
    assert [(row["why"], row["kind"]) for row in rows] == [("", "keep"), ("", "keep")]
    given = Decision.objects.all()
    assert {(one.answer, one.reason, one.capsule is not None) for one in given} == {
        ("keep", "used each week", True)
    }
    assert LedgerEntry.objects.filter(act="item.answered").count() == 2
    assert client.get("/queue/").context["waits"] == []


def test_one_that_may_not_leaves_the_others_alone(client: Client, told: Told) -> None:
    Credential.objects.update(issued_at=None)
    result = client.post("/queue/keep/", {"pick": chosen(), "reason": "used"})
    assert [bool(row["why"]) for row in result.context["rows"]] == [False, True]
    assert list(Decision.objects.values_list("item__kind", flat=True)) == ["delegation"]
    assert "is not known" in result.content.decode()


def test_what_changed_since_it_was_read_is_asked_again(client: Client, told: Told) -> None:
    said = chosen()
    actions.decide(
        case=Case.objects.get(),
        item=Item.objects.get(kind="delegation"),
        seat=Seat.objects.get(kind="ai_owner"),
        answer="keep",
        reason="x",
        by=told.samuel,
        now=timezone.now(),
        version=Case.objects.get().version,
    )
    result = client.post("/queue/keep/", {"pick": said, "reason": "used"})
    assert {("Samuel signed at" in row["why"]) for row in result.context["rows"]} == {True}
    assert Decision.objects.filter(person=told.ines.person).count() == 0


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"pick": [], "reason": "x"}, "Select at least one"),
        ({"reason": " "}, "Say why"),
        ({"pick": ["nonsense"], "reason": "x"}, "Select items on the page"),
    ],
)
def test_what_is_missing_is_said(client: Client, said: dict[str, Any], words: str) -> None:
    result = client.post("/queue/keep/", {"pick": chosen()} | said)
    assert (result.status_code, Decision.objects.count()) == (409, 0)
    assert words in result.content.decode()


def test_never_more_than_a_hundred(client: Client, told: Told) -> None:
    case = Case.objects.get()
    Item.objects.bulk_create(
        [
            Item(case=case, position=10 + at, kind="step", title=f"step {at}")
            for at in range(bulk.MOST)
        ]
    )
    result = client.post("/queue/keep/", {"pick": chosen(), "reason": "x"})
    assert (result.status_code, Decision.objects.count()) == (409, 0)
    assert "At most 100" in result.content.decode()


def test_somebody_elses_items_are_not_there(told: Told) -> None:
    client = Client()
    client.force_login(
        make_user("mallory", "owner"), backend="django.contrib.auth.backends.ModelBackend"
    )
    sure(client)
    result = client.post("/queue/keep/", {"pick": chosen(), "reason": "x"})
    assert (result.status_code, Decision.objects.count()) == (409, 0)
    assert "Delegation" not in result.content.decode()
    items = [str(one.pk) for one in Item.objects.all()]
    assert client.post("/queue/undo/", {"item": items}).context["rows"] == []


def test_all_and_one_are_undone(client: Client, told: Told) -> None:
    result = client.post("/queue/keep/", {"pick": chosen(), "reason": "used"})
    first, second = [row["item"] for row in result.context["rows"]]
    assert "Undo all" in result.content.decode()
    result = client.post("/queue/undo/", {"item": [first]})
    assert [row["why"] for row in result.context["rows"]] == [""]
    result = client.post("/queue/undo/", {"item": [first, second]})
    assert [bool(row["why"]) for row in result.context["rows"]] == [True, False]
    assert Decision.objects.filter(superseded_at__isnull=True).count() == 0


def test_undo_after_its_time_says_so(client: Client, told: Told) -> None:
    client.post("/queue/keep/", {"pick": chosen(), "reason": "used"})
    Decision.objects.update(not_before=timezone.now() - timedelta(seconds=1))
    rows = client.post("/queue/undo/", {"item": [chosen()[0].partition(".")[0]]}).context["rows"]
    assert "8 seconds to be taken back are over" in rows[0]["why"]


def test_items_say_why_they_stand_alone(client: Client, told: Told) -> None:
    Identity.objects.update(criticality="critical")
    page = client.get("/queue/?show=items").content.decode()
    assert page.count("One at a time.") == 2
    assert page.count("data-select disabled") == 2
    found = queue.mine(user(told.ines), {"show": "items"}, now=timezone.now())
    assert {row["why_not"] for row in found["waits"]} == {
        "Its criticality is critical: only what is low is kept with others."
    }


def test_whose_criticality_keeps_it_apart_is_said(client: Client, told: Told) -> None:
    Identity.objects.update(criticality="low")
    Service.objects.update(criticality="normal")
    found = queue.mine(user(told.ines), {"show": "items"}, now=timezone.now())
    assert {row["why_not"] for row in found["waits"]} == {
        "The criticality of Quarterly reporting is normal: only what is low is kept with others."
    }
