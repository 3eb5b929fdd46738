"""A signed policy asks at the events that its signers saw in it, and at no others."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from importlib import import_module
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from reviews.actions import policy_versions
from reviews.micro_reviews import EVERY, TRIGGERS, read
from reviews.models import ReviewPolicy, Trigger
from reviews.triggers import facts

from .conftest import DAY, HOUR, NOW, Told, make_user, party
from .test_micro_reviews import LATER, reviewed, sweep, traced
from .test_pages import answered, as_user
from .test_policy_versions import put_in_force

__all__ = ["answered", "as_user"]
pytestmark = pytest.mark.django_db
Sign = Callable[..., Client]
HINT = "This policy says nothing of events"
# All that the product had when leaving the field out meant all of them.
NEWER = ("serious_finding", "received_signal", "unusual")
NINE = {name: said for name, said in EVERY.items() if name not in NEWER}


def test_product_names_all_of_them_and_each_as_its_table_says(story: Told) -> None:
    own = policy_versions.in_force(now=NOW)
    assert own.document["micro_reviews"] == EVERY
    found = policy_versions.document_of(own).micro_reviews
    assert {name: (one.hours, one.days, one.rules) for name, one in found.items()} == {
        name: (one.hours, one.days or 0, one.rules) for name, one in TRIGGERS.items()
    }
    assert read(EVERY) == read({name: {} for name in TRIGGERS})


@pytest.mark.parametrize("said", [{}, {"micro_reviews": {}}])
def test_signed_policy_that_names_no_event_asks_at_none(story: Told, said: dict[str, Any]) -> None:
    put_in_force(story, **said)
    reviewed(story)
    traced(story, "send_email", at=NOW + HOUR)
    story.identity.owner = party(make_user("olga", "owner"))
    story.identity.save(update_fields=["owner"])
    sweep()
    assert (facts.find_next(now=LATER), Trigger.objects.exclude(state="waiting").count()) == (
        False,
        0,
    )


def test_page_says_that_there_is_something_to_choose(story: Told, as_user: Sign) -> None:
    client = as_user(story.rita)
    own = policy_versions.in_force(now=NOW)
    assert HINT not in client.get(own.url).content.decode()
    row = put_in_force(story, silence="suspend")
    page = client.get(row.url).content.decode()
    assert (HINT in page, "Nothing opens one." in page) == (True, True)
    assert 'href="/policies/new/?name=access+review&amp;events=all"' in page
    draft = client.get("/policies/new/?name=access+review&events=all").context["form"]
    assert json.loads(draft.initial["document"]) == row.document | {"micro_reviews": EVERY}
    # Nothing is added to a draft that nobody asked it for, nor to another policy.
    draft = client.get("/policies/new/?name=access+review").context["form"]
    assert json.loads(draft.initial["document"]) == row.document
    draft = client.get("/policies/new/?name=access+request&events=all").context["form"]
    assert "micro_reviews" not in json.loads(draft.initial["document"])
    chosen = put_in_force(story, silence="suspend", micro_reviews={})
    assert HINT not in client.get(chosen.url).content.decode()
    # What is over is not asked to choose.
    assert HINT not in client.get(row.url).content.decode()


LEFT_OUT = "This policy asks at events, but not at a serious finding"


def test_page_says_that_serious_findings_are_left_out(story: Told, as_user: Sign) -> None:
    client = as_user(story.rita)
    row = put_in_force(story, micro_reviews={"dormant": {"days": 90}})
    page = client.get(row.url).content.decode()
    assert (LEFT_OUT in page, HINT in page) == (True, False)
    assert 'href="/policies/new/?name=access+review&amp;events=serious"' in page
    draft = client.get("/policies/new/?name=access+review&events=serious").context["form"]
    # What two people chose stays, and only this is added to it.
    assert json.loads(draft.initial["document"]) == row.document | {
        "micro_reviews": {"dormant": {"days": 90}, "serious_finding": EVERY["serious_finding"]}
    }


@pytest.mark.parametrize(
    ("name", "said", "left_out"),
    [
        ("access review", {"micro_reviews": {"dormant": {"days": 90}}}, True),
        ("access review", {"micro_reviews": EVERY}, False),
        ("agents", {}, False),
    ],
)
def test_draft_says_that_serious_findings_are_left_out(
    story: Told, as_user: Sign, name: str, said: dict[str, Any], left_out: bool
) -> None:
    text = json.dumps({"silence": "suspend"} | said)
    form = {"name": name, "document": text, "reason": "x", "act": "try"}
    page = as_user(story.rita).post("/policies/new/", form).content.decode()
    assert ("What it would say" in page, LEFT_OUT in page) == (True, left_out)


@pytest.mark.parametrize(
    ("name", "document", "signed", "meant"),
    [
        ("access review", {"silence": "suspend"}, DAY, NINE),
        ("access review", {"silence": "suspend"}, -DAY, None),
        ("access review", {"micro_reviews": {}}, DAY, {}),
        ("agents", {"silence": "suspend"}, DAY, None),
    ],
)
def test_upgrade_writes_out_what_was_signed_and_adds_nothing(
    story: Told,
    name: str,
    document: dict[str, Any],
    signed: timedelta,
    meant: dict[str, Any] | None,
) -> None:
    row = put_in_force(story, name=name, **document)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT applied FROM django_migrations WHERE app = 'reviews' AND name = '0013_triggers'"
        )
        applied: datetime = cursor.fetchone()[0]
        ReviewPolicy.objects.filter(pk=row.pk).update(settled_at=applied + signed)
        for _ in range(2):
            cursor.execute(import_module("reviews.migrations.0018_micro_reviews_said").WRITE)
    row.refresh_from_db()
    assert row.document.get("micro_reviews") == meant
    assert timezone.now() > applied
