"""Each number of a campaign leads to the rows under it: as many, paged, as files, over the API."""

import csv
import io
import json
import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from identities.models import Identity, User
from reviews import actions
from reviews.campaigns import launching, progress
from reviews.models import Campaign, CampaignIdentity, Case, CaseMember, Item

from . import crowd
from .conftest import NOW, make_user, party, person_of
from .test_campaign_pages import as_user, rita, run, text
from .test_campaigns import prepared

__all__ = ["rita"]
pytestmark = pytest.mark.django_db
LINK = re.compile(
    r'<a (?:class="[^"]*" )?href="(/campaigns/CMP-\d+/(?:identities|reviews|items)/[^"]*)">([^<]*)</a>'
)


@pytest.fixture
def olga(db: None) -> User:
    return make_user("olga", "owner")


@pytest.fixture
def campaign(rita: User, olga: User) -> Campaign:
    """Three identities, fifteen items: one decided by both, one in conflict, one answered once."""
    now = timezone.now()
    sam = make_user("sam", "owner")
    owners = [party(olga), party(sam)]
    crowd.identities(3, owners=owners[:1], of=crowd.services(1, owners), now=now)
    Identity.objects.create(name="idle", kind="agent", mode="ask", owner=owners[0], created_at=now)
    made = prepared(rita)
    launching.launch(campaign=made, by=rita, now=now, reason="go")
    Identity.objects.filter(name="idle").update(state="retired")
    run(made)
    case = made.cases.order_by("number").first()
    assert case is not None
    answers: list[tuple[int, str, User, str]] = [
        (0, "identity_owner", olga, "keep"),
        (0, "ai_owner", sam, "keep"),
        (1, "identity_owner", olga, "keep"),
        (1, "ai_owner", sam, "revoke"),
        (2, "identity_owner", olga, "keep"),
    ]
    for position, seat, user, answer in answers:
        case.refresh_from_db()
        actions.decide(
            case=case,
            item=case.items.order_by("position")[position],
            seat=case.seats.get(kind=seat),
            answer=answer,
            reason="because",
            by=user,
            now=now,
            version=case.version,
        )
    progress.count(made, now=now)
    return made


def body(client: Client, url: str, **more: Any) -> str:
    response: Any = client.get(url, **more)
    assert response.status_code == 200, (url, response.status_code)
    return b"".join(response.streaming_content).decode()


def as_json(url: str) -> str:
    path, _, query = url.partition("?")
    return f"{path[:-1]}.json?{query.replace('&amp;', '&')}"


def test_every_number_of_the_page_leads_to_as_many_rows(campaign: Campaign, rita: User) -> None:
    client = as_user(rita)
    page = text(client, f"/campaigns/{campaign.key}/")
    links = LINK.findall(page)
    assert len({url for url, _ in links}) > 20
    for url, words in links:
        (number,) = re.findall(r"\d+", words.split(" of ")[0])
        rows = json.loads(body(client, as_json(url)))
        assert len(rows) == int(number), (url, words)
        shown = text(client, url.replace("&amp;", "&"))
        assert shown.count("<tr>") == len(rows) + bool(rows), url


def test_each_person_stands_in_one_row_after_answering(campaign: Campaign, olga: User) -> None:
    parts = progress.read(campaign).parts
    mine = [one for one in parts if one.person == person_of(olga).pk]
    assert [(one.seat, one.answered, one.items) for one in mine] == [("identity_owner", 3, 15)]
    assert len(parts) == 2


@pytest.mark.parametrize("what", ["identities", "reviews", "items"])
def test_csv_json_and_api_hold_the_same_rows(campaign: Campaign, rita: User, what: str) -> None:
    client = as_user(rita)
    rows = json.loads(body(client, f"/campaigns/{campaign.key}/{what}.json"))
    table = csv.DictReader(io.StringIO(body(client, f"/campaigns/{campaign.key}/{what}.csv")))
    assert [{k: "" if v is None else str(v) for k, v in row.items()} for row in rows] == [*table]
    assert json.loads(body(client, f"/api/campaigns/{campaign.key}/{what}/")) == rows
    assert len(rows) == {"identities": 4, "reviews": 3, "items": 15}[what]


