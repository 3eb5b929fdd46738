"""Whoever answers from data meets what is planted like every other item: the same rows, the same
members, the same answers to the same requests."""

import json
from datetime import datetime
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from identities.models import User
from reviews import digest
from reviews.models import Case, Comment, Decision, Item, PlantedAnswer, PlantedItem
from reviews.pages import waiting
from tests.signed_in import sure

from .conftest import make_user
from .plants import olga, plant, rita

__all__ = ["olga", "plant", "rita"]
pytestmark = pytest.mark.django_db
KIND = "application/json"


@pytest.fixture
def moment() -> datetime:
    """Data is read at its own time."""
    return timezone.now().replace(microsecond=0)


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    sure(client)
    return client


def rows(client: Client, url: str) -> list[dict[str, Any]]:
    response: Any = client.get(url)
    found: list[dict[str, Any]] = json.loads(b"".join(response.streaming_content))
    return found


def shape(value: Any) -> Any:
    """Which members there are, and of which kind, without what they say."""
    if isinstance(value, dict):
        return {name: shape(one) for name, one in value.items()}
    return type(value).__name__


def test_page_and_files_have_as_many(plant: PlantedItem, olga: User) -> None:
    client = signed_in(olga)
    page = client.get("/queue/?show=items").context
    found = rows(client, "/queue.json?show=items")
    assert [one["item"] for one in found] == [one["item"] for one in page["waits"]]
    assert len(found) == page["page"]["total"] == Item.objects.count() + 1
    cases = rows(client, "/queue.json")
    left = {one["key"]: one["items_left"] for one in client.get("/queue/").context["waits"]}
    assert {one["case"]: one["items_left"] for one in cases} == left
    assert sum(left.values()) == len(found)
    found_for = waiting.for_user(User.objects.get(pk=olga.pk), now=timezone.now())
    mail = digest.body(found_for, now=timezone.now())
    assert f"{plant.case.key}, access review, 6 items left for you" in mail


def test_its_members_are_those_of_its_model(plant: PlantedItem, olga: User) -> None:
    client = signed_in(olga)
    by_item = {one["item"]: one for one in rows(client, "/queue.json?show=items")}
    case = client.get(f"/api/cases/{plant.case.key}/").json()
    in_case = {one["id"]: one for one in case["items"]}
    like = str(plant.copied_from_id)
    for found in (by_item, in_case):
        made, real = found[str(plant.pk)], found[like]
        changed = {"last_used_at", "snapshot", "weighed", "usage", "reasons"}
        assert [*made] == [*real]
        assert {name: shape(one) for name, one in made.items() if name not in changed} == {
            name: shape(one) for name, one in real.items() if name not in changed
        }
    assert case == client.get(f"/cases/{plant.case.key}.json").json()
    assert len(case["items"]) == 6


def test_somebody_else_reads_none(plant: PlantedItem, rita: User) -> None:
    for user in (rita, make_user("otto", "auditor")):
        case = signed_in(user).get(f"/api/cases/{plant.case.key}/").json()
        assert str(plant.pk) not in [one["id"] for one in case["items"]]


def test_answered_by_a_script_like_a_real_one(plant: PlantedItem, olga: User) -> None:
    client, here = Client(), f"/api/cases/{plant.case.key}/"
    client.force_login(olga)
    sure(client)
    seat = plant.case.seats.get(kind="identity_owner").pk
    said: dict[str, dict[str, Any]] = {}
    for item in (plant.pk, plant.copied_from_id):
        version = Case.objects.get(pk=plant.case_id).version
        body = {
            "item": str(item),
            "seat": str(seat),
            "version": version,
            "answer": "keep",
            "reason": "it is needed",
        }
        response = client.post(f"{here}decide/", body, KIND)
        assert response.status_code == 201, response.json()
        said[str(item)] = response.json()
        breaks = client.get(f"{here}breaks/?item={item}")
        comment = {"text": "why?", "item": str(item)}
        noted = client.post(f"{here}comments/", comment, KIND)
        assert (breaks.status_code, noted.status_code) == (200, 201)
    made, real = said.values()
    assert [*made] == [*real]
    assert (PlantedAnswer.objects.get().answer, Decision.objects.get().answer) == ("keep", "keep")
    assert list(Comment.objects.values_list("item", flat=True).order_by("pk")) == [
        None,
        plant.copied_from_id,
    ]
