"""Planted items: which, how many, what the ledger is committed to, when they are disclosed."""

from typing import Any

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from evidence.keys import uuid7
from evidence.models import LedgerEntry
from identities.models import Credential, Delegation, Identity, User
from identities.permissions import NotAllowed, NotPossible
from reviews import actions, planted, standing
from reviews.actions import answers, planted_answers, planting
from reviews.campaigns import launching, steering
from reviews.models import (
    Case,
    Item,
    Notice,
    PlantedItem,
    Planting,
    ReviewPolicy,
    Seat,
)

from . import crowd
from .conftest import HOUR, NOW, party
from .plants import answer, gather, launched, moment, olga, only, plant, prepared, rita

__all__ = ["moment", "olga", "plant", "rita"]
pytestmark = pytest.mark.django_db


# --- which and how many --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("items", "share", "reviews", "many"),
    [
        (19, 5, 9, 0),
        (20, 0, 9, 0),
        (20, 1, 9, 1),
        (20, 5, 9, 1),
        (99, 5, 50, 4),
        (1_000, 5, 200, 50),
        (1_000, 5, 3, 3),
    ],
)
def test_never_more_than_five_in_a_hundred(items: int, share: int, reviews: int, many: int) -> None:
    assert planted.how_many(items, share, reviews) == many
    assert many * 100 <= items * planted.MOST_SHARE


def copied(kind: str, **more: Any) -> planted.Copied:
    said: dict[str, Any] = {
        "title": "Credential AKIA…QP7D" if kind == "credential" else "Delegation DLG-1",
        "note": "standing, 50 d old" if kind == "credential" else "no end is stated",
        "recommendation": "",
        "snapshot": {},
        "keep_bounded": False,
    }
    return planted.Copied(kind, **(said | more))


@pytest.mark.parametrize(
    ("item", "plants"),
    [
        (copied("credential"), ["key_without_purpose"]),
        (copied("credential", keep_bounded=True), []),
        (copied("credential", title="Credential short"), []),
        (copied("credential", snapshot={"findings": ["F-1"]}), []),
        (copied("delegation", snapshot={"evidence": False}), ["delegation_without_purpose"]),
        (copied("delegation", snapshot={"evidence": True}), []),
        (
            copied("delegation", snapshot={"evidence": True}, recommendation="narrow"),
            ["partly_used"],
        ),
        (copied("delegation", snapshot={"evidence": True}, recommendation="keep"), ["wholly_used"]),
        (copied("delegation", recommendation="keep", snapshot={"together": {"used": "yes"}}), []),
        (copied("delegation", note="proposed, not in force; no end is stated"), []),
        (copied("delegation", snapshot={"unseen": ["s3:Get*"] * 50}), []),
        (copied("entitlement"), []),
        (
            copied("entitlement", recommendation="narrow", snapshot={"wider": ["s3:*"]}),
            ["allows_more"],
        ),
        (copied("entitlement", recommendation="keep", snapshot={"wider": []}), ["allows_no_more"]),
        (
            copied(
                "entitlement",
                recommendation="narrow",
                snapshot={"wider": ["s3:*"], "findings": ["F-1"]},
            ),
            [],
        ),
        (copied("entitlement", recommendation="narrow", snapshot={"wider": ["s3:*"] * 50}), []),
        (copied("binding"), []),
    ],
)
def test_what_can_be_planted_of_an_item(item: planted.Copied, plants: list[str]) -> None:
    assert planted.fitting(item) == plants


@pytest.mark.parametrize("name", sorted(planted.PLANTS))
def test_every_plant_has_an_answer_that_its_kind_takes_and_a_reason(name: str) -> None:
    plant = planted.PLANTS[name]
    assert plant.known in answers.OF_KIND[plant.of]
    assert plant.why.endswith(".")


def test_nobody_gets_one_unless_it_is_asked_for(rita: User, olga: User) -> None:
    gather([party(olga)])
    launched(rita, share=0)
    assert (Planting.objects.count(), PlantedItem.objects.count()) == (0, 0)


@pytest.mark.parametrize("share", [-1, 6, 100])
def test_more_is_refused(rita: User, share: int) -> None:
    with pytest.raises(NotPossible, match="At most 5 in 100 items may be planted"):
        prepared(rita, share=share)
    with pytest.raises(IntegrityError, match="planting_share_is_small"), transaction.atomic():
        Planting.objects.create(campaign=prepared(rita, share=0), share=6)


def test_each_person_gets_theirs_in_their_own_reviews(rita: User) -> None:
    few, some, many = crowd.people(3)
    for owner, count in ((few, 3), (some, 4), (many, 12)):
        crowd.identities(count, owners=[owner], of=[], name=f"of-{count}")
    campaign = launched(rita)
    owners = Seat.objects.filter(case__planted__isnull=False, kind="identity_owner")
    found = owners.values_list("party", flat=True)
    assert sorted(map(str, found)) == sorted(map(str, [some.pk, many.pk, many.pk, many.pk]))
    assert Planting.objects.get(campaign=campaign).items == 4


def test_a_plant_is_a_copy_with_a_key_of_its_own(plant: PlantedItem) -> None:
    real = list(Item.objects.filter(case=plant.case))
    assert plant.copied_from in real
    assert plant.title not in {item.title for item in real}
    assert plant.before in {item.position for item in real}
    assert plant.known == "revoke" == planted.PLANTS[plant.plant].known
    assert "purpose" in plant.note
    assert plant.recommendation == ""
    assert "nothing follows from that" in plant.snapshot["reasons"][0]["words"]