def test_population_says_who_was_not_asked_and_outcomes(campaign: Campaign, rita: User) -> None:
    client = as_user(rita)
    rows = json.loads(body(client, f"/campaigns/{campaign.key}/identities.json"))
    assert [(one["identity_name"], one["not_asked"]) for one in rows if not one["case"]] == [
        ("idle", launching.RETIRED)
    ]
    items = json.loads(body(client, f"/campaigns/{campaign.key}/items.json"))
    assert sorted(one["outcome"] for one in items)[-2:] == ["conflict", "keep"]
    assert [one["held"] for one in items if one["outcome"] == "conflict"] == ["revoke"]


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("items/?color=red", "is not narrowed by"),
        ("items.json?color=red", "is not narrowed by"),
        ("items/?outcome=red", "choose one of decided, left, conflict"),
        ("items/?party=red", "give its id, or nobody"),
        ("reviews/?state=red", "choose one of draft, open"),
        ("identities.csv?road=red", "choose one of reviewed"),
    ],
)
def test_what_a_list_does_not_know_is_refused(
    campaign: Campaign, rita: User, address: str, words: str
) -> None:
    client = as_user(rita)
    assert words in text(client, f"/campaigns/{campaign.key}/{address}", status=409)
    what, _, query = address.replace(".json", "/").replace(".csv", "/").partition("/")
    said = client.get(f"/api/campaigns/{campaign.key}/{what}/{query}")
    assert (said.status_code, words in said.json()["detail"]) == (409, True)


def test_owner_sees_no_rows(campaign: Campaign, olga: User) -> None:
    client = as_user(olga)
    for address in ("items/", "items.csv", "identities.json"):
        text(client, f"/campaigns/{campaign.key}/{address}", status=403)
    assert client.get(f"/api/campaigns/{campaign.key}/items/").status_code == 403


def test_sealed_review_is_in_no_list(campaign: Campaign, rita: User) -> None:
    case = campaign.cases.order_by("number").first()
    assert case is not None
    Case.objects.filter(pk=case.pk).update(sealed=True)
    client = as_user(rita)
    for what in ("identities", "reviews", "items"):
        assert f'"{case.key}"' not in body(client, f"/campaigns/{campaign.key}/{what}.json")
        assert f">{case.key}<" not in text(client, f"/campaigns/{campaign.key}/{what}/")
    CaseMember.objects.create(case=case, person=person_of(rita), since=NOW)
    assert f'"{case.key}"' in body(client, f"/campaigns/{campaign.key}/reviews.json")


def test_draft_names_the_identities_under_its_numbers(rita: User, olga: User) -> None:
    now = timezone.now()
    made = crowd.identities(3, owners=[party(olga)], of=[], now=now)
    Identity.objects.create(name="idle", kind="agent", mode="ask", created_at=now)
    actions.open_review(identity=made[0], by=rita, now=now, reason="before")
    draft = prepared(rita)
    client = as_user(rita)
    page = text(client, f"/campaigns/{draft.key}/")
    links = LINK.findall(page)
    found = {}
    for url, words in links:
        (number,) = re.findall(r"\d+", words)
        rows = json.loads(body(client, as_json(url)))
        assert len(rows) == int(number), (url, words)
        found[url.rpartition("=")[2]] = [one["identity_name"] for one in rows]
        assert text(client, url).count("<tr>") == len(rows) + 1
    assert found == {
        "opened": ["crowd-00001", "crowd-00002", "idle"],
        "scope": ["crowd-00000", "crowd-00001", "crowd-00002", "idle"],
        "joined": ["crowd-00000"],
    }
    assert not CampaignIdentity.objects.exists()
    assert "only its identities" in text(client, f"/campaigns/{draft.key}/items/", status=409)


@pytest.mark.parametrize("what", ["identities", "reviews", "items", "items?seat=identity_owner"])
def test_lists_ask_the_same_for_one_and_many(rita: User, what: str) -> None:
    client = as_user(rita)

    def queries(count: int) -> int:
        Campaign.objects.update(state="closed")
        owners = crowd.people(count, name=f"of{count}-")
        crowd.identities(count, owners=owners, of=[], name=f"many{count}")
        campaign = prepared(rita, name=str(count))
        launching.launch(campaign=campaign, by=rita, now=timezone.now(), reason="go")
        run(campaign)
        with CaptureQueriesContext(connection) as seen:
            text(
                client,
                f"/campaigns/{campaign.key}/{what}/".replace("?", "/?").rstrip("/")
                if "?" in what
                else f"/campaigns/{campaign.key}/{what}/",
            )
        return len(seen)

    queries(1)
    assert queries(2) == queries(60)
    assert Item.objects.count() > 300
