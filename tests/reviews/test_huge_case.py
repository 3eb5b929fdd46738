"""A case of a thousand items: groups by what is recommended, one of them open at one page."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from reviews.models import Case, Decision, Item, Seat
from reviews.pages import case_items

from .conftest import Told, party, person_of
from .queues import fill

pytestmark = pytest.mark.django_db


def huge(story: Told, many: int) -> Case:
    (case,) = fill(1, owners=[party(story.ines)], now=timezone.now(), items=many, first=many)
    rows = list(case.items.order_by("position"))
    for at, row in enumerate(rows):
        row.recommendation = ("keep", "keep", "revoke", "")[at % 4]
        row.kind, row.ref = "step", None
    Item.objects.bulk_update(rows, ["recommendation", "kind", "ref"])
    return case


def shown(client: Client, case: Case, asked: str = "") -> Any:
    found = client.get(f"/cases/{case.key}/{asked}")
    assert found.status_code == 200, found.content[-3000:]
    return found.context


def groups(context: Any) -> list[tuple[str, int, int, int]]:
    return [
        (one["words"], one["n"], one["left"], len(one["rows"])) for one in context["item_groups"]
    ]


def test_few_items_stand_in_one_table(story: Told, client: Client) -> None:
    client.force_login(story.ines)
    found = shown(client, huge(story, case_items.FEW))
    assert [one["url"] for one in found["item_groups"] if "url" in one] == []
    assert len(found["items"]) == case_items.FEW


def test_many_are_grouped_and_one_page_of_one_group_is_open(story: Told, client: Client) -> None:
    client.force_login(story.ines)
    case = huge(story, 400)
    seat = Seat.objects.get(case=case)
    first = case.items.filter(recommendation="revoke").earliest("position")
    now = timezone.now()
    Decision.objects.create(
        item=first, seat=seat, answer="keep", reason="x", by=story.ines, at=now, not_before=now,
        person=person_of(story.ines),
    )  # fmt: skip
    # The first item that waits is recommended to be kept.
    assert groups(shown(client, case)) == [
        ("revoke", 100, 99, 0),
        ("no recommendation", 100, 100, 0),
        ("keep", 200, 200, 50),
    ]
    found = shown(client, case, "?group=none&page=2")
    assert groups(found)[1] == ("no recommendation", 100, 100, 50)
    (page,) = [one["page"] for one in found["item_groups"] if one["page"]]
    assert (page["first"], page["last"], page["prev_url"], page["next_url"]) == (
        51,
        100,
        "?group=none&page=1",
        "",
    )
    # The open item is among the rows that are shown.
    assert [row["title"] for row in found["items"] if row["on"]] == [found["item"]["title"]]


def test_an_item_is_shown_on_its_page(story: Told, client: Client) -> None:
    client.force_login(story.ines)
    case = huge(story, 400)
    last = case.items.filter(recommendation="keep").latest("position")
    found = shown(client, case, f"?item={last.pk}")
    assert [row["id"] for row in found["items"] if row["on"]] == [str(last.pk)]
    assert groups(found)[2] == ("keep", 200, 200, 50)


@pytest.mark.parametrize("asked", ["?group=nope", "?group=keep&page=²", "?group=keep&page=999"])
def test_an_address_of_nothing_shows_the_case(story: Told, client: Client, asked: str) -> None:
    client.force_login(story.ines)
    assert len(shown(client, huge(story, 100), asked)["items"]) > 0


def test_a_thousand_items_are_no_longer_a_page_than_two_hundred(
    story: Told, client: Client
) -> None:
    client.force_login(story.ines)
    sizes, asked = [], []
    for many in (200, 1_000):
        case = huge(story, many)
        client.get(f"/cases/{case.key}/")
        with CaptureQueriesContext(connection) as queries:
            page = client.get(f"/cases/{case.key}/").content
        sizes.append(len(page))
        asked.append(len(queries))
    assert asked[0] == asked[1]
    assert abs(sizes[1] - sizes[0]) < 2_000
    assert sizes[1] < 250_000
