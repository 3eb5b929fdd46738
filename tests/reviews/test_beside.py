"""Two open cases ask about one thing and recommend two things: each says from when it is."""

from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from reviews import actions
from reviews.actions import advising
from reviews.models import Case, Item
from reviews.pages import beside

from .conftest import DAY, NOW, Told, item_of, party
from .queues import fill

pytestmark = pytest.mark.django_db


@pytest.fixture
def two(story: Told) -> tuple[Case, Case]:
    """The review, and a small one that was opened later over the same key."""
    now = timezone.now()
    first = actions.open_review(
        identity=story.identity, by=story.rita, now=now - 2 * DAY, reason="yearly"
    )
    (second,) = fill(1, owners=[party(story.ines)], now=now, items=0)
    key = item_of(first, "credential")
    Item.objects.filter(pk=key.pk).update(recommendation="replace")
    Item.objects.create(
        case=second, position=0, kind="credential", ref=key.ref, title=key.title,
        recommendation="revoke", snapshot={advising.MADE_AT: now.isoformat()},
    )  # fmt: skip
    return first, second


def said(client: Client, case: Case) -> list[str]:
    page = client.get(f"/cases/{case.key}/").content.decode()
    parts = page.split('<p class="cs-beside">')[1:]
    return [part.partition("</p>")[0] for part in parts]


# The evidence of the story is older than both reviews.
@pytest.mark.begins_at(NOW + 8 * DAY)
def test_each_says_when_it_was_made_and_what_the_other_says(
    story: Told, two: tuple[Case, Case], client: Client
) -> None:
    first, second = two
    client.force_login(story.ines)
    (one,), (other,) = said(client, first), said(client, second)
    made = first.items.get(kind="credential").snapshot[advising.MADE_AT]
    assert made.startswith(f"{timezone.now() - 2 * DAY:%Y-%m-%d}")
    assert (made[:16] in one, second.key in one, "recommends revoke" in one) == (True, True, True)
    assert (first.key in other, "recommends replace" in other) == (True, True)
    queue = client.get("/queue/?show=items").content.decode()
    assert queue.count('<p class="cs-beside">') == 2


@pytest.mark.parametrize("what", ["same", "decided", "closed", "sealed"])
def test_nothing_is_said_where_nothing_differs(
    story: Told, two: tuple[Case, Case], client: Client, what: str
) -> None:
    first, second = two
    rows = Item.objects.filter(case=second)
    if what == "same":
        rows.update(recommendation="replace")
    elif what == "decided":
        rows.update(outcome="revoke")
    else:
        Case.objects.filter(pk=second.pk).update(
            **({"sealed": True} if what == "sealed" else {"state": "closed"})
        )
    client.force_login(story.ines)
    assert said(client, first) == []


def test_it_costs_the_same_for_any_number_of_items(story: Told, two: tuple[Case, Case]) -> None:
    first, _ = two
    now = timezone.now()
    for at in range(30):
        Item.objects.create(case=first, position=50 + at, kind="use", ref=uuid4(), title="x")

    def cost(items: Any) -> int:
        with CaptureQueriesContext(connection) as seen:
            beside.of(items, story.rita, now=now)
        return len(seen)

    every = list(first.items.order_by("position"))
    cost(every)  # who somebody is, is asked for once
    assert (cost(every[:2]), cost(every), cost([])) == (2, 2, 0)
    # Where nothing else is asked about the same, nobody's sight is asked either.
    Item.objects.filter(case=two[1]).delete()
    assert (cost(every[:2]), cost(every)) == (1, 1)


def test_two_of_one_page_are_compared_without_being_read_again(
    story: Told, two: tuple[Case, Case]
) -> None:
    now = timezone.now()
    items = list(Item.objects.filter(kind="credential").select_related("case"))
    with CaptureQueriesContext(connection) as seen:
        found = beside.of(items, story.rita, now=now)
    said = {one.case.key: found[one.pk]["case"] for one in items}
    assert said == {two[0].key: two[1].key, two[1].key: two[0].key}
    assert len(seen) == 1


def test_recommendation_says_up_to_when_its_evidence_was_known(story: Told, client: Client) -> None:
    now = timezone.now()
    case = actions.open_review(
        identity=story.identity, by=story.rita, now=now - 2 * DAY, reason="yearly"
    )
    client.force_login(story.ines)
    item = item_of(case, "delegation")
    page = client.get(f"/cases/{case.key}/?item={item.pk}").content.decode()
    head = page.partition('id="reasons-title"')[2].partition("</header>")[0]
    assert f"{now - 2 * DAY:%Y-%m-%dT%H:%M}" in head
    assert "alone; you decide" in head
