"""What a system allows, planted: a made-up user of the same system, met like a real one."""

import pytest
from django.test import Client
from django.utils import timezone

from identities.models import Credential, DelegationVersion, Entitlement, Revocation, User
from reviews.models import Case, Item, PlantedItem

from . import crowd
from .conftest import HOUR, NOW, party
from .plants import answer, launched, olga, only, rita

__all__ = ["olga", "rita"]
pytestmark = pytest.mark.django_db


@pytest.fixture
def allowed(rita: User, olga: User) -> PlantedItem:
    """Olga's identities have a reading each that allows more than was delegated; they have no keys,
    and their delegations are longer than what is planted."""
    crowd.identities(7, owners=[party(olga)], of=[])
    Credential.objects.update(state="revoked")
    DelegationVersion.objects.update(actions=[f"s3:Get{number}" for number in range(60)])
    launched(rita)
    return only()


def test_it_is_a_copy_with_a_name_of_its_own(allowed: PlantedItem) -> None:
    real = Item.objects.get(pk=allowed.copied_from_id)
    assert (allowed.kind, allowed.plant, allowed.known) == ("entitlement", "allows_more", "narrow")
    assert allowed.title.startswith(f"{real.title}-")
    assert allowed.title not in set(Item.objects.values_list("title", flat=True))
    name = allowed.title.rpartition(" ")[2]
    assert not Entitlement.objects.filter(principal__endswith=f"/{name}").exists()
    assert allowed.recommendation == real.recommendation == "narrow"
    assert allowed.snapshot == real.snapshot


def test_narrowing_it_changes_nothing_anywhere(allowed: PlantedItem, olga: User) -> None:
    given = answer(allowed, olga, "narrow")
    assert (given.answer, given.proposal) == ("narrow", {})
    assert not Revocation.objects.exists()
    assert allowed.answers.get().answer == "narrow"


def test_page_and_data_draw_it_like_the_real_one(
    allowed: PlantedItem, olga: User, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timezone, "now", lambda: NOW + HOUR)
    client.force_login(olga)
    case = Case.objects.get(pk=allowed.case_id)
    pages = [
        client.get(f"/cases/{case.key}/?item={pk}").context
        for pk in (allowed.pk, allowed.copied_from_id)
    ]
    planted, real = pages
    assert set(planted["item"]) == set(real["item"])
    same = ("dry_runs", "options", "left", "plan_fields", "seat_words")
    named = real["item"]["title"].rpartition(" ")[2], allowed.title.rpartition(" ")[2]
    for name in same:
        mine, theirs = planted["decision"][name], real["decision"][name]
        assert str(mine).replace(*reversed(named)) == str(theirs), name
    data = client.get(f"/api/cases/{case.key}/").json()["items"]
    rows = [one for one in data if one["kind"] == "entitlement"]
    assert len(rows) == 2
    assert rows[0]["reasons"] == rows[1]["reasons"]
    assert rows[0]["weighed"] == rows[1]["weighed"]