def test_its_delegation_number_is_nobodys(rita: User, olga: User) -> None:
    gather([party(olga)], count=7)
    Credential.objects.update(state="revoked")
    launched(rita)
    row = only()
    assert row.kind == "delegation"
    number = int(row.title.rpartition("-")[2])
    assert not Delegation.objects.filter(number=number).exists()
    assert row.case.identity is not None
    later = Delegation.objects.create(grantee=row.case.identity, slug="later", created_at=NOW)
    later.refresh_from_db()
    assert later.number > number


def test_joined_and_sealed_reviews_have_none(rita: User, olga: User) -> None:
    gather([party(olga)], count=8)
    before = [
        actions.open_review(identity=one, by=rita, now=NOW, reason="x")
        for one in Identity.objects.order_by("name")[:4]
    ]
    launched(rita, now=NOW + HOUR)
    assert only().case not in before


def test_the_database_knows_plants_and_one_for_a_case(plant: PlantedItem) -> None:
    for broken in (
        {"plant": "made_up"},
        {"kind": "binding"},
        {"known": "perhaps"},
        {"pk": None, "id": uuid7()},
    ):
        row = PlantedItem.objects.get(pk=plant.pk)
        for name, value in broken.items():
            setattr(row, name, value)
        with pytest.raises(IntegrityError), transaction.atomic():
            row.save(force_insert="id" in broken)


def test_planting_asks_the_same_of_the_database_for_few_and_many(rita: User) -> None:
    def queries(count: int) -> int:
        Identity.objects.update(state="retired")
        crowd.identities(4 * count, owners=crowd.people(count), of=[], name=f"many{count}")
        campaign = prepared(rita)
        launching.launch(campaign=campaign, by=rita, now=NOW, reason="go")
        while Case.objects.filter(campaign=campaign).count() < 4 * count:
            launching.launch_next(now=NOW)
        with CaptureQueriesContext(connection) as asked, transaction.atomic():
            assert planting.sow(campaign, now=NOW) == count
        return len(asked)

    assert queries(2) == queries(30)


# --- the ledger ----------------------------------------------------------------------------------


def test_ledger_is_committed_before_anybody_is_asked_and_told_afterwards(
    rita: User, olga: User, plant: PlantedItem
) -> None:
    campaign = plant.planting.campaign
    acts = list(LedgerEntry.objects.filter(subject=campaign.key).order_by("id"))
    assert [one.act for one in acts] == [
        "campaign.made",
        "campaign.launched",
        "campaign.planted",
        "campaign.asked",
    ]
    assert "5 in 100 items planted" in acts[1].words
    assert acts[2].data["digest"] == plant.planting.digest
    said = " ".join(one.words + str(one.data) for one in acts)
    assert plant.title not in said
    assert str(plant.pk) not in said
    steering.close(campaign=campaign, by=rita, now=NOW, reason="done")
    assert planting.disclose_next(now=NOW)
    assert not planting.disclose_next(now=NOW)
    told = LedgerEntry.objects.get(act="campaign.planted_disclosed")
    assert planted_answers.digest(told.data["planted"]) == acts[2].data["digest"]


def test_who_answered_what_is_in_no_ledger(plant: PlantedItem, olga: User) -> None:
    answer(plant, olga, "keep")
    row = LedgerEntry.objects.get(act="campaign.planted_answer")
    assert (row.by, list(row.data)) == ("countersign", ["campaign", "withheld"])
    assert "Olga" not in row.words


def test_everybody_is_told_that_there_are_some(plant: PlantedItem) -> None:
    (mail,) = Notice.objects.filter(campaign=plant.planting.campaign_id)
    assert planted.sentence(5) in mail.body
    assert plant.title not in mail.body


# --- disclosing ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "over"),
    [
        ("open", False),
        ("decided", False),
        ("carrying_out", True),
        ("closed", True),
        ("cancelled", True),
    ],
)
def test_disclosed_once_nobody_can_answer_any_more(
    plant: PlantedItem, state: str, over: bool
) -> None:
    Case.objects.filter(pk=plant.case_id).update(state=state)
    assert planting.disclose_next(now=NOW) is over
    assert (only().disclosed_at == NOW) is over


def test_closing_the_campaign_discloses_in_reviews_that_are_still_open(
    plant: PlantedItem, rita: User, olga: User
) -> None:
    steering.close(campaign=plant.planting.campaign, by=rita, now=NOW, reason="done")
    assert planting.disclose_next(now=NOW)
    with pytest.raises(NotAllowed, match="was planted and is disclosed"):
        answer(plant, olga)


def test_nothing_but_its_own_answers_refers_to_what_is_planted() -> None:
    assert {
        (model.__name__, field.name)
        for model in apps.get_models()
        for field in model._meta.get_fields()
        if field.concrete and field.related_model is PlantedItem
    } == {("PlantedAnswer", "item")}


def test_policy_that_bounds_keys_gets_no_key(rita: User, olga: User) -> None:
    gather([party(olga)])
    campaign = prepared(rita)
    ReviewPolicy.objects.update(document={standing.FIELD: 40})
    launching.launch(campaign=campaign, by=rita, now=NOW, reason="go")
    while launching.launch_next(now=NOW):
        pass
    assert only().kind == "delegation"
