"""Planted items on pages, by plain forms: asked for, said beforehand, answered, disclosed."""

import re
from datetime import datetime
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from evidence.models import LedgerEntry, Source
from identities.models import Finding, Identity, Membership, Service, Team, User
from reviews import planted
from reviews.actions import planting, policy_versions
from reviews.campaigns import launching, steering
from reviews.models import (
    Campaign,
    Case,
    Comment,
    Decision,
    Notice,
    Pinned,
    PlantedAnswer,
    PlantedItem,
    Planting,
)
from tests.signed_in import by_hand, sure

from .conftest import DAY, Told, item_of, make_user, party, person_of
from .plants import gather, launched, olga, only, plant, prepared, rita
from .test_api import token
from .test_pages import PASSWORD, answered, as_user, now_story, open_case

__all__ = ["answered", "as_user", "now_story", "olga", "open_case", "plant", "rita"]
pytestmark = pytest.mark.django_db
SignIn = Any


@pytest.fixture
def moment() -> datetime:
    """Pages ask what time it is."""
    return timezone.now().replace(microsecond=0)


def text(client: Client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == 200, (response.status_code, url)
    return response.content.decode()


def form(row: PlantedItem, answer: str, **more: Any) -> dict[str, Any]:
    case = Case.objects.get(pk=row.case_id)
    seat = case.seats.get(kind="identity_owner")
    said = {"item": row.pk, "seat": seat.pk, "version": case.version, "answer": answer}
    return said | {"reason": "because"} | more


def sign(client: Client, row: PlantedItem, answer: str) -> Any:
    """The answer by the case's form, with the password where it asks for it."""
    response = client.post(f"/cases/{row.case.key}/decide/", form(row, answer))
    if "/reauthenticate/" in response["Location"]:
        response = client.post(response["Location"], {"password": PASSWORD})
    return response


def close(row: PlantedItem, rita: User) -> None:
    now = timezone.now()
    steering.close(campaign=row.planting.campaign, by=rita, now=now, reason="over")
    while planting.disclose_next(now=now):
        pass


def test_campaign_asks_for_them_and_says_so_before_anybody_is_asked(
    rita: User, olga: User, as_user: SignIn
) -> None:
    gather([party(olga)], now=timezone.now())
    client = as_user(rita)
    policy = policy_versions.in_force(now=timezone.now())
    said = {"name": "Yearly", "policy": policy.pk, "reason": "x", "planted": "3"}
    response = client.post("/campaigns/new/", said)
    page = text(client, response["Location"])
    assert planted.sentence(3) in page
    assert "3 in 100, once all are open" in page
    campaign = Campaign.objects.get()
    client.post(f"/campaigns/{campaign.key}/launch/", {"reason": "go"})
    while launching.launch_next(now=timezone.now()):
        pass
    assert "1 planted, 0 disclosed" in text(client, response["Location"])
    assert "3 in 100 items planted" in LedgerEntry.objects.get(act="campaign.launched").words


def test_form_offers_none_and_at_most_five(rita: User, as_user: SignIn) -> None:
    page = text(as_user(rita), "/campaigns/new/")
    chosen = page.split('name="planted"', 1)[1].split("</select>", 1)[0]
    assert re.findall(r'value="(\d*)"( selected)?', chosen) == [
        ("", " selected"),
        *((str(share), "") for share in range(1, 6)),
    ]
    policy = policy_versions.in_force(now=timezone.now())
    said = {"name": "Yearly", "policy": policy.pk, "reason": "x", "planted": "6"}
    assert as_user(rita).post("/campaigns/new/", said).status_code == 400


def test_scripts_ask_for_them_and_are_never_told_which(rita: User, olga: User) -> None:
    gather([party(olga)], now=timezone.now())
    policy_versions.in_force(now=timezone.now())
    headers = token(rita, "read", "act")
    body = {"name": "Yearly", "policy": "access review", "reason": "x", "planted": 6}
    kind = "application/json"
    client = Client()
    assert client.post("/api/campaigns/", body, kind, headers=headers).status_code == 400
    made = client.post("/api/campaigns/", body | {"planted": 2}, kind, headers=headers).json()
    assert made["planted"] == {"share": 2, "items": None}
    url = f"/api/campaigns/{made['campaign']}/"
    client.post(f"{url}launch/", {"reason": "go"}, kind, headers=headers)
    while launching.launch_next(now=timezone.now()):
        pass
    said = client.get(url, headers=headers)
    assert said.json()["planted"] == {"share": 2, "items": 1}
    row = only()
    assert row.title not in said.content.decode()
    refused = client.post(
        f"/api/cases/{row.case.key}/decide/",
        {key: str(value) for key, value in form(row, "keep").items()},
        kind,
        headers=by_hand(make_user("olga2", "reviewer")),
    )
    # As for a real item: the seat is somebody else's.
    assert refused.status_code == 403


def test_queue_and_case_say_that_there_are_some_and_not_which(
    plant: PlantedItem, olga: User, as_user: SignIn
) -> None:
    client = as_user(olga)
    queue = text(client, "/queue/")
    assert f"{plant.planting.campaign.key} Yearly contains planted items" in queue
    page = text(client, f"/cases/{plant.case.key}/?item={plant.pk}")
    assert "Its campaign contains planted items" in page
    assert f"Evidence for {plant.title}" in page.replace("\n", "")
    assert re.search(r"Item \d of 6", page)
    assert "planted" not in page.split('id="case_item"', 1)[1]


def test_answered_by_a_plain_form_and_taken_back(
    plant: PlantedItem, olga: User, as_user: SignIn
) -> None:
    client, here = sure(as_user(olga)), f"/cases/{plant.case.key}/"
    response = client.post(f"{here}decide/", form(plant, "keep"))
    assert response["Location"] == here
    page = text(client, here)
    assert f"{here}undo/?item={plant.pk}" in page
    assert "1 of 6" in page
    assert client.post(f"{here}undo/?item={plant.pk}").status_code == 302
    assert not PlantedAnswer.objects.filter(superseded_at=None).exists()
    again = client.post(f"{here}decide/", form(plant, "keep", reason=""))
    assert again.status_code == 400
    assert "Say why: other reviewers read it." in again.content.decode()


def test_revoking_one_asks_who_you_are_and_stops_nothing(
    plant: PlantedItem, olga: User, as_user: SignIn
) -> None:
    client = as_user(olga, confirmed=False)
    asked = client.post(f"/cases/{plant.case.key}/decide/", form(plant, "revoke"))
    assert asked["Location"].split("?")[0] == "/accounts/reauthenticate/"
    assert not PlantedAnswer.objects.exists()
    sign(client, plant, "revoke")
    assert PlantedAnswer.objects.get().answer == "revoke"
    assert Case.objects.get(pk=plant.case_id).version == plant.case.version


@pytest.fixture
def used(now_story: Told, open_case: Case) -> PlantedItem:
    """A copy of what the story's delegation was used for, with fresh evidence under it."""
    now = timezone.now()
    Source.objects.update(watermark=now, completeness="declared")
    Finding.objects.update(state="expected")
    Identity.objects.update(criticality="low")
    Service.objects.update(criticality="low")
    campaign = prepared(now_story.rita, now=now)
    Case.objects.update(campaign=campaign)
    item = item_of(open_case, "delegation")
    return PlantedItem.objects.create(
        planting=Planting.objects.get(campaign=campaign),
        case=open_case,
        copied_from=item,
        plant="wholly_used",
        before=item.position,
        kind="delegation",
        title="Delegation DLG-900",
        note=item.note,
        proposal={"actions": ["s3:GetObject"], "resources": ["invoices/*"]},
        recommendation="keep",
        recommendation_reason="each of its actions was seen",
        snapshot={"actions": 1, "seen": 1, "unseen": [], "evidence": True},
        known="keep",
    )


def test_kept_in_bulk_like_every_other(used: PlantedItem, now_story: Told, as_user: SignIn) -> None:
    client = sure(as_user(now_story.ines))
    pick = f"{used.pk}.{used.case.version}"
    assert f'value="{pick}"' in text(client, "/queue/?show=items")
    page = client.post("/queue/keep/", {"pick": pick, "reason": "all used"}).content.decode()
    assert "1 of 1 kept" in page
    assert (PlantedAnswer.objects.get().answer, Decision.objects.count()) == ("keep", 0)
    assert pick not in text(client, "/queue/?show=items")
    undone = client.post("/queue/undo/", {"item": str(used.pk)}).content.decode()
    assert "1 of 1 taken back" in undone


def test_what_is_beside_it_is_what_evidence_says_of_its_actions(
    used: PlantedItem, now_story: Told, as_user: SignIn
) -> None:
    client, here = as_user(now_story.ines), f"/cases/{used.case.key}/"
    page = text(client, f"{here}?item={used.pk}")
    beside = page.split('id="case_item"', 1)[1]
    seen = f"/events/?identity={now_story.identity.key}&amp;action=s3%3AGetObject"
    assert beside.count(seen) == 2
    assert len(set(re.findall(r'href="/events/(\d+-\d+)/', beside))) == 5
    assert "Last used" in beside
    tried = client.post(
        f"{here}left/", {"item": str(used.pk), "proposal": "s3:DeleteObject on invoices/*"}
    ).content.decode()
    assert "goes beyond it: DLG-900 has s3:GetObject" in tried


def test_comment_and_pin_on_one_are_the_cases(
    plant: PlantedItem, olga: User, as_user: SignIn
) -> None:
    client, here = as_user(olga), f"/cases/{plant.case.key}/"
    said = {"comment": "who uses it?", "item": plant.pk, "about": "item"}
    assert client.post(f"{here}comment/", said)["Location"].startswith(f"{here}?item={plant.pk}")
    assert Comment.objects.get().item is None
    assert client.post(f"{here}pin/", {"event": "1-1", "item": plant.pk}).status_code in (302, 409)
    assert not Pinned.objects.filter(item__isnull=False).exists()


@pytest.mark.parametrize("answer", ["keep", "revoke"])
def test_disclosed_to_the_one_who_answered(
    plant: PlantedItem, olga: User, rita: User, as_user: SignIn, answer: str
) -> None:
    client, here = as_user(olga), f"/cases/{plant.case.key}/"
    sign(client, plant, answer)
    assert "Planted items" not in text(client, "/deciding/")
    close(plant, rita)
    for page in (text(client, here), text(client, "/deciding/")):
        assert plant.title in page
        assert planted.PLANTS[plant.plant].why in page
        assert (">the same<" in page) is (answer == "revoke")
    assert f"{int(answer == 'revoke')} of 1" in text(client, "/deciding/")
    other = as_user(rita)
    assert plant.title not in text(other, here) + text(other, "/deciding/")
    gone = client.post(f"{here}decide/", form(plant, "keep"))
    assert gone.status_code == 404


def test_teams_and_campaigns_have_sums_over_five_people(
    plant: PlantedItem, olga: User, rita: User, as_user: SignIn
) -> None:
    team = Team.objects.create(name="Platform")
    seat = plant.case.seats.get(kind="identity_owner")
    now = timezone.now()
    people = [make_user(f"user{number}", "owner") for number in range(5)]
    close(plant, rita)
    client, here = as_user(rita), f"/campaigns/{plant.planting.campaign.key}/"
    for many, user in enumerate(people, start=1):
        Membership.objects.create(
            team=team, person=person_of(user), during=(now - DAY, None), recorded_at=now
        )
        seat = seat if many == 1 else _another(seat, many)
        PlantedAnswer.objects.create(
            item=plant,
            seat=seat,
            answer="keep" if many == 1 else "revoke",
            reason="x",
            by=user,
            person=person_of(user),
            at=now,
            not_before=now,
        )
        shown = "Planted items of teams" in text(client, "/deciding/")
        sums = "answered as known 4 of 5; it informs only" in text(client, here)
        assert (shown, sums) == (many == 5, many == 5)
    assert "figures once 5 people" not in text(client, here)


def _another(seat: Any, place: int) -> Any:
    seat.pk, seat.place, seat._state.adding = None, place, True
    seat.id = None
    seat.save()
    return seat


@pytest.mark.parametrize("show", ["", "items"])
def test_queue_asks_the_same_of_the_database_for_one_and_many(
    rita: User, as_user: SignIn, show: str
) -> None:
    def queries(count: int) -> int:
        user = make_user(f"of{count}", "owner")
        Identity.objects.update(state="retired")
        gather([party(user)], count=count, name=f"of{count}", now=timezone.now())
        launched(rita, now=timezone.now())
        client = as_user(user)
        with CaptureQueriesContext(connection) as asked:
            page = text(client, f"/queue/?show={show}")
        assert "contains planted items" in page
        return len(asked)

    assert queries(4) == queries(40)
    assert PlantedItem.objects.count() == 11


def test_campaign_in_which_nothing_fits_does_not_say_that_it_contains_some(
    rita: User, olga: User, as_user: SignIn
) -> None:
    # Of fewer than twenty items one would be too large a part.
    gather([party(olga)], count=3, now=timezone.now())
    campaign = launched(rita, now=timezone.now())
    assert Planting.objects.get().items == 0
    said = text(as_user(rita), f"/campaigns/{campaign.key}/")
    assert "nothing is planted" in said
    here = f"/cases/{Case.objects.filter(campaign=campaign).earliest('number').key}/"
    for page in (said, text(as_user(olga), "/queue/"), text(as_user(olga), here)):
        assert "contains planted items" not in page
    assert planted.sentence(5) not in "".join(Notice.objects.values_list("body", flat=True))
